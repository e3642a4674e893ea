/* The backward half of a pass. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/train/pass_internal.h"

/* The gradient of a matrix w[out][in] that made y[rows][out] of x[rows][in]: grad_y^T x. */
static void grad_of_matrix(size_t rows, size_t out, size_t in, const float *grad_y, const float *x,
                           float *ret_grad)
{
    linalg_multiply(&(struct linalg_product){
        .rows = out,
        .columns = in,
        .depth = rows,
        .a = {grad_y, 1, out},
        .b = {x, in, 1},
        .c = ret_grad,
        .c_stride = in,
    });
}

/* The gradient of x: grad_y w. */
static void grad_of_input(size_t rows, size_t out, size_t in, const float *grad_y, const float *w,
                          float *ret_grad)
{
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = in,
        .depth = out,
        .a = {grad_y, out, 1},
        .b = {w, in, 1},
        .c = ret_grad,
        .c_stride = in,
    });
}

/* ---- attention ---- */

static size_t block_rows(const struct pass *pass, size_t first)
{
    size_t left = pass->shape.context - first;
    return left < PASS_BLOCK ? left : PASS_BLOCK;
}

/* Rows `first` and following: the gradients of their scores and queries. */
static void query_block(struct pass *pass, const struct pass_layer *layer, const struct pass_view *view,
                        size_t first)
{
    const size_t context = pass->shape.context, size = shape_head_size(&pass->shape);
    const size_t stride = shape_qkv(&pass->shape), width = pass->shape.width;
    const size_t rows = block_rows(pass, first), seen = first + rows;
    const float *qkv = layer->qkv + view->qkv;
    float *grad = pass->grad_scores + first * context;
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = seen,
        .depth = size,
        .a = {pass->grad_attended + view->attended + first * width, width, 1},
        .b = {qkv + view->value, 1, stride},
        .c = grad,
        .c_stride = context,
    });
    rows_softmax_backward(&(struct rows_scores){first, rows, seen, context, 1.0f / sqrtf((float) size)},
                          layer->probabilities + view->probabilities + first * context, grad);
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = size,
        .depth = seen,
        .a = {grad, context, 1},
        .b = {qkv + view->key, stride, 1},
        .c = pass->grad_qkv + view->qkv + first * stride + view->query,
        .c_stride = stride,
    });
}

/* `to` [rows][head size] of a gradient of keys or values. A group's first head writes it, the others add to it. */
static void sum_over_rows(struct pass *pass, bool is_first, const struct linalg_product *product)
{
    struct linalg_product own = *product;
    if (is_first) {
        linalg_multiply(product);
        return;
    }
    own.c = pass->grad_keys;
    own.c_stride = product->columns;
    linalg_multiply(&own);
    for (size_t row = 0; row < product->rows; row++)
        rows_add(product->columns, own.c + row * own.c_stride, product->c + row * product->c_stride);
}

/* Keys and values `first` and following: what the rows from there on, who may look at them, have made of them. */
static void key_block(struct pass *pass, const struct pass_layer *layer, const struct pass_view *view,
                      size_t first, bool is_first_head)
{
    const size_t context = pass->shape.context, size = shape_head_size(&pass->shape);
    const size_t stride = shape_qkv(&pass->shape), width = pass->shape.width;
    const size_t diagonal = first * context + first, row = view->qkv + first * stride;
    struct linalg_product product = {
        .rows = block_rows(pass, first),
        .columns = size,
        .depth = context - first,
        .a = {pass->grad_scores + diagonal, 1, context},
        .b = {layer->qkv + row + view->query, stride, 1},
        .c = pass->grad_qkv + row + view->key,
        .c_stride = stride,
    };
    sum_over_rows(pass, is_first_head, &product);
    product.a.at = layer->probabilities + view->probabilities + diagonal;
    product.b = (struct linalg_matrix){pass->grad_attended + view->attended + first * width, width, 1};
    product.c = pass->grad_qkv + row + view->value;
    sum_over_rows(pass, is_first_head, &product);
}

static void attend_backward(struct pass *pass, const struct pass_layer *layer)
{
    const struct shape *shape = &pass->shape;
    const size_t group = shape->heads / shape->kv_heads;
    for (size_t sequence = 0; sequence < pass->rows / shape->context; sequence++)
        for (size_t head = 0; head < shape->heads; head++) {
            struct pass_view view = pass_view(pass, sequence, head);
            for (size_t first = 0; first < shape->context; first += PASS_BLOCK)
                query_block(pass, layer, &view, first);
            for (size_t first = 0; first < shape->context; first += PASS_BLOCK)
                key_block(pass, layer, &view, first, head % group == 0);
        }
}

/* ---- layers ---- */

static void feed_backward(struct pass *pass, const struct pass_layer *layer, const float *weights,
                          float *grads)
{
    const size_t rows = pass->rows, width = pass->shape.width, hidden = pass->shape.hidden;
    grad_of_matrix(rows, width, hidden, pass->grad, layer->activated, grads + pass->at.down);
    grad_of_input(rows, width, hidden, pass->grad, weights + pass->at.down, pass->grad_activated);
    rows_swiglu_backward(rows, hidden, layer->gate_up, pass->grad_activated, pass->grad_gate_up);
    grad_of_matrix(rows, 2 * hidden, width, pass->grad_gate_up, layer->feed_normed, grads + pass->at.gate_up);
    grad_of_input(rows, 2 * hidden, width, pass->grad_gate_up, weights + pass->at.gate_up, pass->grad_normed);
    rows_norm_backward(&(struct rows_norm){rows, width, layer->middle, weights + pass->at.feed_norm},
                       pass->grad_normed, pass->grad, grads + pass->at.feed_norm);
}

static void attention_backward(struct pass *pass, const struct pass_layer *layer, const float *weights,
                               float *grads)
{
    const size_t rows = pass->rows, width = pass->shape.width, qkv = shape_qkv(&pass->shape);
    struct rows_rotation rotation = pass_rotation(pass);
    grad_of_matrix(rows, width, width, pass->grad, layer->attended, grads + pass->at.output);
    grad_of_input(rows, width, width, pass->grad, weights + pass->at.output, pass->grad_attended);
    attend_backward(pass, layer);
    rows_rotate(&rotation, -1.0f, pass->grad_qkv);
    grad_of_matrix(rows, qkv, width, pass->grad_qkv, layer->normed, grads + pass->at.qkv);
    grad_of_input(rows, qkv, width, pass->grad_qkv, weights + pass->at.qkv, pass->grad_normed);
    rows_norm_backward(&(struct rows_norm){rows, width, layer->x, weights + pass->at.attention_norm},
                       pass->grad_normed, pass->grad, grads + pass->at.attention_norm);
}

/* y = x + ratio * rms(x) * n, so grad_x = grad_y + ratio * x / (width * rms) * sum(grad_y * n). */
static void noise_backward(struct pass *pass, const struct pass_batch *batch, size_t sequence,
                           uint32_t layers)
{
    const size_t context = pass->shape.context, width = pass->shape.width;
    const float ratio = batch->noise[sequence].ratio;
    for (size_t row = sequence * context; row < (sequence + 1) * context; row++) {
        const float *y = pass_stream(pass, layers) + row * width, *drawn = pass->noise + row * width;
        const float rms = pass->noise_rms[row];
        float *grad = pass->grad + row * width, sum = 0.0f;
        for (size_t i = 0; i < width; i++)
            sum += grad[i] * drawn[i];
        const float factor = ratio * sum / ((float) width * rms);
        for (size_t i = 0; i < width; i++)
            grad[i] += factor * (y[i] - ratio * rms * drawn[i]);
    }
}

/* ---- head ---- */

/* Adds to the stream's gradient, to the last norm's and to the embedding's. */
static double head_backward(struct pass *pass, const struct pass_batch *batch, uint32_t layers, float *grads)
{
    const struct shape *shape = &pass->shape;
    const size_t rows = pass->rows, width = shape->width, vocabulary = shape->vocabulary,
                 norm = shape_norm_at(shape);
    const float weight = layers < shape->layers ? batch->exit_weight : 1.0f;
    double nats = 0.0;
    pass_head(pass, batch->params, layers);
    rows_cross_entropy_backward(rows, vocabulary, weight * batch->scale, pass->logits, pass->target,
                                pass->nats);
    grad_of_matrix(rows, vocabulary, width, pass->logits, pass->head_normed, pass->grad_embedding);
    rows_add(vocabulary * width, pass->grad_embedding, grads);
    grad_of_input(rows, vocabulary, width, pass->logits, batch->params, pass->grad_normed);
    rows_norm_backward(&(struct rows_norm){rows, width, pass_stream(pass, layers), batch->params + norm},
                       pass->grad_normed, pass->grad, grads + norm);
    for (size_t row = 0; row < rows; row++)
        nats += (double) pass->nats[row];
    return nats;
}

static void embed_backward(const struct pass *pass, const struct pass_batch *batch, float *grads)
{
    const size_t context = pass->shape.context, width = pass->shape.width;
    for (size_t row = 0; row < pass->rows; row++) {
        size_t token = batch->tokens[row / context * (context + 1) + row % context];
        rows_add(width, pass->grad + row * width, grads + token * width);
    }
}

struct pass_loss pass_train(struct pass *pass, const struct pass_batch *batch, float *ret_grads)
{
    const struct shape *shape = &pass->shape;
    struct pass_loss loss = {0};
    pass_forward(pass, batch);
    memset(ret_grads, 0, shape_parameters(shape) * sizeof *ret_grads);
    memset(pass->grad, 0, pass->rows * shape->width * sizeof *pass->grad);
    loss.nats = head_backward(pass, batch, shape->layers, ret_grads);
    for (uint32_t number = shape->layers; number-- > 0;) {
        const size_t at = shape_layer_at(shape, number);
        feed_backward(pass, &pass->layer[number], batch->params + at, ret_grads + at);
        attention_backward(pass, &pass->layer[number], batch->params + at, ret_grads + at);
        if (number > 0 && batch->exit_weight > 0.0f)
            loss.exit_nats += head_backward(pass, batch, number, ret_grads);
        for (size_t sequence = 0; sequence < batch->sequences; sequence++)
            if (pass_has_noise(batch, sequence, number))
                noise_backward(pass, batch, sequence, number);
    }
    embed_backward(pass, batch, ret_grads);
    return loss;
}
