/* The best splits for the rest of an episode, where a device's split moves by bounded steps (model.split_step): dynamic
 * programming (Bellman, 1957) backwards from the episode's last slot. With c(s) the cost of a slot after split s
 *
 *   J_0(p) = 0,   J_r(p) = min over s reachable from p of  c(s) + J_(r-1)(s)
 *
 * c does not change within an episode: the channel's condition is drawn once, and the objective counts the split and its
 * quality alone (objective.reward shaped or paper). A server is taken to cover the device until the end. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SPLIT_HORIZON_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SPLIT_HORIZON_H

#include "core/base/diag.h"
#include "core/model/env.h"

struct split_horizon {
    uint32_t count; /* splits from the first to the last that the device may ever be given */
    uint32_t first;
    double *cost;           /* [count] c, owned with the next two */
    double *worth, *before; /* [count] J_r, J_(r-1) */
};

/* ERR_UNSUPPORTED with a sentence where that is not exact: several devices, another objective, a channel whose condition
 * follows the radio. -ENOMEM. */
int split_horizon_init(struct split_horizon *ret_horizon, const struct world *world, struct diag *diag);
void split_horizon_finish(struct split_horizon *horizon);

/* The split for device 0 in the view's slot, at `server`, with `slots` left, this one among them; the lowest of
 * equals. */
uint32_t split_horizon_best(struct split_horizon *horizon, const struct env_view *view, uint32_t server,
                            uint64_t slots);

/* Slots that an episode of the view's phase has left, the view's among them; at least 1. */
uint64_t split_horizon_slots(const struct env_view *view);

#endif
