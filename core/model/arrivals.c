#include "core/model/arrivals.h"

#include <math.h>

/* Entities of the draws: gaps between tasks by slot, and lengths of calms and bursts by their number. */
enum arrival_entity { GAPS, TURNS };

/* Within one gap: a turn ends it, and the rest is drawn anew, since an exponential time has no memory. */
static double gap_draw(const struct world *world, struct slot_id id, uint32_t part)
{
    const struct rng_at at = {world->seed, id.phase, RNG_ARRIVAL, GAPS, id.episode, id.slot};
    return rng_exponential(rng_block(&at, part).v[0]);
}

static double turn_length_s(const struct arrivals_walk *walk, const struct world *world)
{
    const struct rng_at at = {world->seed, walk->id.phase, RNG_ARRIVAL, TURNS, walk->id.episode, walk->turns};
    double mean_s = walk->is_burst ? world->scenario.arrivals.burst_s : world->scenario.arrivals.calm_s;
    return mean_s * rng_exponential(rng_block(&at, 0).v[0]);
}

static void begin(struct arrivals_walk *walk, const struct world *world, struct slot_id id)
{
    *walk = (struct arrivals_walk){.has_begun = true, .id = id};
    walk->id.slot = 0;
    walk->turn_s = (double) INFINITY;
    if (world->scenario.arrivals.kind == ARRIVALS_BURSTS)
        walk->turn_s = turn_length_s(walk, world);
}

/* From one task to the next, or from the episode's start to the first. */
static void step(struct arrivals_walk *walk, const struct world *world)
{
    for (uint32_t part = 0;; part++) {
        double rate = walk->is_burst ? world->scenario.arrivals.burst_rate : world->scenario.arrivals.rate;
        double next_s = walk->at_s + gap_draw(world, walk->id, part) / rate;
        if (next_s <= walk->turn_s) {
            walk->at_s = next_s;
            return;
        }
        walk->at_s = walk->turn_s;
        walk->is_burst = !walk->is_burst;
        walk->turns++;
        walk->turn_s += turn_length_s(walk, world);
    }
}

double arrivals_start_s(struct arrivals_walk *walk, const struct world *world, struct slot_id id)
{
    if (world->scenario.arrivals.kind == ARRIVALS_SLOTS)
        return id.slot * world->scenario.run.slot_s;
    bool goes_on = walk->has_begun && walk->id.phase == id.phase && walk->id.episode == id.episode &&
                   walk->id.slot <= id.slot;
    if (!goes_on) {
        begin(walk, world, id);
        step(walk, world);
    }
    while (walk->id.slot < id.slot) {
        walk->id.slot++;
        step(walk, world);
    }
    return walk->at_s;
}
