/* The functions of rows.h on one vector path. Loops without branches, which the compiler turns into the path's vector
 * instructions; every operation is one of IEEE arithmetic, so that their width changes no bit. */
#ifndef HANDOFF_CORE_LINALG_ROWS_INTERNAL_H
#define HANDOFF_CORE_LINALG_ROWS_INTERNAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "core/linalg/blocks_internal.h"
#include "core/linalg/fused_internal.h"
#include "core/linalg/half_internal.h"
#include "core/linalg/rows.h"

#define PARTS 16u

/* exp(x) = 2^k exp(r), x = k ln 2 + r. ln 2 in two parts, the first with 15 bits, so that its product with k is exact.
 * exp(r) = 1 + r (1 + r q(r)) for |r| <= ln 2 / 2, with q by least squares at Chebyshev's nodes: a relative error of
 * 2^-28. */
#define EXP_LEAST (-104.0f) /* exp of what is smaller is 0 */
#define EXP_MOST 89.0f      /* of what is larger, infinite */
#define PER_LN_2 0x1.715476p+0f
#define LN_2_FIRST 0x1.62e4p-1f
#define LN_2_SECOND 0x1.7f7d1cp-20f

#define EXP_2 0x1.fffff8p-2f
#define EXP_3 0x1.55548ep-3f
#define EXP_4 0x1.555b98p-5f
#define EXP_5 0x1.123bdep-7f
#define EXP_6 0x1.685188p-10f

#define GELU_B 0x1.988454p+0f
#define GELU_C 0x1.2444f2p-4f

static inline float power_of_2(int32_t k)
{
    return float_of_bits((uint32_t) (k + 127) << 23);
}

/* By masks: with two branches the compiler would make jumps of them. */
static inline float nearest_between(float x, float least, float most)
{
    uint32_t kept = where(!(x < least || x > most), bits_of_float(x));
    return float_of_bits(kept | where(x < least, bits_of_float(least)) |
                         where(x > most, bits_of_float(most)));
}

static inline float exp_of(float x)
{
    float near = nearest_between(x, EXP_LEAST, EXP_MOST);
    float shifted = near * PER_LN_2 + ROUND_FLOAT, k = shifted - ROUND_FLOAT;
    /* What is no number gives any k, and stays none. */
    int32_t by = (int32_t) (bits_of_float(shifted) - bits_of_float(ROUND_FLOAT)), half = by >> 1;
    float r = fused(k, -LN_2_SECOND, fused(k, -LN_2_FIRST, near));
    float q = fused(r, EXP_6, EXP_5);
    q = fused(q, r, EXP_4);
    q = fused(q, r, EXP_3);
    q = fused(q, r, EXP_2);
    float grown = fused(r, fused(r, q, 1.0f), 1.0f);
    /* In two steps, of which the first is exact: the result may be denormal or infinite. */
    return grown * power_of_2(half) * power_of_2(by - half);
}

/* By way of a block of our own, since y may be x: the compiler need not ask whether they overlap. */
static void exp_row(size_t count, const float *x, float *y)
{
    size_t i = 0;
    for (; i + PARTS <= count; i += PARTS) {
        float block[PARTS];
        for (size_t r = 0; r < PARTS; r++)
            block[r] = exp_of(x[i + r]);
        copy_floats(y + i, block, PARTS);
    }
    for (; i < count; i++)
        y[i] = exp_of(x[i]);
}

static inline float sum_of_parts(float part[PARTS])
{
    for (size_t half = PARTS / 2; half > 0; half /= 2)
        for (size_t r = 0; r < half; r++)
            part[r] += part[r + half];
    return part[0];
}

static float sum_of_squares(size_t count, const float *x)
{
    float part[PARTS] = {0.0f};
    size_t i = 0;
    for (; i + PARTS <= count; i += PARTS)
        for (size_t r = 0; r < PARTS; r++)
            part[r] = fused(x[i + r], x[i + r], part[r]);
    for (size_t r = 0; i + r < count; r++)
        part[r] = fused(x[i + r], x[i + r], part[r]);
    return sum_of_parts(part);
}

static void scale_row(size_t count, const float *x, float by, const float *gain, float *y)
{
    size_t i = 0;
    for (; i + PARTS <= count; i += PARTS) {
        float block[PARTS];
        for (size_t r = 0; r < PARTS; r++)
            block[r] = x[i + r] * by * gain[i + r];
        copy_floats(y + i, block, PARTS);
    }
    for (; i < count; i++)
        y[i] = x[i] * by * gain[i];
}

static void rms_norm(const struct linalg_rms_norm *norm)
{
    for (size_t row = 0; row < norm->rows; row++) {
        const float *x = norm->x + row * norm->x_stride;
        float by = 1.0f / sqrtf(sum_of_squares(norm->columns, x) / (float) norm->columns + norm->epsilon);
        scale_row(norm->columns, x, by, norm->gain, norm->y + row * norm->y_stride);
    }
}

/* Exact in any order. What is no number counts for nothing; it makes the sum none. */
static float largest_of(size_t count, const float *values)
{
    float part[PARTS];
    size_t i = 0;
    for (size_t r = 0; r < PARTS; r++)
        part[r] = -INFINITY;
    for (; i + PARTS <= count; i += PARTS)
        for (size_t r = 0; r < PARTS; r++)
            part[r] = values[i + r] > part[r] ? values[i + r] : part[r];
    for (size_t r = 0; i + r < count; r++)
        part[r] = values[i + r] > part[r] ? values[i + r] : part[r];
    for (size_t half = PARTS / 2; half > 0; half /= 2)
        for (size_t r = 0; r < half; r++)
            part[r] = part[r + half] > part[r] ? part[r + half] : part[r];
    return part[0];
}

/* scores = exp(scores - most); returns their sum. */
static float exp_and_sum(size_t count, float *scores, float most)
{
    float part[PARTS] = {0.0f};
    size_t i = 0;
    for (; i + PARTS <= count; i += PARTS)
        for (size_t r = 0; r < PARTS; r++) {
            scores[i + r] = exp_of(scores[i + r] - most);
            part[r] += scores[i + r];
        }
    for (size_t r = 0; i + r < count; r++) {
        scores[i + r] = exp_of(scores[i + r] - most);
        part[r] += scores[i + r];
    }
    return sum_of_parts(part);
}

static void softmax(size_t count, float *scores)
{
    float by = 1.0f / exp_and_sum(count, scores, largest_of(count, scores));
    for (size_t i = 0; i < count; i++)
        scores[i] *= by;
}

static inline float silu(float gate)
{
    return gate / (1.0f + exp_of(-gate));
}

static inline float gelu(float gate)
{
    return gate / (1.0f + exp_of(-gate * fused(gate * gate, GELU_C, GELU_B)));
}

static void silu_product(size_t count, float *gate, const float *up)
{
    if (up == NULL)
        for (size_t i = 0; i < count; i++)
            gate[i] = silu(gate[i]);
    else
        for (size_t i = 0; i < count; i++)
            gate[i] = silu(gate[i]) * up[i];
}

static void gelu_product(size_t count, float *gate, const float *up)
{
    if (up == NULL)
        for (size_t i = 0; i < count; i++)
            gate[i] = gelu(gate[i]);
    else
        for (size_t i = 0; i < count; i++)
            gate[i] = gelu(gate[i]) * up[i];
}

static void floats_of_halves_row(size_t count, const uint16_t *halves, float *ret_floats)
{
    for (size_t i = 0; i < count; i++)
        ret_floats[i] = float_of_half(halves[i]);
}

static void halves_of_floats_row(size_t count, const float *floats, uint16_t *ret_halves)
{
    for (size_t i = 0; i < count; i++)
        ret_halves[i] = half_of_float(floats[i]);
}

#endif
