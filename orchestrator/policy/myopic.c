/* Myopic: the best joint decision for the slot's own tasks, given what earlier slots have left over, and
 * blind to what comes after. */
#include "orchestrator/policy/slot_search.h"

static int create(struct policy *policy, struct diag *diag)
{
    return slot_search_create(policy, 0.0, diag);
}

const struct policy_kind policy_myopic = {
    .name = "myopic",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_QUEUE,
    .summary = "queueing mode: least cost of this slot's own tasks, multi-start search",
    .source = "coordinate descent with pair exchanges on the slot's cost",
    .create = create,
    .destroy = slot_search_destroy,
    .decide = slot_search_decide,
};
