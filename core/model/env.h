/* The environment: the only place that turns observations into a state vector, continuous actions into valid
 * decisions (A14), decisions into shares (A5, A10), and outcomes into a reward (A15). */
#ifndef HANDOFF_CORE_MODEL_ENV_H
#define HANDOFF_CORE_MODEL_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/device_slot.h"
#include "core/model/reservations.h"
#include "core/model/world.h"

#define ENV_LOCAL UINT32_MAX /* "no server": the task stays on the device */

/* What the orchestrator knows of all devices in one slot. Arrays are owned by the view
 * (env_view_init/finish). */
struct env_view {
    const struct world *world; /* borrowed */
    struct slot_id id;
    bool *present;           /* [N] observed in this slot; a lost device is not */
    struct vec2 *position;   /* [N] m */
    double *speed_mps;       /* [N] */
    uint32_t *tokens;        /* [N]; 0: it has no task in this slot */
    uint32_t *task_class;    /* [N] of whole tasks (classes.h); 0 */
    double *deadline_s;      /* [N] by when the task is wanted, after it came; 0: any time */
    double start_s;          /* where tasks reserve: the slot's start, seconds of the episode; else 0 */
    double *gain;            /* [N][M] linear */
    bool *covered;           /* [N][M]: in coverage, the channel carries something, and the server is up */
    bool *server_up;         /* [M] */
    uint32_t *previous_load; /* [M] K_m of the slot before, 0 in slot 0 */
    double *channel;         /* [N] condition of its channel (channel.h), to the server of the largest gain */
    uint32_t *split_before;  /* [N] the split after which it last sent something; slot 0: env_splits_drawn */
    /* Queueing mode: what earlier slots have left over. All 0 in mode round. */
    double *processor_s;             /* [N] work on the device's processor */
    double *unsent_bits;             /* [N][M] what the device has still to send to each server */
    double *backlog_s;               /* [M] work at the server, in seconds of the whole of it */
    double *coming_s;                /* [M] the same of tasks that are on their way there */
    const struct reservations *held; /* what tasks hold of servers, where they reserve; borrowed */
};

/* What a policy foresaw of one task; NAN: it does not tell. */
struct env_foreseen {
    double latency_s;
    double in_time; /* chance to be done by the deadline */
    double gain;    /* expected information gain, nats */
};

/* One decision per device. `server` is ENV_LOCAL exactly when split == L. Absent devices: split L, local,
 * shares 0. */
struct env_decision {
    uint32_t *split;         /* [N] s_n */
    uint32_t *server;        /* [N] x_n or ENV_LOCAL */
    bool *repaired;          /* [N] the policy's wish was not possible and was mended */
    double *bandwidth_share; /* [N] of B */
    double *compute_share;   /* [N] of F_m */
    uint32_t *coding;        /* [N] of what is sent (coding.h); 0 where nothing is */
    /* Where tasks reserve (env_reserves) a policy fills the shares itself. */
    double *memory_share; /* [N] of the server's memory */
    bool *refused;        /* [N] the task goes nowhere: server ENV_LOCAL, split L, and nobody computes it */
    struct env_foreseen *foreseen; /* [N] what the policy expected of its decision, where it tells */
};

/* Nothing is foreseen, of all devices. */
void env_decision_foresee_nothing(struct env_decision *decision, uint32_t devices);

int env_view_init(struct env_view *ret_view, const struct world *world);
void env_view_finish(struct env_view *view);
int env_decision_init(struct env_decision *ret_decision, uint32_t devices);
void env_decision_finish(struct env_decision *decision);

/* Starts a slot: no device present, coverage unknown; previous_load, split_before and backlogs stay. Slot 0 sets them
 * to what an episode begins with. */
void env_view_begin(struct env_view *view, struct slot_id id);

/* Enters one device's observation; computes its coverage and its channel's condition. A gain of 0, an outage, covers
 * nothing. */
void env_view_observe(struct env_view *view, uint32_t device, struct vec2 position, double speed_mps,
                      uint32_t tokens, const double *gain);

/* The slot was decided so: split_before becomes the decision's for those that sent something. */
void env_view_decided(struct env_view *view, const struct env_decision *decision);

/* Queueing mode: enters a device's backlog, in the same slot as its observation. */
void env_view_backlog(struct env_view *view, uint32_t device, double processor_s, const double *unsent_bits);

static inline bool env_is_queue(const struct world *world)
{
    return world->scenario.run.mode == MODE_QUEUE;
}

/* Whole tasks reserve parts of servers: a decision names a server and three shares, or refuses. */
static inline bool env_reserves(const struct world *world)
{
    return world->scenario.servers.discipline == DISCIPLINE_RESERVED;
}

/* Is there something to decide for the device? */
static inline bool env_has_task(const struct env_view *view, uint32_t device)
{
    return view->present[device] && view->tokens[device] > 0;
}

/* Length of the state vector: 4N + 2NM + 2M, plus N (tokens) when tasks differ or may be missing, plus 2N +
 * 2M (backlogs) in queueing mode, plus N (conditions) unless channel.mode is reliable, plus N (splits before) with
 * model.split_step. With action.state: split 2N. Where tasks reserve, plus 3M: what is left of each server's compute,
 * band and memory, behind all others; with `classes` plus N(K + 1) behind that: which of the K classes each task is of, and
 * its deadline. */
size_t env_state_size(const struct world *world);
/* Length of a continuous action: 2N; with action.mapping: scores N(1 + M); N more where there are codings to choose. Where tasks reserve
 * 4N: server, compute, band and memory of each. */
size_t env_action_size(const struct world *world);

/* The state vector (docs/model.md), every entry scaled to about [-1, 1] and clipped to [-1.5, 1.5]. Layout:
 * for each device position (2), speed, F_n [, tokens]; then for each device and each of its servers the pair
 * log10 gain, distance; then for each server the pair F_m, previous load. An absent device's entries are 0.
 * Queueing mode: then for each device its processor's and its radio's backlog (seconds, at the rates it would
 * have alone), for each server its backlog and what is coming, all on a scale of ENV_BACKLOG_SLOTS slots. Then for
 * each device its channel's condition, unless all are reliable, and its split before, where splits move.
 *
 * action.state: split: for each device its channel's condition and its split before, nothing else. */
#define ENV_BACKLOG_SLOTS 4.0
void env_state(const struct env_view *view, float *ret_state);

/* What one device sees of the same, with the same scales: position (2), speed, F_n [, tokens]; for each
 * server the pair log10 gain, distance; for each server the pair F_m, previous load. Queueing mode: then its
 * processor's and its radio's backlog, and for each server the pair backlog, coming. An absent device's own
 * entries are 0, the servers' are not. Then its channel's condition and its split before, as above. Length: 4 + 4M, plus
 * 1 with tokens, plus 2 + 2M in queueing mode, plus 1 and 1; the same for all devices. action.state: split: 2. */
size_t env_device_state_size(const struct world *world);
void env_device_state(const struct env_view *view, uint32_t device, float *ret_state);

/* A14: a[2n] chooses the split and a[2n+1] the server, each on equal-width bins of [-1, 1]. Then env_repair.
 * action.mapping: rounding takes the nearest of evenly spaced values instead; with scores a device has 1 + M
 * numbers, the split's and a score for each server, and goes to the covered one with the highest. What the first
 * chooses are env_splits_choices: splits, or moves where splits move. Where there are codings to choose, a device has one
 * number more, behind the others, which chooses as the split's does. */
void env_map_action(const struct env_view *view, const float *action, struct env_decision *ret_decision);

/* Makes any wish (split, server) valid, marks what it had to mend, and clears the shares:
 *
 *   a server that does not cover the device   becomes the covered server with the nearest number (the lower of two)
 *   no server covers it                       local, which is no repair
 *   split below s_min                         becomes s_min
 *   split above S_n                           becomes S_n
 *   split above L                             local
 *   a server's memory exceeded (C8)           local, the highest device numbers first
 *
 * Where splits are bound (env_splits.h) a split becomes the nearest of env_splits_range, and a wish for local its last,
 * at the server of the largest gain.
 *
 * Where tasks reserve, a task goes to a server that covers it or is refused; its shares stay, and env_allocate judges them.
 *
 * `split == L` is local whatever the server, and possible whatever the memory. ENV_LOCAL with a smaller split is a
 * wish for local, and mended. */
void env_repair(const struct env_view *view, struct env_decision *decision);

/* env_repair of a decision that was changed after it: what was mended before stays marked. */
void env_mend(const struct env_view *view, struct env_decision *decision);

/* Fills the shares from split and server (A5, A10, or the scenario's other rules), and ret_load[M] = K_m. Where tasks
 * reserve it refuses those that ask for more than is left of their server (reserve.excess), in order of device. */
void env_allocate(const struct env_view *view, struct env_decision *decision, uint32_t *ret_load);

/* Queueing mode: the part of the band that each device has at each server in this slot, ret_share[N][M]: the
 * band is divided equally (A5) among those that have something to send there, left over or new. ret_load[M]
 * is how many they are, and the shares of new tasks are entered into the decision. */
void env_queue_allocate(const struct env_view *view, struct env_decision *decision, double *ret_share,
                        uint32_t *ret_load);

/* J of a whole decision with its shares, by the model: mean over present devices of cost_task, in device
 * order. This is what the model-knowing policies minimise; equal, bit for bit, to what the cores report in
 * virtual time while every node has its declared speed. 0 when no device is present. */
double env_joint_cost(const struct env_view *view, const struct env_decision *decision);

/* The reward from reported costs: minus their mean in device order over devices with a report (reported[n]);
 * 0 if none. */
double env_reward(const double *cost, const bool *reported, uint32_t devices);

#endif
