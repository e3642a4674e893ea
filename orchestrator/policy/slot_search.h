/* The search for a slot's best joint decision in queueing mode, as the model foresees it
 * (core/model/outlook): devices in turn move to their best (split, server), pairs of devices exchange
 * servers, until nothing helps; from all-local and from random starts. Each offload may carry a price:
 * `price` x (work sent / the server's slot capacity) is added to the cost. What `myopic` and `priced` have in
 * common. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SLOT_SEARCH_H
#define HANDOFF_ORCHESTRATOR_POLICY_SLOT_SEARCH_H

#include "orchestrator/policy/policy.h"

/* Sets policy->state. */
int slot_search_create(struct policy *policy, double price, struct diag *diag);
void slot_search_destroy(struct policy *policy);
void slot_search_decide(struct policy *policy, const struct env_view *view,
                        struct env_decision *ret_decision);

#endif
