/* Edge-only, best channel: differs from the nearest server under fading, and shows congestion. */
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/server_choice.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    server_choice_for_all(view, (uint32_t) policy->world->scenario.model.min_split,
                          server_choice_best_channel, ret_decision);
}

const struct policy_kind policy_edge_best_channel = {
    .name = "edge-best-channel",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "everything to the covered server with the largest gain",
    .source = "static baseline of DAPO",
    .decide = decide,
};
