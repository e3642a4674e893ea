/* Edge-only, nearest server: as few layers on the device as the scenario allows. */
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/server_choice.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    server_choice_for_all(view, (uint32_t) policy->world->scenario.model.min_split, server_choice_nearest,
                          ret_decision);
}

const struct policy_kind policy_edge_nearest = {
    .name = "edge-nearest",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "everything to the nearest server in coverage",
    .source = "static baseline of DAPO",
    .decide = decide,
};
