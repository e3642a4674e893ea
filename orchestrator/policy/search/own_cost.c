#include "orchestrator/policy/search/own_cost.h"

#include <assert.h>
#include <math.h>

#include "core/model/env_splits.h"

static double gain_of(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    bool remote = plan->split < view->world->llm->layers;
    return remote ? view->gain[(size_t) device * view->world->servers + plan->server] : 0.0;
}

static double cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan,
                      const struct task_outcome *outcome)
{
    const struct world *world = view->world;
    struct task_quality quality =
        cost_quality_planned(world, device, view->id, gain_of(view, device, plan), plan, outcome);
    return cost_task(world, &world->device[device], view->tokens[device], outcome->latency_s,
                     outcome->energy_j, false, &quality);
}

double own_cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    struct task_outcome outcome;
    cost_outcome(view->world, device, view->tokens[device], gain_of(view, device, plan), plan, &outcome);
    return cost_of(view, device, plan, &outcome);
}

double own_cost_truly(const struct env_view *view, uint32_t device, const struct task_plan *plan)
{
    struct task_outcome outcome;
    cost_outcome_in(view->world, view->id, device, view->tokens[device], gain_of(view, device, plan), plan,
                    &outcome);
    return cost_of(view, device, plan, &outcome);
}

double own_cost_local(const struct env_view *view, uint32_t device)
{
    const struct task_plan plan = {.split = view->world->llm->layers};
    if (!env_splits_allow_local(view, device))
        return HUGE_VAL;
    return own_cost_of(view, device, &plan);
}

double own_cost_best_split(const struct env_view *view, uint32_t device, struct task_plan *plan)
{
    const struct world *world = view->world;
    struct task_plan trial = *plan;
    uint32_t first = 0, last = 0;
    env_splits_range(view, device, &first, &last);
    assert(device < world->devices && view->present[device] && plan->server < world->servers);
    double best = HUGE_VAL;
    for (trial.split = first; trial.split <= last; trial.split++) {
        double cost = own_cost_of(view, device, &trial);
        if (cost < best) {
            best = cost;
            plan->split = trial.split;
        }
    }
    return best;
}

double own_cost_best_coded(const struct env_view *view, uint32_t device, struct task_plan *plan)
{
    struct task_plan trial = *plan;
    double best = HUGE_VAL;
    for (trial.coding = 0; trial.coding < view->world->codings.count; trial.coding++) {
        double cost = own_cost_best_split(view, device, &trial);
        if (cost < best) {
            best = cost;
            plan->split = trial.split;
            plan->coding = trial.coding;
        }
    }
    return best;
}
