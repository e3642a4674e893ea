/* Greedy with full knowledge: each server's present pace and chances are known. How long an answer is, and whether it is
 * right, is not. */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_TRUE, diag);
}

const struct policy_kind policy_full_knowledge = {
    .name = "full-knowledge",
    .sees = POLICY_SEES_WORLD,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: greedy that knows what servers really are now",
    .source = "house: a yardstick",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
};
