/* Products with weights that were packed once: c = a W^T + start, with a [rows][depth] and W [columns][depth], as
 * weights.h has its rows. For inference, where the same W meets few rows many times.
 *
 * A packed matrix is one block of bytes, the same on every processor and vector path, so that it may be kept in a file
 * or mapped from one. It must lie on a multiple of LINALG_PACKED_ALIGNMENT. Columns lie in panels one after another:
 * from a column that is a multiple of LINALG_PACKED_PANEL on, the bytes are those of a matrix of their own, which
 * begins at linalg_packed_bytes(format, column, depth). So threads can share a product by columns.
 *
 * Of every format, the same operands give the same bits on every vector path, whatever rows stand beside. Only of a
 * result that is no number, neither sign nor payload is promised.
 *
 * LINALG_F32: the bits of linalg_multiply (product.h).
 *
 * The others multiply integers. Each row of a is cut into blocks of 32, and each block becomes int8 numbers, in single
 * precision, rounded to the nearest, to even between two:
 *
 *     m = max |x|    d = m / 127    z[k] = round(x[k] * (127 / m))
 *
 * A block with m < 2^-100 counts as zeros: d = 0, z = 0. A block with a number that is none or infinite makes every
 * result of its row no number: d is none, z = 0. Then, over blocks of 32 weights in rising order (Q6_K: of 16), with
 * the weights' integers q (Q8_0, Q4_K: as stored; Q4_0: less 8; Q6_K: less 32) and their scale s (d of the format, or d
 * times its scale, which is exact), all rounded once:
 *
 *     sum = fma(s * d, (float) (q[0] z[0] + ... + q[31] z[31]), sum)
 *     sum = fma(t * d, (float) (z[0] + ... + z[31]), sum)                  Q4_K alone, with t = -(least * minimum)
 *
 * beginning with `start`, or 0. Sums of integers are exact, and so are their floats.
 *
 * Single precision, one thread. Nothing is allocated: blocks are copied to at most 120 KB of the stack. Small products
 * of one row gain by fewer, larger ones: layers that share a row's numbers can share one W. */
#ifndef HANDOFF_CORE_LINALG_PACKED_H
#define HANDOFF_CORE_LINALG_PACKED_H

#include <stddef.h>

#include "core/linalg/weights.h"

#define LINALG_PACKED_ALIGNMENT 64u
#define LINALG_PACKED_PANEL 32u
#define LINALG_COLUMNS_MAX (1u << 24)

/* Bytes of a packed matrix, a multiple of the alignment. 0: the format has no row of this depth (linalg_row_bytes), or
 * there is no column, or there are more than LINALG_COLUMNS_MAX. */
size_t linalg_packed_bytes(enum linalg_weights format, size_t columns, size_t depth);

/* Packs `count` rows of W, those of column `first` and following; linalg_packed_bytes(format, columns, depth) is not 0.
 * Rows come in any order and portions, and several threads may pack different ones. The matrix is whole when every
 * column was packed. ERR_CORRUPT: a row has a scale that is no finite number; such a row may be half packed. */
int linalg_pack_rows(enum linalg_weights format, size_t columns, size_t depth, size_t first, size_t count,
                     const void *rows, void *packed);

struct linalg_packed_product {
    enum linalg_weights format;
    size_t rows, columns, depth; /* rows and columns >= 1 */
    const float *a;              /* [rows][a_stride >= depth] */
    size_t a_stride;
    const void *packed;
    const float *start; /* [columns]; NULL: zeros */
    float *c;           /* [rows][c_stride >= columns]; overlaps no operand */
    size_t c_stride;
};

void linalg_multiply_packed(const struct linalg_packed_product *product);

#endif
