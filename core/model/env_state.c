/* The state vector: what learners see of a view. */
#include "core/model/env.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/channel.h"
#include "core/model/channel_radio.h"
#include "core/model/env_splits.h"
#include "core/model/radio.h"

/* Deep fades reach far below the scale's end; beyond this a channel is of no use. */
#define STATE_LIMIT 1.5

static bool has_tokens_entry(const struct world *world)
{
    return world->tokens != NULL || world->scenario.task.probability < 1.0;
}

/* Entries of one device, and of its channels. */
static size_t device_entries(const struct world *world)
{
    return has_tokens_entry(world) ? 5 : 4;
}

static size_t channel_entries(const struct world *world)
{
    return 2 * (size_t) world->servers;
}

static bool sees_split_alone(const struct world *world)
{
    return world->scenario.action.state == STATE_SPLIT;
}

static bool has_condition_entry(const struct world *world)
{
    return world->scenario.channel.mode != CHANNEL_RELIABLE || sees_split_alone(world);
}

static bool has_split_entry(const struct world *world)
{
    return world->scenario.model.split_step > 0 || sees_split_alone(world);
}

/* Of one device, behind all others. */
static size_t last_entries(const struct world *world)
{
    size_t condition = has_condition_entry(world) ? 1 : 0, split = has_split_entry(world) ? 1 : 0;
    return condition + split;
}

/* Of each server, what is left of what tasks reserve. */
static size_t rest_entries(const struct world *world)
{
    return env_reserves(world) ? RESERVED_KINDS * (size_t) world->servers : 0;
}

/* Of each device, what class its task is of, and its deadline. */
static size_t class_entries(const struct world *world)
{
    return classes_are_listed(&world->scenario) ? world->classes.count + 1 : 0;
}

size_t env_state_size(const struct world *world)
{
    size_t devices = world->devices;
    size_t servers = world->servers;
    size_t backlog = env_is_queue(world) ? 2 * devices + 2 * servers : 0;
    size_t last = last_entries(world) * devices;
    if (sees_split_alone(world))
        return last;
    return last + (device_entries(world) + channel_entries(world)) * devices + 2 * servers + backlog +
           rest_entries(world) + class_entries(world) * devices;
}

size_t env_device_state_size(const struct world *world)
{
    size_t servers = world->servers;
    size_t backlog = env_is_queue(world) ? 2 + 2 * servers : 0;
    size_t last = last_entries(world);
    if (sees_split_alone(world))
        return last;
    return last + device_entries(world) + channel_entries(world) + 2 * servers + backlog +
           rest_entries(world) + class_entries(world);
}

/* low -> -1, high -> 1, clipped a little outside; 0 when the range is a point. */
static float scaled(double value, double low, double high)
{
    if (high <= low)
        return 0.0f;
    double position = 2.0 * (value - low) / (high - low) - 1.0;
    if (position > STATE_LIMIT)
        position = STATE_LIMIT;
    return position > -STATE_LIMIT ? (float) position : (float) -STATE_LIMIT;
}

static float *put_device(const struct env_view *view, uint32_t device, float *out)
{
    const struct world *world = view->world;
    const struct scenario *scenario = &world->scenario;
    *out++ = scaled(view->position[device].x, 0.0, scenario->area.width_m);
    *out++ = scaled(view->position[device].y, 0.0, scenario->area.height_m);
    *out++ = scaled(view->speed_mps[device], 0.0, scenario->mobility.speed_max);
    *out++ = scaled(world->device[device].flops, scenario->devices.tflops_min * 1e12,
                    scenario->devices.tflops_max * 1e12);
    if (has_tokens_entry(world))
        *out++ = scaled(view->tokens[device], 0.0, (double) scenario->task.tokens_max);
    return out;
}

/* The scale of gains: an unfaded channel across the whole area is -1, one at d_min is +1. */
static float *put_channels(const struct env_view *view, uint32_t device, float *out)
{
    const struct world *world = view->world;
    const struct scenario *scenario = &world->scenario;
    double across_m = sqrt(scenario->area.width_m * scenario->area.width_m +
                           scenario->area.height_m * scenario->area.height_m);
    double worst = elementary_log10(radio_gain(scenario, across_m, 1.0));
    double best = elementary_log10(radio_gain(scenario, scenario->radio.min_distance_m, 1.0));
    const double *gain = view->gain + (size_t) device * world->servers;
    for (uint32_t m = 0; m < world->servers; m++) {
        *out++ = scaled(elementary_log10(gain[m]), worst, best);
        *out++ = scaled(device_slot_distance_m(world, view->position[device], m), 0.0, across_m);
    }
    return out;
}

static double radio_backlog_s(const struct env_view *view, uint32_t device)
{
    const struct world *world = view->world;
    const struct scenario *scenario = &world->scenario;
    const struct channel_use use = channel_up(scenario, 1); /* token ids are few */
    double sum_s = 0.0;
    for (uint32_t m = 0; m < world->servers; m++) {
        size_t place = (size_t) device * world->servers + m;
        double bits = view->unsent_bits[place];
        if (bits > 0.0)
            sum_s += radio_transmit_s(
                bits, channel_up_bps(world, m, &use, world->server[m].bandwidth_mhz * UNITS_MHZ,
                                     world->device[device].transmit_power_w, view->gain[place]));
    }
    return sum_s;
}

static double backlog_scale_s(const struct world *world)
{
    return ENV_BACKLOG_SLOTS * world->scenario.run.slot_s;
}

static float *put_device_backlogs(const struct env_view *view, uint32_t device, float *out)
{
    double most_s = backlog_scale_s(view->world);
    *out++ = view->present[device] ? scaled(view->processor_s[device], 0.0, most_s) : 0.0f;
    *out++ = view->present[device] ? scaled(radio_backlog_s(view, device), 0.0, most_s) : 0.0f;
    return out;
}

static float *put_server_backlogs(const struct env_view *view, float *out)
{
    double most_s = backlog_scale_s(view->world);
    for (uint32_t m = 0; m < view->world->servers; m++) {
        *out++ = scaled(view->backlog_s[m], 0.0, most_s);
        *out++ = scaled(view->coming_s[m], 0.0, most_s);
    }
    return out;
}

static float *put_servers(const struct env_view *view, float *out)
{
    const struct world *world = view->world;
    double least_flops = tiers_tflops_least(&world->scenario) * 1e12,
           most_flops = tiers_tflops_most(&world->scenario) * 1e12;
    for (uint32_t m = 0; m < world->servers; m++) {
        *out++ = scaled(world->server[m].flops, least_flops, most_flops);
        *out++ = scaled(view->previous_load[m], 0.0, world->devices);
    }
    return out;
}

static float condition_entry(const struct env_view *view, uint32_t device)
{
    double least = 0.0, most = 0.0;
    channel_range(&view->world->scenario, &least, &most);
    return view->present[device] ? scaled(view->channel[device], least, most) : 0.0f;
}

static float split_entry(const struct env_view *view, uint32_t device)
{
    uint32_t first = 0, last = 0;
    env_splits_bounds(view->world, device, &first, &last);
    return view->present[device] ? scaled(view->split_before[device], first, last) : 0.0f;
}

static float *put_conditions(const struct env_view *view, float *out)
{
    for (uint32_t n = 0; n < view->world->devices && has_condition_entry(view->world); n++)
        *out++ = condition_entry(view, n);
    return out;
}

static float *put_splits(const struct env_view *view, float *out)
{
    for (uint32_t n = 0; n < view->world->devices && has_split_entry(view->world); n++)
        *out++ = split_entry(view, n);
    return out;
}

static float *put_rests(const struct env_view *view, float *out)
{
    const struct world *world = view->world;
    assert(!env_reserves(world) || view->held != NULL);
    for (uint32_t m = 0; env_reserves(world) && m < world->servers; m++)
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            *out++ = scaled(reservations_rest(view->held, m, (enum reserved_kind) kind), 0.0, 1.0);
    return out;
}

/* A deadline on the scale of all of them; none is like the longest. */
static float deadline_entry(const struct world *world, double deadline_s)
{
    double most_s = 0.0;
    for (uint32_t class = 0; class < world->classes.count; class ++)
        for (uint32_t i = 0; i < world->classes.list[class].deadlines; i++)
            most_s = fmax(most_s, world->classes.list[class].deadline_s[i]);
    return most_s > 0.0 && deadline_s > 0.0 ? scaled(deadline_s, 0.0, most_s) : 1.0f;
}

static float *put_class(const struct env_view *view, uint32_t device, float *out)
{
    const struct world *world = view->world;
    bool has_task = env_has_task(view, device);
    if (class_entries(world) == 0)
        return out;
    for (uint32_t class = 0; class < world->classes.count; class ++)
        *out++ = has_task && view->task_class[device] == class ? 1.0f : 0.0f;
    *out++ = has_task ? deadline_entry(world, view->deadline_s[device]) : 0.0f;
    return out;
}

/* action.state: split. */
static float *put_pair(const struct env_view *view, uint32_t device, float *out)
{
    *out++ = condition_entry(view, device);
    *out++ = split_entry(view, device);
    return out;
}

/* action.state: full. */
static float *put_all(const struct env_view *view, float *out)
{
    const struct world *world = view->world;
    for (uint32_t n = 0; n < world->devices; n++)
        out = view->present[n] ? put_device(view, n, out) : out + device_entries(world);
    for (uint32_t n = 0; n < world->devices; n++)
        out = view->present[n] ? put_channels(view, n, out) : out + channel_entries(world);
    out = put_servers(view, out);
    for (uint32_t n = 0; env_is_queue(world) && n < world->devices; n++)
        out = put_device_backlogs(view, n, out);
    if (env_is_queue(world))
        out = put_server_backlogs(view, out);
    out = put_rests(view, put_splits(view, put_conditions(view, out)));
    for (uint32_t n = 0; n < world->devices; n++)
        out = put_class(view, n, out);
    return out;
}

void env_state(const struct env_view *view, float *ret_state)
{
    const struct world *world = view->world;
    float *out = ret_state;
    memset(ret_state, 0, env_state_size(world) * sizeof *ret_state);
    for (uint32_t n = 0; n < world->devices && sees_split_alone(world); n++)
        out = put_pair(view, n, out);
    out = sees_split_alone(world) ? out : put_all(view, out);
    assert(out == ret_state + env_state_size(world));
}

void env_device_state(const struct env_view *view, uint32_t device, float *ret_state)
{
    const struct world *world = view->world;
    float *out = ret_state;
    assert(device < world->devices);
    memset(ret_state, 0, env_device_state_size(world) * sizeof *ret_state);
    if (sees_split_alone(world)) {
        (void) put_pair(view, device, out);
        return;
    }
    if (view->present[device])
        (void) put_channels(view, device, put_device(view, device, out));
    out = put_servers(view, out + device_entries(world) + channel_entries(world));
    if (env_is_queue(world))
        out = put_server_backlogs(view, put_device_backlogs(view, device, out));
    if (has_condition_entry(world))
        *out++ = condition_entry(view, device);
    if (has_split_entry(world))
        *out++ = split_entry(view, device);
    out = put_class(view, device, put_rests(view, out));
    assert(out == ret_state + env_device_state_size(world));
}
