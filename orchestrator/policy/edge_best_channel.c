/* Edge-only, best channel: differs from the nearest server under fading, and shows congestion. */
#include "orchestrator/policy/pick.h"
#include "orchestrator/policy/policy.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    pick_for_all(view, (uint32_t) policy->world->scenario.model.min_split, pick_best_channel, ret_decision);
}

const struct policy_kind policy_edge_best_channel = {
    .name = "edge-best-channel",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "everything to the covered server with the largest gain",
    .source = "static baseline of DAPO",
    .decide = decide,
};
