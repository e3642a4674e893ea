/* One split for all devices and all time (fixed.split), at the server with the best channel. */
#include "orchestrator/policy/pick.h"
#include "orchestrator/policy/policy.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    pick_for_all(view, (uint32_t) policy->world->scenario.fixed.split, pick_best_channel, ret_decision);
}

const struct policy_kind policy_static = {
    .name = "static",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "one fixed split for all (fixed.split), best channel",
    .source = "static baseline of DAPO",
    .decide = decide,
};
