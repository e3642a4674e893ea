/* The minimum of a noisy function of one variable, found by trying. A response surface is fitted to the
 * trials (Box and Wilson, J. R. Stat. Soc. B 13 (1951) 1-45). It is not a quadratic, which is wrong far from
 * the minimum, but a Gaussian process with a squared-exponential kernel (Rasmussen and Williams, 2006,
 * algorithm 2.1). The next trial is where the mean less some standard deviations is lowest (Srinivas et al.,
 * ICML 2010, arXiv 0912.3995, with the sign reversed): unknown places are tried, places known to be bad are
 * not. Numerics only, and no randomness.
 *
 * The function may drift: older trials count as noisier ones. */
#ifndef HANDOFF_CORE_RL_RESPONSE_SURFACE_H
#define HANDOFF_CORE_RL_RESPONSE_SURFACE_H

#include <stdint.h>

#define RESPONSE_SURFACE_TRIALS 192u /* remembered, the last ones */

struct response_surface_config {
    double low, high; /* where the variable may be */
    double start;     /* the first trial, and the best before anything is known */
    double length;    /* over which the function changes much */
    double noise;     /* a trial's standard deviation */
};

struct response_surface_trial {
    double x, y;
};

/* Only `trial` and `seen` need to be saved: response_surface_settle computes the rest. */
struct response_surface {
    struct response_surface_config config;
    struct response_surface_trial trial[RESPONSE_SURFACE_TRIALS]; /* a ring */
    uint64_t seen;
    double best;  /* where the mean is lowest */
    double least; /* and that mean */
    double next;  /* where to try next */
    double factor[RESPONSE_SURFACE_TRIALS]
                 [RESPONSE_SURFACE_TRIALS]; /* scratch: Cholesky's, the lower triangle */
};

void response_surface_init(struct response_surface *surface, const struct response_surface_config *config);

/* Adds a trial's outcome, and settles. */
void response_surface_observe(struct response_surface *surface, double x, double y);
/* Computes best, least and next from the trials; without any they stay as they are. */
void response_surface_settle(struct response_surface *surface);

#endif
