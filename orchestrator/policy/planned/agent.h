/* What both ways of active-inference think with: an ensemble, what plans are worth by it, and a planner, as the settings
 * of section `active` say. Splits are planned by active_places.h, whole tasks by active_reserve.h; they describe their world
 * and know how a decision is written. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_AGENT_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_AGENT_H

#include "core/base/diag.h"
#include "core/rl/cross_entropy.h"
#include "core/rl/ensemble.h"
#include "core/rl/free_energy.h"
#include "core/rl/plan_grid.h"
#include "orchestrator/policy/policy.h"

/* Sizes of what is foreseen and of what is chosen. */
struct planned_shape {
    size_t inputs, outputs;
    size_t state; /* floats that a step changes; 0 with a horizon of 1 */
    struct plan_space space;
};

/* Zeroed: made of nothing. Owned by the policy. */
struct planned_agent {
    struct ensemble *ensemble;
    struct free_energy *energy;
    struct cross_entropy *planner; /* one of the two, by active.plan */
    struct plan_grid *grid;
    bool counts_gain;
    /* Of one row that was foreseen. */
    struct ensemble_guess guess;
    float *mean, *spread; /* [outputs] in units: of the members, and scratch */
};

/* ERR_RANGE: sizes that cannot be, or more plans than can be asked of; -ENOMEM; with a text. Finish takes what it left. */
int planned_agent_init(struct planned_agent *ret_agent, const struct policy *policy,
                       const struct planned_shape *shape, struct diag *diag);
void planned_agent_finish(struct planned_agent *agent);

/* The number of a decision: its draws are of its slot and device, whatever was decided before. */
uint64_t planned_number(const struct env_view *view, uint32_t device);

/* Plans decision `number` from `state`, choosing of what is `allowed`; fills ret_plan's arrays. */
void planned_agent_plan(struct planned_agent *agent, const struct free_energy_world *world,
                        const float *state, const uint8_t *allowed, uint64_t number, struct plan *ret_plan);

/* What members foresee of x[inputs]: agent->mean becomes their mean. Seconds are those whose logarithm stands at `seconds`
 * among the outputs; the chance that they are no more than deadline_s (0: none, and it is NAN) is the mean over members'
 * Gaussians, each to 0.01. */
void planned_agent_foresee(struct planned_agent *agent, const float *x, size_t seconds, double deadline_s,
                           struct env_foreseen *ret_foreseen);
/* Nats that the plan would tell, of all its steps, from where the last planned_agent_plan began; NAN: gain is not counted. */
double planned_agent_gain(struct planned_agent *agent, const struct plan *plan);

#endif
