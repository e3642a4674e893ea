/* Formats of weights, and rows of them as GGUF version 3 files store a tensor's rows (github.com/ggml-org/ggml,
 * docs/gguf.md and src/ggml-common.h). A row is one output's weights over all inputs; rows lie one after another
 * without a gap, little-endian. h: a number of half precision (IEEE binary16).
 *
 *   format        values  bytes of a block                                     value i of the block
 *   LINALG_F32    1       float                                                as it stands
 *   LINALG_Q8_0   32      h d; int8 q[32]                                      d q[i]
 *   LINALG_Q4_0   32      h d; uint8 q[16], i: low half, i + 16: high half     d (q[i] - 8)
 *   LINALG_Q4_K   256     h d, h least; uint8 s[12]: 8 scales and 8 minima of  d scale q[i] - least minimum
 *                         6 bits; uint8 q[128]
 *   LINALG_Q6_K   256     uint8 low[128], high[64]: q; int8 scale[16]; h d     d scale (q[i] - 32)
 *
 * In Q4_K a scale and a minimum belong to 32 values, in Q6_K a scale belongs to 16. Pure. */
#ifndef HANDOFF_CORE_LINALG_WEIGHTS_H
#define HANDOFF_CORE_LINALG_WEIGHTS_H

#include <stddef.h>

enum linalg_weights { LINALG_F32, LINALG_Q8_0, LINALG_Q4_0, LINALG_Q4_K, LINALG_Q6_K };
#define LINALG_WEIGHTS_FORMATS 5u

/* "f32", "q8_0", "q4_0", "q4_k", "q6_k". Static storage. */
const char *linalg_weights_name(enum linalg_weights format);

/* Values of a block: 1, 32 or 256. A row is whole blocks; another depth has no row in the format. */
size_t linalg_weights_block(enum linalg_weights format);

/* Bytes of a row. 0: the format has no row of this depth, or depth is 0 or beyond LINALG_DEPTH_MAX. */
#define LINALG_DEPTH_MAX (1u << 24)
size_t linalg_row_bytes(enum linalg_weights format, size_t depth);

/* ret_values[count][depth]: what the rows say. Every value is exact as a float, but Q4_K's, whose difference is rounded
 * once. A scale that is no finite number gives values that are none. `rows` may lie anywhere. */
void linalg_dequantize_rows(enum linalg_weights format, size_t count, size_t depth, const void *rows,
                            float *ret_values);

/* Rows of floats [count][depth] to rows of Q8_0 or Q4_0. In each block of 32, m is the first of the values of largest
 * magnitude. Operations are those of single precision, half() and round() go to the nearest, to even between two:
 *
 *   Q8_0   d = half(|m| / 127)   q = round(x / d), at most 127 in magnitude
 *   Q4_0   d = half(m / -8)      q = round(x / d) + 8, from 0 to 15
 *
 * and d = 0 makes every q stand for 0. ERR_RANGE: a value is no finite number or too large for a half precision d
 * (beyond 8.3 million for Q8_0, 520,000 for Q4_0); ret_rows is then undefined. */
int linalg_quantize_rows(enum linalg_weights format, size_t count, size_t depth, const float *values,
                         void *ret_rows);

#endif
