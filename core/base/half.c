#include "core/base/half.h"

#include <string.h>

/* Of binary16 and of float: bits of the fraction, and the exponent's offset. */
#define FRACTION 10
#define OFFSET 15
#define FLOAT_FRACTION 23
#define FLOAT_OFFSET 127

static float of_bits(uint32_t bits)
{
    float value = 0.0f;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t) (bits & 0x8000) << 16;
    uint32_t exponent = (bits >> FRACTION) & 0x1f;
    uint32_t fraction = bits & 0x3ff;
    if (exponent == 0x1f)
        return of_bits(sign | 0x7f800000 | fraction << (FLOAT_FRACTION - FRACTION));
    if (exponent > 0)
        return of_bits(sign | (exponent + FLOAT_OFFSET - OFFSET) << FLOAT_FRACTION |
                       fraction << (FLOAT_FRACTION - FRACTION));
    float value = (float) fraction * 0x1p-24f; /* a subnormal; exact */
    return sign != 0 ? -value : value;
}

float half_brain_to_float(uint16_t bits)
{
    return of_bits((uint32_t) bits << 16);
}

/* Drops `shift` bits, 1 to 31, to the nearest, ties to even. A carry goes on into the exponent, as it should. */
static uint32_t rounded(uint32_t bits, uint32_t shift)
{
    uint32_t rest = bits & ((UINT32_C(1) << shift) - 1);
    uint32_t middle = UINT32_C(1) << (shift - 1);
    uint32_t kept = bits >> shift;
    return kept + (rest > middle || (rest == middle && (kept & 1) != 0));
}

uint16_t half_of_float(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t sign = (bits >> 16) & 0x8000;
    uint32_t size = bits & 0x7fffffff;
    if (size > 0x7f800000)
        return (uint16_t) (sign | 0x7e00);
    if (size >= bits_of(65520.0f)) /* from the middle between the largest and 65536 on */
        return (uint16_t) (sign | 0x7c00);
    if (size >= bits_of(0x1p-14f)) {
        uint32_t moved = size - ((uint32_t) (FLOAT_OFFSET - OFFSET) << FLOAT_FRACTION);
        return (uint16_t) (sign | rounded(moved, FLOAT_FRACTION - FRACTION));
    }
    if (size < bits_of(0x1p-25f))
        return (uint16_t) sign;
    /* A subnormal counts in steps of 2^-24. */
    uint32_t exponent = size >> FLOAT_FRACTION;
    uint32_t fraction = (size & 0x7fffff) | 0x800000;
    return (uint16_t) (sign | rounded(fraction, FLOAT_OFFSET - 1 - exponent));
}

uint16_t half_brain_of_float(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t) (bits >> 16 | 0x40);
    return (uint16_t) rounded(bits, 16);
}
