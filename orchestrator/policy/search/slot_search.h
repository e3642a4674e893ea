/* The search for a slot's best joint decision in queueing mode, as core/model/forecast foresees it. Devices in turn
 * move to their best (split, coding, server), and pairs of devices exchange servers, until nothing helps; from all-local and
 * from random starts. Work may have a price, which is added to the cost. `myopic`, `priced` and `dapo-plus` use it. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SLOT_SEARCH_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_SLOT_SEARCH_H

#include "core/model/forecast.h"
#include "orchestrator/policy/policy.h"

struct slot_search;

/* For a whole slot's work. */
struct slot_prices {
    double sent; /* of the server that it is sent to */
    double kept; /* of the device on which it stays */
};

/* -ENOMEM. */
int slot_search_create(struct slot_search **ret_search, const struct world *world,
                       const struct forecast_source *source);
void slot_search_destroy(struct slot_search *search);

void slot_search_run(struct slot_search *search, const struct env_view *view, struct slot_prices prices,
                     struct env_decision *ret_decision);

/* Rows of policies that know the true model; policy->state is the search. */
int slot_search_create_model(struct policy *policy, struct diag *diag);
void slot_search_destroy_model(struct policy *policy);

#endif
