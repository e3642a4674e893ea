#include "core/stats/bootstrap.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/stats/sample.h"

#define TAIL 0.025 /* on each side of 95 % */

static void draw(uint32_t *word, size_t size_max)
{
    for (uint32_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        struct rng_at at = {.phase = RNG_TRAIN, .stream = RNG_BOOTSTRAP, .slot = r};
        struct rng_block block = {{0}};
        for (size_t i = 0; i < size_max; i++) {
            if (i % 4 == 0)
                block = rng_block(&at, (uint32_t) (i / 4));
            word[r * size_max + i] = block.v[i % 4];
        }
    }
}

int bootstrap_init(struct bootstrap *ret_bootstrap, size_t size_max)
{
    if (size_max > BOOTSTRAP_SAMPLE_MAX)
        return ERR_TOO_BIG;
    if (size_max == 0)
        size_max = 1;
    struct bootstrap bootstrap = {
        .word = calloc(BOOTSTRAP_RESAMPLES * size_max, sizeof *bootstrap.word),
        .pick = calloc(size_max, sizeof *bootstrap.pick),
        .value = calloc(BOOTSTRAP_RESAMPLES, sizeof *bootstrap.value),
        .size_max = size_max,
    };
    if (bootstrap.word == NULL || bootstrap.pick == NULL || bootstrap.value == NULL) {
        bootstrap_finish(&bootstrap);
        return -ENOMEM;
    }
    draw(bootstrap.word, size_max);
    *ret_bootstrap = bootstrap;
    return 0;
}

void bootstrap_finish(struct bootstrap *bootstrap)
{
    free(bootstrap->word);
    free(bootstrap->pick);
    free(bootstrap->value);
    *bootstrap = (struct bootstrap){0};
}

struct interval bootstrap_statistic(struct bootstrap *bootstrap, size_t n,
                                    double (*statistic)(void *user, const uint32_t *pick, size_t n),
                                    void *user)
{
    struct interval none = {(double) NAN, (double) NAN};
    if (n < 2 || n > bootstrap->size_max)
        return none;
    for (size_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        const uint32_t *word = bootstrap->word + r * bootstrap->size_max;
        for (size_t i = 0; i < n; i++)
            bootstrap->pick[i] = (uint32_t) ((uint64_t) word[i] * n >> 32);
        bootstrap->value[r] = statistic(user, bootstrap->pick, n);
        if (isnan(bootstrap->value[r]))
            return none;
    }
    sample_sort(bootstrap->value, BOOTSTRAP_RESAMPLES);
    return (struct interval){
        .low = sample_quantile(bootstrap->value, BOOTSTRAP_RESAMPLES, TAIL),
        .high = sample_quantile(bootstrap->value, BOOTSTRAP_RESAMPLES, 1.0 - TAIL),
    };
}

static double picked_mean(void *user, const uint32_t *pick, size_t n)
{
    const double *x = user;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[pick[i]];
    return sum / (double) n;
}

struct interval bootstrap_mean(struct bootstrap *bootstrap, const double *x, size_t n)
{
    return bootstrap_statistic(bootstrap, n, picked_mean, (void *) (uintptr_t) x); /* only read */
}
