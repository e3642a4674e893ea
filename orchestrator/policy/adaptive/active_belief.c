/* Active inference with beliefs in closed form: a Gaussian of each server's pace, a Beta distribution of each chance. A choice
 * is worth its expected reward and what its outcome would teach (adaptive.gain). */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_CURIOUS, diag);
}

const struct policy_kind policy_active_belief = {
    .name = "active-belief",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: beliefs about servers; what promises most, and would teach most",
    .source = "house; Friston et al., Cognitive Neuroscience 6 (2015) 187-214",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
    .hear = adaptive_hear,
};
