#include "core/rl/blas_check.h"

#include <assert.h>
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/rng.h"

/* C[m][n] = beta C + op(A) op(B), op(A) being [m][k]. One row (m = 1) goes through SGEMV. */
struct product {
    const char *name;
    bool transpose_a, transpose_b;
    size_t m, n, k;
    float beta;
};

/* The networks 106-256-128-20 and 126-256-128-1 at batch 64, and sizes that no kernel's tile divides. */
static const struct product products[] = {
    {"forward 1", false, false, 64, 256, 126, 1.0f},
    {"forward 2", false, false, 64, 128, 256, 1.0f},
    {"forward 3", false, false, 64, 20, 128, 1.0f},
    {"weight gradient 1", true, false, 106, 256, 64, 0.0f},
    {"weight gradient 2", true, false, 256, 128, 64, 0.0f},
    {"weight gradient 3", true, false, 128, 20, 64, 0.0f},
    {"input gradient 2", false, true, 64, 256, 128, 0.0f},
    {"input gradient 3", false, true, 64, 128, 20, 0.0f},
    {"action gradient", false, true, 64, 20, 256, 0.0f},
    {"decision 1", false, false, 1, 256, 106, 1.0f},
    {"decision 2", false, false, 1, 128, 256, 1.0f},
    {"decision 3", false, false, 1, 20, 128, 1.0f},
    {"odd", false, false, 7, 13, 31, 1.0f},
    {"odd, transposed", true, true, 17, 3, 29, 0.0f},
};

#define EXTRA 5u /* a stride beyond the columns, as when a matrix is part of a wider one */
#define SIDE_MAX 256u
#define FLOATS (SIDE_MAX * (SIDE_MAX + EXTRA))

struct operands {
    float a[FLOATS], b[FLOATS], c[FLOATS], before[FLOATS];
};

static void fill(float *values, uint32_t entity)
{
    struct rng_at at = {.phase = RNG_TRAIN, .stream = RNG_WEIGHTS, .entity = entity};
    for (size_t i = 0; i < FLOATS; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static void run(const struct product *p, struct operands *o, size_t lda, size_t ldb, size_t ldc)
{
    blasint m = (blasint) p->m, n = (blasint) p->n, k = (blasint) p->k;
    if (p->m == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1.0f, o->b, (blasint) ldb, o->a, 1, p->beta, o->c, 1);
    else
        cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                    p->transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, o->a, (blasint) lda, o->b,
                    (blasint) ldb, p->beta, o->c, (blasint) ldc);
}

static int check(const struct product *p, struct operands *o, struct diag *diag)
{
    size_t lda = (p->transpose_a ? p->m : p->k) + EXTRA, ldb = (p->transpose_b ? p->k : p->n) + EXTRA;
    size_t ldc = p->n + EXTRA;
    assert((p->transpose_a ? p->k : p->m) * lda <= FLOATS && (p->transpose_b ? p->n : p->k) * ldb <= FLOATS);
    assert(p->m * ldc <= FLOATS);
    for (size_t i = 0; i < FLOATS; i++)
        o->c[i] = o->before[i];
    run(p, o, lda, ldb, ldc);
    /* Entries lie in [-1, 1]: each of k + 1 roundings of a sum below k + 1 errs by at most 2^-24 of it. */
    double tolerance = (double) (p->k + 1) * (double) (p->k + 1) * 0x1p-24;
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            double sum = (double) p->beta * (double) o->before[i * ldc + j];
            for (size_t l = 0; l < p->k; l++)
                sum += (double) o->a[p->transpose_a ? l * lda + i : i * lda + l] *
                       (double) o->b[p->transpose_b ? j * ldb + l : l * ldb + j];
            double found = (double) o->c[i * ldc + j];
            if (!(fabs(found - sum) <= tolerance))
                return diag_fail(
                    diag, ERR_MISMATCH,
                    "BLAS kernel %s computes the product \"%s\" wrong at row %zu, column %zu: %.9g "
                    "instead of %.9g; try another one with OPENBLAS_CORETYPE (Haswell, say)",
                    blas_kernel_name(), p->name, i, j, found, sum);
        }
    return 0;
}

int blas_self_test(struct diag *diag)
{
    struct operands *operands = malloc(sizeof(*operands));
    if (operands == NULL)
        return diag_fail(diag, -ENOMEM, "no memory for the BLAS self-test");
    openblas_set_num_threads(1);
    fill(operands->a, 0);
    fill(operands->b, 1);
    fill(operands->before, 2);
    int code = 0;
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]) && code == 0; i++)
        code = check(&products[i], operands, diag);
    free(operands);
    return code;
}

const char *blas_kernel_name(void)
{
    return openblas_get_corename();
}

const char *blas_config(void)
{
    return openblas_get_config();
}
