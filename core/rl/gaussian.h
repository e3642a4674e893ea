/* A diagonal Gaussian over real actions: its mean is a network's output, its deviations are parameters of
 * their own, the same in every state, kept as logarithms. */
#ifndef HANDOFF_CORE_RL_GAUSSIAN_H
#define HANDOFF_CORE_RL_GAUSSIAN_H

#include <stddef.h>

#include "core/base/rng.h"

/* mean + sigma N(0, 1), entry by entry: draws at `at`. */
void gaussian_sample(size_t size, const float *mean, const float *log_sigma, const struct rng_at *at,
                     float *ret_action);

float gaussian_log_probability(size_t size, const float *mean, const float *log_sigma, const float *action);

float gaussian_entropy(size_t size, const float *log_sigma);

/* From the loss's derivatives by the action's log-probability and by the entropy: its gradient at the mean,
 * and at log_sigma, which is added to sigma_gradient[size]. */
void gaussian_gradient(size_t size, const float *mean, const float *log_sigma, const float *action,
                       float by_log_probability, float by_entropy, float *ret_mean_gradient,
                       float *sigma_gradient);

#endif
