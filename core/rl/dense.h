/* One dense layer and the element-wise passes around it, single precision, row-major.
 *
 * Weights are stored [in][out], so that a row of outputs is contiguous for one input: y = x W + b. That is
 * the layout in which most of the products here are fastest. Matrices of a batch may be columns of a wider
 * one: each comes with its stride, the distance between rows in floats.
 *
 * A row's results have the same bits whatever rows stand beside it (core/linalg/product.h), and all have the
 * same on every processor. */
#ifndef HANDOFF_CORE_RL_DENSE_H
#define HANDOFF_CORE_RL_DENSE_H

#include <stddef.h>

struct dense {
    size_t in, out;
    size_t weights; /* offset of [in][out] in the network's parameter block */
    size_t bias;    /* offset of [out] */
};

struct matrix {
    float *at;     /* [rows][stride], of which the first columns count; borrowed */
    size_t stride; /* floats */
};

/* The same, to read only. */
struct view {
    const float *at;
    size_t stride;
};

static inline struct view dense_view(struct matrix matrix)
{
    return (struct view){matrix.at, matrix.stride};
}

/* y[rows][out] = x[rows][in] W + b; each sum begins with b. */
void dense_forward(const struct dense *dense, const float *params, size_t rows, struct view x,
                   struct matrix y);

/* grads' weights = x^T d, for d[rows][out] the loss's gradient at y. Overwrites. */
void dense_weight_gradient(const struct dense *dense, float *grads, size_t rows, struct view x,
                           struct view d);

/* grads' bias = column sums of d. Overwrites. */
void dense_bias_gradient(const struct dense *dense, float *grads, size_t rows, struct view d);

/* dx[rows][count] = columns first .. first + count - 1 of d W^T: the gradient at those inputs alone. */
void dense_input_gradient(const struct dense *dense, const float *params, size_t rows, struct view d,
                          size_t first, size_t count, struct matrix dx);

/* y = max(y, 0), in place. */
void dense_relu(size_t rows, size_t columns, struct matrix y);

/* d = 0 where y = 0, for y = ReLU's output. With `ret_sums` (may be NULL) also the column sums of the result:
 * the bias gradient in the same pass. */
void dense_relu_backward(size_t rows, size_t columns, struct view y, struct matrix d, float *ret_sums);

/* y = tanh(y), in place, within 0.94 ulp, and never outside [-1, 1] whatever y is. The same bits for a value
 * wherever it stands, on every machine. */
void dense_tanh(size_t rows, size_t columns, struct matrix y);

/* d = d * (1 - y^2), for y = tanh's output. */
void dense_tanh_backward(size_t rows, size_t columns, struct view y, struct matrix d);

/* y = y / (1 + exp(-y)), in place (swish: Ramachandran, Zoph and Le, arXiv 1710.05941). */
void dense_swish(size_t count, float *y);

/* d = d * dy/dx for swish's input x, finite numbers. */
void dense_swish_backward(size_t count, const float *x, float *d);

#endif
