#include "core/rl/mlp.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

int mlp_init(struct mlp *ret_mlp, const size_t sizes[static MLP_LAYERS + 1], enum mlp_head head)
{
    struct mlp mlp = {.head = head};
    for (size_t i = 0; i <= MLP_LAYERS; i++)
        if (sizes[i] < 1 || sizes[i] > MLP_SIZE_MAX)
            return ERR_RANGE;
    for (size_t i = 0; i < MLP_LAYERS; i++) {
        struct dense *layer = &mlp.layers[i];
        layer->in = sizes[i];
        layer->out = sizes[i + 1];
        layer->weights = mlp.params;
        layer->bias = mlp.params + layer->in * layer->out;
        mlp.params = layer->bias + layer->out;
    }
    *ret_mlp = mlp;
    return 0;
}

/* Rows start on cache lines, narrow ones on halves. */
#define LINE_FLOATS 16u

static size_t row_floats(size_t columns)
{
    return columns <= LINE_FLOATS / 2 ? LINE_FLOATS / 2
                                      : (columns + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

int mlp_pass_init(struct mlp_pass *ret_pass, const struct mlp *mlp, size_t rows)
{
    size_t total = 0;
    assert(rows >= 1);
    for (size_t i = 0; i < MLP_LAYERS; i++)
        total += 2 * row_floats(mlp->layers[i].out) * rows;
    float *block = aligned_alloc(LINE_FLOATS * sizeof(float), total * sizeof(float));
    if (block == NULL)
        return -ENOMEM;
    /* What lies between rows stays 0, so that narrow layers can be passed over as one long row. */
    memset(block, 0, total * sizeof(float));
    struct mlp_pass pass = {.rows = rows, .rows_max = rows, .block = block};
    for (size_t i = 0; i < MLP_LAYERS; i++) {
        size_t stride = row_floats(mlp->layers[i].out);
        pass.y[i] = (struct matrix){block, stride};
        pass.dy[i] = (struct matrix){block + stride * rows, stride};
        block += 2 * stride * rows;
    }
    *ret_pass = pass;
    return 0;
}

void mlp_pass_finish(struct mlp_pass *pass)
{
    free(pass->block);
    *pass = (struct mlp_pass){0};
}

static void draw_uniform(struct rng_at at, float bound, float *values, size_t count)
{
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float) ((2.0 * rng_u01(block.v[j]) - 1.0) * (double) bound);
    }
}

void mlp_draw(const struct mlp *mlp, float *params, struct rng_at at, float final_init)
{
    for (size_t i = 0; i < MLP_LAYERS; i++) {
        const struct dense *layer = &mlp->layers[i];
        float bound = i == MLP_LAYERS - 1 ? final_init : 1.0f / sqrtf((float) layer->in);
        at.slot = (uint32_t) i;
        draw_uniform(at, bound, params + layer->weights, layer->in * layer->out + layer->out);
    }
}

void mlp_forward(const struct mlp *mlp, const float *params, struct mlp_pass *pass)
{
    struct view x = pass->x;
    assert(pass->rows >= 1 && pass->rows <= pass->rows_max);
    for (size_t i = 0; i < MLP_LAYERS; i++) {
        const struct dense *layer = &mlp->layers[i];
        dense_forward(layer, params, pass->rows, x, pass->y[i]);
        bool is_head = i == MLP_LAYERS - 1;
        if (!is_head && mlp->hidden == MLP_RELU)
            dense_relu(pass->rows, layer->out, pass->y[i]);
        else if (!is_head)
            dense_tanh(1, pass->rows * pass->y[i].stride, pass->y[i]);
        else if (mlp->head == MLP_TANH)
            dense_tanh(pass->rows, layer->out, pass->y[i]);
        x = dense_view(pass->y[i]);
    }
}

static void smooth_backward(const struct dense *layer, size_t rows, struct view y, struct matrix d,
                            float *grads)
{
    dense_tanh_backward(1, rows * d.stride, y, d);
    if (grads != NULL)
        dense_bias_gradient(layer, grads, rows, dense_view(d));
}

void mlp_backward(const struct mlp *mlp, const float *params, struct mlp_pass *pass,
                  const struct mlp_wanted *wanted)
{
    const size_t rows = pass->rows, last = MLP_LAYERS - 1;
    assert(rows >= 1 && rows <= pass->rows_max);
    assert(wanted->grads != NULL || wanted->count > 0);
    const struct dense *layers = mlp->layers;
    float *grads = wanted->grads;
    if (mlp->head == MLP_TANH)
        dense_tanh_backward(rows, layers[last].out, dense_view(pass->y[last]), pass->dy[last]);
    if (grads != NULL)
        dense_bias_gradient(&layers[last], grads, rows, dense_view(pass->dy[last]));
    for (size_t i = last; i > 0; i--) {
        struct view d = dense_view(pass->dy[i]), below = dense_view(pass->y[i - 1]);
        if (grads != NULL)
            dense_weight_gradient(&layers[i], grads, rows, below, d);
        dense_input_gradient(&layers[i], params, rows, d, 0, layers[i].in, pass->dy[i - 1]);
        float *sums = grads != NULL ? grads + layers[i - 1].bias : NULL;
        if (mlp->hidden == MLP_RELU)
            dense_relu_backward(rows, layers[i].in, below, pass->dy[i - 1], sums);
        else
            smooth_backward(&layers[i - 1], rows, below, pass->dy[i - 1], grads);
    }
    struct view d = dense_view(pass->dy[0]);
    if (grads != NULL)
        dense_weight_gradient(&layers[0], grads, rows, pass->x, d);
    if (wanted->count > 0)
        dense_input_gradient(&layers[0], params, rows, d, wanted->first, wanted->count, wanted->dx);
}
