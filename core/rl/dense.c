#include "core/rl/dense.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/simd_clones.h"
#include "core/linalg/product.h"
#include "core/linalg/rows.h"

static struct linalg_matrix plain(struct view view)
{
    return (struct linalg_matrix){view.at, view.stride, 1};
}

static struct linalg_matrix transposed(struct view view)
{
    return (struct linalg_matrix){view.at, 1, view.stride};
}

void dense_forward(const struct dense *dense, const float *params, size_t rows, struct view x,
                   struct matrix y)
{
    assert(rows >= 1 && x.stride >= dense->in && y.stride >= dense->out);
    struct linalg_product product = {
        .rows = rows,
        .columns = dense->out,
        .depth = dense->in,
        .a = plain(x),
        .b = plain((struct view){params + dense->weights, dense->out}),
        .start = params + dense->bias,
        .c = y.at,
        .c_stride = y.stride,
    };
    linalg_multiply(&product);
}

void dense_weight_gradient(const struct dense *dense, float *grads, size_t rows, struct view x, struct view d)
{
    assert(rows >= 1 && x.stride >= dense->in && d.stride >= dense->out);
    struct linalg_product product = {
        .rows = dense->in,
        .columns = dense->out,
        .depth = rows,
        .a = transposed(x),
        .b = plain(d),
        .c = grads + dense->weights,
        .c_stride = dense->out,
    };
    linalg_multiply(&product);
}

static inline bool fits(size_t rows, size_t columns, size_t stride)
{
    return rows <= 1 || columns <= stride;
}

SIMD_CLONES void dense_bias_gradient(const struct dense *dense, float *grads, size_t rows, struct view d)
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

void dense_input_gradient(const struct dense *dense, const float *params, size_t rows, struct view d,
                          size_t first, size_t count, struct matrix dx)
{
    assert(first + count <= dense->in && d.stride >= dense->out && dx.stride >= count);
    const float *weights = params + dense->weights + first * dense->out; /* [count][out] */
    struct linalg_product product = {
        .rows = rows,
        .columns = count,
        .depth = dense->out,
        .a = plain(d),
        .b = transposed((struct view){weights, dense->out}),
        .c = dx.at,
        .c_stride = dx.stride,
    };
    linalg_multiply(&product);
}

SIMD_CLONES void dense_relu(size_t rows, size_t columns, struct matrix y)
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

SIMD_CLONES void dense_relu_backward(size_t rows, size_t columns, struct view y, struct matrix d,
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

/* exp(x) = 2^k (1 + growth) for x in [0, 20]: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor to r^7 (below 1e-8), and 2^k
 * put into the exponent. Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits. */
static inline float exp_parts(float x, float *ret_growth)
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
    *ret_growth = r + r * r * p;
    union {
        float f;
        unsigned u;
    } bits = {.f = shifted}, power;
    power.u = (bits.u << 23) + 0x3f800000u;
    return power.f;
}

/* 1 - t with t = 2 / (exp(2x) + 1), for 0.6 < x <= 10. What the sum under the quotient lost is given back, and 1/2 - t is
 * exact where t is not small. */
static inline float tanh_far(float x)
{
    float growth, power = exp_parts(2.0f * x, &growth);
    float whole = power + 1.0f, grown = power * growth;
    float under = whole + grown;
    float lost = grown - (under - whole);
    float t = 2.0f / under;
    return 0.5f + ((0.5f - t) + t * t * (0.5f * lost));
}

/* (tanh(x) / x - 1) / x^2, interpolated at five Chebyshev points of x^2 in [0, 0.625^2]. */
static inline float tanh_near(float x)
{
    float z = x * x;
    float p = -0x1.8f8de4p-8f;
    p = p * z + 0x1.58048ep-6f;
    p = p * z - 0x1.b9258ap-5f;
    p = p * z + 0x1.110e1cp-3f;
    p = p * z - 0x1.555552p-2f;
    return x + x * z * p;
}

/* No branch and no call, so that a compiler can do several at once. */
static inline float tanh_one(float x)
{
    float size = x < 0.0f ? -x : x;
    float far = tanh_far(size < 10.0f ? size : 10.0f); /* tanh 10 rounds to 1 */
    float near = tanh_near(x);
    float signed_far = x < 0.0f ? -far : far;
    return size < 0.625f ? near : signed_far;
}

SIMD_CLONES void dense_tanh(size_t rows, size_t columns, struct matrix y)
{
    assert(fits(rows, columns, y.stride));
    for (size_t row = 0; row < rows; row++) {
        float *restrict at = y.at + row * y.stride;
        for (size_t i = 0; i < columns; i++)
            at[i] = tanh_one(at[i]);
    }
}

SIMD_CLONES void dense_tanh_backward(size_t rows, size_t columns, struct view y, struct matrix d)
{
    assert(fits(rows, columns, y.stride) && fits(rows, columns, d.stride));
    for (size_t row = 0; row < rows; row++) {
        const float *restrict value = y.at + row * y.stride;
        float *restrict at = d.at + row * d.stride;
        for (size_t i = 0; i < columns; i++)
            at[i] *= 1.0f - value[i] * value[i];
    }
}

void dense_swish(size_t count, float *y)
{
    linalg_silu_product(count, y, NULL);
}

#define SWISH_BLOCK 256u /* values whose exp is kept on the stack */

/* With s = 1 / (1 + exp(-x)): dy/dx = s (1 + x (1 - s)). `e` is exp(-x); where that is infinite, s is 0. */
SIMD_CLONES static void swish_slopes(size_t count, const float *restrict x, const float *restrict e,
                                     float *restrict d)
{
    for (size_t i = 0; i < count; i++) {
        float s = 1.0f / (1.0f + e[i]);
        d[i] *= s * (1.0f + x[i] * (1.0f - s));
    }
}

void dense_swish_backward(size_t count, const float *x, float *d)
{
    float e[SWISH_BLOCK];
    for (size_t first = 0; first < count; first += SWISH_BLOCK) {
        size_t block = count - first < SWISH_BLOCK ? count - first : SWISH_BLOCK;
        for (size_t i = 0; i < block; i++)
            e[i] = -x[first + i];
        linalg_exp(block, e, e);
        swish_slopes(block, x + first, e, d + first);
    }
}
