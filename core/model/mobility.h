/* Movement (A1, A2): Gauss-Markov or random waypoint with reflection at the area's border; or as a trace
 * says. */
#ifndef HANDOFF_CORE_MODEL_MOBILITY_H
#define HANDOFF_CORE_MODEL_MOBILITY_H

#include <stdint.h>

#include "core/base/rng.h"
#include "core/model/world.h"

/* A device's movement state at the start of a slot. Plain data: copy it freely. */
struct mobility {
    struct vec2 position;
    double speed_mps;
    double heading_rad;
    double mean_heading_rad; /* Gauss-Markov: the episode's first heading, reflected with the device */
    struct vec2 waypoint;    /* random waypoint: where it goes */
};

/* The state at slot 0 of an episode: position uniform (or home), heading uniform, speed at its mean. */
void mobility_start(const struct world *world, uint32_t device, enum rng_phase phase, uint32_t episode,
                    struct mobility *ret);

/* Advances by one slot; `slot` is the one being left, and names the draws. */
void mobility_step(const struct world *world, uint32_t device, enum rng_phase phase, uint32_t episode,
                   uint32_t slot, struct mobility *mobility);

#endif
