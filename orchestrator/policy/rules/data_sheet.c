/* Greedy by data sheet: the server that promises the task the most by the model, with full shares and today's channel. It
 * refuses what none can do in time. */
#include "orchestrator/policy/search/whole_tasks.h"

#include <math.h>

#include "core/model/cost.h"

static double worth(const struct whole_tasks *tasks, uint32_t device, uint32_t server)
{
    const struct env_view *view = tasks->view;
    const struct world *world = view->world;
    double part[RESERVED_KINDS];
    whole_tasks_full(world, part);
    const struct task_plan plan = {
        .server = server, .bandwidth_share = part[RESERVED_BAND], .compute_share = part[RESERVED_COMPUTE]};
    double gain = view->gain[(size_t) device * world->servers + server];
    struct task_outcome outcome;
    cost_outcome(world, device, view->tokens[device], gain, &plan, &outcome);
    if (cost_deadline_missed(&world->scenario, outcome.latency_s))
        return -(double) INFINITY;
    const struct task_quality quality = cost_quality_planned(world, device, view->id, gain, &plan, &outcome);
    return -cost_task(world, &world->device[device], view->tokens[device], outcome.latency_s,
                      outcome.energy_j, false, &quality);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_best(view, ret_decision, worth);
}

const struct policy_kind policy_data_sheet = {
    .name = "data-sheet",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the server that promises most by the model",
    .source = "house: greedy by data sheet",
    .decide = decide,
};
