#include "core/train/evaluation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/train/parallel.h"
#include "core/train/pass.h"

struct windows {
    const struct evaluation *evaluation;
    size_t all;                /* that cover the text */
    size_t count;              /* that are scored */
    struct pass **pass;        /* [threads] */
    float *nats;               /* [threads][context] */
    struct likelihood *result; /* [count] */
};

static size_t stride_of(const struct evaluation *evaluation)
{
    return evaluation->shape->context / 2;
}

/* The number-th of those that are scored. */
static size_t first_of(const struct windows *windows, size_t number)
{
    size_t window = number * windows->all / windows->count;
    size_t first = window * stride_of(windows->evaluation);
    size_t last = windows->evaluation->count - 1 - windows->evaluation->shape->context;
    return first < last ? first : last;
}

static void score_window(void *user, size_t thread, size_t number)
{
    const struct windows *windows = user;
    const struct evaluation *evaluation = windows->evaluation;
    const size_t context = evaluation->shape->context, stride = stride_of(evaluation);
    const size_t window = number * windows->all / windows->count, first = first_of(windows, number);
    const uint16_t *tokens = evaluation->tokens + first;
    float *nats = windows->nats + thread * context;
    const struct pass_batch batch = {.params = evaluation->params, .tokens = tokens, .sequences = 1};
    struct likelihood result = {0};
    (void) pass_score(windows->pass[thread], &batch, nats);
    /* The last window has moved back to the text's end: what others scored is left out. */
    for (size_t i = context - stride + (window * stride - first); i < context; i++) {
        const uint8_t *bytes;
        result.nats += (double) nats[i];
        result.bytes += bpe_bytes(evaluation->bpe, tokens[i + 1], &bytes);
        result.tokens++;
    }
    windows->result[number] = result;
}

static void finish(struct windows *windows, size_t threads)
{
    for (size_t i = 0; windows->pass != NULL && i < threads; i++)
        pass_destroy(windows->pass[i]);
    free(windows->pass);
    free(windows->nats);
    free(windows->result);
}

static int start(const struct evaluation *evaluation, struct windows *windows)
{
    const size_t context = evaluation->shape->context, stride = stride_of(evaluation);
    int rc = 0;
    windows->evaluation = evaluation;
    windows->all = 1 + (evaluation->count - 1 - context + stride - 1) / stride;
    windows->count =
        evaluation->windows > 0 && evaluation->windows < windows->all ? evaluation->windows : windows->all;
    windows->pass = calloc(evaluation->threads, sizeof *windows->pass);
    windows->nats = calloc(evaluation->threads * context, sizeof *windows->nats);
    windows->result = calloc(windows->count, sizeof *windows->result);
    if (windows->pass == NULL || windows->nats == NULL || windows->result == NULL)
        rc = -ENOMEM;
    for (size_t i = 0; i < evaluation->threads && rc == 0; i++)
        rc = pass_create(evaluation->shape, 1, &windows->pass[i]);
    return rc;
}

int evaluation_run(const struct evaluation *evaluation, struct likelihood *ret_likelihood, struct diag *diag)
{
    struct windows windows = {0};
    struct likelihood sum = {0};
    assert(evaluation->threads >= 1 && evaluation->threads <= PARALLEL_THREADS_MAX);
    if (evaluation->count <= evaluation->shape->context)
        return diag_fail(diag, ERR_RANGE, "a text of %zu tokens is too short for a context of %u",
                         evaluation->count, evaluation->shape->context);
    int rc = start(evaluation, &windows);
    if (rc == 0)
        parallel_do(evaluation->threads, windows.count, score_window, &windows);
    for (size_t i = 0; i < windows.count && rc == 0; i++)
        likelihood_add(&sum, &windows.result[i]);
    finish(&windows, evaluation->threads);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    *ret_likelihood = sum;
    return 0;
}
