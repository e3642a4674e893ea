#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/leak/leak_internal.h"
#include "core/linalg/product.h"

struct leak_probe {
    struct leak *leak; /* borrowed */
    size_t width;      /* of a row of X: hidden and the 1 behind it */
    double *square;    /* [width][width] X'X, its lower half */
    double *sum;       /* [vocab][width] X'Y: of each token the sum of its rows */
    uint64_t *count;   /* [vocab] */
    uint64_t rows;
    double *factor; /* [width][width] */
    float *weight;  /* [width][vocab] W */
};

int leak_probe_create(struct leak_probe **ret_probe, struct leak *leak, struct diag *diag)
{
    struct leak_probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        return diag_fail(diag, -ENOMEM, "a probe: out of memory");
    const size_t vocab = leak->geometry->vocab, width = leak->geometry->hidden + (size_t) 1;
    probe->leak = leak;
    probe->width = width;
    probe->square = calloc(width * width, sizeof *probe->square);
    probe->factor = calloc(width * width, sizeof *probe->factor);
    probe->sum = calloc(vocab * width, sizeof *probe->sum);
    probe->count = calloc(vocab, sizeof *probe->count);
    probe->weight = calloc(width * vocab, sizeof *probe->weight);
    if (probe->square == NULL || probe->factor == NULL || probe->sum == NULL || probe->count == NULL ||
        probe->weight == NULL) {
        leak_probe_destroy(probe);
        return diag_fail(diag, -ENOMEM, "a probe: out of memory");
    }
    *ret_probe = probe;
    return 0;
}

void leak_probe_destroy(struct leak_probe *probe)
{
    if (probe == NULL)
        return;
    free(probe->square);
    free(probe->factor);
    free(probe->sum);
    free(probe->count);
    free(probe->weight);
    free(probe);
}

static void add_row(struct leak_probe *probe, const float *x, uint32_t token)
{
    const size_t width = probe->width, hidden = width - 1;
    double *sum = probe->sum + token * width;
    for (size_t i = 0; i < width; i++) {
        double *square = probe->square + i * width, value = i < hidden ? (double) x[i] : 1.0;
        size_t left = i < hidden ? i + 1 : hidden;
        for (size_t j = 0; j < left; j++)
            square[j] += value * (double) x[j];
        sum[i] += value;
    }
    probe->square[hidden * width + hidden] += 1.0;
}

void leak_probe_add(struct leak_probe *probe, const float *x, const uint32_t *token, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        assert(token[r] < probe->leak->geometry->vocab);
        add_row(probe, x + r * (probe->width - 1), token[r]);
        probe->count[token[r]]++;
    }
    probe->rows += rows;
}

/* Cholesky's factor of X'X + ridge. It is positive definite, since the ridge is. */
static void factorise(struct leak_probe *probe, double ridge)
{
    const size_t width = probe->width;
    double mean = 0.0;
    for (size_t i = 0; i < width; i++)
        mean += probe->square[i * width + i] / (double) width;
    for (size_t i = 0; i < width; i++)
        for (size_t j = 0; j <= i; j++) {
            const double *a = probe->factor + i * width, *b = probe->factor + j * width;
            double rest = probe->square[i * width + j] + (i == j ? ridge * mean : 0.0);
            for (size_t k = 0; k < j; k++)
                rest -= a[k] * b[k];
            probe->factor[i * width + j] = i == j ? sqrt(rest) : rest / b[j];
        }
}

/* column [width]: (L L')^-1 times it, in place. */
static void solve_column(const struct leak_probe *probe, double *column)
{
    const size_t width = probe->width;
    for (size_t i = 0; i < width; i++) {
        const double *row = probe->factor + i * width;
        double rest = column[i];
        for (size_t k = 0; k < i; k++)
            rest -= row[k] * column[k];
        column[i] = rest / row[i];
    }
    for (size_t i = width; i-- > 0;) {
        column[i] /= probe->factor[i * width + i];
        for (size_t k = 0; k < i; k++)
            column[k] -= probe->factor[i * width + k] * column[i];
    }
}

int leak_probe_solve(struct leak_probe *probe, double ridge, struct diag *diag)
{
    const size_t width = probe->width, vocab = probe->leak->geometry->vocab;
    assert(ridge > 0.0);
    if (probe->rows == 0)
        return diag_fail(diag, ERR_STATE, "a probe has no rows to learn from");
    double *column = calloc(width, sizeof *column);
    if (column == NULL)
        return diag_fail(diag, -ENOMEM, "a probe: out of memory");
    factorise(probe, ridge);
    for (size_t v = 0; v < vocab; v++) {
        memcpy(column, probe->sum + v * width, width * sizeof *column);
        solve_column(probe, column);
        for (size_t i = 0; i < width; i++)
            probe->weight[i * vocab + v] = (float) column[i];
    }
    free(column);
    return 0;
}

void leak_probe_guess(struct leak_probe *probe, const float *x, size_t rows, uint32_t *ret_token)
{
    const size_t hidden = probe->width - 1, vocab = probe->leak->geometry->vocab;
    for (size_t from = 0; from < rows; from += LEAK_ROWS) {
        size_t count = rows - from < LEAK_ROWS ? rows - from : LEAK_ROWS;
        linalg_multiply(&(struct linalg_product){
            .rows = count,
            .columns = vocab,
            .depth = hidden,
            .a = {x + from * hidden, hidden, 1},
            .b = {probe->weight, vocab, 1},
            .start = probe->weight + hidden * vocab,
            .c = probe->leak->value,
            .c_stride = vocab,
        });
        leak_largest(probe->leak->value, count, (uint32_t) vocab, ret_token + from);
    }
}

uint32_t leak_probe_commonest(const struct leak_probe *probe)
{
    uint32_t best = 0;
    for (uint32_t v = 1; v < probe->leak->geometry->vocab; v++)
        if (probe->count[v] > probe->count[best])
            best = v;
    return best;
}
