/* Upper confidence: chances are taken above their means by some deviations, and paces below (adaptive.deviations). */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_OPTIMISTIC, diag);
}

const struct policy_kind policy_ucb = {
    .name = "ucb",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: the better ends of beliefs",
    .source = "Auer et al., Machine Learning 47 (2002) 235-256; Bayesian: Kaufmann et al. 2012",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
    .hear = adaptive_hear,
};
