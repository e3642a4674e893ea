/* Greedy by data sheet: the server and the shares that promise a task most by the model, as all is declared. It refuses what
 * none can do in time. */
#include "orchestrator/policy/adaptive/adaptive.h"
#include "orchestrator/policy/adaptive/settings.h"

static int create(struct policy *policy, struct diag *diag)
{
    return adaptive_create(policy, ADAPTIVE_DECLARED, diag);
}

const struct policy_kind policy_data_sheet = {
    .name = "data-sheet",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: the server and shares that promise most by the model",
    .source = "house: greedy by data sheet",
    .settings = &adaptive_settings_part,
    .create = create,
    .destroy = adaptive_destroy,
    .decide = adaptive_decide,
};
