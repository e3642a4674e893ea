/* Greedy: best channel, and of the splits that the device's memory allows (C7), and of the codings, those that are best
 * for the device itself as if it were alone there (K_m = 1). Each for itself and blind to the load; the gap to
 * `best-response` is the price of not knowing the load. */
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/own_cost.h"
#include "orchestrator/policy/search/server_choice.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    const struct world *world = policy->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t server = env_has_task(view, n) ? server_choice_best_channel(view, n) : ENV_LOCAL;
        struct task_plan plan = {.server = server, .bandwidth_share = 1.0, .compute_share = 1.0};
        bool offload = server != ENV_LOCAL && own_cost_best_coded(view, n, &plan) < own_cost_local(view, n);
        ret_decision->split[n] = offload ? plan.split : world->llm->layers;
        ret_decision->server[n] = offload ? server : ENV_LOCAL;
        ret_decision->coding[n] = offload ? plan.coding : 0;
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_greedy = {
    .name = "greedy",
    .sees = POLICY_SEES_MODEL,
    .summary = "best channel, best own split as if alone there (load-blind)",
    .source = "selfish Neurosurgeon with K_m = 1 (Kang et al., ASPLOS 2017)",
    .decide = decide,
};
