/* How a packed matrix lies, and rows of activations as integers.
 *
 *   F32     panels of 32 columns: float [depth][32]
 *   others  panels of 16 columns; a group is 32 integers of each column:
 *     Q8_0  [groups / 2] of { half d[2][16]; int8 q[2][8][16][4] }; if one group is left: half d[16]; 32 bytes of 0;
 *           int8 q[8][16][4]
 *     Q4_0  so with uint8 q[4][16][4] for a group
 *     Q4_K  [groups / 8] of { half d[16], least[16]; uint8 scale[8][16], minimum[8][16], q[8][4][16][4] }
 *     Q6_K  [groups / 8] of { half d[16]; 32 bytes of 0; int8 scale[16][16]; [8] of { uint8 low[4][16][4],
 *           high[2][16][4] } }
 *
 * Four numbers of a column lie side by side, numbers 4 c .. 4 c + 3 of the group in chunk c of 8 (Q8_0). Where numbers
 * have four bits, chunk c's are the lower half of the bytes of c / 2, if c is even, or the upper one. The two highest
 * bits of Q6_K's chunk c are bits 2 (c % 4) and following of high[c / 4]. Columns beyond the last are zeros. */
#ifndef HANDOFF_CORE_LINALG_PACKED_INTERNAL_H
#define HANDOFF_CORE_LINALG_PACKED_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/linalg/packed.h"
#include "core/linalg/weight_blocks_internal.h"

#define LANES 16u                /* columns of a panel of integers */
#define CHUNK_BYTES (4u * LANES) /* four numbers of each, or eight of four bits */
#define Q8_GROUP_BYTES (8u * CHUNK_BYTES)
#define Q4_GROUP_BYTES (4u * CHUNK_BYTES)
#define Q6_GROUP_BYTES (6u * CHUNK_BYTES)
#define PAIR_HEAD (4u * LANES)                /* d of two groups */
#define SUPER_HEAD (4u * LANES + 16u * LANES) /* d and least, then scales and minima */
#define Q4_K_SUPER_BYTES (SUPER_HEAD + SUPER_GROUPS * Q4_GROUP_BYTES)
#define Q6_K_SUPER_BYTES (SUPER_HEAD + SUPER_GROUPS * Q6_GROUP_BYTES)

/* Of n groups of Q8_0 or Q4_0, each of them `bytes` long: they come in pairs behind their scales. */
static inline size_t packed_pairs_bytes(size_t n, size_t bytes)
{
    return (n + 1) / 2 * PAIR_HEAD + n * bytes;
}

/* Where group n's scales and its numbers begin. */
static inline size_t packed_pair_scales(size_t n, size_t bytes)
{
    return packed_pairs_bytes(n / 2 * 2, bytes) + n % 2 * LANES * sizeof(uint16_t);
}

static inline size_t packed_pair_numbers(size_t n, size_t bytes)
{
    return packed_pairs_bytes(n / 2 * 2, bytes) + PAIR_HEAD + n % 2 * bytes;
}

static inline size_t packed_panel_columns(enum linalg_weights format)
{
    return format == LINALG_F32 ? LINALG_PACKED_PANEL : LANES;
}

/* Of one panel. */
static inline size_t packed_panel_bytes(enum linalg_weights format, size_t depth)
{
    size_t groups = depth / GROUP;
    switch (format) {
    case LINALG_F32: return depth * LINALG_PACKED_PANEL * sizeof(float);
    case LINALG_Q8_0: return packed_pairs_bytes(groups, Q8_GROUP_BYTES);
    case LINALG_Q4_0: return packed_pairs_bytes(groups, Q4_GROUP_BYTES);
    case LINALG_Q4_K: return groups / SUPER_GROUPS * Q4_K_SUPER_BYTES;
    case LINALG_Q6_K:
    default: return groups / SUPER_GROUPS * Q6_K_SUPER_BYTES;
    }
}

/* One group of a row of activations. Where something is to be taken from each of the weights' numbers, it is taken from
 * their sum of products at its start: times the sum of z, or of each half of z (Q6_K). */
struct group {
    int8_t z[GROUP];
    int32_t start[2];
    float sum; /* of z */
    float d;
};

#endif
