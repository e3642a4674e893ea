#include "core/rl/mask.h"

#include <float.h>
#include <math.h>

_Static_assert(MASK_BITS <= FLT_MANT_DIG, "a float holds every whole number of so many bits");

void mask_pack(size_t count, const uint8_t *flags, float *ret_packed)
{
    for (size_t i = 0; i < count; i += MASK_BITS) {
        uint32_t bits = 0;
        for (size_t k = 0; k < MASK_BITS && i + k < count; k++)
            bits |= (uint32_t) (flags[i + k] != 0) << k;
        *ret_packed++ = (float) bits;
    }
}

void mask_unpack(size_t count, const float *packed, uint8_t *ret_flags)
{
    for (size_t i = 0; i < count; i += MASK_BITS) {
        uint32_t bits = (uint32_t) *packed++;
        for (size_t k = 0; k < MASK_BITS && i + k < count; k++)
            ret_flags[i + k] = (uint8_t) (bits >> k & 1u);
    }
}

bool mask_is_sound(size_t count, const float *packed)
{
    for (size_t i = 0; i < count; i += MASK_BITS, packed++) {
        size_t flags = count - i < MASK_BITS ? count - i : MASK_BITS;
        float beyond = (float) ((uint32_t) 1 << flags);
        if (!(*packed >= 0.0f && *packed < beyond && floorf(*packed) == *packed))
            return false;
    }
    return true;
}
