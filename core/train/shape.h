/* The shape of a decoder that is trained here, and where its parameters lie. LLaMA's layout: root-mean-square norms,
 * rotary positions in half-split order, grouped queries, SwiGLU, no biases, one matrix for embedding and head.
 *
 * All parameters are one row of floats. Matrices are [out][in], as in files of Hugging Face's LlamaForCausalLM.
 * Matrices that read the same input lie one behind the other, so that one product applies them all. */
#ifndef HANDOFF_CORE_TRAIN_SHAPE_H
#define HANDOFF_CORE_TRAIN_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"

#define SHAPE_LAYERS_MAX 64u
#define SHAPE_WIDTH_MAX 1024u
#define SHAPE_HEADS_MAX 64u
#define SHAPE_HIDDEN_MAX 4096u
#define SHAPE_CONTEXT_MAX 2048u
#define SHAPE_VOCABULARY_MAX 4096u

#define SHAPE_NORM_EPSILON 1e-5f  /* LLaMA 2 */
#define SHAPE_ROTARY_BASE 10000.0 /* Su et al., arXiv 2104.09864 */

struct shape {
    uint32_t layers;
    uint32_t width;      /* of the residual stream */
    uint32_t heads;      /* of the queries; divides width, and width / heads is even */
    uint32_t kv_heads;   /* of keys and values; divides heads */
    uint32_t hidden;     /* of the feed-forward network */
    uint32_t vocabulary; /* tokens */
    uint32_t context;    /* positions in a window */
};

/* ERR_RANGE or ERR_UNSUPPORTED, and which number is wrong. */
int shape_check(const struct shape *shape, struct diag *diag);

static inline size_t shape_head_size(const struct shape *shape)
{
    return shape->width / shape->heads;
}

/* Queries, keys and values of a token, side by side. */
static inline size_t shape_qkv(const struct shape *shape)
{
    return shape->width + 2 * shape->kv_heads * shape_head_size(shape);
}

/* A layer's parts, from the layer's first float on. */
struct shape_layer {
    size_t attention_norm; /* [width] */
    size_t qkv;            /* [shape_qkv][width]: queries, keys, values */
    size_t output;         /* [width][width] */
    size_t feed_norm;      /* [width] */
    size_t gate_up;        /* [2 * hidden][width]: gate, up */
    size_t down;           /* [width][hidden] */
    size_t size;           /* floats of a layer */
};

struct shape_layer shape_layer(const struct shape *shape);

/* The embedding [vocabulary][width] is first; then come the layers, then the last norm [width]. */
size_t shape_layer_at(const struct shape *shape, uint32_t layer);
size_t shape_norm_at(const struct shape *shape);
size_t shape_parameters(const struct shape *shape);

/* One named tensor, as Hugging Face names it. */
struct shape_tensor {
    char name[64];
    size_t at;            /* its first float */
    size_t rows, columns; /* rows 0: a vector of `columns` */
};

/* embedding, nine tensors a layer, last norm */
static inline size_t shape_tensors(const struct shape *shape)
{
    return 2 + 9 * (size_t) shape->layers;
}

/* The index-th of shape_tensors(), in order of `at`. */
struct shape_tensor shape_tensor(const struct shape *shape, size_t index);

#endif
