/* Cloud only: full shares of the nearest server of the tier `cloud`; what it has no room for is refused. */
#include "orchestrator/policy/search/whole_tasks.h"

static int create(struct policy *policy, struct diag *diag)
{
    return whole_tasks_need_cloud(policy->world, diag);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_nearest(view, ret_decision, true);
}

const struct policy_kind policy_cloud_only = {
    .name = "cloud-only",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the tier called cloud",
    .source = "house",
    .create = create,
    .decide = decide,
};
