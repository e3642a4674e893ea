/* What the elementary functions share: a double's bits, and sums and products in two parts. */
#ifndef HANDOFF_CORE_BASE_ELEMENTARY_INTERNAL_H
#define HANDOFF_CORE_BASE_ELEMENTARY_INTERNAL_H

#include <float.h>
#include <stdint.h>
#include <string.h>

_Static_assert(FLT_EVAL_METHOD == 0, "every operation rounds to its own type");
#ifdef __FAST_MATH__
#error "the same bits need each operation as it is written"
#endif

/* Adding it rounds |x| < 2^51 to an integer, which stays in the low bits. */
#define ELEMENTARY_ROUND 0x1.8p52

/* A number in two parts: high + low, of which high is the sum rounded. */
struct elementary_pair {
    double high, low;
};

static inline uint64_t elementary_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double elementary_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^k, for -1022 <= k <= 1023. */
static inline double elementary_power_of_2(int64_t k)
{
    return elementary_double((uint64_t) (k + 1023) << 52);
}

/* The leading 26 bits: the product of two such numbers is exact. */
static inline double elementary_leading(double x)
{
    return elementary_double(elementary_bits(x) & ~((UINT64_C(1) << 27) - 1));
}

/* a + b without a loss (T. J. Dekker, 1971), for |a| >= |b| or a = 0. */
static inline struct elementary_pair elementary_sum(double a, double b)
{
    double high = a + b;
    return (struct elementary_pair){high, (a - high) + b};
}

/* a + b without a loss, whichever is larger (D. E. Knuth). */
static inline struct elementary_pair elementary_sum_any(double a, double b)
{
    double high = a + b;
    double of_b = high - a;
    return (struct elementary_pair){high, (a - (high - of_b)) + (b - of_b)};
}

/* a * b; low is right to its last bit or two. */
static inline struct elementary_pair elementary_product(double a, double b)
{
    double a1 = elementary_leading(a), a2 = a - a1;
    double b1 = elementary_leading(b), b2 = b - b1;
    double high = a * b;
    return (struct elementary_pair){high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2};
}

/* exp(x.high + x.low), for |x.low| below x.high's last bit. */
double elementary_exp_pair(struct elementary_pair x);

/* ln(x) to 68 bits, for a positive finite x. */
struct elementary_pair elementary_log_pair(double x);

#endif
