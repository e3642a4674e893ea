/* Greedy: best channel, and of the splits that the device's memory allows (C7) the one that is best for the
 * device itself as if it were alone there (K_m = 1). Selfish and load-blind; the gap to `best-response` is
 * the price of not knowing the load. */
#include "core/model/cost.h"
#include "orchestrator/policy/pick.h"
#include "orchestrator/policy/policy.h"

static double own_cost(const struct world *world, const struct env_view *view, uint32_t device,
                       uint32_t server, uint32_t split)
{
    struct task_plan plan = {.split = split, .server = server, .bandwidth_share = 1.0, .compute_share = 1.0};
    struct task_outcome outcome;
    cost_outcome(world, device, view->tokens[device], view->gain[(size_t) device * world->servers + server],
                 &plan, &outcome);
    return cost_task(world, &world->device[device], view->tokens[device], outcome.latency_s, outcome.energy_j,
                     false);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    const struct world *world = policy->world;
    uint32_t layers = world->llm->layers;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t server = view->present[n] ? pick_best_channel(view, n) : ENV_LOCAL;
        uint32_t best = layers;
        if (server != ENV_LOCAL) {
            double best_cost = own_cost(world, view, n, server, layers);
            uint32_t last = world->device[n].max_split < layers ? world->device[n].max_split : layers - 1;
            for (uint32_t split = (uint32_t) world->scenario.model.min_split; split <= last; split++) {
                double cost = own_cost(world, view, n, server, split);
                if (cost < best_cost) {
                    best_cost = cost;
                    best = split;
                }
            }
        }
        ret_decision->split[n] = best;
        ret_decision->server[n] = best == layers ? ENV_LOCAL : server;
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
