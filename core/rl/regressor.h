/* Regression of a few outputs on a few inputs: y = A x + b by least squares over everything observed, plus a
 * small network (tanh) for what is not linear. What is linear is known after as many samples as inputs, and
 * extrapolates; the network learns the rest from mini-batches. Numerics only.
 *
 * Least squares: normal equations, kept as sums, with a small ridge. Network: mean squared error, Adam, its
 * rate falling as a cosine to `final_rate` over `horizon` fits and resting there (Loshchilov and Hutter,
 * arXiv 1608.03983, without restarts).
 *
 * Determinism: initial weights are draws at (seed, RNG_WEIGHTS, entity); the same calls give the same bits.
 * Threads: one caller at a time. */
#ifndef HANDOFF_CORE_RL_REGRESSOR_H
#define HANDOFF_CORE_RL_REGRESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

#define REGRESSOR_INPUTS_MAX 16u
#define REGRESSOR_OUTPUTS_MAX 4u

struct regressor_config {
    size_t inputs, outputs;
    size_t hidden;    /* units in each of the two hidden layers; 0: the linear part alone */
    size_t batch;     /* most rows of a fit */
    size_t rows;      /* most rows of a prediction */
    float rate;       /* Adam's, at first */
    float final_rate; /* and at last */
    uint64_t horizon; /* fits */
    uint64_t seed;
    uint32_t entity; /* tells regressors of one seed apart */
};

struct regressor;

/* ERR_RANGE or -ENOMEM. */
int regressor_create(struct regressor **ret_regressor, const struct regressor_config *config);
void regressor_destroy(struct regressor *regressor);

/* Adds a sample to the least-squares sums: x[inputs], y[outputs]. */
void regressor_observe(struct regressor *regressor, const float *x, const float *y);

/* One step on a mini-batch: solves the linear part, moves the network towards what it leaves over. x[rows]
 * [inputs], y[rows][outputs], rows <= batch. Returns the mean squared error before the step. */
float regressor_fit(struct regressor *regressor, size_t rows, const float *x, const float *y);

/* ret_y[rows][outputs] for x[rows][inputs], rows <= config.rows. */
void regressor_predict(struct regressor *regressor, size_t rows, const float *x, float *ret_y);

/* What a prediction needs; with `full` also what fitting needs to go on. Appends. Little-endian; the caller
 * keeps a checksum. Reading takes what writing made for the same sizes and moves *bytes and *size on;
 * ERR_TRUNCATED, ERR_CORRUPT (a number that is none). */
int regressor_save(const struct regressor *regressor, bool full, struct buf *bytes);
int regressor_load(struct regressor *regressor, bool full, const uint8_t **bytes, size_t *size,
                   struct diag *diag);

#endif
