/* Percentile bootstrap: how much a statistic might differ, had other seeds been drawn. The seeds are drawn
 * anew, with replacement, 10,000 times. The interval holds the middle 95 % of the statistic's values (Efron
 * and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
 *
 * The draws are those of core/base/rng at (0; train, bootstrap, 0, 0, resample, index): the same numbers
 * always give the same interval, and all samples of one size are drawn anew in the same way. Of few seeds
 * the interval is too short: of 5 normal ones it holds the truth in about 84 % of cases
 * (docs/experiments.md). */
#ifndef HANDOFF_CORE_STATS_BOOTSTRAP_H
#define HANDOFF_CORE_STATS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#define BOOTSTRAP_RESAMPLES 10000u
#define BOOTSTRAP_SAMPLE_MAX 1000u /* numbers in a sample: 40 MB of draws */

struct interval {
    double low, high; /* NAN: there is none */
};

/* Owns its draws, which serve every sample of up to size_max numbers. */
struct bootstrap {
    uint32_t *word; /* [BOOTSTRAP_RESAMPLES * size_max] */
    uint32_t *pick; /* [size_max] of the present resample */
    double *value;  /* [BOOTSTRAP_RESAMPLES] of the statistic */
    size_t size_max;
};

/* ERR_TOO_BIG above BOOTSTRAP_SAMPLE_MAX. */
int bootstrap_init(struct bootstrap *ret_bootstrap, size_t size_max);
void bootstrap_finish(struct bootstrap *bootstrap);

/* 95 % interval of the mean. None of fewer than two numbers, nor of more than size_max. */
struct interval bootstrap_mean(struct bootstrap *bootstrap, const double *x /* [n] */, size_t n);

/* The same of any statistic of n things: `statistic` is told which ones a resample picked. If it is NAN for
 * one resample, there is no interval. */
struct interval bootstrap_statistic(struct bootstrap *bootstrap, size_t n,
                                    double (*statistic)(void *user, const uint32_t *pick, size_t n),
                                    void *user);

#endif
