/* pow: x^y = exp(y ln x), with the logarithm and the product in two parts, since y multiplies their errors by up to
 * 2^10. */
#include "core/base/elementary.h"

#include <math.h>
#include <stdbool.h>

#include "core/base/elementary_internal.h"

enum parity { NO_INTEGER, EVEN, ODD };

static enum parity parity(double y)
{
    if (fabs(y) >= 0x1p53)
        return EVEN;
    int64_t whole = (int64_t) y;
    if ((double) whole != y)
        return NO_INTEGER;
    return whole % 2 != 0 ? ODD : EVEN;
}

/* For a positive finite x and a finite y; 1 if x is 1 or y is 0. */
static double power(double x, double y)
{
    struct elementary_pair ln = elementary_log_pair(x);
    double near = y * ln.high;
    if (!(fabs(near) < 750.0))
        return near > 0.0 ? (double) INFINITY : 0.0;
    if (fabs(near) < 0x1p-60)
        return 1.0;
    struct elementary_pair exponent = elementary_product(y, ln.high);
    return elementary_exp_pair(elementary_sum(exponent.high, exponent.low + y * ln.low));
}

/* x^y for an infinite y, and |x| for a zero or infinite x: 0, 1 or infinite. */
static double limit(double x, double y)
{
    if (fabs(x) == 1.0)
        return 1.0;
    return (fabs(x) > 1.0) == (y > 0.0) ? (double) INFINITY : 0.0;
}

double elementary_pow(double x, double y)
{
    if (x > 0.0 && x <= DBL_MAX && fabs(y) <= DBL_MAX)
        return power(x, y);
    if (y == 0.0 || x == 1.0)
        return 1.0;
    if (isnan(x) || isnan(y))
        return x + y;
    if (isinf(y))
        return limit(x, y);
    enum parity kind = parity(y);
    bool is_limit = x == 0.0 || isinf(x);
    if (x < 0.0 && kind == NO_INTEGER && !is_limit)
        return (double) NAN;
    double size = is_limit ? limit(x, y) : power(fabs(x), y);
    return signbit(x) && kind == ODD ? -size : size;
}
