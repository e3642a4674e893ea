/* Myopic: the best joint decision for the slot's own tasks, given what earlier slots have left over, and
 * blind to what comes after. */
#include "orchestrator/policy/search/slot_search.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    slot_search_run(policy->state, view, (struct slot_prices){0}, ret_decision);
}

const struct policy_kind policy_myopic = {
    .name = "myopic",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_QUEUE,
    .summary = "queueing mode: least cost of this slot's own tasks, multi-start search",
    .source = "coordinate descent with pair exchanges on the slot's cost",
    .create = slot_search_create_model,
    .destroy = slot_search_destroy_model,
    .decide = decide,
};
