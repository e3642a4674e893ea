/* What a server promises a whole task with some full shares, if it has such a pace and such a chance of a right answer. The
 * answer's length is not known: it is lognormal, as its class says, and so is what the server takes for it. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_PROMISE_H
#define HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_PROMISE_H

#include "orchestrator/policy/search/whole_tasks.h"

/* What is taken for true of a server. */
struct promise_server {
    double pace_log, pace_variance; /* logarithm of real seconds over declared ones */
    double chance;                  /* of a right answer */
};

struct promise {
    double latency_s; /* expected, of a task that nobody gives up */
    double in_time;   /* chance to be done by the deadline */
    double held_s;    /* expected, of what it reserves: until its end or its deadline */
    double worth;     /* expected reward (objective.reward) */
};

/* Is a reward that answers earn, so that nothing is what a refused task is worth? With a cost of seconds and joules all would
 * be refused. */
bool promise_may_be_refused(const struct world *world);

struct promise promise_of(const struct env_view *view, uint32_t device, struct whole_choice choice,
                          const struct promise_server *server);

#endif
