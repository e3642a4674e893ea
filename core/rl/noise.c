#include "core/rl/noise.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/rng.h"

static bool config_is_valid(const struct noise_config *config)
{
    return config->sigma >= 0.0 && isfinite(config->sigma) && config->decay > 0.0 && config->decay <= 1.0 &&
           config->theta >= 0.0 && config->theta <= 1.0;
}

int noise_init(struct noise *ret_noise, const struct noise_config *config, size_t size)
{
    if (size < 1 || !config_is_valid(config))
        return ERR_RANGE;
    double *level = calloc(size, sizeof(*level));
    if (level == NULL)
        return -ENOMEM;
    *ret_noise = (struct noise){.config = *config, .scale = config->sigma, .level = level, .size = size};
    return 0;
}

void noise_finish(struct noise *noise)
{
    free(noise->level);
    noise->level = NULL;
}

static struct rng_at draws_of_step(const struct noise *noise)
{
    return (struct rng_at){
        .seed = noise->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_EXPLORATION,
        .episode = (uint32_t) (noise->step >> 32),
        .slot = (uint32_t) noise->step,
    };
}

static void normals_of_block(const struct rng_at *at, uint32_t index, double ret_normal[static 4])
{
    struct rng_block block = rng_block(at, index);
    rng_normal_pair(block.v[0], block.v[1], ret_normal);
    rng_normal_pair(block.v[2], block.v[3], ret_normal + 2);
}

static float clip(double value)
{
    return (float) (value < -1.0 ? -1.0 : value > 1.0 ? 1.0 : value);
}

/* dx = -theta x + sigma N(0, 1), time step 1 (Uhlenbeck and Ornstein 1930, as discretised in arXiv
 * 1509.02971). */
static double next_level(const struct noise *noise, double level, double normal)
{
    double innovation = noise->scale * normal;
    return noise->config.ornstein_uhlenbeck ? level - noise->config.theta * level + innovation : innovation;
}

void noise_add(struct noise *noise, float *action)
{
    struct rng_at at = draws_of_step(noise);
    assert(noise->scale >= 0.0 && noise->scale <= noise->config.sigma); /* it only decays */
    for (size_t i = 0; i < noise->size; i += 4) {
        double normal[4];
        normals_of_block(&at, (uint32_t) (i / 4), normal);
        for (size_t j = 0; j < 4 && i + j < noise->size; j++) {
            noise->level[i + j] = next_level(noise, noise->level[i + j], normal[j]);
            action[i + j] = clip((double) action[i + j] + noise->level[i + j]);
        }
    }
    noise->scale *= noise->config.decay;
    noise->step++;
}

void noise_normal(struct noise *noise, float *ret_normal)
{
    struct rng_at at = draws_of_step(noise);
    for (size_t i = 0; i < noise->size; i += 4) {
        double normal[4];
        normals_of_block(&at, (uint32_t) (i / 4), normal);
        for (size_t j = 0; j < 4 && i + j < noise->size; j++)
            ret_normal[i + j] = (float) normal[j];
    }
    noise->step++;
}

void noise_uniform(struct noise *noise, float *action)
{
    struct rng_at at = draws_of_step(noise);
    for (size_t i = 0; i < noise->size; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < noise->size; j++)
            action[i + j] = clip(2.0 * rng_u01(block.v[j]) - 1.0);
    }
    noise->step++;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "noise is written as it lies in memory: little-endian processors only"
#endif

int noise_save(const struct noise *noise, struct buf *bytes)
{
    int code = buf_push(bytes, &noise->step, sizeof(noise->step));
    if (code == 0)
        code = buf_push(bytes, &noise->scale, sizeof(noise->scale));
    return code != 0 ? code : buf_push(bytes, noise->level, noise->size * sizeof(*noise->level));
}

int noise_load(struct noise *noise, const void *bytes, size_t size, struct diag *diag)
{
    const uint8_t *at = bytes;
    size_t expected = sizeof(noise->step) + sizeof(noise->scale) + noise->size * sizeof(*noise->level);
    if (size != expected)
        return diag_fail(diag, ERR_MISMATCH, "noise has %zu bytes, expected are %zu", size, expected);
    for (size_t i = sizeof(noise->step); i < size; i += sizeof(double)) {
        double value;
        memcpy(&value, at + i, sizeof(value));
        bool is_scale = i == sizeof(noise->step);
        if (!isfinite(value) || (is_scale && (value < 0.0 || value > noise->config.sigma)))
            return diag_fail(diag, ERR_CORRUPT, "noise has numbers that are not possible");
    }
    memcpy(&noise->step, at, sizeof(noise->step));
    memcpy(&noise->scale, at + sizeof(noise->step), sizeof(noise->scale));
    memcpy(noise->level, at + sizeof(noise->step) + sizeof(noise->scale),
           noise->size * sizeof(*noise->level));
    return 0;
}
