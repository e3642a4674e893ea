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

/* Exact. The exponent moves from bias 15 to 127 by a product, which denormal halves survive. */
static inline float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t) (half & 0x8000u) << 16, rest = half & 0x7fffu;
    if (rest > 0x7c00u)
        return float_of_bits(sign | 0x7fc00000u | rest << 13);
    if (rest == 0x7c00u)
        return float_of_bits(sign | 0x7f800000u);
    return float_of_bits(sign | bits_of_float(float_of_bits(rest << 13) * 0x1p112f));
}

/* To the nearest, to even between two; beyond 65519 infinite. */
static inline uint16_t half_of_float(float number)
{
    uint32_t bits = bits_of_float(number), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return (uint16_t) (sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x47800000u) /* 2^16 */
        return (uint16_t) (sign | 0x7c00u);
    if (rest < 0x38800000u) /* 2^-14: the sum's last bit is 2^-24, a denormal half's */
        return (uint16_t) (sign | (bits_of_float(float_of_bits(rest) + 0.5f) - 0x3f000000u));
    uint32_t is_odd = rest >> 13 & 1u;
    return (uint16_t) (sign | (rest - 0x38000000u + 0xfffu + is_odd) >> 13);
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
