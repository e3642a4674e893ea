/* Local-only: every layer on the device. Its cost is 1 by construction where nothing is penalised. */
#include "orchestrator/policy/policy.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    for (uint32_t n = 0; n < policy->world->devices; n++) {
        ret_decision->split[n] = policy->world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_local = {
    .name = "local",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "all layers on the device",
    .source = "static baseline of DAPO",
    .decide = decide,
};
