/* A group of activations by loops, of which the compiler makes what vector instructions it has. */
#ifndef HANDOFF_CORE_LINALG_GROUP_PLAIN_INTERNAL_H
#define HANDOFF_CORE_LINALG_GROUP_PLAIN_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/linalg/half_internal.h"
#include "core/linalg/weight_blocks_internal.h"

/* The largest magnitude; no number if one is none. Bits of positive floats are in their order, with those of no numbers
 * at its end. */
static inline float group_largest(const float *x)
{
    uint32_t most = 0;
    for (size_t k = 0; k < GROUP; k++) {
        uint32_t size = bits_of_float(x[k]) & 0x7fffffffu;
        most = size > most ? size : most;
    }
    return float_of_bits(most);
}

/* z = round(x * by), at most 127 in magnitude, and the sums of its halves. */
static inline void group_numbers(const float *x, float by, int8_t ret_z[GROUP], int32_t ret_sum[2])
{
    for (size_t k = 0; k < GROUP; k++)
        ret_z[k] = (int8_t) (bits_of_float(x[k] * by + ROUND_FLOAT) - bits_of_float(ROUND_FLOAT));
    for (size_t half = 0; half < 2; half++) {
        ret_sum[half] = 0;
        for (size_t k = 0; k < GROUP / 2; k++)
            ret_sum[half] += ret_z[GROUP / 2 * half + k];
    }
}

#endif
