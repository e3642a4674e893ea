/* What a decoder does to rows of numbers between its products, forward and backward. The same operands give the same
 * bits on every processor: sums have one order, and core/linalg/rows.h has the exponential. Matrices are row-major
 * without gaps unless a stride is given. */
#ifndef HANDOFF_CORE_TRAIN_ROWS_H
#define HANDOFF_CORE_TRAIN_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct rows_norm {
    size_t rows, width;
    const float *x;      /* [rows][width] */
    const float *weight; /* [width] */
};

/* y = x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich, arXiv 1910.07467). */
void rows_norm(const struct rows_norm *norm, float *ret_y /* [rows][width] */);

/* Adds to grad_x [rows][width], and to grad_weight [width]. */
void rows_norm_backward(const struct rows_norm *norm, const float *grad_y, float *grad_x, float *grad_weight);

/* Cosines and sines of every position's angles, [positions][head_size / 2] each. */
void rows_angles(size_t positions, size_t head_size, float *ret_cos, float *ret_sin);

struct rows_rotation {
    size_t rows, stride; /* floats between rows */
    size_t heads, head_size;
    size_t positions;       /* row r stands at position r mod positions */
    const float *cos, *sin; /* rows_angles */
};

/* Turns element i of a head with element i + head_size / 2, in place. `direction` 1: forward; -1: back. */
void rows_rotate(const struct rows_rotation *rotation, float direction, float *x);

/* A block of attention's scores: row r may look at the first `first + r + 1` columns. */
struct rows_scores {
    size_t first, rows, columns, stride; /* columns >= first + rows */
    float scale;
};

/* Scores become probabilities, in place; columns that a row may not look at become 0. */
void rows_softmax(const struct rows_scores *scores, float *x);

/* The gradient of probabilities becomes that of the scores, in place. */
void rows_softmax_backward(const struct rows_scores *scores, const float *probabilities, float *grad);

/* y[rows][hidden] = silu(gate) * up, of gate_up [rows][2 * hidden]. */
void rows_swiglu(size_t rows, size_t hidden, const float *gate_up, float *ret_y);
void rows_swiglu_backward(size_t rows, size_t hidden, const float *gate_up, const float *grad_y,
                          float *ret_grad_gate_up);

/* Each row's -log softmax(logits)[target], in nats. */
void rows_cross_entropy(size_t rows, size_t columns, float *logits, const uint16_t *target, float *ret_nats);
/* The same, and logits become their gradient times `scale`. */
void rows_cross_entropy_backward(size_t rows, size_t columns, float scale, float *logits,
                                 const uint16_t *target, float *ret_nats);

/* to += from */
void rows_add(size_t count, const float *from, float *to);

#endif
