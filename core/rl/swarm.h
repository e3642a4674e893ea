/* Particle swarm optimisation of a function on the box [-1, 1]^size, with inertia and one best for all (Shi
 * and Eberhart, CEC 1998). Particles begin anywhere, at rest (Engelbrecht, CEC 2012). One that reaches the
 * box's border stops there (Robinson and Rahmat-Samii, IEEE TAP 52, 2004: absorbing walls), since the optimum
 * may lie on it.
 *
 * Draws are functions of (the given place; iteration as entity, particle, dimension), so that a longer search
 * begins with the shorter one. `at.entity` is ignored. */
#ifndef HANDOFF_CORE_RL_SWARM_H
#define HANDOFF_CORE_RL_SWARM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"

struct swarm_config {
    uint32_t particles;  /* at least 1 */
    uint32_t iterations; /* moves of all; below 2^20 */
    double inertia;      /* w */
    double cognitive;    /* c1: pull to the particle's own best place */
    double social;       /* c2: pull to the best place of all */
};

struct swarm {
    struct swarm_config config;
    size_t size;
    float *position, *velocity, *own_best; /* [particles][size] */
    double *own_least;                     /* [particles] */
};

/* To be minimised, of position[size]. */
typedef double swarm_cost(void *user, const float *position);

int swarm_init(struct swarm *ret_swarm, const struct swarm_config *config, size_t size);
void swarm_finish(struct swarm *swarm);

/* Returns the least cost seen, and where it is in ret_position[size]. particles x (iterations + 1) calls of
 * `cost`. */
double swarm_minimise(struct swarm *swarm, struct rng_at at, swarm_cost *cost, void *user,
                      float *ret_position);

#endif
