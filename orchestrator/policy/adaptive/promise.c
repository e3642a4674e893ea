#include "orchestrator/policy/adaptive/promise.h"

#include <math.h>

#include "core/base/elementary.h"

/* Chance that a standard normal is below x: Bowling et al., J. Ind. Eng. Manag. 2 (2009) 114-127, within 1.5e-4. */
static double normal_below(double x)
{
    return 1.0 / (1.0 + elementary_exp(-x * (1.5976 + 0.070565992 * x * x)));
}

/* Seconds that are certain, and those that are lognormal: their mean, and the variance of their logarithm. */
struct spent {
    double certain_s, drawn_s, variance;
};

/* What a server takes is its answer, whose length and pace are drawn, and the prompt, whose pace alone is: it counts with its
 * mean, unless the pace is all that is not certain. */
static struct spent spent_of(const struct task_outcome *outcome, double answer_s, double spread,
                             const struct promise_server *server, double pace)
{
    double drawn_s = (spread > 0.0 ? answer_s : outcome->times.edge_s) * pace;
    double latency_s = outcome->latency_s + (pace - 1.0) * outcome->times.edge_s;
    return (struct spent){latency_s - drawn_s, drawn_s, spread * spread + server->pace_variance};
}

static double in_time(const struct spent *spent, double latency_s, double deadline_s)
{
    double left_s = deadline_s - spent->certain_s;
    if (deadline_s <= 0.0)
        return 1.0;
    if (spent->variance <= 0.0)
        return latency_s <= deadline_s ? 1.0 : 0.0;
    if (left_s <= 0.0 || spent->drawn_s <= 0.0)
        return 0.0;
    double median_log = elementary_log(spent->drawn_s) - 0.5 * spent->variance;
    return normal_below((elementary_log(left_s) - median_log) / sqrt(spent->variance));
}

static double worth_of(const struct world *world, const struct promise *promise, const struct task_plan *plan,
                       double chance)
{
    double right = 1.0 / fmax(promise->latency_s, COST_LEAST_S) + chance;
    switch (world->scenario.objective.reward) {
    case REWARD_UTILITY:
        return promise->in_time * chance - cost_price(world, plan->server, plan->answer_tokens);
    case REWARD_COMPLETED: return promise->in_time * right;
    case REWARD_PRINTED: return right;
    case REWARD_COST:
    case REWARD_SHAPED:
    case REWARD_PAPER: break;
    }
    return 0.0;
}

/* A reward of seconds and joules. */
static double minus_cost(const struct env_view *view, uint32_t device, const struct task_plan *plan,
                         const struct task_outcome *outcome, double latency_s)
{
    const struct world *world = view->world;
    double gain = view->gain[(size_t) device * world->servers + plan->server];
    const struct task_quality quality = cost_quality_planned(world, device, view->id, gain, plan, outcome);
    return -cost_task(world, &world->device[device], view->tokens[device], latency_s, outcome->energy_j,
                      false, &quality);
}

bool promise_may_be_refused(const struct world *world)
{
    enum scenario_reward reward = world->scenario.objective.reward;
    return reward == REWARD_UTILITY || reward == REWARD_COMPLETED || reward == REWARD_PRINTED;
}

struct promise promise_of(const struct env_view *view, uint32_t device, struct whole_choice choice,
                          const struct promise_server *server)
{
    const struct world *world = view->world;
    const struct task_class *class = &world->classes.list[view->task_class[device]];
    const struct task_plan plan = whole_tasks_plan(view, device, choice, class->answer_tokens);
    double gain = view->gain[(size_t) device * world->servers + plan.server];
    struct task_outcome outcome;
    cost_outcome(world, device, view->tokens[device], gain, &plan, &outcome);
    /* A lognormal's mean: what is uncertain about the pace makes it longer. */
    double pace_log = server->pace_log + 0.5 * server->pace_variance;
    double pace = pace_log != 0.0 ? elementary_exp(pace_log) : 1.0;
    double answer_s = cost_answer_s(world, plan.server, plan.compute_share, plan.answer_tokens);
    const struct spent spent =
        spent_of(&outcome, answer_s, answer_s > 0.0 ? class->answer_spread : 0.0, server, pace);
    struct promise promise = {.latency_s = outcome.latency_s + (pace - 1.0) * outcome.times.edge_s};
    promise.in_time = in_time(&spent, promise.latency_s, plan.deadline_s);
    promise.held_s = plan.deadline_s > 0.0 ? fmin(promise.latency_s, plan.deadline_s) : promise.latency_s;
    promise.worth = promise_may_be_refused(world)
                        ? worth_of(world, &promise, &plan, server->chance)
                        : minus_cost(view, device, &plan, &outcome, promise.latency_s);
    return promise;
}
