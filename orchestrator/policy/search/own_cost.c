#include "orchestrator/policy/search/own_cost.h"

#include <assert.h>
#include <math.h>

#include "orchestrator/policy/search/load_table.h"

static double gain_of(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    bool remote = plan->split < view->world->llm->layers;
    return remote ? view->gain[(size_t) device * view->world->servers + plan->server] : 0.0;
}

static double cost_of(const struct env_view *view, uint32_t device, const struct task_outcome *outcome)
{
    return cost_task(view->world, &view->world->device[device], view->tokens[device], outcome->latency_s,
                     outcome->energy_j, false);
}

double own_cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    struct task_outcome outcome;
    cost_outcome(view->world, device, view->tokens[device], gain_of(view, device, plan), plan, &outcome);
    return cost_of(view, device, &outcome);
}

double own_cost_truly(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    struct task_outcome outcome;
    cost_outcome_in(view->world, view->id, device, view->tokens[device], gain_of(view, device, plan), plan,
                    &outcome);
    return cost_of(view, device, &outcome);
}

double own_cost_local(const struct env_view *view, uint32_t device)
{
    const struct task_plan plan = {.split = view->world->llm->layers};
    return own_cost_of(view, device, &plan);
}

double own_cost_best_split(const struct env_view *view, uint32_t device, struct task_plan *plan)
{
    const struct world *world = view->world;
    struct task_plan trial = *plan;
    uint32_t end = load_table_split_end(world, device);
    assert(device < world->devices && view->present[device] && plan->server < world->servers);
    double best = HUGE_VAL;
    for (trial.split = (uint32_t) world->scenario.model.min_split; trial.split < end; trial.split++) {
        double cost = own_cost_of(view, device, &trial);
        if (cost < best) {
            best = cost;
            plan->split = trial.split;
        }
    }
    return best;
}
