#include "core/stats/sample.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

double sample_mean(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double) n : (double) NAN;
}

double sample_deviation(const double *x, size_t n)
{
    if (n < 2)
        return (double) NAN;
    double mean = sample_mean(x, n);
    double squares = 0.0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (double) (n - 1));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

void sample_sort(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof *x, by_value);
}

double sample_quantile(const double *sorted, size_t n, double share)
{
    assert(share >= 0.0 && share <= 1.0);
    if (n == 0)
        return (double) NAN;
    assert(sorted[0] <= sorted[n - 1]);
    double place = share * (double) (n - 1);
    size_t below = (size_t) place;
    if (below >= n - 1)
        return sorted[n - 1];
    return sorted[below] + (place - (double) below) * (sorted[below + 1] - sorted[below]);
}

struct sample_box sample_box(const double *sorted, size_t n)
{
    return (struct sample_box){
        .min = sample_quantile(sorted, n, 0.0),
        .p5 = sample_quantile(sorted, n, 0.05),
        .q1 = sample_quantile(sorted, n, 0.25),
        .median = sample_quantile(sorted, n, 0.5),
        .q3 = sample_quantile(sorted, n, 0.75),
        .p95 = sample_quantile(sorted, n, 0.95),
        .max = sample_quantile(sorted, n, 1.0),
    };
}
