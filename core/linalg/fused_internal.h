/* a * b + c, rounded once. Where the processor has no such instruction, the C library's fmaf costs tens of
 * nanoseconds, since it changes the rounding mode. This one needs a few additions. */
#ifndef HANDOFF_CORE_LINALG_FUSED_INTERNAL_H
#define HANDOFF_CORE_LINALG_FUSED_INTERNAL_H

#include <math.h>
#include <stdint.h>

/* Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE
 * Transactions on Computers 57 (2008). The product of two floats is exact in double precision. Its sum with c is
 * rounded to odd: of the two neighbours of an exact sum that is no double, the one whose last bit is 1. Rounding that
 * to a float gives what rounding the exact sum would, since a double has more than two bits to spare. */
static inline float fused_by_parts(float a, float b, float c)
{
    double product = (double) a * (double) b, addend = (double) c;
    double sum = product + addend;
    /* What the sum lost, exactly (Knuth). No number where the sum is none or infinite: then nothing is mended. */
    double part = sum - product;
    double lost = (product - (sum - part)) + (addend - part);
    union {
        double number;
        uint64_t bits;
    } odd = {.number = sum};
    uint64_t is_inexact = (uint64_t) (lost < 0.0) | (uint64_t) (lost > 0.0);
    uint64_t is_even = ~odd.bits & 1u, grows = (uint64_t) ((lost > 0.0) == (sum > 0.0));
    odd.bits += (is_inexact & is_even) * (2 * grows - 1);
    return (float) odd.number;
}

static inline float fused(float a, float b, float c)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, b, c);
#else
    return fused_by_parts(a, b, c);
#endif
}

#endif
