#include "core/train/rows.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "core/base/elementary.h"
#include "core/train/lanes_internal.h"
#include "core/train/shape.h"
#include "core/train/simd_clones_internal.h"

/* ---- exponential ---- */

#define LEAST_EXPONENT (-87.0f) /* the result is still a normal number */
#define MOST_EXPONENT 88.0f
#define TO_INTEGER 0x1.8p23f /* adding and taking it away rounds to a whole number */
#define LOG2_E 0x1.715476p+0f
#define LN_2_HIGH 0x1.63p-1f /* 9 bits, so that its product with a whole number below 2^15 is exact */
#define LN_2_LOW (-0x1.bd0106p-13f)

/* exp(x) = 2^n * exp(r), |r| <= ln(2) / 2; Taylor's polynomial of degree 7 is within 5e-9 of exp(r). */
ALWAYS_INLINE float exp_of(float x)
{
    x = x < LEAST_EXPONENT ? LEAST_EXPONENT : x;
    x = x > MOST_EXPONENT ? MOST_EXPONENT : x;
    float n = (x * LOG2_E + TO_INTEGER) - TO_INTEGER;
    float r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    float sum = 1.0f / 5040.0f;
    sum = sum * r + 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * (r * r) + r;
    union {
        int32_t bits;
        float number;
    } power = {.bits = ((int32_t) n + 127) * 0x800000};
    return (sum + 1.0f) * power.number;
}

TRAIN_SIMD_CLONES void rows_exp(size_t count, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = exp_of(x[i]);
}

/* ---- norms ---- */

TRAIN_SIMD_CLONES void rows_norm(const struct rows_norm *norm, float *ret_y, float *ret_inverse)
{
    const size_t width = norm->width;
    const float *restrict weight = norm->weight;
    for (size_t row = 0; row < norm->rows; row++) {
        const float *restrict x = norm->x + row * width;
        float *restrict y = ret_y + row * width;
        float inverse = 1.0f / sqrtf(sum_of_products(x, x, width) / (float) width + SHAPE_NORM_EPSILON);
        for (size_t i = 0; i < width; i++)
            y[i] = x[i] * inverse * weight[i];
        ret_inverse[row] = inverse;
    }
}

/* One row. With h = x * inverse and g = grad_y * weight: grad_x = inverse * (g - h * mean(g * h)). */
ALWAYS_INLINE void norm_row_backward(const struct rows_norm *norm, size_t row, float inverse,
                                     const float *restrict grad_y, float *restrict grad_x,
                                     float *restrict grad_weight)
{
    const size_t width = norm->width;
    const float *restrict x = norm->x + row * width, *restrict weight = norm->weight;
    float normed[SHAPE_WIDTH_MAX], weighted[SHAPE_WIDTH_MAX];
    for (size_t i = 0; i < width; i++) {
        normed[i] = x[i] * inverse;
        weighted[i] = grad_y[i] * weight[i];
        grad_weight[i] += grad_y[i] * normed[i];
    }
    float mean = sum_of_products(weighted, normed, width) / (float) width;
    for (size_t i = 0; i < width; i++)
        grad_x[i] += inverse * (weighted[i] - normed[i] * mean);
}

TRAIN_SIMD_CLONES void rows_norm_backward(const struct rows_norm *norm, const float *inverse,
                                          const float *grad_y, float *grad_x, float *grad_weight)
{
    assert(norm->width <= SHAPE_WIDTH_MAX);
    for (size_t row = 0; row < norm->rows; row++)
        norm_row_backward(norm, row, inverse[row], grad_y + row * norm->width, grad_x + row * norm->width,
                          grad_weight);
}

/* ---- positions ---- */

void rows_angles(size_t positions, size_t head_size, float *ret_cos, float *ret_sin)
{
    const size_t half = head_size / 2;
    for (size_t i = 0; i < half; i++) {
        double frequency = elementary_pow(SHAPE_ROTARY_BASE, -2.0 * (double) i / (double) head_size);
        for (size_t position = 0; position < positions; position++) {
            double sine, cosine;
            elementary_sincos((double) position * frequency, &sine, &cosine);
            ret_cos[position * half + i] = (float) cosine;
            ret_sin[position * half + i] = (float) sine;
        }
    }
}

TRAIN_SIMD_CLONES void rows_rotate(const struct rows_rotation *rotation, float direction, float *x)
{
    const size_t half = rotation->head_size / 2;
    for (size_t row = 0; row < rotation->rows; row++) {
        const size_t position = row % rotation->positions;
        const float *restrict cosine = rotation->cos + position * half;
        const float *restrict sine = rotation->sin + position * half;
        for (size_t head = 0; head < rotation->heads; head++) {
            float *restrict low = x + row * rotation->stride + head * rotation->head_size;
            float *restrict high = low + half;
            for (size_t i = 0; i < half; i++) {
                float a = low[i], b = high[i], turn = direction * sine[i];
                low[i] = a * cosine[i] - b * turn;
                high[i] = b * cosine[i] + a * turn;
            }
        }
    }
}

/* ---- attention ---- */

/* The greatest of a row: exact in any order. */
ALWAYS_INLINE float greatest(const float *x, size_t count)
{
    float lane[LANES], most = x[0];
    size_t whole = count / LANES * LANES;
    for (size_t l = 0; l < LANES; l++)
        lane[l] = x[0];
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
    for (size_t l = 0; l < LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    for (size_t i = whole; i < count; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* x becomes exp((x - greatest) * scale); returns the sum. */
ALWAYS_INLINE float exp_row(float *restrict x, size_t count, float scale, float most)
{
    for (size_t i = 0; i < count; i++)
        x[i] = exp_of((x[i] - most) * scale);
    return sum_of(x, count);
}

TRAIN_SIMD_CLONES void rows_softmax(const struct rows_scores *scores, float *x)
{
    assert(scores->columns >= scores->first + scores->rows && scores->scale > 0.0f);
    for (size_t row = 0; row < scores->rows; row++) {
        float *restrict at = x + row * scores->stride;
        const size_t seen = scores->first + row + 1;
        float factor = 1.0f / exp_row(at, seen, scores->scale, greatest(at, seen));
        for (size_t i = 0; i < seen; i++)
            at[i] *= factor;
        for (size_t i = seen; i < scores->columns; i++)
            at[i] = 0.0f;
    }
}

TRAIN_SIMD_CLONES void rows_softmax_backward(const struct rows_scores *scores, const float *probabilities,
                                             float *grad)
{
    for (size_t row = 0; row < scores->rows; row++) {
        const float *restrict p = probabilities + row * scores->stride;
        float *restrict g = grad + row * scores->stride;
        const float mean = sum_of_products(p, g, scores->columns);
        for (size_t i = 0; i < scores->columns; i++)
            g[i] = p[i] * (g[i] - mean) * scores->scale;
    }
}

/* ---- feed-forward ---- */

ALWAYS_INLINE float sigmoid_of(float x)
{
    return 1.0f / (1.0f + exp_of(-x));
}

TRAIN_SIMD_CLONES void rows_swiglu(size_t rows, size_t hidden, const float *gate_up, float *ret_y)
{
    for (size_t row = 0; row < rows; row++) {
        const float *restrict gate = gate_up + row * 2 * hidden, *restrict up = gate + hidden;
        float *restrict y = ret_y + row * hidden;
        for (size_t i = 0; i < hidden; i++)
            y[i] = gate[i] * sigmoid_of(gate[i]) * up[i];
    }
}

TRAIN_SIMD_CLONES void rows_swiglu_backward(size_t rows, size_t hidden, const float *gate_up,
                                            const float *grad_y, float *ret_grad_gate_up)
{
    for (size_t row = 0; row < rows; row++) {
        const float *restrict gate = gate_up + row * 2 * hidden, *restrict up = gate + hidden;
        const float *restrict g = grad_y + row * hidden;
        float *restrict grad_gate = ret_grad_gate_up + row * 2 * hidden, *restrict grad_up =
                                                                             grad_gate + hidden;
        for (size_t i = 0; i < hidden; i++) {
            float sigmoid = sigmoid_of(gate[i]), silu = gate[i] * sigmoid;
            grad_up[i] = g[i] * silu;
            grad_gate[i] = g[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
        }
    }
}

/* ---- loss ---- */

/* The row becomes exp(x - greatest); returns its sum, and the target's negative log probability. */
ALWAYS_INLINE float cross_entropy_row(float *row, size_t columns, size_t target, float *ret_nats)
{
    float most = greatest(row, columns), wanted = row[target];
    float sum = exp_row(row, columns, 1.0f, most);
    *ret_nats = elementary_logf(sum) + (most - wanted);
    return sum;
}

TRAIN_SIMD_CLONES void rows_cross_entropy(size_t rows, size_t columns, float *logits, const uint16_t *target,
                                          float *ret_nats)
{
    for (size_t row = 0; row < rows; row++)
        (void) cross_entropy_row(logits + row * columns, columns, target[row], &ret_nats[row]);
}

TRAIN_SIMD_CLONES void rows_cross_entropy_backward(size_t rows, size_t columns, float scale, float *logits,
                                                   const uint16_t *target, float *ret_nats)
{
    for (size_t row = 0; row < rows; row++) {
        float *restrict at = logits + row * columns;
        assert(target[row] < columns);
        float factor = scale / cross_entropy_row(at, columns, target[row], &ret_nats[row]);
        for (size_t i = 0; i < columns; i++)
            at[i] *= factor;
        at[target[row]] -= scale;
    }
}

TRAIN_SIMD_CLONES void rows_add(size_t count, const float *restrict from, float *restrict to)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}
