/* log, log1p, log2 and log10. x = 2^k z with z in [0.705, 1.41), and z = centre (1 + r), |r| <= 2^-8, for one of 128
 * centres of 9 bits (P. T. P. Tang, "Table-driven implementation of the logarithm function", ACM TOMS 16, 1990). So
 * ln x = k ln 2 + ln(centre) + ln(1 + r). The step around 1 has the centre 1: there nothing cancels. */
#include "core/base/elementary.h"

#include <math.h>
#include <stdbool.h>

#include "core/base/elementary_internal.h"
#include "core/base/elementary_tables.h"

#define LEAST_NORMAL UINT64_C(0x0010000000000000)
#define INFINITE UINT64_C(0x7ff0000000000000)
#define NEAR_1_FROM UINT64_C(0x3fee000000000000) /* 1 - 2^-4 */
#define NEAR_1_TO UINT64_C(0x3ff1000000000000)   /* 1 + 2^-4 */

/* Where x lies: x = 2^k (centre + off), all exact. */
struct place {
    int64_t k;
    const struct elementary_log_step *step;
    double off;
};

/* ln(x) = known + low + ln(1 + r), where low has what r lacks. */
struct reduced {
    double known, low; /* k ln 2 + ln(centre); known is exact */
    double r, leading; /* r rounded to 53 bits, and to as many as low knows of */
};

static inline struct place place_of(uint64_t bits)
{
    uint64_t from_least = bits - ELEMENTARY_LOG_LEAST;
    int64_t k = (int64_t) from_least >> 52;
    const struct elementary_log_step *step = &elementary_log_step[from_least >> 45 & 127];
    return (struct place){k, step, elementary_double(bits - ((uint64_t) k << 52)) - step->centre};
}

/* r is wrong by 2^-61 at most: enough where the result is not small. */
static inline struct reduced reduce(struct place at, double off)
{
    double r = off * at.step->inverse;
    return (struct reduced){.known = (double) at.k * ELEMENTARY_LN_2_1 + at.step->high,
                            .low = (double) at.k * ELEMENTARY_LN_2_2 + at.step->low,
                            .r = r,
                            .leading = r};
}

/* For x = 2^k (centre + off + rest), everywhere. */
static inline struct reduced reduce_finely(struct place at, double off, double rest)
{
    struct reduced to = reduce(at, off + rest);
    to.leading = elementary_leading(to.r);
    to.low += ((off - to.leading * at.step->centre) + rest) * at.step->inverse; /* 26 bits by 9: exact */
    return to;
}

/* ln(x) in two parts. */
static inline struct elementary_pair logarithm(struct reduced to)
{
    double r = to.r, r2 = r * r;
    double curve =
        r2 * ((-0.5 + r * (1.0 / 3.0)) + r2 * ((-0.25 + r * 0.2) + r2 * (-1.0 / 6.0 + r * (1.0 / 7.0))));
    struct elementary_pair sum = elementary_sum(to.known, to.leading); /* known is 0 or at least twice r */
    return (struct elementary_pair){sum.high, sum.low + (to.low + curve)};
}

static inline bool is_near_1(uint64_t bits)
{
    return bits - NEAR_1_FROM < NEAR_1_TO - NEAR_1_FROM;
}

static inline double log_of_bits(uint64_t bits)
{
    struct place at = place_of(bits);
    struct elementary_pair ln =
        logarithm(is_near_1(bits) ? reduce_finely(at, at.off, 0.0) : reduce(at, at.off));
    return ln.high + ln.low;
}

static inline bool is_plain(uint64_t bits)
{
    return bits - LEAST_NORMAL < INFINITE - LEAST_NORMAL;
}

/* The logarithm of what is zero, negative, infinite or no number. */
static double log_of_none(double x)
{
    if (x == 0.0)
        return -(double) INFINITY;
    if (x < 0.0)
        return (double) NAN;
    return x; /* infinite, or no number */
}

static inline bool is_denormal(double x)
{
    return x > 0.0 && x < 1.0;
}

/* 2^52 x for a denormal x, with the exponent lowered again by 52. */
static uint64_t denormal_bits(double x)
{
    return elementary_bits(x * 0x1p52) - (UINT64_C(52) << 52);
}

double elementary_log(double x)
{
    uint64_t bits = elementary_bits(x);
    if (!is_plain(bits)) {
        if (!is_denormal(x))
            return log_of_none(x);
        bits = denormal_bits(x);
    }
    return log_of_bits(bits);
}

/* Two terms of the series are exact here, r1 and r1^2 / 2 with r1 the leading part of r. */
struct elementary_pair elementary_log_pair(double x)
{
    uint64_t bits = elementary_bits(x);
    struct place at = place_of(is_plain(bits) ? bits : denormal_bits(x));
    struct reduced to = reduce(at, at.off);
    double r = to.r, r1 = elementary_leading(r);
    double r2 = (at.off - r1 * at.step->centre) * at.step->inverse;
    double series = 1.0 / 3.0 + r * (-0.25 + r * (0.2 + r * (-1.0 / 6.0 + r * (1.0 / 7.0 + r * -0.125))));
    struct elementary_pair first = elementary_sum(to.known, r1),
                           second = elementary_sum(first.high, -0.5 * r1 * r1);
    double low = to.low + (r2 - 0.5 * r2 * (r1 + r)) + r * r * r * series;
    return elementary_sum(second.high, first.low + second.low + low);
}

double elementary_log1p(double x)
{
    if (!(x > -1.0 && x < 0x1p60))
        return x > -1.0 ? elementary_log(x) : log_of_none(1.0 + x);
    if (fabs(x) < 0x1p-54)
        return x;
    struct elementary_pair sum = elementary_sum_any(1.0, x);
    struct place at = place_of(elementary_bits(sum.high));
    double rest = sum.low * elementary_power_of_2(-at.k);
    struct elementary_pair ln = logarithm(
        is_near_1(elementary_bits(sum.high)) ? reduce_finely(at, at.off, rest) : reduce(at, at.off + rest));
    return ln.high + ln.low;
}

/* ln(x) / ln(base), for 1 / ln(base) = a + b of which a has 26 bits. */
static inline double log_to_base(double x, double a, double b)
{
    uint64_t bits = elementary_bits(x);
    if (!is_plain(bits)) {
        if (!is_denormal(x))
            return log_of_none(x);
        bits = denormal_bits(x);
    }
    struct place at = place_of(bits);
    struct elementary_pair ln = logarithm(reduce_finely(at, at.off, 0.0));
    double high = ln.high + ln.low, leading = elementary_leading(high);
    double low = (ln.high - high) + ln.low + (high - leading);
    return leading * a + (leading * b + low * (a + b));
}

double elementary_log2(double x)
{
    return log_to_base(x, ELEMENTARY_LOG2_E_1, ELEMENTARY_LOG2_E_2);
}

double elementary_log10(double x)
{
    return log_to_base(x, ELEMENTARY_LOG10_E_1, ELEMENTARY_LOG10_E_2);
}

/* In double: the error is the last rounding's, and 2^-40. For a positive x that is normal in double. */
static inline float log_in_float(double x)
{
    struct place at = place_of(elementary_bits(x));
    double r = at.off * at.step->inverse, r2 = r * r;
    double known = (double) at.k * (ELEMENTARY_LN_2_1 + ELEMENTARY_LN_2_2) + at.step->high;
    return (float) (known + (r + r2 * ((-0.5 + r * (1.0 / 3.0)) + r2 * -0.25)));
}

float elementary_logf(float x)
{
    return x > 0.0f && x < INFINITY ? log_in_float((double) x) : (float) log_of_none((double) x);
}

/* 1 + x is exact in double, or right to its last bit where x is large. */
float elementary_log1pf(float x)
{
    double wide = (double) x;
    if (!(x > -1.0f && x < INFINITY))
        return (float) log_of_none(1.0 + wide);
    return fabsf(x) < 0x1p-28f ? (float) (wide - 0.5 * wide * wide) : log_in_float(1.0 + wide);
}
