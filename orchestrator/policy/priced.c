/* Priced: as myopic, but sending work to a server has a price, for the waiting it causes to those who come
 * later. */
#include "orchestrator/policy/slot_search.h"

static int create(struct policy *policy, struct diag *diag)
{
    return slot_search_create(policy, policy->world->scenario.priced.price, diag);
}

const struct policy_kind policy_priced = {
    .name = "priced",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_QUEUE,
    .summary = "queueing mode: as myopic, and each offload pays priced.price for the work it sends",
    .source = "price of congestion: Naor, Econometrica 37 (1969) 15-24",
    .create = create,
    .destroy = slot_search_destroy,
    .decide = slot_search_decide,
};
