#include "core/rl/dense.h"

#include <assert.h>
#include <cblas.h>
#include <stdbool.h>
#include <string.h>

#include "core/rl/simd_clones.h"

/* Sizes are bounded far below INT_MAX where networks are made (mlp_init). */
#define DIM(size) ((blasint) (size))

static void fill_bias(const struct dense *dense, const float *params, size_t rows, struct matrix y)
{
    for (size_t row = 0; row < rows; row++)
        memcpy(y.at + row * y.stride, params + dense->bias, dense->out * sizeof(float));
}

void dense_forward(const struct dense *dense, const float *params, size_t rows, struct view x,
                   struct matrix y)
{
    assert(rows >= 1 && x.stride >= dense->in && y.stride >= dense->out);
    const float *weights = params + dense->weights;
    blasint in = DIM(dense->in), out = DIM(dense->out);
    /* The bias is written first and the product added to it: BLAS would clear y anyway. */
    fill_bias(dense, params, rows, y);
    if (rows == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, in, out, 1.0f, weights, out, x.at, 1, 1.0f, y.at, 1);
    else if (dense->out == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, DIM(rows), in, 1.0f, x.at, DIM(x.stride), weights, 1, 1.0f,
                    y.at, DIM(y.stride));
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, DIM(rows), out, in, 1.0f, x.at, DIM(x.stride),
                    weights, out, 1.0f, y.at, DIM(y.stride));
}

void dense_weight_gradient(const struct dense *dense, float *grads, size_t rows, struct view x, struct view d)
{
    assert(rows >= 1 && x.stride >= dense->in && d.stride >= dense->out);
    float *weights = grads + dense->weights;
    blasint in = DIM(dense->in), out = DIM(dense->out);
    if (dense->out == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, DIM(rows), in, 1.0f, x.at, DIM(x.stride), d.at, DIM(d.stride),
                    0.0f, weights, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, in, out, DIM(rows), 1.0f, x.at, DIM(x.stride),
                    d.at, DIM(d.stride), 0.0f, weights, out);
}

static inline bool fits(size_t rows, size_t columns, size_t stride)
{
    return rows <= 1 || columns <= stride;
}

RL_SIMD_CLONES void dense_bias_gradient(const struct dense *dense, float *grads, size_t rows, struct view d)
{
    float *restrict bias = grads + dense->bias;
    assert(fits(rows, dense->out, d.stride));
    memset(bias, 0, dense->out * sizeof(float));
    for (size_t row = 0; row < rows; row++) {
        const float *restrict from = d.at + row * d.stride;
        for (size_t i = 0; i < dense->out; i++)
            bias[i] += from[i];
    }
}

/* One output: the product is an outer product, not worth a call. */
static void spread(const float *restrict weights, size_t rows, struct view d, size_t count, struct matrix dx)
{
    for (size_t row = 0; row < rows; row++) {
        float *restrict to = dx.at + row * dx.stride;
        float factor = d.at[row * d.stride];
        for (size_t i = 0; i < count; i++)
            to[i] = factor * weights[i];
    }
}

void dense_input_gradient(const struct dense *dense, const float *params, size_t rows, struct view d,
                          size_t first, size_t count, struct matrix dx)
{
    assert(first + count <= dense->in && d.stride >= dense->out && dx.stride >= count);
    const float *weights = params + dense->weights + first * dense->out; /* [count][out] */
    blasint out = DIM(dense->out);
    if (dense->out == 1)
        spread(weights, rows, d, count, dx);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, DIM(rows), DIM(count), out, 1.0f, d.at,
                    DIM(d.stride), weights, out, 0.0f, dx.at, DIM(dx.stride));
}

RL_SIMD_CLONES void dense_relu(size_t rows, size_t columns, struct matrix y)
{
    assert(fits(rows, columns, y.stride));
    for (size_t row = 0; row < rows; row++) {
        float *restrict at = y.at + row * y.stride;
        for (size_t i = 0; i < columns; i++)
            at[i] = at[i] > 0.0f ? at[i] : 0.0f;
    }
}

static inline void mask_row(size_t columns, const float *restrict y, float *restrict d)
{
    for (size_t i = 0; i < columns; i++)
        d[i] = y[i] > 0.0f ? d[i] : 0.0f;
}

static inline void mask_row_and_sum(size_t columns, const float *restrict y, float *restrict d,
                                    float *restrict sums)
{
    for (size_t i = 0; i < columns; i++) {
        float value = y[i] > 0.0f ? d[i] : 0.0f;
        d[i] = value;
        sums[i] += value;
    }
}

RL_SIMD_CLONES void dense_relu_backward(size_t rows, size_t columns, struct view y, struct matrix d,
                                        float *ret_sums)
{
    assert(fits(rows, columns, y.stride) && fits(rows, columns, d.stride));
    if (ret_sums != NULL)
        memset(ret_sums, 0, columns * sizeof(float));
    for (size_t row = 0; row < rows; row++) {
        if (ret_sums != NULL)
            mask_row_and_sum(columns, y.at + row * y.stride, d.at + row * d.stride, ret_sums);
        else
            mask_row(columns, y.at + row * y.stride, d.at + row * d.stride);
    }
}

/* exp(x) for x in [-20, 0]: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor to r^7 (below 1e-8), and 2^k put into the
 * exponent. Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits. */
static inline float exp_negative(float x)
{
    const float magic = 0x1.8p23f, log2_e = 0x1.715476p0f;
    const float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f; /* their sum is ln 2 to 36 bits */
    float shifted = x * log2_e + magic;
    float k = shifted - magic;
    float r = (x - k * ln2_high) - k * ln2_low;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union {
        float f;
        unsigned u;
    } bits = {.f = shifted}, scale;
    scale.u = (bits.u << 23) + 0x3f800000u;
    return p * scale.f;
}

/* No branch and no call, so that a compiler can do several at once. Near zero an odd polynomial keeps the
 * relative error small (|x| < 0.625; coefficients of tanhf in S. Moshier's Cephes library); elsewhere (1 - e)
 * / (1 + e) with e = exp(-2|x|). */
static inline float tanh_one(float x)
{
    float size = x < 0.0f ? -x : x;
    float bounded = size < 10.0f ? size : 10.0f; /* tanh 10 rounds to 1 */
    float e = exp_negative(-2.0f * bounded);
    float far = (1.0f - e) / (1.0f + e);
    float z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = x + x * z * p;
    float signed_far = x < 0.0f ? -far : far;
    return size < 0.625f ? near : signed_far;
}

RL_SIMD_CLONES void dense_tanh(size_t rows, size_t columns, struct matrix y)
{
    assert(fits(rows, columns, y.stride));
    for (size_t row = 0; row < rows; row++) {
        float *restrict at = y.at + row * y.stride;
        for (size_t i = 0; i < columns; i++)
            at[i] = tanh_one(at[i]);
    }
}

RL_SIMD_CLONES void dense_tanh_backward(size_t rows, size_t columns, struct view y, struct matrix d)
{
    assert(fits(rows, columns, y.stride) && fits(rows, columns, d.stride));
    for (size_t row = 0; row < rows; row++) {
        const float *restrict value = y.at + row * y.stride;
        float *restrict at = d.at + row * d.stride;
        for (size_t i = 0; i < columns; i++)
            at[i] *= 1.0f - value[i] * value[i];
    }
}
