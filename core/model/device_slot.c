#include "core/model/device_slot.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/model/channel_radio.h"
#include "core/model/radio.h"

#define WORDS_PER_BLOCK 4u
#define LN_10 2.30258509299404568402

static double squared_distance_m2(const struct world *world, struct vec2 position, uint32_t server)
{
    double dx_m = position.x - world->server[server].position.x;
    double dy_m = position.y - world->server[server].position.y;
    return dx_m * dx_m + dy_m * dy_m;
}

double device_slot_distance_m(const struct world *world, struct vec2 position, uint32_t server)
{
    double distance_m = sqrt(squared_distance_m2(world, position, server));
    double floor_m = world->scenario.radio.min_distance_m;
    return distance_m < floor_m ? floor_m : distance_m;
}

/* The cell of the device's trace, or TRACK_NO_CELL. */
static double cell_of(const struct world *world, uint32_t device, struct slot_id id)
{
    const struct track *track = tracks_of(&world->place_tracks, device);
    double value[4];
    if (track == NULL)
        return TRACK_NO_CELL;
    track_place_at(track, world_tracks_turn(world),
                   world_track_s(world, track, device, id.phase, id.episode, id.slot), value);
    return value[TRACK_CELL];
}

/* In squares; scenario_check keeps d_min <= R_cov, so the floor of A3 cannot matter here. */
bool device_slot_covered(const struct world *world, uint32_t device, struct slot_id id, struct vec2 position,
                         uint32_t server)
{
    assert(device < world->devices && server < world->servers);
    double cell = cell_of(world, device, id);
    if (cell >= 0.0)
        return (uint64_t) cell % world->servers == server;
    double radius_m = world->server[server].coverage_m;
    return squared_distance_m2(world, position, server) <= radius_m * radius_m;
}

uint32_t device_slot_tokens(const struct scenario *scenario, const uint32_t *rows, uint32_t row_count,
                            uint64_t seed, uint32_t device, struct slot_id id)
{
    if (rows == NULL || row_count == 0)
        return (uint32_t) scenario->task.tokens;
    struct rng_at at = {seed, id.phase, RNG_TASK, device, id.episode, 0};
    uint64_t start = rng_below(&at, 0, row_count);
    return rows[(start + id.slot) % row_count];
}

/* 10^(-max(0, X) / 10), X normal: the first of a block's normals. */
static double shadowing(const struct scenario *scenario, const struct rng_at *at, uint32_t server)
{
    const struct rng_block block = rng_block(at, server);
    double normal[2];
    rng_normal_pair(block.v[0], block.v[1], normal);
    double loss_db = normal[0] > 0.0 ? scenario->radio.shadowing_db * normal[0] : 0.0;
    return elementary_exp(-0.1 * LN_10 * loss_db);
}

/* A4. One Philox block fades four servers. */
static void meet_channels(const struct world *world, uint32_t device, struct slot_id id,
                          struct device_slot *ret)
{
    const struct scenario *scenario = &world->scenario;
    bool fades = scenario->radio.fading == FADING_RAYLEIGH && !channel_gain_is_mean(scenario);
    bool shadows = scenario->radio.fading == FADING_SHADOWING;
    struct rng_at at = {world->seed, id.phase, RNG_FADING, device, id.episode, id.slot};
    double floor_m2 = scenario->radio.min_distance_m * scenario->radio.min_distance_m;
    struct rng_block block = {{0}};
    for (uint32_t m = 0; m < world->servers; m++) {
        if (fades && m % WORDS_PER_BLOCK == 0)
            block = rng_block(&at, m / WORDS_PER_BLOCK);
        double fading = fades ? rng_exponential(block.v[m % WORDS_PER_BLOCK]) : 1.0;
        if (shadows)
            fading = shadowing(scenario, &at, m);
        double distance2_m2 = squared_distance_m2(world, ret->position, m);
        ret->gain[m] =
            radio_gain_squared(scenario, distance2_m2 < floor_m2 ? floor_m2 : distance2_m2, fading);
    }
}

/* A trace's rate as the gain that gives it on the whole band: the same to every server. A6 then divides it as
 * it does any other channel. */
static double gain_of(const struct world *world, uint32_t device, double rate_bps)
{
    const struct scenario *scenario = &world->scenario;
    if (rate_bps < TRACK_RATE_MIN_BPS)
        return 0.0;
    return radio_gain_for_rate(scenario, scenario->radio.bandwidth_mhz * UNITS_MHZ,
                               world->device[device].transmit_power_w, rate_bps);
}

static void follow_trace(const struct world *world, const struct track *track, uint32_t device,
                         struct slot_id id, struct device_slot *ret)
{
    double from_s = world_track_s(world, track, device, id.phase, id.episode, id.slot);
    double mean_bps = track_mean_bps(track, world_tracks_turn(world), from_s, world->scenario.run.slot_s);
    double gain = gain_of(world, device, mean_bps);
    for (uint32_t m = 0; m < world->servers; m++)
        ret->gain[m] = gain;
}

double device_slot_gain_at(const struct world *world, uint32_t device, struct slot_id id, double after_s,
                           double *ret_for_s)
{
    const struct track *track = tracks_of(&world->rate_tracks, device);
    assert(track != NULL && after_s >= 0.0);
    double from_s = world_track_s(world, track, device, id.phase, id.episode, id.slot);
    return gain_of(world, device,
                   track_rate_bps(track, world_tracks_turn(world), from_s + after_s, ret_for_s));
}

bool device_slot_begins_anew(const struct world *world, uint32_t device, struct slot_id id)
{
    const struct track *track = tracks_of(&world->place_tracks, device);
    if (track == NULL || id.slot == 0 || world_tracks_turn(world))
        return false;
    return track_begins_anew(track, world_track_s(world, track, device, id.phase, id.episode, id.slot - 1),
                             world_track_s(world, track, device, id.phase, id.episode, id.slot));
}

static bool has_request(const struct world *world, uint32_t device, struct slot_id id)
{
    double probability = world->scenario.task.probability;
    struct rng_at at = {world->seed, id.phase, RNG_REQUEST, device, id.episode, id.slot};
    return probability >= 1.0 || rng_uniform(&at, 0) < probability;
}

static void meet_class(const struct world *world, uint32_t device, struct slot_id id, struct device_slot *ret)
{
    const struct rng_at at = device_slot_draws(world, device, id);
    ret->task_class = classes_draw(&world->classes, &at, &ret->deadline_s);
    uint32_t tokens = world->classes.list[ret->task_class].tokens;
    if (ret->tokens > 0 && tokens > 0)
        ret->tokens = tokens;
}

void device_slot_meet(const struct world *world, uint32_t device, struct slot_id id,
                      const struct mobility *mobility, struct device_slot *ret)
{
    assert(device < world->devices && world->servers <= WORLD_SERVERS_MAX);
    const uint32_t *rows = world->tokens != NULL ? world->tokens + (size_t) device * world->token_rows : NULL;
    ret->position = mobility->position;
    ret->speed_mps = mobility->speed_mps;
    ret->tokens = 0;
    if (has_request(world, device, id))
        ret->tokens = device_slot_tokens(&world->scenario, rows, world->token_rows, world->seed, device, id);
    meet_class(world, device, id, ret);
    const struct track *track = tracks_of(&world->rate_tracks, device);
    if (track != NULL)
        follow_trace(world, track, device, id, ret);
    else
        meet_channels(world, device, id, ret);
}
