/* Edge only: full shares of the nearest server with room of all tiers but `cloud`. */
#include "orchestrator/policy/search/whole_tasks.h"

static int create(struct policy *policy, struct diag *diag)
{
    return whole_tasks_need_cloud(policy->world, diag);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_nearest(view, ret_decision, false);
}

const struct policy_kind policy_edge_only = {
    .name = "edge-only",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the nearest server of the other tiers",
    .source = "house",
    .create = create,
    .decide = decide,
};
