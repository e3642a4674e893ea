#include "core/damage/draws_internal.h"

#include <assert.h>
#include <math.h>

#include "core/base/elementary.h"

#define DIGITS 32u     /* of a probability */
#define DIGIT_SHIFT 29 /* where in a block's number the digits' block is */

#define TRIES_SHIFT 6 /* tries at one gamma variable: 2^6. At most 5 in 100 fail, so all of them never do. */
#define TRIES (1u << TRIES_SHIFT)

uint64_t draws_threshold(double probability)
{
    assert(probability >= 0.0 && probability <= 1.0);
    return (uint64_t) (probability * 0x1p32 + 0.5);
}

void draws_words(const struct rng_at *at, uint64_t first, size_t count, uint32_t *ret_words)
{
    for (size_t i = 0; i < count;) {
        struct rng_block block = rng_block(at, (uint32_t) ((first + i) / 4));
        for (size_t w = (first + i) % 4; w < 4 && i < count; w++)
            ret_words[i++] = block.v[w];
    }
}

void draws_normals(const struct rng_at *at, uint64_t first, size_t count, double *ret_normals)
{
    uint32_t words[DRAWS_PORTION];
    uint64_t low = first / 2 * 2, high = (first + count + 1) / 2 * 2;
    assert(high - low <= DRAWS_PORTION);
    draws_words(at, low, (size_t) (high - low), words);
    for (size_t i = 0; i < count;) {
        size_t w = (size_t) (first + i - low);
        double pair[2];
        rng_normal_pair(words[w / 2 * 2], words[w / 2 * 2 + 1], pair);
        for (size_t p = w % 2; p < 2 && i < count; p++)
            ret_normals[i++] = pair[p];
    }
}

/* 32 numbers below 1 are compared with the probability at once, digit after digit from the highest. The d-th word has
 * the d-th digit of each. A number is decided at the first digit in which it differs, after two on average. */
uint32_t draws_bits(const struct rng_at *at, uint32_t unit, uint64_t threshold)
{
    assert(unit >> DIGIT_SHIFT == 0);
    if (threshold >> DIGITS != 0)
        return UINT32_MAX;
    uint32_t below = 0, equal = UINT32_MAX;
    struct rng_block block = {{0}};
    for (uint32_t d = 0; d < DIGITS && equal != 0; d++) {
        if (d % 4 == 0)
            block = rng_block(at, (d / 4) << DIGIT_SHIFT | unit);
        uint32_t digits = block.v[d % 4];
        if ((threshold >> (DIGITS - 1 - d) & 1) != 0) {
            below |= equal & ~digits;
            equal &= digits;
        } else {
            equal &= ~digits;
        }
    }
    return below;
}

/* Marsaglia and Tsang: with d = a - 1/3, c = 1 / sqrt(9 d) and v = (1 + c x)^3, x normal and u uniform, d v is a gamma
 * variable with shape a >= 1 when log u < x^2 / 2 + d (1 - v + log v). A shape below 1 takes one of shape + 1, times
 * u^(1 / shape). */
double draws_gamma(const struct rng_at *at, uint32_t number, double shape)
{
    assert(shape >= 0.5 && number >> (32 - TRIES_SHIFT) == 0);
    double raised = shape < 1.0 ? shape + 1.0 : shape, d = raised - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (uint32_t t = 0; t < TRIES; t++) {
        struct rng_block block = rng_block(at, number << TRIES_SHIFT | t);
        double normal[2];
        rng_normal_pair(block.v[0], block.v[1], normal);
        double x = normal[0], base = 1.0 + c * x, v = base * base * base;
        if (base <= 0.0)
            continue;
        if (elementary_log(rng_u01(block.v[2])) >= 0.5 * x * x + d * (1.0 - v + elementary_log(v)))
            continue;
        double below_1 = shape < 1.0 ? elementary_pow(rng_u01(block.v[3]), 1.0 / shape) : 1.0;
        return d * v * below_1 / shape;
    }
    return 1.0; /* the mean */
}
