/* A smooth line through a cloud of points: locally weighted regression. Around each place a straight line is fitted to the
 * nearest points, which count the less the farther off they are, by the tricube (1 - (d / h)^3)^3, where h is the distance
 * of the farthest of them (Cleveland, "Robust locally weighted regression and smoothing scatterplots", Journal of the
 * American Statistical Association 74 (1979), sections 2 and 3). Outliers are not weighted down: his steps 3 and 4 are
 * left out. */
#ifndef HANDOFF_CORE_STATS_LOESS_H
#define HANDOFF_CORE_STATS_LOESS_H

#include <stddef.h>

/* Points by ascending x. Borrowed. */
struct loess {
    const double *x, *y; /* [n] */
    size_t n;
    double
        span; /* share of the points that count at a place, 0 < span <= 1: of n the nearest whole number, at least 1 */
};

/* The line's height. Where all that counts lies at one x, the weighted mean of y. NAN of no point. */
double loess_at(const struct loess *loess, double at);

#endif
