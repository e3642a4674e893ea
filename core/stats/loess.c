#include "core/stats/loess.h"

#include <assert.h>
#include <math.h>

#define SINGULAR 1e-12 /* variance of x, relative to h squared, below which there is no slope */

/* How far off the q-th nearest point is: points to both sides are taken in, the nearer one first. */
static double reach(const struct loess *loess, double at, size_t q)
{
    size_t high = 0; /* points [low, high) are taken in */
    while (high < loess->n && loess->x[high] < at)
        high++;
    size_t low = high;
    double distance = 0.0;
    for (size_t taken = 0; taken < q; taken++) {
        double below = low > 0 ? at - loess->x[low - 1] : (double) INFINITY;
        double above = high < loess->n ? loess->x[high] - at : (double) INFINITY;
        distance = fmin(below, above);
        if (below <= above)
            low--;
        else
            high++;
    }
    assert(low < high && high <= loess->n);
    return distance;
}

static double tricube(double share)
{
    double rest = share < 1.0 ? 1.0 - share * share * share : 0.0;
    return rest * rest * rest;
}

/* At h = 0 only what lies at the very place counts. */
static double weight_of(double distance, double h)
{
    return h > 0.0 ? tricube(distance / h) : distance == 0.0 ? 1.0 : 0.0;
}

double loess_at(const struct loess *loess, double at)
{
    size_t n = loess->n;
    assert(loess->span > 0.0 && loess->span <= 1.0);
    assert(n == 0 || loess->x[0] <= loess->x[n - 1]);
    if (n == 0)
        return (double) NAN;
    size_t q = (size_t) (loess->span * (double) n + 0.5);
    double h = reach(loess, at, q > 0 ? q : 1);
    double sum = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0; /* x from the place on */
    for (size_t i = 0; i < n; i++) {
        double dx = loess->x[i] - at, weight = weight_of(fabs(dx), h);
        sum += weight;
        x += weight * dx;
        y += weight * loess->y[i];
    }
    if (sum <= 0.0) { /* all that is near lies exactly at h */
        for (size_t i = 0; i < n; i++)
            if (fabs(loess->x[i] - at) <= h) {
                sum += 1.0;
                y += loess->y[i];
            }
        return y / sum;
    }
    x /= sum;
    y /= sum;
    for (size_t i = 0; i < n; i++) {
        double dx = loess->x[i] - at, weight = weight_of(fabs(dx), h);
        xx += weight * (dx - x) * (dx - x);
        xy += weight * (dx - x) * (loess->y[i] - y);
    }
    return xx > SINGULAR * sum * h * h ? y - x * xy / xx : y;
}
