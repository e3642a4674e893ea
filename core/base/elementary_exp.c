/* exp, expm1 and tanh. x = k ln 2 / 128 + r with |r| <= ln 2 / 256, so that exp(x) = 2^(k / 128) exp(r). The first
 * factor comes from a table of 128 rows and from the exponent, the second from a few terms of its series (P. T. P.
 * Tang, "Table-driven implementation of the exponential function", ACM TOMS 15, 1989). */
#include "core/base/elementary.h"

#include <math.h>

#include "core/base/elementary_internal.h"
#include "core/base/elementary_tables.h"

#define STEPS 128u
#define STEPS_LOG2 7
#define PLAIN 708.0        /* exp of what is smaller neither overflows nor is denormal */
#define OVERFLOWS 709.79   /* exp of what is larger is infinite */
#define VANISHES (-745.14) /* exp of what is smaller is 0 */
#define ONE_IS_LOST 40.0   /* exp(x) - 1 is exp(x) from here, and -1 on the other side */

struct reduced {
    double r, r_low; /* r + r_low; r_low is below r's last bit */
    uint64_t k;      /* in two's complement */
};

static inline struct reduced reduce(double x)
{
    double shifted = x * ELEMENTARY_STEPS_PER_LN_2 + ELEMENTARY_ROUND;
    double k = shifted - ELEMENTARY_ROUND;
    double near = x - k * ELEMENTARY_LN_2_STEP_1; /* exact */
    double low = k * ELEMENTARY_LN_2_STEP_2;
    double r = near - low;
    return (struct reduced){r, (near - r) - low, elementary_bits(shifted)};
}

/* 2^(k / 128), rounded. */
static inline double scale(uint64_t k)
{
    uint64_t bits = elementary_bits(elementary_power[k % STEPS].value);
    return elementary_double(bits + ((k - k % STEPS) << (52 - STEPS_LOG2)));
}

/* 2^(k / 128) exp(r) */
static inline double grow(uint64_t k, double r)
{
    double factor = scale(k), r2 = r * r;
    double growth = r2 * ((0.5 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0)));
    return factor + factor * ((elementary_power[k % STEPS].tail + r) + growth);
}

/* Where the result may be infinite, denormal or no number: in two steps of the exponent. */
static double exp_far(double x, double low)
{
    if (isnan(x))
        return x;
    if (x > OVERFLOWS)
        return (double) INFINITY;
    if (x < VANISHES)
        return 0.0;
    struct reduced to = reduce(x);
    int by = x > 0.0 ? 512 : -512;
    to.k -= (uint64_t) (int64_t) (by * (int) STEPS);
    return grow(to.k, to.r + (to.r_low + low)) * elementary_power_of_2(by);
}

double elementary_exp(double x)
{
    if (!(fabs(x) < PLAIN))
        return exp_far(x, 0.0);
    struct reduced to = reduce(x);
    return grow(to.k, to.r);
}

double elementary_exp_pair(struct elementary_pair x)
{
    if (!(fabs(x.high) < PLAIN))
        return exp_far(x.high, x.low);
    struct reduced to = reduce(x.high);
    return grow(to.k, to.r + (to.r_low + x.low));
}

/* With t = 2^(k / 128), exp(x) - 1 = (t - 1) + r + (t - 1) r + t (exp(r) - 1 - r). Where that is small, even the
 * product of r and t's tail counts. For |x| < ONE_IS_LOST. */
static inline struct elementary_pair less_one(double x)
{
    struct reduced to = reduce(x);
    double t = scale(to.k), r = to.r, r2 = r * r;
    struct elementary_pair base = elementary_sum_any(t, -1.0);
    struct elementary_pair sum = elementary_sum(base.high, r); /* k = 0 leaves 0 + r; else |t - 1| > 2 |r| */
    double curve =
        r2 * ((0.5 + r * (1.0 / 6.0)) + r2 * ((1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0)));
    double tail = elementary_power[to.k % STEPS].tail;
    double rest = base.low + to.r_low + base.high * r + t * ((tail + tail * r) + curve);
    return elementary_sum(sum.high, sum.low + rest);
}

double elementary_expm1(double x)
{
    if (!(fabs(x) < ONE_IS_LOST)) {
        if (isnan(x))
            return x;
        return x > 0.0 ? elementary_exp(x) : -1.0;
    }
    if (fabs(x) < 0x1p-54)
        return x; /* x^2 / 2 is below a quarter of its last bit */
    return less_one(x).high;
}

/* e / (e + 2) with e = exp(2 |x|) - 1, all in two parts. */
double elementary_tanh(double x)
{
    double size = fabs(x);
    if (isnan(x) || size < 0x1p-28)
        return x; /* x^3 / 3 is below a quarter of its last bit */
    if (size > 20.0)
        return x > 0.0 ? 1.0 : -1.0;
    struct elementary_pair e = less_one(2.0 * size);
    struct elementary_pair under = elementary_sum_any(e.high, 2.0);
    double quotient = e.high / under.high;
    struct elementary_pair back = elementary_product(quotient, under.high);
    double rest = ((e.high - back.high) - back.low) + e.low - quotient * (under.low + e.low);
    double result = quotient + rest / under.high;
    return x > 0.0 ? result : -result;
}

/* In double: the error is the last rounding's, and 2^-38. */
float elementary_expf(float x)
{
    if (!(fabsf(x) < 87.0f))
        return (float) elementary_exp((double) x);
    double shifted = (double) x * ELEMENTARY_STEPS_PER_LN_2 + ELEMENTARY_ROUND;
    double k = shifted - ELEMENTARY_ROUND;
    double r = (double) x - k * (ELEMENTARY_LN_2_STEP_1 + ELEMENTARY_LN_2_STEP_2);
    double factor = scale(elementary_bits(shifted));
    return (float) (factor + factor * (r + r * r * (0.5 + r * (1.0 / 6.0))));
}
