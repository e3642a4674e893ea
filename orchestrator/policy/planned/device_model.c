#include "orchestrator/policy/planned/device_model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/model/env_splits.h"
#include "core/model/task_features.h"

#define LOG_MOST 30.0 /* a foreseen logarithm beyond this is held there: 1e13 s is late enough */

/* ---- places ---- */

struct device_choices device_choices_of(const struct world *world)
{
    struct device_choices choices = {.locals = env_splits_are_bound(world) ? 0 : 1};
    choices.splits = env_splits_choices(world) - choices.locals;
    choices.count = choices.locals + world->servers * choices.splits;
    return choices;
}

struct device_place device_choices_place(const struct device_choices *choices, const struct env_view *view,
                                         uint32_t device, uint32_t choice)
{
    assert(choice < choices->count);
    if (choice < choices->locals)
        return (struct device_place){ENV_LOCAL, view->world->llm->layers};
    uint32_t pair = choice - choices->locals;
    return (struct device_place){pair / choices->splits,
                                 env_splits_choice(view, device, pair % choices->splits)};
}

bool device_choices_allow(const struct device_choices *choices, const struct env_view *view, uint32_t device,
                          uint8_t *ret_allowed)
{
    const struct world *world = view->world;
    const bool *covered = view->covered + (size_t) device * world->servers;
    bool any = false;
    if (choices->locals > 0)
        *ret_allowed++ = 1;
    for (uint32_t m = 0; m < world->servers; m++)
        for (uint32_t i = 0; i < choices->splits; i++) {
            bool allowed = covered[m] && env_splits_allow(world, device, i);
            any = any || allowed;
            *ret_allowed++ = allowed ? 1 : 0;
        }
    return any && env_has_task(view, device);
}

/* ---- features ---- */

enum feature {
    AT_SERVER,
    DEVICE_SPEED,
    TOKENS,
    SPLIT,
    GAIN,
    SIZE,
    SERVER_SPEED,
    LOAD,
    FEATURES,
};

static bool has_condition(const struct world *world)
{
    return world->scenario.channel.mode != CHANNEL_RELIABLE;
}

size_t device_model_inputs(const struct world *world)
{
    return FEATURES + (has_condition(world) ? 1 : 0);
}

static bool counts_quality(const struct world *world)
{
    return world->scenario.objective.quality_weight > 0.0;
}

size_t device_model_outputs(const struct world *world, bool with_preference)
{
    return 2u + (counts_quality(world) ? 1u : 0u) + (with_preference ? 1u : 0u);
}

void device_model_describe(const struct env_view *view, uint32_t device, struct device_place place,
                           uint32_t load, float *ret_x)
{
    const struct world *world = view->world;
    uint32_t tokens = view->tokens[device];
    float part[TASK_FEATURES_MAX];
    memset(ret_x, 0, device_model_inputs(world) * sizeof *ret_x);
    task_features_device(world, device, tokens, 1, part);
    ret_x[DEVICE_SPEED] = part[0];
    ret_x[TOKENS] = part[2];
    ret_x[SPLIT] = (float) place.split / (float) world->llm->layers;
    if (place.server == ENV_LOCAL || place.split == world->llm->layers)
        return;
    task_features_server(world, place.server, load, tokens, place.split, part);
    ret_x[AT_SERVER] = 1.0f;
    ret_x[GAIN] = task_features_gain(view->gain[(size_t) device * world->servers + place.server]);
    ret_x[SIZE] = task_features_size(task_features_bits(world, tokens, place.split, 0));
    ret_x[SERVER_SPEED] = part[0];
    ret_x[LOAD] = part[1];
    if (has_condition(world))
        ret_x[FEATURES] = (float) view->channel[device];
}

/* ---- outcomes ---- */

static float log_of(double value)
{
    double least = elementary_exp(-LOG_MOST);
    return (float) elementary_log(value > least ? value : least);
}

bool device_model_outcome(const struct world *world, const struct policy_outcome *outcome,
                          struct device_place place, bool with_preference, float *ret_y)
{
    bool quality = counts_quality(world);
    bool is_local = place.server == ENV_LOCAL;
    if (outcome->recovered || (quality && !is_local && !isfinite(outcome->quality)))
        return false;
    *ret_y++ = log_of(outcome->latency_s);
    *ret_y++ = log_of(outcome->energy_j);
    if (quality)
        *ret_y++ = is_local ? 0.0f : (float) outcome->quality;
    if (with_preference)
        *ret_y = -(float) outcome->cost;
    return true;
}

static double exp_of(float value)
{
    double held = fmin(fmax((double) value, -LOG_MOST), LOG_MOST);
    return elementary_exp(held);
}

struct device_full device_model_full(const float *y)
{
    return (struct device_full){exp_of(y[0]), exp_of(y[1])};
}

double device_model_cost(const struct world *world, struct device_full full, const float *y)
{
    const struct scenario *scenario = &world->scenario;
    double latency_s = exp_of(y[0]);
    double cost = cost_normalised(scenario, latency_s, exp_of(y[1]), full.s, full.j);
    cost += cost_lateness(scenario, latency_s);
    return counts_quality(world) ? cost + cost_damage(scenario, (double) y[2]) : cost;
}

double device_model_learned_cost(const struct world *world, const float *y)
{
    return -(double) y[device_model_outputs(world, true) - 1];
}
