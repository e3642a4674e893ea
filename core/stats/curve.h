/* Curves that were sampled at different places, read at the same ones. */
#ifndef HANDOFF_CORE_STATS_CURVE_H
#define HANDOFF_CORE_STATS_CURVE_H

#include <stddef.h>

/* Points by ascending x. Borrowed. */
struct curve {
    const double *x, *y; /* [n] */
    size_t n;
};

/* Linear between neighbours; NAN outside, where nothing was measured. */
double curve_at(const struct curve *curve, double x);

#endif
