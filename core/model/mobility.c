#include "core/model/mobility.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"

/* Random waypoint: a leg's speed is uniform on these multiples of the mean. A range that reaches down to 0
 * would hold legs that hardly end (Yoon, Liu and Noble, "Random waypoint considered harmful", INFOCOM 2003). */
#define LEG_SPEED_LOW 0.5
#define LEG_SPEED_HIGH 1.5

static double clip(double value, double low, double high)
{
    assert(low <= high);
    if (value < low)
        return low;
    return value > high ? high : value;
}

static void draw_leg(const struct world *world, const struct rng_block *block, struct mobility *mobility)
{
    const struct scenario *scenario = &world->scenario;
    mobility->waypoint = (struct vec2){rng_u01(block->v[0]) * scenario->area.width_m,
                                       rng_u01(block->v[1]) * scenario->area.height_m};
    double factor = LEG_SPEED_LOW + (LEG_SPEED_HIGH - LEG_SPEED_LOW) * rng_u01(block->v[2]);
    mobility->speed_mps = clip(factor * scenario->mobility.speed_mean, scenario->mobility.speed_min,
                               scenario->mobility.speed_max);
    mobility->heading_rad = elementary_atan2(mobility->waypoint.y - mobility->position.y,
                                             mobility->waypoint.x - mobility->position.x);
}

/* Where the device's trace has it at the start of a slot. A world without traces, as one that is being
 * filled, leaves it where it is. */
static void follow(const struct world *world, uint32_t device, enum rng_phase phase, uint32_t episode,
                   uint32_t slot, struct mobility *mobility)
{
    const struct track *track = tracks_of(&world->place_tracks, device);
    double value[4];
    if (track == NULL)
        return;
    track_place_at(track, world_tracks_turn(world), world_track_s(world, track, device, phase, episode, slot),
                   value);
    mobility->position = (struct vec2){value[TRACK_X], value[TRACK_Y]};
    mobility->speed_mps = value[TRACK_SPEED];
}

void mobility_start(const struct world *world, uint32_t device, enum rng_phase phase, uint32_t episode,
                    struct mobility *ret)
{
    const struct scenario *scenario = &world->scenario;
    assert(device < world->devices);
    const struct device_params *params = &world->device[device];
    struct rng_at at = {world->seed, phase, RNG_START, device, episode, 0};
    struct rng_block block = rng_block(&at, 0);
    struct mobility start = {0};
    start.position = (struct vec2){rng_u01(block.v[0]) * scenario->area.width_m,
                                   rng_u01(block.v[1]) * scenario->area.height_m};
    if (params->has_home)
        start.position = params->home;
    start.heading_rad = 2.0 * UNITS_PI * rng_u01(block.v[2]) - UNITS_PI;
    start.mean_heading_rad = start.heading_rad;
    start.waypoint = start.position;
    switch (scenario->mobility.kind) {
    case MOBILITY_GAUSS_MARKOV: start.speed_mps = scenario->mobility.speed_mean; break;
    case MOBILITY_RANDOM_WAYPOINT:
        block = rng_block(&at, 1);
        draw_leg(world, &block, &start);
        break;
    case MOBILITY_TRACE: follow(world, device, phase, episode, 0, &start); break;
    case MOBILITY_STILL:
    case MOBILITY_ANYWHERE: break;
    }
    *ret = start;
}

/* Folds a coordinate back into [0, size]; true when it met the border an odd number of times, so that the
 * direction turns. */
static bool reflect(double *coordinate, double size)
{
    if (*coordinate >= 0.0 && *coordinate <= size)
        return false;
    double folded = fmod(*coordinate, 2.0 * size);
    if (folded < 0.0)
        folded += 2.0 * size;
    bool turned = folded > size;
    *coordinate = turned ? 2.0 * size - folded : folded;
    assert(*coordinate >= 0.0 && *coordinate <= size);
    return turned;
}

/* Angles stay near zero, heading and mean by the same whole turns, so that their difference keeps its
 * meaning. */
static void unwind(struct mobility *mobility)
{
    double turn = 0.0;
    if (mobility->mean_heading_rad > UNITS_PI)
        turn = -2.0 * UNITS_PI;
    else if (mobility->mean_heading_rad < -UNITS_PI)
        turn = 2.0 * UNITS_PI;
    mobility->mean_heading_rad += turn;
    mobility->heading_rad += turn;
}

/* A2: the move of the slot being left, with that slot's speed and heading. */
static void move_straight(const struct scenario *scenario, struct mobility *mobility)
{
    double step_m = mobility->speed_mps * scenario->run.slot_s, sine, cosine;
    elementary_sincos(mobility->heading_rad, &sine, &cosine);
    mobility->position.x += step_m * cosine;
    mobility->position.y += step_m * sine;
    if (reflect(&mobility->position.x, scenario->area.width_m)) {
        mobility->heading_rad = UNITS_PI - mobility->heading_rad;
        mobility->mean_heading_rad = UNITS_PI - mobility->mean_heading_rad;
    }
    if (reflect(&mobility->position.y, scenario->area.height_m)) {
        mobility->heading_rad = -mobility->heading_rad;
        mobility->mean_heading_rad = -mobility->mean_heading_rad;
    }
    unwind(mobility);
}

/* A1: both of the slot's normals come from one block. */
static void turn_gauss_markov(const struct scenario *scenario, const struct rng_at *at,
                              struct mobility *mobility)
{
    struct rng_block block = rng_block(at, 0);
    double normal[2];
    rng_normal_pair(block.v[0], block.v[1], normal);
    double memory = scenario->mobility.memory;
    double fresh = sqrt(1.0 - memory * memory);
    double speed_mps = memory * mobility->speed_mps + (1.0 - memory) * scenario->mobility.speed_mean +
                       fresh * scenario->mobility.speed_sigma * normal[0];
    mobility->speed_mps = clip(speed_mps, scenario->mobility.speed_min, scenario->mobility.speed_max);
    mobility->heading_rad = memory * mobility->heading_rad + (1.0 - memory) * mobility->mean_heading_rad +
                            fresh * scenario->mobility.heading_sigma * normal[1];
}

/* Towards the waypoint. A device that arrives rests for the remainder of the slot, then begins a new leg. */
static void step_waypoint(const struct world *world, const struct rng_at *at, struct mobility *mobility)
{
    double dx_m = mobility->waypoint.x - mobility->position.x;
    double dy_m = mobility->waypoint.y - mobility->position.y;
    double left_m = sqrt(dx_m * dx_m + dy_m * dy_m);
    double step_m = mobility->speed_mps * world->scenario.run.slot_s;
    if (step_m < left_m) {
        mobility->position.x += dx_m * (step_m / left_m);
        mobility->position.y += dy_m * (step_m / left_m);
        return;
    }
    mobility->position = mobility->waypoint;
    struct rng_block block = rng_block(at, 0);
    draw_leg(world, &block, mobility);
}

/* Another terminal each time: uniform in the area. */
static void jump(const struct scenario *scenario, const struct rng_at *at, struct mobility *mobility)
{
    struct rng_block block = rng_block(at, 0);
    mobility->position = (struct vec2){rng_u01(block.v[0]) * scenario->area.width_m,
                                       rng_u01(block.v[1]) * scenario->area.height_m};
}

void mobility_step(const struct world *world, uint32_t device, enum rng_phase phase, uint32_t episode,
                   uint32_t slot, struct mobility *mobility)
{
    struct rng_at at = {world->seed, phase, RNG_MOBILITY, device, episode, slot};
    assert(device < world->devices);
    switch (world->scenario.mobility.kind) {
    case MOBILITY_GAUSS_MARKOV:
        move_straight(&world->scenario, mobility);
        turn_gauss_markov(&world->scenario, &at, mobility);
        break;
    case MOBILITY_RANDOM_WAYPOINT: step_waypoint(world, &at, mobility); break;
    case MOBILITY_TRACE: follow(world, device, phase, episode, slot + 1, mobility); break;
    case MOBILITY_ANYWHERE: jump(&world->scenario, &at, mobility); break;
    case MOBILITY_STILL: break;
    }
}
