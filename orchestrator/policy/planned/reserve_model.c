#include "orchestrator/policy/planned/reserve_model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/model/task_features.h"

#define LATE_MOST 4.0       /* deadlines: what takes longer is as late as that */
#define LOG_MOST 30.0       /* without a deadline */
#define DEADLINE_WIDTH 0.03 /* of the deadline's edge, in ln seconds */

/* ---- what is left ---- */

size_t reserve_model_rests(const struct world *world)
{
    return (size_t) RESERVED_KINDS * world->servers;
}

void reserve_model_rest(const struct env_view *view, float *ret_rest)
{
    for (uint32_t m = 0; m < view->world->servers; m++)
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            *ret_rest++ = (float) reservations_rest(view->held, m, (enum reserved_kind) kind);
}

double reserve_model_share(const struct world *world, const struct reserve_action *action,
                           enum reserved_kind kind)
{
    double most = world->scenario.reserve.most * world->server[action->server].full_share;
    return (double) action->part[kind] * most;
}

void reserve_model_take(const struct world *world, const struct reserve_action *action, float *rest)
{
    float *of_server = rest + (size_t) action->server * RESERVED_KINDS;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        double share = reserve_model_share(world, action, (enum reserved_kind) kind);
        of_server[kind] = (float) fmax((double) of_server[kind] - share, 0.0);
    }
}

/* ---- features ---- */

static size_t class_inputs(const struct world *world)
{
    return classes_are_listed(&world->scenario) ? world->classes.count + 1 : 0;
}

size_t reserve_model_inputs(const struct world *world, bool with_margins)
{
    size_t state = world->servers + reserve_model_rests(world) + class_inputs(world);
    return state + world->servers + RESERVED_KINDS + (with_margins ? 1 + RESERVED_KINDS : 0);
}

/* Its class and its deadline, where tasks differ. */
static float *describe_class(const struct env_view *view, uint32_t device, float *out)
{
    const struct world *world = view->world;
    double deadline_s = view->deadline_s[device];
    if (class_inputs(world) == 0)
        return out;
    for (uint32_t k = 0; k < world->classes.count; k++)
        *out++ = k == view->task_class[device] ? 1.0f : 0.0f;
    *out++ = deadline_s > 0.0 ? (float) elementary_log(deadline_s) : 0.0f;
    return out;
}

/* What the named server would have left, in full shares. More than one more is no matter for the task. */
static float margin(const struct world *world, const float *rest, const struct reserve_action *action,
                    enum reserved_kind kind)
{
    double left = (double) rest[(size_t) action->server * RESERVED_KINDS + kind];
    double shares =
        (left - reserve_model_share(world, action, kind)) / world->server[action->server].full_share;
    return (float) fmin(shares, 1.0);
}

void reserve_model_describe(const struct env_view *view, uint32_t device, const float *rest,
                            const struct reserve_action *action, bool with_margins, float *ret_x)
{
    const struct world *world = view->world;
    const double *gain = view->gain + (size_t) device * world->servers;
    assert(action->server < world->servers);
    for (uint32_t m = 0; m < world->servers; m++)
        *ret_x++ = task_features_gain(gain[m]);
    for (size_t i = 0; i < reserve_model_rests(world); i++)
        *ret_x++ = rest[i];
    ret_x = describe_class(view, device, ret_x);
    for (uint32_t m = 0; m < world->servers; m++)
        *ret_x++ = m == action->server ? 1.0f : 0.0f;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        *ret_x++ = action->part[kind];
    if (!with_margins)
        return;
    *ret_x++ = task_features_gain(gain[action->server]);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        *ret_x++ = margin(world, rest, action, (enum reserved_kind) kind);
}

/* ---- outcomes ---- */

/* Behind the changes of what is left. */
enum outcome { LOG_SECONDS, ANSWER, ACCEPTED, OUTCOMES };

static bool has_price(const struct world *world)
{
    return world->scenario.objective.reward == REWARD_UTILITY;
}

/* The place of a learned preference among the outputs. */
static size_t place_of_preference(const struct world *world)
{
    return reserve_model_rests(world) + OUTCOMES + (has_price(world) ? 1 : 0);
}

size_t reserve_model_outputs(const struct world *world, bool with_preference)
{
    return place_of_preference(world) + (with_preference ? 1 : 0);
}

/* The longest that is told apart. */
static double log_late(double deadline_s)
{
    return deadline_s > 0.0 ? elementary_log(LATE_MOST * deadline_s) : LOG_MOST;
}

/* A refused task takes until its deadline. */
static double log_seconds(const struct policy_outcome *outcome)
{
    double deadline_s = outcome->whole.deadline_s;
    double seconds = outcome->refused ? (deadline_s > 0.0 ? deadline_s : 1.0) : outcome->latency_s;
    return fmin(elementary_log(fmax(seconds, COST_LEAST_S)), log_late(deadline_s));
}

static double answer_of(const struct world *world, const struct policy_outcome *outcome, uint32_t server)
{
    bool is_heard = has_price(world) && !isnan(outcome->whole.answer_right);
    return is_heard ? outcome->whole.answer_right : world->server[server].answer[outcome->whole.task_class];
}

void reserve_model_change(const struct world *world, const float *rest, const float *after, float *ret_change)
{
    for (size_t i = 0; i < reserve_model_rests(world); i++)
        ret_change[i] = after[i] - rest[i];
}

void reserve_model_outcome(const struct world *world, const struct policy_outcome *outcome, uint32_t server,
                           const float *change, bool with_preference, float *ret_y)
{
    size_t rests = reserve_model_rests(world);
    float *y = ret_y + rests;
    memcpy(ret_y, change, rests * sizeof *ret_y);
    y[LOG_SECONDS] = (float) log_seconds(outcome);
    y[ANSWER] = (float) answer_of(world, outcome, server);
    y[ACCEPTED] = outcome->refused ? 0.0f : 1.0f;
    if (has_price(world))
        y[OUTCOMES] = (float) outcome->whole.price;
    if (with_preference)
        ret_y[place_of_preference(world)] = outcome->refused ? 0.0f : -(float) outcome->cost;
}

static double unit(double value)
{
    return fmin(fmax(value, 0.0), 1.0);
}

size_t reserve_model_seconds(const struct world *world)
{
    return reserve_model_rests(world) + LOG_SECONDS;
}

double reserve_model_accepted(const struct world *world, const float *y)
{
    return unit((double) y[reserve_model_rests(world) + ACCEPTED]);
}

void reserve_model_follow(const struct world *world, const float *y, float *rest)
{
    size_t rests = reserve_model_rests(world);
    for (size_t i = 0; i < rests; i++)
        rest[i] = (float) unit((double) rest[i] + (double) y[i]);
}

static double in_time(double deadline_s, double seconds_log)
{
    if (deadline_s <= 0.0)
        return 1.0;
    return 1.0 / (1.0 + elementary_exp((seconds_log - elementary_log(deadline_s)) / DEADLINE_WIDTH));
}

double reserve_model_preference(const struct world *world, double deadline_s, const float *y)
{
    const float *outcome = y + reserve_model_rests(world);
    double most = log_late(deadline_s), least = elementary_log(COST_LEAST_S);
    double seconds_log = fmin(fmax((double) outcome[LOG_SECONDS], least), most);
    double accepted = unit((double) outcome[ACCEPTED]), answer = unit((double) outcome[ANSWER]);
    if (has_price(world))
        return accepted * (in_time(deadline_s, seconds_log) * answer - (double) outcome[OUTCOMES]);
    return accepted * in_time(deadline_s, seconds_log) * (elementary_exp(-seconds_log) + answer);
}

double reserve_model_learned_preference(const struct world *world, const float *y)
{
    return (double) y[place_of_preference(world)];
}
