/* The same with running means of what was reported: of servers' paces, and of right answers by server and class. */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_MEANS, diag);
}

const struct policy_kind policy_greedy_adaptive = {
    .name = "greedy-adaptive",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: data-sheet with running means of speeds and right answers",
    .source = "house",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
    .hear = adaptive_hear,
};
