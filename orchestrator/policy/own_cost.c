#include "orchestrator/policy/own_cost.h"

#include <math.h>

double own_cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    const struct world *world = view->world;
    bool remote = plan->split < world->llm->layers;
    double gain = remote ? view->gain[(size_t) device * world->servers + plan->server] : 0.0;
    struct task_outcome outcome;
    cost_outcome(world, device, view->tokens[device], gain, plan, &outcome);
    return cost_task(world, &world->device[device], view->tokens[device], outcome.latency_s, outcome.energy_j,
                     false);
}

double own_cost_local(const struct env_view *view, uint32_t device)
{
    const struct task_plan plan = {.split = view->world->llm->layers};
    return own_cost_of(view, device, &plan);
}

uint32_t own_cost_last_split(const struct world *world, uint32_t device)
{
    uint32_t max_split = world->device[device].max_split;
    return max_split < world->llm->layers ? max_split : world->llm->layers - 1;
}

double own_cost_best_split(const struct env_view *view, uint32_t device, struct task_plan *plan)
{
    const struct world *world = view->world;
    struct task_plan trial = *plan;
    uint32_t last = own_cost_last_split(world, device);
    double best = HUGE_VAL;
    for (trial.split = (uint32_t) world->scenario.model.min_split; trial.split <= last; trial.split++) {
        double cost = own_cost_of(view, device, &trial);
        if (cost < best) {
            best = cost;
            plan->split = trial.split;
        }
    }
    return best;
}
