/* Statistics of a few numbers. Sums run in the order given, so the same numbers give the same bits. */
#ifndef HANDOFF_CORE_STATS_SAMPLE_H
#define HANDOFF_CORE_STATS_SAMPLE_H

#include <stddef.h>

/* NAN of none. */
double sample_mean(const double *x /* [n] */, size_t n);

/* Standard deviation with n - 1; NAN of fewer than two. */
double sample_deviation(const double *x /* [n] */, size_t n);

/* Ascending. No NAN among them. */
void sample_sort(double *x /* [n] */, size_t n);

/* Of ascending numbers, 0 <= share <= 1, linear between neighbours: type 7 of Hyndman and Fan, "Sample
 * quantiles in statistical packages", The American Statistician 50 (1996). NAN of none. */
double sample_quantile(const double *sorted /* [n] */, size_t n, double share);

/* What a box plot is drawn from. */
struct sample_box {
    double min, p5, q1, median, q3, p95, max;
};
struct sample_box sample_box(const double *sorted /* [n] */, size_t n);

#endif
