#include "core/infer/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"

#define PORTION 256u

static bool is_split(const struct infer_request *request)
{
    return request->lower != NULL && request->upper != NULL;
}

static int create_caches(struct infer_request *request, struct diag *diag)
{
    const struct weights_geometry *g = request->model->geometry;
    const struct infer_request_options *options = &request->options;
    int rc = 0;
    if (options->split > g->layers)
        return diag_fail(diag, ERR_RANGE, "split %u: the model has %u layers", options->split, g->layers);
    if (options->split > 0)
        rc = infer_cache_create(&request->lower, g, 0, options->split, options->capacity, diag);
    if (rc == 0 && options->split < g->layers)
        rc = infer_cache_create(&request->upper, g, options->split, g->layers, options->capacity, diag);
    return rc;
}

static struct activation_shape shape_of(const struct infer_request *request, uint32_t rows)
{
    return (struct activation_shape){.format = request->options.activation,
                                     .rows = rows,
                                     .columns = request->model->geometry->hidden,
                                     .k = request->options.activation_k};
}

static int create_arrays(struct infer_request *request, struct diag *diag)
{
    const struct weights_geometry *g = request->model->geometry;
    size_t portion = request->options.portion, bytes = 1;
    if (is_split(request)) {
        const struct activation_shape shape = shape_of(request, request->options.portion);
        int rc = activation_check(&shape, diag);
        if (rc != 0)
            return rc;
        bytes = activation_bytes(shape.format, shape.rows, shape.columns, shape.k);
    }
    request->x = malloc(portion * g->hidden * sizeof *request->x);
    request->logits = malloc(g->vocab * sizeof *request->logits);
    request->encoded = malloc(bytes);
    if (request->x == NULL || request->logits == NULL || request->encoded == NULL)
        return diag_fail(diag, -ENOMEM, "a request: out of memory");
    return 0;
}

int infer_request_create(struct infer_request **ret_request, struct infer_model *model,
                         struct infer_workspace *workspace, const struct infer_request_options *options,
                         struct diag *diag)
{
    struct infer_request *request = malloc(sizeof *request);
    if (request == NULL)
        return diag_fail(diag, -ENOMEM, "a request: out of memory");
    *request = (struct infer_request){.model = model, .workspace = workspace, .options = *options};
    if (request->options.portion == 0)
        request->options.portion = PORTION;
    if (request->options.portion > options->capacity)
        request->options.portion = options->capacity;
    int rc = create_caches(request, diag);
    if (rc == 0)
        rc = create_arrays(request, diag);
    if (rc != 0) {
        infer_request_destroy(request);
        return rc;
    }
    *ret_request = request;
    return 0;
}

void infer_request_destroy(struct infer_request *request)
{
    if (request == NULL)
        return;
    infer_cache_destroy(request->lower);
    infer_cache_destroy(request->upper);
    free(request->x);
    free(request->logits);
    free(request->encoded);
    free(request);
}

/* The activations as the other side of the link sees them. */
static int cross(struct infer_request *request, uint32_t rows, struct diag *diag)
{
    const struct activation_shape shape = shape_of(request, rows);
    size_t bytes = activation_bytes(shape.format, shape.rows, shape.columns, shape.k);
    int rc = activation_encode(&shape, request->x, request->encoded, diag);
    if (rc == 0)
        rc = activation_decode(&shape, request->encoded, bytes, request->x, diag);
    if (rc == 0)
        request->bytes += bytes;
    return rc;
}

static int run_half(struct infer_request *request, struct infer_cache *cache, uint32_t rows,
                    struct diag *diag)
{
    const struct infer_span span = {cache, request->tokens, rows};
    if (cache == NULL)
        return 0;
    return infer_layers(request->model, request->workspace, cache->first, cache->last, &span, 1, request->x,
                        NULL, diag);
}

static int feed_portion(struct infer_request *request, const uint32_t *token, uint32_t rows,
                        struct diag *diag)
{
    int rc = infer_embed(request->model, token, rows, request->x, diag);
    if (rc == 0)
        rc = run_half(request, request->lower, rows, diag);
    if (rc == 0 && is_split(request))
        rc = cross(request, rows, diag);
    if (rc == 0)
        rc = run_half(request, request->upper, rows, diag);
    if (rc == 0)
        request->tokens += rows;
    return rc;
}

int infer_request_feed(struct infer_request *request, const uint32_t *token, size_t tokens, struct diag *diag)
{
    size_t hidden = request->model->geometry->hidden;
    uint32_t rows = 0;
    int rc = 0;
    if (tokens == 0 || tokens > request->options.capacity - request->tokens)
        return diag_fail(diag, ERR_RANGE, "%zu tokens behind %u: there is room for %u in all", tokens,
                         request->tokens, request->options.capacity);
    for (size_t done = 0; done < tokens && rc == 0; done += rows) {
        size_t left = tokens - done;
        rows = left < request->options.portion ? (uint32_t) left : request->options.portion;
        rc = feed_portion(request, token + done, rows, diag);
    }
    if (rc != 0)
        return rc;
    return infer_head(request->model, request->workspace, request->x + (rows - 1) * hidden, 1,
                      request->logits, diag);
}
