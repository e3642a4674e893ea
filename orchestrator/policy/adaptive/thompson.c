/* Thompson sampling: for each task paces and chances are drawn from what is believed, and the best by the draw is taken. */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_DRAWN, diag);
}

const struct policy_kind policy_thompson = {
    .name = "thompson",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: paces and chances drawn from beliefs",
    .source = "Thompson, Biometrika 25 (1933) 285-294",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
    .hear = adaptive_hear,
};
