/* The blocks of weights.h, taken apart. */
#ifndef HANDOFF_CORE_LINALG_WEIGHT_BLOCKS_INTERNAL_H
#define HANDOFF_CORE_LINALG_WEIGHT_BLOCKS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/linalg/weights.h"

#define Q8_0_BYTES 34u
#define Q4_0_BYTES 18u
#define Q4_K_BYTES 144u
#define Q6_K_BYTES 210u

#define Q6_K_SCALES 192u
#define Q6_K_D 208u

#define GROUP 32u       /* integers that are multiplied at once */
#define SUPER_GROUPS 8u /* of a block of Q4_K or Q6_K */

/* Bytes of a block; values of it / GROUP, or 0 for floats. */
size_t linalg_blocks_bytes(enum linalg_weights format);
size_t linalg_blocks_groups(enum linalg_weights format);

/* The integers of values 32 part .. 32 part + 31 of a block, as stored; Q8_0's in two's complement. */
void linalg_blocks_group(enum linalg_weights format, const uint8_t *block, size_t part, uint8_t ret_q[GROUP]);

/* The 8 scales and 8 minima of a block of Q4_K. */
void linalg_blocks_scales(const uint8_t *block, uint8_t ret_scale[SUPER_GROUPS],
                          uint8_t ret_minimum[SUPER_GROUPS]);

#endif
