#include "core/stats/curve.h"

#include <assert.h>
#include <math.h>

double curve_at(const struct curve *curve, double x)
{
    size_t n = curve->n;
    assert(n == 0 || curve->x[0] <= curve->x[n - 1]);
    if (n == 0 || x < curve->x[0] || x > curve->x[n - 1])
        return (double) NAN;
    size_t low = 0, high = n - 1; /* x lies between these */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (curve->x[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    double span = curve->x[high] - curve->x[low];
    if (span <= 0.0 || x <= curve->x[low])
        return curve->y[low];
    if (x >= curve->x[high])
        return curve->y[high];
    return curve->y[low] + (x - curve->x[low]) / span * (curve->y[high] - curve->y[low]);
}
