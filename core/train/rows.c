#include "core/train/rows.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/simd_clones.h"
#include "core/linalg/rows.h"
#include "core/train/lanes_internal.h"
#include "core/train/shape.h"

/* ---- norms ---- */

void rows_norm(const struct rows_norm *norm, float *ret_y)
{
    linalg_rms_norm(&(struct linalg_rms_norm){
        .rows = norm->rows,
        .columns = norm->width,
        .x = norm->x,
        .x_stride = norm->width,
        .gain = norm->weight,
        .epsilon = SHAPE_NORM_EPSILON,
        .y = ret_y,
        .y_stride = norm->width,
    });
}

/* One row. With h = x * inverse and g = grad_y * weight: grad_x = inverse * (g - h * mean(g * h)). */
ALWAYS_INLINE void norm_row_backward(const struct rows_norm *norm, size_t row, const float *restrict grad_y,
                                     float *restrict grad_x, float *restrict grad_weight)
{
    const size_t width = norm->width;
    const float *restrict x = norm->x + row * width, *restrict weight = norm->weight;
    const float inverse = 1.0f / sqrtf(sum_of_products(x, x, width) / (float) width + SHAPE_NORM_EPSILON);
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

SIMD_CLONES void rows_norm_backward(const struct rows_norm *norm, const float *grad_y, float *grad_x,
                                    float *grad_weight)
{
    assert(norm->width <= SHAPE_WIDTH_MAX);
    for (size_t row = 0; row < norm->rows; row++)
        norm_row_backward(norm, row, grad_y + row * norm->width, grad_x + row * norm->width, grad_weight);
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

SIMD_CLONES void rows_rotate(const struct rows_rotation *rotation, float direction, float *x)
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

SIMD_CLONES static void multiply_row(size_t count, float by, float *restrict x)
{
    for (size_t i = 0; i < count; i++)
        x[i] *= by;
}

void rows_softmax(const struct rows_scores *scores, float *x)
{
    assert(scores->columns >= scores->first + scores->rows);
    for (size_t row = 0; row < scores->rows; row++) {
        float *at = x + row * scores->stride;
        const size_t seen = scores->first + row + 1;
        multiply_row(seen, scores->scale, at);
        linalg_softmax(seen, at);
        memset(at + seen, 0, (scores->columns - seen) * sizeof *at);
    }
}

SIMD_CLONES void rows_softmax_backward(const struct rows_scores *scores, const float *probabilities,
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

void rows_swiglu(size_t rows, size_t hidden, const float *gate_up, float *ret_y)
{
    for (size_t row = 0; row < rows; row++) {
        const float *gate = gate_up + row * 2 * hidden;
        float *y = ret_y + row * hidden;
        memcpy(y, gate, hidden * sizeof *y);
        linalg_silu_product(hidden, y, gate + hidden);
    }
}

/* `power` is exp(-gate). */
SIMD_CLONES static void swiglu_row_backward(size_t hidden, const float *restrict gate,
                                            const float *restrict power, const float *restrict grad_y,
                                            float *restrict ret_grad)
{
    const float *restrict up = gate + hidden;
    float *restrict grad_up = ret_grad + hidden;
    for (size_t i = 0; i < hidden; i++) {
        float sigmoid = 1.0f / (1.0f + power[i]), silu = gate[i] * sigmoid;
        grad_up[i] = grad_y[i] * silu;
        ret_grad[i] = grad_y[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
    }
}

void rows_swiglu_backward(size_t rows, size_t hidden, const float *gate_up, const float *grad_y,
                          float *ret_grad_gate_up)
{
    float power[SHAPE_HIDDEN_MAX];
    assert(hidden <= SHAPE_HIDDEN_MAX);
    for (size_t row = 0; row < rows; row++) {
        const float *gate = gate_up + row * 2 * hidden;
        for (size_t i = 0; i < hidden; i++)
            power[i] = -gate[i];
        linalg_exp(hidden, power, power);
        swiglu_row_backward(hidden, gate, power, grad_y + row * hidden, ret_grad_gate_up + row * 2 * hidden);
    }
}

/* ---- loss ---- */

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

/* The row loses its greatest; returns that. */
SIMD_CLONES static float lower_row(size_t count, float *restrict x)
{
    const float most = greatest(x, count);
    for (size_t i = 0; i < count; i++)
        x[i] -= most;
    return most;
}

SIMD_CLONES static float sum_row(size_t count, const float *x)
{
    return sum_of(x, count);
}

/* The row becomes exp(x - greatest); returns its sum, and the target's negative log probability. */
static float cross_entropy_row(float *row, size_t columns, size_t target, float *ret_nats)
{
    assert(target < columns);
    const float wanted = row[target], most = lower_row(columns, row);
    linalg_exp(columns, row, row);
    const float sum = sum_row(columns, row);
    *ret_nats = elementary_logf(sum) + (most - wanted);
    return sum;
}

void rows_cross_entropy(size_t rows, size_t columns, float *logits, const uint16_t *target, float *ret_nats)
{
    for (size_t row = 0; row < rows; row++)
        (void) cross_entropy_row(logits + row * columns, columns, target[row], &ret_nats[row]);
}

void rows_cross_entropy_backward(size_t rows, size_t columns, float scale, float *logits,
                                 const uint16_t *target, float *ret_nats)
{
    for (size_t row = 0; row < rows; row++) {
        float *at = logits + row * columns;
        multiply_row(columns, scale / cross_entropy_row(at, columns, target[row], &ret_nats[row]), at);
        at[target[row]] -= scale;
    }
}

/* ---- sums ---- */

SIMD_CLONES void rows_add(size_t count, const float *restrict from, float *restrict to)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}
