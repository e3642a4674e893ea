#include "core/rl/swarm.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int swarm_init(struct swarm *ret_swarm, const struct swarm_config *config, size_t size)
{
    size_t entries = config->particles * size;
    assert(config->particles >= 1 && size >= 1);
    assert(config->iterations < 1u << 20); /* an entity of rng_at */
    struct swarm swarm = {
        .config = *config,
        .size = size,
        .position = calloc(entries, sizeof *swarm.position),
        .velocity = calloc(entries, sizeof *swarm.velocity),
        .own_best = calloc(entries, sizeof *swarm.own_best),
        .own_least = calloc(config->particles, sizeof *swarm.own_least),
    };
    if (swarm.position == NULL || swarm.velocity == NULL || swarm.own_best == NULL ||
        swarm.own_least == NULL) {
        swarm_finish(&swarm);
        return -ENOMEM;
    }
    *ret_swarm = swarm;
    return 0;
}

void swarm_finish(struct swarm *swarm)
{
    free(swarm->position);
    free(swarm->velocity);
    free(swarm->own_best);
    free(swarm->own_least);
    *swarm = (struct swarm){0};
}

/* The draws of two dimensions make a block. */
static uint32_t first_block(const struct swarm *swarm, uint32_t particle)
{
    return particle * (uint32_t) ((swarm->size + 1) / 2);
}

static void begin(struct swarm *swarm, const struct rng_at *at, uint32_t particle)
{
    float *position = swarm->position + particle * swarm->size;
    for (size_t d = 0; d < swarm->size; d++) {
        struct rng_block draw = rng_block(at, first_block(swarm, particle) + (uint32_t) d / 2);
        position[d] = (float) (2.0 * rng_u01(draw.v[d % 2]) - 1.0);
    }
    memset(swarm->velocity + particle * swarm->size, 0, swarm->size * sizeof *swarm->velocity);
}

static void move(struct swarm *swarm, const struct rng_at *at, uint32_t particle, const float *best)
{
    float *position = swarm->position + particle * swarm->size;
    float *velocity = swarm->velocity + particle * swarm->size;
    const float *own = swarm->own_best + particle * swarm->size;
    const struct swarm_config *config = &swarm->config;
    for (size_t d = 0; d < swarm->size; d += 2) {
        struct rng_block draw = rng_block(at, first_block(swarm, particle) + (uint32_t) d / 2);
        for (size_t i = d; i < d + 2 && i < swarm->size; i++) {
            double own_pull = config->cognitive * rng_u01(draw.v[2 * (i - d)]);
            double best_pull = config->social * rng_u01(draw.v[2 * (i - d) + 1]);
            double is_at = (double) position[i];
            double speed = config->inertia * (double) velocity[i] + own_pull * ((double) own[i] - is_at) +
                           best_pull * ((double) best[i] - is_at);
            double next = is_at + speed;
            bool outside = next < -1.0 || next > 1.0;
            position[i] = (float) (outside ? (next < 0.0 ? -1.0 : 1.0) : next);
            velocity[i] = (float) (outside ? 0.0 : speed);
        }
    }
}

/* All particles move towards the best place of the iteration before. `ret_position` is that place, and
 * becomes the new one when all have moved. */
double swarm_minimise(struct swarm *swarm, struct rng_at at, swarm_cost *cost, void *user,
                      float *ret_position)
{
    size_t bytes = swarm->size * sizeof *ret_position;
    uint32_t leader = 0;
    for (uint32_t iteration = 0; iteration <= swarm->config.iterations; iteration++) {
        at.entity = iteration;
        for (uint32_t p = 0; p < swarm->config.particles; p++) {
            const float *position = swarm->position + p * swarm->size;
            if (iteration == 0)
                begin(swarm, &at, p);
            else
                move(swarm, &at, p, ret_position);
            double is = cost(user, position);
            if (iteration > 0 && !(is < swarm->own_least[p]))
                continue;
            swarm->own_least[p] = is;
            memcpy(swarm->own_best + p * swarm->size, position, bytes);
        }
        for (uint32_t p = 0; p < swarm->config.particles; p++)
            leader = swarm->own_least[p] < swarm->own_least[leader] ? p : leader;
        memcpy(ret_position, swarm->own_best + leader * swarm->size, bytes);
    }
    return swarm->own_least[leader];
}
