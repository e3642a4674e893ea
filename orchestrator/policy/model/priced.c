/* Priced: as myopic, but sending work to a server has a price, for the waiting it causes to those who come
 * later. */
#include "orchestrator/policy/model/settings.h"
#include "orchestrator/policy/search/slot_search.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    slot_search_run(policy->state, view,
                    (struct slot_prices){.sent = model_settings_of(policy)->priced.price}, ret_decision);
}

const struct policy_kind policy_priced = {
    .name = "priced",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_QUEUE,
    .summary = "queueing mode: as myopic, and each offload pays priced.price for the work it sends",
    .source = "price of congestion: Naor, Econometrica 37 (1969) 15-24",
    .settings = &model_settings_part,
    .create = slot_search_create_model,
    .destroy = slot_search_destroy_model,
    .decide = decide,
};
