/* One matrix product with one order of sums. Each element of the result is one chain of fused multiply-adds:
 *
 *     c[i][j] = fma(a[i][K-1], b[K-1][j], ... fma(a[i][1], b[1][j], fma(a[i][0], b[0][j], start[j])) ...)
 *
 * over k in rising order, each rounded to a float once. That holds whatever the number of rows, the vector width
 * or the processor: the same operands give the same bits everywhere, and a row's result does not depend on the
 * rows beside it. (Of a result that is no number, only that is promised; not its sign or payload.)
 *
 * The chain begins with `start`, a layer's bias, so that the bias costs nothing; without one it begins with 0.
 *
 * Single precision, one thread. Nothing is allocated: blocks are copied to 50 KB of the stack. */
#ifndef HANDOFF_CORE_LINALG_PRODUCT_H
#define HANDOFF_CORE_LINALG_PRODUCT_H

#include <stddef.h>

/* Number of this rule, and of those of our elementary functions, as a run records it: it grows with every change
 * after which the same operands may give other bits. */
#define LINALG_ARITHMETIC 1

/* Element (i, j) is at[i * down + j * across]. Across 1: row-major; down 1: such a matrix transposed. Other
 * strides are allowed. Borrowed. */
struct linalg_matrix {
    const float *at;
    size_t down, across; /* floats */
};

struct linalg_product {
    size_t rows, columns, depth; /* of the result; what is summed over. rows and columns >= 1 */
    struct linalg_matrix a;      /* [rows][depth] */
    struct linalg_matrix b;      /* [depth][columns] */
    const float *start;          /* [columns]; NULL: zeros */
    float *c;                    /* [rows][c_stride >= columns]; overlaps no operand */
    size_t c_stride;
};

void linalg_multiply(const struct linalg_product *product);

/* Whose product linalg_multiply is: "portable", or "openblas" (openblas.h), of which nothing above holds. */
const char *linalg_name(void);

#endif
