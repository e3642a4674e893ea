/* sin, cos and atan2. x = k pi / 128 + r with |r| <= pi / 256. The sine and cosine of the first part come from a table of
 * half a turn, those of r from a few terms of their series:
 *   sin(a + r) = sin a + r + (cos a - 1) r + cos a (sin r - r) + sin a (cos r - 1).
 * `a` is within a quarter turn of 0, so that sin a + r are the largest two; their sum is kept whole. */
#include "core/base/elementary.h"

#include <math.h>
#include <stdbool.h>

#include "core/base/elementary_internal.h"
#include "core/base/elementary_tables.h"

#define STEPS 128u    /* of half a turn */
#define PLAIN 800.0   /* k stays below 2^15 */
#define SMALL 0x1p-27 /* x^3 / 6 is below half of x's last bit */

/* k steps and r + r_low. */
struct angle {
    uint64_t k; /* in two's complement */
    double r, r_low;
};

static inline struct angle reduce(double x)
{
    double shifted = x * ELEMENTARY_STEPS_PER_PI + ELEMENTARY_ROUND;
    double k = shifted - ELEMENTARY_ROUND;
    double near = x - k * ELEMENTARY_PI_STEP_1; /* exact, as is the next product */
    double second = k * ELEMENTARY_PI_STEP_2;
    double r = near - second;
    return (struct angle){elementary_bits(shifted), r, ((near - r) - second) - k * ELEMENTARY_PI_STEP_3};
}

/* ---- angles of any size (M. H. Payne and R. N. Hanek, 1983) ---- */

#define WORDS 7 /* of steps per pi. What is cut off is below 2^-130 steps; no double is within 2^-57 of one */
#define K_BITS 8 /* a whole turn has 2^8 steps */

/* The words of `mantissa` 2^shift STEPS / pi that count, modulo a turn: the last has k in its leading bits, the others
 * what is after the point. 0 <= shift < 32. */
static void multiply(uint64_t mantissa, const uint32_t *steps_per_pi, int shift, uint32_t ret_word[WORDS])
{
    uint64_t part[2] = {mantissa & UINT32_MAX, mantissa >> 32}, carry = 0;
    uint32_t product[WORDS] = {0};
    for (int p = 0; p < 2; p++, carry = 0)
        for (int i = 0; i + p < WORDS; i++) {
            carry += part[p] * steps_per_pi[WORDS - 1 - i] + product[i + p];
            product[i + p] = (uint32_t) carry;
            carry >>= 32;
        }
    for (int i = 0; i < WORDS; i++)
        ret_word[i] =
            (uint32_t) ((((uint64_t) product[i] << 32 | (i > 0 ? product[i - 1] : 0)) << shift) >> 32);
}

/* `high` and `low`, 128 bits after the point. */
static struct elementary_pair fraction(uint64_t high, uint64_t low)
{
    struct elementary_pair sum =
        elementary_sum((double) (high >> 32) * 0x1p-32, (double) (high & UINT32_MAX) * 0x1p-64);
    return elementary_sum(sum.high, sum.low + (double) low * 0x1p-128);
}

static struct angle reduce_far(double x)
{
    uint64_t bits = elementary_bits(x), mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    int exponent = (int) (bits >> 52 & 0x7ff) - 1075; /* |x| = mantissa 2^exponent */
    int place = exponent + 64 - K_BITS;               /* of the point. From PLAIN on it is positive */
    uint32_t word[WORDS];                             /* those before place / 32 make whole turns */
    multiply(mantissa, elementary_steps_per_pi + place / 32, place % 32, word);
    uint64_t high = (uint64_t) word[6] << 40 | (uint64_t) word[5] << 8 | word[4] >> 24;
    uint64_t low = (uint64_t) word[4] << 40 | (uint64_t) word[3] << 8 | word[2] >> 24;
    uint64_t k = word[6] >> 24;
    bool up = high >> 63 != 0; /* nearer to the next step */
    if (up) {
        k++;
        high = ~high;
        low = ~low; /* less by 2^-128 than the negative */
    }
    struct elementary_pair part = fraction(high, low);
    struct elementary_pair r = elementary_product(part.high, ELEMENTARY_PI_1 / STEPS);
    r = elementary_sum(
        r.high, r.low + (part.high * (ELEMENTARY_PI_2 / STEPS) + part.low * (ELEMENTARY_PI_1 / STEPS)));
    bool turn = up != (x < 0.0);
    return (struct angle){x < 0.0 ? -k : k, turn ? -r.high : r.high, turn ? -r.low : r.low};
}

/* ---- sine and cosine ---- */

/* What the sine and the cosine of an angle share: sin r - r, cos r - 1. */
struct wave {
    struct angle at;
    double sine_less_r, cosine_less_1;
};

static inline struct wave wave_at(double x)
{
    struct angle at = fabs(x) < PLAIN ? reduce(x) : reduce_far(x);
    double r = at.r, r2 = r * r;
    return (struct wave){at, r * r2 * (-1.0 / 6.0 + r2 * (1.0 / 120.0 - r2 * (1.0 / 5040.0))),
                         r2 * (-0.5 + r2 * (1.0 / 24.0 - r2 * (1.0 / 720.0)))};
}

/* The sine, `ahead` steps further. */
static inline double sine(const struct wave *wave, uint64_t ahead)
{
    uint64_t at = wave->at.k + ahead + STEPS / 2;
    const struct elementary_circle *row = &elementary_circle[at % STEPS];
    struct elementary_pair sum =
        elementary_sum(row->sine, wave->at.r); /* the sine is 0 or at least twice r */
    double rest = (row->sine_low + wave->at.r_low) +
                  (row->cosine_less_1 * wave->at.r +
                   ((1.0 + row->cosine_less_1) * wave->sine_less_r + row->sine * wave->cosine_less_1));
    double result = sum.high + (sum.low + rest);
    return elementary_double(elementary_bits(result) ^ (at / STEPS) << 63); /* half a turn changes the sign */
}

static inline bool is_finite(double x)
{
    return fabs(x) <= DBL_MAX;
}

double elementary_sin(double x)
{
    if (fabs(x) < SMALL)
        return x;
    if (!is_finite(x))
        return (double) NAN;
    struct wave wave = wave_at(x);
    return sine(&wave, 0);
}

double elementary_cos(double x)
{
    if (!is_finite(x))
        return (double) NAN;
    struct wave wave = wave_at(x);
    return sine(&wave, STEPS / 2);
}

void elementary_sincos(double x, double *ret_sin, double *ret_cos)
{
    if (!is_finite(x)) {
        *ret_sin = *ret_cos = (double) NAN;
        return;
    }
    struct wave wave = wave_at(x);
    *ret_sin = fabs(x) < SMALL ? x : sine(&wave, 0);
    *ret_cos = sine(&wave, STEPS / 2);
}

/* ---- angles of points ---- */

#define ARC_STEPS 64.0   /* of a ratio */
#define NEAR_0 0x1p-4    /* below it one series is enough */
#define NO_RATIO 0x1p-70 /* beside a quarter turn it is nothing, and its angle is the ratio */

/* high + low is small / large, for 0 < small <= large. */
static struct elementary_pair ratio(double small, double large)
{
    double scale = large > 0x1p900 ? 0x1p-200 : large < 0x1p-800 ? 0x1p200 : 1.0;
    small *= scale;
    large *= scale;
    double high = small / large;
    struct elementary_pair back = elementary_product(high, large);
    return (struct elementary_pair){high, ((small - back.high) - back.low) / large};
}

/* atan(x) for 0 <= x <= 1. With c the nearest step, atan(x) = atan(c) + atan((x - c) / (1 + x c)). */
static struct elementary_pair arc(struct elementary_pair x)
{
    if (x.high < NEAR_0) {
        double x2 = x.high * x.high;
        double series = 1.0 / 11.0 + x2 * (-1.0 / 13.0 + x2 * (1.0 / 15.0));
        series = -1.0 / 3.0 + x2 * (0.2 + x2 * (-1.0 / 7.0 + x2 * (1.0 / 9.0 - x2 * series)));
        return elementary_sum(x.high, x.low + x.high * x2 * series);
    }
    double shifted = x.high * ARC_STEPS + ELEMENTARY_ROUND;
    double c = (shifted - ELEMENTARY_ROUND) * (1.0 / ARC_STEPS);
    const struct elementary_arc *row = &elementary_arc[elementary_bits(shifted) & 127];
    double r = ((x.high - c) + x.low) / (1.0 + x.high * c), r2 = r * r;
    double series = r * r2 * (-1.0 / 3.0 + r2 * (0.2 + r2 * (-1.0 / 7.0)));
    struct elementary_pair sum = elementary_sum(row->angle, r);
    return elementary_sum(sum.high, sum.low + (row->low + series));
}

/* The angle of (|x|, |y|) or of (x, |y|), both finite and not both 0. */
static double angle_of(double y, double x, bool behind)
{
    bool steep = y > x;
    struct elementary_pair base = {0.0, 0.0}, angle = {0.0, 0.0};
    double small = steep ? x : y, large = steep ? y : x;
    if (steep)
        base = (struct elementary_pair){ELEMENTARY_PI_1 / 2.0, ELEMENTARY_PI_2 / 2.0};
    else if (behind)
        base = (struct elementary_pair){ELEMENTARY_PI_1, ELEMENTARY_PI_2};
    if (small / large >= NO_RATIO)
        angle = arc(ratio(small, large));
    else if (!steep && !behind)
        return small / large;
    if (steep != behind)
        angle = (struct elementary_pair){-angle.high, -angle.low};
    struct elementary_pair sum = elementary_sum(base.high, angle.high);
    return sum.high + (sum.low + (base.low + angle.low));
}

double elementary_atan2(double y, double x)
{
    double high = fabs(y), wide = fabs(x);
    if (isnan(x) || isnan(y))
        return x + y;
    if (isinf(x) || isinf(y)) { /* like a corner, or an axis */
        high = isinf(y) ? 1.0 : 0.0;
        wide = isinf(x) ? 1.0 : 0.0;
    } else if (x == 0.0 && y == 0.0) {
        wide = 1.0;
    }
    return copysign(angle_of(high, wide, signbit(x) != 0), y);
}
