#include "orchestrator/policy/planned/reserve_model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/model/task_features.h"

#define LATE_MOST 4.0       /* deadlines: what takes longer is as late as that */
#define LOG_MOST 30.0       /* without a deadline */
#define LEAST_S 1e-3        /* no latency is worth more than this one, as in core/model/cost */
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

size_t reserve_model_inputs(const struct world *world)
{
    return world->servers + reserve_model_rests(world) + world->servers + RESERVED_KINDS;
}

void reserve_model_redescribe(const struct world *world, const float *rest, float *x)
{
    memcpy(x + world->servers, rest, reserve_model_rests(world) * sizeof *x);
}

void reserve_model_describe(const struct env_view *view, uint32_t device, const float *rest,
                            const struct reserve_action *action, float *ret_x)
{
    const struct world *world = view->world;
    const double *gain = view->gain + (size_t) device * world->servers;
    assert(action->server < world->servers);
    reserve_model_redescribe(world, rest, ret_x);
    for (uint32_t m = 0; m < world->servers; m++)
        ret_x[m] = task_features_gain(gain[m]);
    ret_x += world->servers + reserve_model_rests(world);
    for (uint32_t m = 0; m < world->servers; m++)
        *ret_x++ = m == action->server ? 1.0f : 0.0f;
    memcpy(ret_x, action->part, sizeof action->part);
}

/* ---- outcomes ---- */

/* Behind the changes of what is left. */
enum outcome { LOG_SECONDS, ANSWER, ACCEPTED, OUTCOMES };

size_t reserve_model_outputs(const struct world *world, bool with_preference)
{
    return reserve_model_rests(world) + OUTCOMES + (with_preference ? 1 : 0);
}

/* The longest that is told apart. */
static double log_late(const struct scenario *scenario)
{
    double deadline_s = scenario->objective.deadline_s;
    return deadline_s > 0.0 ? elementary_log(LATE_MOST * deadline_s) : LOG_MOST;
}

/* A refused task takes until its deadline. */
static double log_seconds(const struct scenario *scenario, const struct policy_outcome *outcome)
{
    double deadline_s = scenario->objective.deadline_s;
    double seconds = outcome->refused ? (deadline_s > 0.0 ? deadline_s : 1.0) : outcome->latency_s;
    return fmin(elementary_log(fmax(seconds, LEAST_S)), log_late(scenario));
}

void reserve_model_outcome(const struct world *world, const struct policy_outcome *outcome,
                           const struct reserve_action *action, const float *rest, const float *after,
                           bool with_preference, float *ret_y)
{
    size_t rests = reserve_model_rests(world);
    for (size_t i = 0; i < rests; i++)
        ret_y[i] = after[i] - rest[i];
    ret_y += rests;
    ret_y[LOG_SECONDS] = (float) log_seconds(&world->scenario, outcome);
    ret_y[ANSWER] = (float) world->server[action->server].answer[outcome->whole.task_class];
    ret_y[ACCEPTED] = outcome->refused ? 0.0f : 1.0f;
    if (with_preference)
        ret_y[OUTCOMES] = outcome->refused ? 0.0f : -(float) outcome->cost;
}

static double unit(double value)
{
    return fmin(fmax(value, 0.0), 1.0);
}

void reserve_model_follow(const struct world *world, const float *y, float *rest)
{
    size_t rests = reserve_model_rests(world);
    for (size_t i = 0; i < rests; i++)
        rest[i] = (float) unit((double) rest[i] + (double) y[i]);
}

static double in_time(const struct scenario *scenario, double seconds_log)
{
    double deadline_s = scenario->objective.deadline_s;
    if (deadline_s <= 0.0)
        return 1.0;
    return 1.0 / (1.0 + elementary_exp((seconds_log - elementary_log(deadline_s)) / DEADLINE_WIDTH));
}

double reserve_model_preference(const struct world *world, const float *y)
{
    const float *outcome = y + reserve_model_rests(world);
    double most = log_late(&world->scenario), least = elementary_log(LEAST_S);
    double seconds_log = fmin(fmax((double) outcome[LOG_SECONDS], least), most);
    double worth = elementary_exp(-seconds_log) + unit((double) outcome[ANSWER]);
    return unit((double) outcome[ACCEPTED]) * in_time(&world->scenario, seconds_log) * worth;
}

double reserve_model_learned_preference(const struct world *world, const float *y)
{
    return (double) y[reserve_model_rests(world) + OUTCOMES];
}
