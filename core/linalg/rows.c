#include "core/linalg/rows.h"

#include <assert.h>
#include <string.h>

#include "core/linalg/kernels_internal.h"

void linalg_exp(size_t count, const float *x, float *y)
{
    linalg_kernels_in_use()->exp(count, x, y);
}

void linalg_rms_norm(const struct linalg_rms_norm *norm)
{
    assert(norm->columns >= 1 && norm->columns < 1u << 24); /* exact as a float */
    assert(norm->epsilon > 0.0f);
    assert(norm->rows <= 1 || (norm->x_stride >= norm->columns && norm->y_stride >= norm->columns));
    assert(norm->x != norm->y || norm->rows <= 1 || norm->x_stride == norm->y_stride);
    linalg_kernels_in_use()->rms_norm(norm);
}

void linalg_softmax(size_t count, float *scores)
{
    assert(count >= 1);
    linalg_kernels_in_use()->softmax(count, scores);
}

void linalg_silu_product(size_t count, float *gate, const float *up)
{
    linalg_kernels_in_use()->silu_product(count, gate, up);
}

void linalg_gelu_product(size_t count, float *gate, const float *up)
{
    linalg_kernels_in_use()->gelu_product(count, gate, up);
}

void linalg_floats_of_halves(size_t count, const uint16_t *halves, float *ret_floats)
{
    linalg_kernels_in_use()->floats_of_halves(count, halves, ret_floats);
}

/* Its bits are the float's upper ones: any path does the same. */
void linalg_floats_of_bfloats(size_t count, const uint16_t *bfloats, float *ret_floats)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t) bfloats[i] << 16;
        memcpy(&ret_floats[i], &bits, sizeof bits);
    }
}

void linalg_halves_of_floats(size_t count, const float *floats, uint16_t *ret_halves)
{
    linalg_kernels_in_use()->halves_of_floats(count, floats, ret_halves);
}
