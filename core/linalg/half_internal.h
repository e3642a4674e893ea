/* Half precision (IEEE binary16) by integer operations, for processors without an instruction. Where there is one, it
 * gives the same bits, those of no numbers included: their payload's leading bits stay, and they become quiet. */
#ifndef HANDOFF_CORE_LINALG_HALF_INTERNAL_H
#define HANDOFF_CORE_LINALG_HALF_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of_float(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static inline float float_of_bits(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Without branches, so that loops become vector instructions: one of three results is selected by its mask. */
static inline uint32_t where(int condition, uint32_t bits)
{
    return bits & -(uint32_t) condition;
}

/* Exact. The exponent moves from bias 15 to 127 by a product, which denormal halves survive. */
static inline float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t) (half & 0x8000u) << 16, rest = half & 0x7fffu;
    uint32_t moved = bits_of_float(float_of_bits(rest << 13) * 0x1p112f);
    uint32_t special = where(rest >= 0x7c00u, 0x7f800000u) | where(rest > 0x7c00u, 0x400000u);
    return float_of_bits(sign | moved | special);
}

/* To the nearest, to even between two; from 65520 on infinite. Below 2^-14 the sum with 0.5 rounds to multiples of
 * 2^-24, those of denormal halves. */
static inline uint16_t half_of_float(float number)
{
    uint32_t bits = bits_of_float(number), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    uint32_t small = bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000u;
    uint32_t plain = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
    uint32_t none = 0x7e00u | (rest >> 13 & 0x3ffu);
    int is_small = rest<0x38800000u, is_large = rest >= 0x477ff000u, is_none = rest> 0x7f800000u;
    return (uint16_t) (sign | where(is_small, small) | where(!is_small && !is_large, plain) |
                       where(is_large && !is_none, 0x7c00u) | where(is_none, none));
}

static inline bool half_is_finite(uint16_t half)
{
    return (half & 0x7c00u) != 0x7c00u;
}

/* Adding it rounds |x| < 2^22 to an integer, to even between two; its bits less those of the sum are that integer. */
#define ROUND_FLOAT 0x1.8p23f

static inline float rounded(float x)
{
    return (x + ROUND_FLOAT) - ROUND_FLOAT;
}

static inline uint16_t half_at(const void *from)
{
    const uint8_t *bytes = from;
    return (uint16_t) (bytes[0] | bytes[1] << 8);
}

#endif
