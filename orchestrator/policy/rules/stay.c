/* Stay: each device keeps the split that it had last, at the server with the best channel. */
#include "core/model/env_splits.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/server_choice.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    const struct world *world = policy->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t server = env_has_task(view, n) ? server_choice_best_channel(view, n) : ENV_LOCAL;
        bool remote = server != ENV_LOCAL && view->split_before[n] < world->llm->layers;
        ret_decision->server[n] = remote ? server : ENV_LOCAL;
        ret_decision->split[n] = remote ? view->split_before[n] : world->llm->layers;
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_stay = {
    .name = "stay",
    .sees = POLICY_SEES_OBSERVATIONS,
    .only_named = true, /* of use where splits move by steps */
    .summary = "the split of the slot before (model.first_split_min at first), best channel",
    .source = "baseline of the split as a decision: docs/model.md, B1",
    .decide = decide,
};
