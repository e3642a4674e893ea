#include "core/train/pass.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/pass_internal.h"

#define ALIGNMENT 64u /* bytes: a cache line, and the widest vector */

/* Takes `count` floats, or, with no memory yet, says only how many bytes are needed. */
struct taker {
    float *memory;
    size_t used; /* floats */
};

static float *take(struct taker *taker, size_t count)
{
    const size_t line = ALIGNMENT / sizeof(float);
    float *at = taker->memory != NULL ? taker->memory + taker->used : NULL;
    taker->used += (count + line - 1) / line * line;
    return at;
}

static void take_layer(struct pass *pass, struct taker *taker, struct pass_layer *layer)
{
    const struct shape *shape = &pass->shape;
    const size_t context = shape->context, rows = pass->sequences * context, width = shape->width;
    layer->x = take(taker, rows * width);
    layer->normed = take(taker, rows * width);
    layer->qkv = take(taker, rows * shape_qkv(shape));
    layer->probabilities = take(taker, pass->sequences * shape->heads * context * context);
    layer->attended = take(taker, rows * width);
    layer->middle = take(taker, rows * width);
    layer->feed_normed = take(taker, rows * width);
    layer->gate_up = take(taker, rows * 2 * shape->hidden);
    layer->activated = take(taker, rows * shape->hidden);
}

static void take_rest(struct pass *pass, struct taker *taker)
{
    const struct shape *shape = &pass->shape;
    const size_t context = shape->context, rows = pass->sequences * context, width = shape->width;
    pass->last = take(taker, rows * width);
    pass->cosine = take(taker, context * shape_head_size(shape) / 2);
    pass->sine = take(taker, context * shape_head_size(shape) / 2);
    pass->noise = take(taker, rows * width);
    pass->noise_rms = take(taker, rows);
    pass->head_normed = take(taker, rows * width);
    pass->logits = take(taker, rows * shape->vocabulary);
    pass->nats = take(taker, rows);
    pass->grad = take(taker, rows * width);
    pass->grad_normed = take(taker, rows * width);
    pass->grad_attended = take(taker, rows * width);
    pass->grad_qkv = take(taker, rows * shape_qkv(shape));
    pass->grad_gate_up = take(taker, rows * 2 * shape->hidden);
    pass->grad_activated = take(taker, rows * shape->hidden);
    pass->grad_scores = take(taker, context * context);
    pass->grad_keys = take(taker, PASS_BLOCK * shape_head_size(shape));
    pass->grad_embedding = take(taker, (size_t) shape->vocabulary * width);
}

static size_t take_all(struct pass *pass, float *memory)
{
    struct taker taker = {.memory = memory};
    for (uint32_t layer = 0; layer < pass->shape.layers; layer++)
        take_layer(pass, &taker, &pass->layer[layer]);
    take_rest(pass, &taker);
    return taker.used;
}

int pass_create(const struct shape *shape, size_t sequences, struct pass **ret_pass)
{
    struct pass *pass = calloc(1, sizeof *pass);
    assert(sequences >= 1 && shape_check(shape, NULL) == 0);
    if (pass == NULL)
        return -ENOMEM;
    pass->shape = *shape;
    pass->at = shape_layer(shape);
    pass->sequences = sequences;
    pass->memory = aligned_alloc(ALIGNMENT, take_all(pass, NULL) * sizeof(float));
    pass->target = calloc(sequences * shape->context, sizeof *pass->target);
    if (pass->memory == NULL || pass->target == NULL) {
        pass_destroy(pass);
        return -ENOMEM;
    }
    (void) take_all(pass, pass->memory);
    rows_angles(shape->context, shape_head_size(shape), pass->cosine, pass->sine);
    *ret_pass = pass;
    return 0;
}

void pass_destroy(struct pass *pass)
{
    if (pass == NULL)
        return;
    free(pass->memory);
    free(pass->target);
    free(pass);
}

/* c[rows][columns] = x[rows][depth] w[columns][depth]^T */
static void apply(size_t rows, size_t columns, size_t depth, const float *x, const float *w, float *ret_c)
{
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = columns,
        .depth = depth,
        .a = {x, depth, 1},
        .b = {w, 1, depth},
        .c = ret_c,
        .c_stride = columns,
    });
}

struct rows_rotation pass_rotation(const struct pass *pass)
{
    return (struct rows_rotation){
        .rows = pass->rows,
        .stride = shape_qkv(&pass->shape),
        .heads = pass->shape.heads + pass->shape.kv_heads, /* queries, then keys */
        .head_size = shape_head_size(&pass->shape),
        .positions = pass->shape.context,
        .cos = pass->cosine,
        .sin = pass->sine,
    };
}

struct pass_view pass_view(const struct pass *pass, size_t sequence, size_t head)
{
    const struct shape *shape = &pass->shape;
    const size_t size = shape_head_size(shape), context = shape->context, width = shape->width;
    const size_t pair = head / (shape->heads / shape->kv_heads); /* whose keys and values the head reads */
    return (struct pass_view){
        .qkv = sequence * context * shape_qkv(shape),
        .query = head * size,
        .key = width + pair * size,
        .value = width + (shape->kv_heads + pair) * size,
        .attended = sequence * context * width + head * size,
        .probabilities = (sequence * shape->heads + head) * context * context,
    };
}

/* ---- forward ---- */

static void embed(struct pass *pass, const struct pass_batch *batch)
{
    const size_t context = pass->shape.context, width = pass->shape.width;
    float *x = pass_stream(pass, 0);
    for (size_t sequence = 0; sequence < batch->sequences; sequence++)
        for (size_t position = 0; position < context; position++) {
            const uint16_t *token = batch->tokens + sequence * (context + 1) + position;
            size_t row = sequence * context + position;
            assert(token[0] < pass->shape.vocabulary && token[1] < pass->shape.vocabulary);
            memcpy(x + row * width, batch->params + token[0] * width, width * sizeof *x);
            pass->target[row] = token[1];
        }
}

static void attend_block(struct pass *pass, struct pass_layer *layer, const struct pass_view *view,
                         size_t first)
{
    const size_t context = pass->shape.context, size = shape_head_size(&pass->shape);
    const size_t stride = shape_qkv(&pass->shape), width = pass->shape.width;
    const size_t rows = context - first < PASS_BLOCK ? context - first : PASS_BLOCK, seen = first + rows;
    const float *qkv = layer->qkv + view->qkv;
    float *p = layer->probabilities + view->probabilities + first * context;
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = seen,
        .depth = size,
        .a = {qkv + first * stride + view->query, stride, 1},
        .b = {qkv + view->key, 1, stride},
        .c = p,
        .c_stride = context,
    });
    rows_softmax(&(struct rows_scores){first, rows, seen, context, 1.0f / sqrtf((float) size)}, p);
    linalg_multiply(&(struct linalg_product){
        .rows = rows,
        .columns = size,
        .depth = seen,
        .a = {p, context, 1},
        .b = {qkv + view->value, stride, 1},
        .c = layer->attended + view->attended + first * width,
        .c_stride = width,
    });
}

static void attend(struct pass *pass, struct pass_layer *layer)
{
    const struct shape *shape = &pass->shape;
    for (size_t sequence = 0; sequence < pass->rows / shape->context; sequence++)
        for (size_t head = 0; head < shape->heads; head++) {
            struct pass_view view = pass_view(pass, sequence, head);
            for (size_t first = 0; first < shape->context; first += PASS_BLOCK)
                attend_block(pass, layer, &view, first);
        }
}

static void run_layer(struct pass *pass, const float *params, uint32_t number)
{
    struct pass_layer *layer = &pass->layer[number];
    const struct shape *shape = &pass->shape;
    const size_t rows = pass->rows, width = shape->width, hidden = shape->hidden;
    const float *weights = params + shape_layer_at(shape, number);
    struct rows_rotation rotation = pass_rotation(pass);
    float *next = pass_stream(pass, number + 1);
    rows_norm(&(struct rows_norm){rows, width, layer->x, weights + pass->at.attention_norm}, layer->normed);
    apply(rows, shape_qkv(shape), width, layer->normed, weights + pass->at.qkv, layer->qkv);
    rows_rotate(&rotation, 1.0f, layer->qkv);
    attend(pass, layer);
    apply(rows, width, width, layer->attended, weights + pass->at.output, layer->middle);
    rows_add(rows * width, layer->x, layer->middle);
    rows_norm(&(struct rows_norm){rows, width, layer->middle, weights + pass->at.feed_norm},
              layer->feed_normed);
    apply(rows, 2 * hidden, width, layer->feed_normed, weights + pass->at.gate_up, layer->gate_up);
    rows_swiglu(rows, hidden, layer->gate_up, layer->activated);
    apply(rows, width, hidden, layer->activated, weights + pass->at.down, next);
    rows_add(rows * width, layer->middle, next);
}

bool pass_has_noise(const struct pass_batch *batch, size_t sequence, uint32_t layers)
{
    return batch->noise != NULL && layers > 0 && batch->noise[sequence].layer == layers;
}

/* Standard normal numbers for one position. */
static void draw_row(const struct pass_noise *noise, uint32_t position, size_t width, float *ret_row)
{
    struct rng_at at = noise->at;
    at.slot = position;
    for (size_t i = 0; i < width; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        double normal[4];
        rng_normal_pair(block.v[0], block.v[1], normal);
        rng_normal_pair(block.v[2], block.v[3], normal + 2);
        for (size_t j = 0; j < 4 && i + j < width; j++)
            ret_row[i + j] = (float) normal[j];
    }
}

static void add_noise(struct pass *pass, const struct pass_batch *batch, size_t sequence, uint32_t layers)
{
    const struct pass_noise *noise = &batch->noise[sequence];
    const size_t context = pass->shape.context, width = pass->shape.width;
    for (size_t position = 0; position < context; position++) {
        const size_t row = sequence * context + position;
        float *x = pass_stream(pass, layers) + row * width, *drawn = pass->noise + row * width;
        float squares = 0.0f;
        draw_row(noise, (uint32_t) position, width, drawn);
        for (size_t i = 0; i < width; i++)
            squares += x[i] * x[i];
        pass->noise_rms[row] = sqrtf(squares / (float) width + SHAPE_NORM_EPSILON);
        for (size_t i = 0; i < width; i++)
            x[i] += noise->ratio * pass->noise_rms[row] * drawn[i];
    }
}

void pass_forward(struct pass *pass, const struct pass_batch *batch)
{
    assert(batch->sequences >= 1 && batch->sequences <= pass->sequences);
    pass->rows = batch->sequences * pass->shape.context;
    embed(pass, batch);
    for (uint32_t layer = 0; layer < pass->shape.layers; layer++) {
        for (size_t sequence = 0; sequence < batch->sequences; sequence++)
            if (pass_has_noise(batch, sequence, layer))
                add_noise(pass, batch, sequence, layer);
        run_layer(pass, batch->params, layer);
    }
}

void pass_head(struct pass *pass, const float *params, uint32_t layers)
{
    const struct shape *shape = &pass->shape;
    rows_norm(&(struct rows_norm){pass->rows, shape->width, pass_stream(pass, layers),
                                  params + shape_norm_at(shape)},
              pass->head_normed);
    apply(pass->rows, shape->vocabulary, shape->width, pass->head_normed, params, pass->logits);
}

static double sum_nats(const struct pass *pass)
{
    double sum = 0.0;
    for (size_t row = 0; row < pass->rows; row++)
        sum += (double) pass->nats[row];
    return sum;
}

static double score_head(struct pass *pass, const float *params, uint32_t layers)
{
    pass_head(pass, params, layers);
    rows_cross_entropy(pass->rows, pass->shape.vocabulary, pass->logits, pass->target, pass->nats);
    return sum_nats(pass);
}

struct pass_loss pass_score(struct pass *pass, const struct pass_batch *batch, float *ret_nats)
{
    struct pass_loss loss = {0};
    pass_forward(pass, batch);
    loss.nats = score_head(pass, batch->params, pass->shape.layers);
    if (ret_nats != NULL)
        memcpy(ret_nats, pass->nats, pass->rows * sizeof *ret_nats);
    for (uint32_t layers = pass->shape.layers - 1; layers > 0 && batch->exit_weight > 0.0f; layers--)
        loss.exit_nats += score_head(pass, batch->params, layers);
    return loss;
}
