/* All tasks of an episode in advance, for whoever may see the world: what each brings, and what it would be worth at a
 * server with a part of it. Draws are functions of seed, phase, episode and slot, so nobody has to play the episode.
 *
 * whole_episode_worth is the one place that says what a part of a server gives a task. Upper bounds count on this:
 *
 *   where a task is worth more than 0, more of a server is never worth less, and nothing less is worth more; more never
 *   holds it longer
 *   there worth is concave in compute and band together
 *
 * The latter holds of 1 / T and of what is the same for all T in time: T is a sum of a / c (compute c), of bits over a rate
 * that is concave in the band, and of constants; such a 1 / T is concave, and {T <= deadline} is convex. A test tries it. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_WHOLE_EPISODE_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_WHOLE_EPISODE_H

#include "core/base/diag.h"
#include "core/model/arrivals.h"
#include "core/model/device_slot.h"
#include "core/model/reservations.h"

struct whole_task {
    uint32_t slot, device;
    uint32_t tokens; /* 0: the device has none in this slot */
    uint32_t task_class;
    double deadline_s;    /* 0: none */
    double answer_tokens; /* that its answer will have */
    double start_s;       /* when it comes, seconds of the episode */
};

struct whole_episode {
    const struct world *world; /* borrowed */
    struct arrivals_walk arrivals;
    enum rng_phase phase;
    uint32_t episode;
    uint32_t tasks;          /* of slots and devices: task s N + n is device n's of slot s */
    uint32_t most;           /* tasks there is room for */
    struct whole_task *task; /* [most], owned as the next */
    double *gain;            /* [most][M]; 0: the server does not cover it */
};

/* Is all known in advance? ERR_UNSUPPORTED with a sentence: tasks do not reserve, something breaks, or transfers have
 * losses or jitter. */
int whole_episode_check(const struct world *world, struct diag *diag);

/* Room for episodes with so many slots, at least 1; none is met yet. ERR_TOO_BIG: more tasks than may reserve in an episode. -ENOMEM. */
int whole_episode_init(struct whole_episode *ret_episode, const struct world *world, uint64_t slots,
                       struct diag *diag);
void whole_episode_finish(struct whole_episode *episode);
/* Meets the tasks of an episode with so many slots. */
void whole_episode_meet(struct whole_episode *whole, enum rng_phase phase, uint32_t episode, uint64_t slots);

/* Minus the cost of the task at the server with these parts, as it really comes out: with the server's true speed and, with
 * objective.reward utility, its answer right or wrong; -INFINITY: it cannot go there. ret_held_s: how long it holds
 * them where they come back (reserve.returns end); a late one is given up at its deadline. */
double whole_episode_worth(const struct whole_episode *whole, uint32_t task, uint32_t server,
                           const double part[static RESERVED_KINDS], double *ret_held_s);

/* The same of full shares, for all tasks and servers: ret_worth[tasks][M]. */
void whole_episode_full(const struct whole_episode *whole, double *ret_worth);

#endif
