#include "core/stats/density.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"
#include "core/base/units.h"
#include "core/stats/sample.h"

#define NORMAL_QUARTILES 1.34 /* between those of a normal curve of deviation 1, as Silverman rounds it */
#define FAR 39.0              /* deviations at which the curve is 0 as a double */

double density_bandwidth(const double *sorted, size_t n)
{
    double deviation = sample_deviation(sorted, n);
    if (n < 2 || sorted[0] >= sorted[n - 1])
        return 0.0;
    double middle = sample_quantile(sorted, n, 0.75) - sample_quantile(sorted, n, 0.25);
    double scale = middle > 0.0 ? fmin(deviation, middle / NORMAL_QUARTILES) : deviation;
    return 0.9 * scale * elementary_pow((double) n, -0.2);
}

double density_at(const double *x, size_t n, double bandwidth, double at)
{
    assert(n > 0 && bandwidth > 0.0);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double z = (at - x[i]) / bandwidth;
        sum += fabs(z) < FAR ? elementary_exp(-0.5 * z * z) : 0.0;
    }
    return sum / ((double) n * bandwidth * sqrt(2.0 * UNITS_PI));
}
