/* A reward surrogate: a small network that stands in for a measurement that is slow (Chen et al., arXiv 2406.02616,
 * algorithm 1 and equation 13). y is learned as a function of a few numbers from records of both.
 *
 * Network: inputs -> hidden -> hidden -> 1, ReLU, as in the authors' code (hidden 128). Inputs are scaled to [-1, 1] over
 * the records, and y to mean 0 and deviation 1. Mean squared error, mini-batches in an order drawn for each epoch, Adam,
 * its rate falling as half a cosine to 0 (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
 *
 * How good it is, is measured on records that it has not seen: k-fold cross-validation, each fold a draw.
 *
 * Determinism: every draw is at (seed; RNG_WEIGHTS or RNG_SAMPLING, entity SURROGATE_ENTITY + fold). The same records in
 * the same order give the same bits. One thread at a time. */
#ifndef HANDOFF_CORE_RL_SURROGATE_H
#define HANDOFF_CORE_RL_SURROGATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"

#define SURROGATE_INPUTS_MAX 4u
#define SURROGATE_ENTITY 4096u /* and as many behind it as there are folds */

struct surrogate_config {
    size_t inputs; /* 1 .. SURROGATE_INPUTS_MAX */
    size_t hidden; /* > 0 */
    size_t epochs; /* > 0 */
    size_t batch;  /* > 0 */
    float rate;    /* > 0 */
    size_t folds;  /* of the cross-validation; 0: none */
    uint64_t seed;
};

/* Authors' sizes; the rest is the house's. */
struct surrogate_config surrogate_defaults(size_t inputs, uint64_t seed);

struct surrogate_records {
    const float *x; /* [count][inputs], finite; borrowed */
    const float *y; /* [count], finite; borrowed */
    size_t count;
};

/* On records that the network had not seen; NAN without cross-validation. In y's unit. */
struct surrogate_error {
    size_t records;
    double mean_squared, mean_absolute;
    double range;     /* of y: largest minus smallest */
    double explained; /* R^2: 1 - mean_squared / variance of y; NAN where y is a constant */
};

struct surrogate;

/* ERR_RANGE: fewer records than two for each fold, or a configuration that is none; -ENOMEM. `progress` (may be NULL) is
 * told after each epoch of each network how many of all are done. */
int surrogate_fit(struct surrogate **ret_surrogate, const struct surrogate_config *config,
                  const struct surrogate_records *records, struct surrogate_error *ret_error,
                  void (*progress)(void *user, size_t done, size_t all), void *user, struct diag *diag);
/* NULL is allowed. */
void surrogate_destroy(struct surrogate *surrogate);

/* y at x [inputs]. Outside of what the records had, x is held at their edge. */
double surrogate_at(struct surrogate *surrogate, const float *x);

#endif
