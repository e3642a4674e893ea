/* Policies over many draws of node parameters: is an order of policies a property of the scenario or of one draw? */
#ifndef HANDOFF_ORCHESTRATOR_RUN_EVALUATE_DRAWS_H
#define HANDOFF_ORCHESTRATOR_RUN_EVALUATE_DRAWS_H

#include "core/base/diag.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/policy/catalog/policy_names.h"
#include "orchestrator/run/trained_run.h"

/* All borrowed. */
struct evaluate_draws_options {
    const struct full_scenario *full;
    struct policy_names *policies;
    uint32_t draws;                     /* worlds of the seeds seed, seed + 1, ... */
    struct trained_run_options trained; /* the run whose weights those policies have that take any */
};

/* The results of one policy, over all draws. */
struct evaluate_draws_line {
    double cost_sum, cost_square_sum; /* of the draws' mean costs */
    double latency_sum, energy_sum;
    uint64_t tasks, done, misses, local, full, interior; /* done: finished, of the tasks */
    uint32_t layers, min_split;
    bool never_learned; /* it has the weights that its training began with */
};

/* Each policy over evaluation.test_episodes x test_slots of each world. Those that are not made for the scenario are told
 * on stderr and leave the list before anybody plays; ret_line[policies->count] is of those that stay. -EINTR: a signal
 * came. */
int evaluate_draws(const struct evaluate_draws_options *options, struct evaluate_draws_line *ret_line,
                   struct diag *diag);

#endif
