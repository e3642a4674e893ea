/* Greedy by data sheet: the server and the shares (reserve.levels) that promise the task the most by the model, with today's
 * channel and an answer of mean length. It refuses what none can do in time. */
#include "orchestrator/policy/search/whole_tasks.h"

#include <math.h>

#include "core/model/cost.h"

static double worth(void *user, const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice)
{
    const struct env_view *view = tasks->view;
    const struct world *world = view->world;
    double answer_tokens = world->classes.list[view->task_class[device]].answer_tokens;
    const struct task_plan plan = whole_tasks_plan(view, device, choice, answer_tokens);
    double gain = view->gain[(size_t) device * world->servers + choice.server];
    struct task_outcome outcome;
    (void) user;
    cost_outcome(world, device, view->tokens[device], gain, &plan, &outcome);
    if (cost_is_late(outcome.latency_s, plan.deadline_s))
        return -(double) INFINITY;
    const struct task_quality quality = cost_quality_planned(world, device, view->id, gain, &plan, &outcome);
    return -cost_task(world, &world->device[device], view->tokens[device], outcome.latency_s,
                      outcome.energy_j, false, &quality);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    const struct whole_rule rule = {.worth = worth, .chooses_shares = true};
    (void) policy;
    whole_tasks_best(view, ret_decision, &rule);
}

const struct policy_kind policy_data_sheet = {
    .name = "data-sheet",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the server that promises most by the model",
    .source = "house: greedy by data sheet",
    .decide = decide,
};
