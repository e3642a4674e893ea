#include "core/linalg/openblas_internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/linalg/openblas.h"

/* c[m][n] = start + op(a) op(b), op(a) being [m][k]. */
struct shape {
    const char *name;
    bool transpose_a, transpose_b;
    size_t m, n, k;
    bool has_start;
};

/* The networks 106-256-128-20 and 126-256-128-1 at batch 64, and sizes that no kernel's tile divides. */
static const struct shape shapes[] = {
    {"forward 1", false, false, 64, 256, 126, true},
    {"forward 2", false, false, 64, 128, 256, true},
    {"forward 3", false, false, 64, 20, 128, true},
    {"weight gradient 1", true, false, 106, 256, 64, false},
    {"weight gradient 2", true, false, 256, 128, 64, false},
    {"weight gradient 3", true, false, 128, 20, 64, false},
    {"input gradient 2", false, true, 64, 256, 128, false},
    {"input gradient 3", false, true, 64, 128, 20, false},
    {"action gradient", false, true, 64, 20, 256, false},
    {"decision 1", false, false, 1, 256, 106, true},
    {"decision 2", false, false, 1, 128, 256, true},
    {"decision 3", false, false, 1, 20, 128, true},
    {"value", false, false, 64, 1, 128, true},
    {"value's weight gradient", true, false, 128, 1, 64, false},
    {"value's input gradient", false, true, 64, 128, 1, false},
    {"odd", false, false, 7, 13, 31, true},
    {"odd, transposed", true, true, 17, 3, 29, false},
};

#define EXTRA 5u /* a stride beyond the columns, as when a matrix is part of a wider one */
#define SIDE_MAX 256u
#define FLOATS (SIDE_MAX * (SIDE_MAX + EXTRA))

struct operands {
    float a[FLOATS], b[FLOATS], c[FLOATS], start[SIDE_MAX];
};

static void fill(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = entity};
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static struct linalg_product product_of(const struct shape *shape, struct operands *o)
{
    size_t a_stride = (shape->transpose_a ? shape->m : shape->k) + EXTRA;
    size_t b_stride = (shape->transpose_b ? shape->k : shape->n) + EXTRA;
    size_t c_stride = shape->n + EXTRA;
    assert((shape->transpose_a ? shape->k : shape->m) * a_stride <= FLOATS);
    assert((shape->transpose_b ? shape->n : shape->k) * b_stride <= FLOATS && shape->m * c_stride <= FLOATS);
    return (struct linalg_product){
        .rows = shape->m,
        .columns = shape->n,
        .depth = shape->k,
        .a = {o->a, shape->transpose_a ? 1 : a_stride, shape->transpose_a ? a_stride : 1},
        .b = {o->b, shape->transpose_b ? 1 : b_stride, shape->transpose_b ? b_stride : 1},
        .start = shape->has_start ? o->start : NULL,
        .c = o->c,
        .c_stride = c_stride,
    };
}

static double sum_of(const struct linalg_product *p, size_t i, size_t j)
{
    double sum = p->start != NULL ? (double) p->start[j] : 0.0;
    for (size_t k = 0; k < p->depth; k++)
        sum += (double) p->a.at[i * p->a.down + k * p->a.across] *
               (double) p->b.at[k * p->b.down + j * p->b.across];
    return sum;
}

static int check(const struct shape *shape, struct operands *o, struct diag *diag)
{
    const struct linalg_product p = product_of(shape, o);
    openblas_multiply(&p);
    /* Entries lie in [-1, 1]: each of k + 1 roundings of a sum below k + 1 errs by at most 2^-24 of it. */
    double tolerance = (double) (p.depth + 1) * (double) (p.depth + 1) * 0x1p-24;
    for (size_t i = 0; i < p.rows; i++)
        for (size_t j = 0; j < p.columns; j++) {
            double found = (double) o->c[i * p.c_stride + j], sum = sum_of(&p, i, j);
            if (!(fabs(found - sum) <= tolerance))
                return diag_fail(
                    diag, ERR_MISMATCH,
                    "OpenBLAS's kernel %s computes the product \"%s\" wrong at row %zu, column %zu: %.9g "
                    "instead of %.9g; try another one with OPENBLAS_CORETYPE (Haswell, say)",
                    openblas_kernel(), shape->name, i, j, found, sum);
        }
    return 0;
}

int openblas_check(struct diag *diag)
{
    struct operands *operands = malloc(sizeof(*operands));
    if (operands == NULL)
        return diag_fail(diag, -ENOMEM, "no memory to check OpenBLAS");
    fill(operands->a, FLOATS, 0);
    fill(operands->b, FLOATS, 1);
    fill(operands->start, SIDE_MAX, 2);
    int code = 0;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]) && code == 0; i++)
        code = check(&shapes[i], operands, diag);
    free(operands);
    return code;
}
