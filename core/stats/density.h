/* How densely a sample's numbers lie: a kernel estimate with a normal curve about each number (Silverman, Density Estimation
 * for Statistics and Data Analysis, 1986, equation 2.2a). */
#ifndef HANDOFF_CORE_STATS_DENSITY_H
#define HANDOFF_CORE_STATS_DENSITY_H

#include <stddef.h>

/* Silverman's rule for the curves' standard deviation, 0.9 min(s, IQR / 1.34) n^(-1/5) (his equation 3.31); s alone where
 * the quartiles are equal. 0: the numbers are all the same, or fewer than two, and have no density. */
double density_bandwidth(const double *sorted /* [n] */, size_t n);

/* 1 / (n h) sum of phi((at - x_i) / h), h > 0. */
double density_at(const double *x /* [n] */, size_t n, double bandwidth, double at);

#endif
