/* Flags packed into floats, so that they can stand in a row of floats: each float is a whole number of
 * MASK_BITS bits, flag 0 the lowest of the first. */
#ifndef HANDOFF_CORE_RL_MASK_H
#define HANDOFF_CORE_RL_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASK_BITS 24u /* whole numbers below 2^24 are exact in single precision */

/* Floats that `count` flags take. */
static inline size_t mask_size(size_t count)
{
    return (count + MASK_BITS - 1) / MASK_BITS;
}

/* flags[count], 1 or 0, to packed[mask_size(count)] and back. */
void mask_pack(size_t count, const uint8_t *flags, float *ret_packed);
void mask_unpack(size_t count, const float *packed, uint8_t *ret_flags);

/* Could mask_pack have made it? */
bool mask_is_sound(size_t count, const float *packed);

#endif
