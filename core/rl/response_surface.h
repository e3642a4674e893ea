/* The minimum of a noisy function of one variable, found by trying. What trials have shown is a response
 * surface (Box and Wilson, J. R. Stat. Soc. B 13 (1951) 1-45); its form is not a quadratic, which is wrong
 * far from the minimum, but a Gaussian process with a squared-exponential kernel (Rasmussen and Williams,
 * 2006, algorithm 2.1). The next trial is where it is lowest less some standard deviations (Srinivas et al.,
 * ICML 2010, arXiv 0912.3995, turned upside down), so what is not known is tried, and what is known to be bad
 * is not. Numerics only, and no randomness.
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

/* `trial` and `seen` are all there is to save: response_surface_settle makes the rest. */
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

/* What came of a trial; then best and next are new. */
void response_surface_observe(struct response_surface *surface, double x, double y);
/* Best and next of the trials that are there. */
void response_surface_settle(struct response_surface *surface);

#endif
