/* The network again, in double precision and plain loops: what core/rl's single-precision code is held
 * against. */
#ifndef HANDOFF_TESTS_UNIT_RL_TWIN_H
#define HANDOFF_TESTS_UNIT_RL_TWIN_H

#include <stddef.h>
#include <stdint.h>

#include "core/rl/mlp.h"

#define TWIN_WIDTH 512u /* widest layer */

/* y[out] for one row x[in], with parameters laid out as in core/rl/mlp.h. */
void twin_forward(const struct mlp *mlp, const double *params, const double *x, double *ret_y);

/* A number that depends on parameters[size]. */
struct twin_function {
    double (*value)(const void *context, const double *params);
    const void *context;
    size_t size;
};

/* Largest difference between `grads` and the central differences of the function at `params`, as a share of
 * the largest gradient. */
double twin_gradient_error(const struct twin_function *function, const float *params, const float *grads);

/* A copy in double precision; free it. */
double *twin_widen(const float *values, size_t size);

/* Uniform on [-bound, bound], the same for the same entity. */
void twin_fill(float *values, size_t size, float bound, uint32_t entity);

#endif
