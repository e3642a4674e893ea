/* What forward and backward share. */
#ifndef HANDOFF_CORE_TRAIN_PASS_INTERNAL_H
#define HANDOFF_CORE_TRAIN_PASS_INTERNAL_H

#include <stdbool.h>

#include "core/linalg/product.h"
#include "core/train/pass.h"
#include "core/train/rows.h"

/* Rows of scores computed at a time: what lies right of them need not be. */
#define PASS_BLOCK 64u

/* What a layer's forward pass leaves for its backward pass. R rows: sequences * context. */
struct pass_layer {
    float *x;             /* [R][width]: what it reads */
    float *normed;        /* [R][width] */
    float *qkv;           /* [R][shape_qkv], queries and keys turned */
    float *probabilities; /* [sequences][heads][context][context] */
    float *attended;      /* [R][width] */
    float *middle;        /* [R][width]: the residual stream behind attention */
    float *feed_normed;   /* [R][width] */
    float *gate_up;       /* [R][2 * hidden] */
    float *activated;     /* [R][hidden] */
};

struct pass {
    struct shape shape;
    struct shape_layer at;
    size_t sequences; /* that it has memory for */
    size_t rows;      /* of the batch at hand */
    float *memory;
    struct pass_layer layer[SHAPE_LAYERS_MAX];
    float *last;           /* [R][width]: behind the last layer */
    float *cosine, *sine;  /* [context][head_size / 2] */
    float *noise;          /* [R][width]: standard normal numbers */
    float *noise_rms;      /* [R]: of the rows before noise */
    float *head_normed;    /* [R][width] */
    float *logits;         /* [R][vocabulary] */
    float *nats;           /* [R] */
    uint16_t *target;      /* [R] */
    float *grad;           /* [R][width]: of the residual stream */
    float *grad_normed;    /* [R][width] */
    float *grad_attended;  /* [R][width] */
    float *grad_qkv;       /* [R][shape_qkv] */
    float *grad_gate_up;   /* [R][2 * hidden] */
    float *grad_activated; /* [R][hidden] */
    float *grad_scores;    /* [context][context] */
    float *grad_keys;      /* [PASS_BLOCK][head_size] */
    float *grad_embedding; /* [vocabulary][width] */
};

/* The residual stream behind `layers` layers. */
static inline float *pass_stream(struct pass *pass, uint32_t layers)
{
    return layers < pass->shape.layers ? pass->layer[layers].x : pass->last;
}

/* Everything up to the last layer. */
void pass_forward(struct pass *pass, const struct pass_batch *batch);

/* The last norm and the head, behind `layers` layers: head_normed, logits. */
void pass_head(struct pass *pass, const float *params, uint32_t layers);

struct rows_rotation pass_rotation(const struct pass *pass);

/* Where one head's numbers of one sequence begin, in floats. */
struct pass_view {
    size_t qkv;               /* of the sequence's first row, in floats */
    size_t query, key, value; /* of the head within a row */
    size_t attended;          /* of the sequence's first row and head */
    size_t probabilities;     /* of the sequence and head */
};

struct pass_view pass_view(const struct pass *pass, size_t sequence, size_t head);

/* The noise of a batch, if the sequence has some behind this layer. */
bool pass_has_noise(const struct pass_batch *batch, size_t sequence, uint32_t layers);

#endif
