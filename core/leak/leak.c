#include "core/leak/leak.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/leak/leak_internal.h"
#include "core/linalg/product.h"

static int read_embeddings(struct leak *leak, const struct weights *weights, struct diag *diag)
{
    const struct weights_geometry *g = leak->geometry;
    struct weights_tensor tensor;
    int rc = weights_find(weights, WEIGHTS_EMBEDDING, 0, &tensor);
    assert(rc == 0); /* every model has one */
    weights_read_rows(&tensor, 0, g->vocab, leak->embedding);
    for (size_t v = 0; v < g->vocab; v++) {
        const float *row = leak->embedding + v * g->hidden;
        double square = 0.0;
        for (size_t i = 0; i < g->hidden; i++)
            square += (double) row[i] * (double) row[i];
        if (!isfinite(square))
            return diag_fail(diag, ERR_CORRUPT, "the embedding of token %zu is not finite", v);
        double length = square > 0.0 ? sqrt(square) : 1.0;
        for (size_t i = 0; i < g->hidden; i++)
            leak->direction[v * g->hidden + i] = (float) ((double) row[i] / length);
    }
    return rc;
}

int leak_open(struct leak **ret_leak, const struct weights *weights, enum infer_weights format,
              struct diag *diag)
{
    struct leak *leak = calloc(1, sizeof *leak);
    if (leak == NULL)
        return diag_fail(diag, -ENOMEM, "an observer: out of memory");
    leak->geometry = weights_geometry(weights);
    size_t vocab = leak->geometry->vocab, hidden = leak->geometry->hidden;
    leak->embedding = calloc(vocab * hidden, sizeof *leak->embedding);
    leak->direction = calloc(vocab * hidden, sizeof *leak->direction);
    leak->value = calloc(LEAK_ROWS * vocab, sizeof *leak->value);
    leak->row = calloc(LEAK_ROWS * hidden, sizeof *leak->row);
    leak->centre = calloc(hidden, sizeof *leak->centre);
    int rc = leak->embedding == NULL || leak->direction == NULL || leak->value == NULL || leak->row == NULL ||
                     leak->centre == NULL
                 ? diag_fail(diag, -ENOMEM, "the embeddings: out of memory")
                 : 0;
    if (rc == 0)
        rc = read_embeddings(leak, weights, diag);
    if (rc == 0)
        rc = infer_model_create(&leak->model, weights, format, diag);
    if (rc != 0) {
        leak_close(leak);
        return rc;
    }
    *ret_leak = leak;
    return 0;
}

void leak_close(struct leak *leak)
{
    if (leak == NULL)
        return;
    infer_model_destroy(leak->model);
    infer_workspace_finish(&leak->workspace);
    free(leak->embedding);
    free(leak->direction);
    free(leak->value);
    free(leak->row);
    free(leak->centre);
    free(leak);
}

void leak_largest(const float *value, size_t rows, uint32_t vocab, uint32_t *ret_token)
{
    for (size_t r = 0; r < rows; r++)
        ret_token[r] = infer_greedy(value + r * vocab, vocab);
}

/* The mean of the rows in `centre`, summed in rising order. */
static void set_centre(struct leak *leak, const float *x, size_t rows)
{
    const size_t hidden = leak->geometry->hidden;
    for (size_t i = 0; i < hidden; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < rows; r++)
            sum += (double) x[r * hidden + i];
        leak->centre[i] = rows > 1 ? (float) (sum / (double) rows) : 0.0f;
    }
}

void leak_nearest(struct leak *leak, const float *x, size_t rows, uint32_t *ret_token)
{
    const size_t hidden = leak->geometry->hidden, vocab = leak->geometry->vocab;
    set_centre(leak, x, rows);
    for (size_t from = 0; from < rows; from += LEAK_ROWS) {
        size_t count = rows - from < LEAK_ROWS ? rows - from : LEAK_ROWS;
        for (size_t i = 0; i < count * hidden; i++)
            leak->row[i] = x[from * hidden + i] - leak->centre[i % hidden];
        linalg_multiply(&(struct linalg_product){
            .rows = count,
            .columns = vocab,
            .depth = hidden,
            .a = {leak->row, hidden, 1},
            .b = {leak->direction, 1, hidden},
            .c = leak->value,
            .c_stride = vocab,
        });
        leak_largest(leak->value, count, (uint32_t) vocab, ret_token + from);
    }
}
