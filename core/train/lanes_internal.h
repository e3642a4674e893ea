/* Sums over a row in one order, whatever the processor: element i belongs to lane i mod 16, a lane adds up in rising
 * order, and the lanes are added in pairs. A vector holds all lanes, so that the loops below are vectorised. */
#ifndef HANDOFF_CORE_TRAIN_LANES_INTERNAL_H
#define HANDOFF_CORE_TRAIN_LANES_INTERNAL_H

#include <stddef.h>
#include <string.h>

#define LANES 16u
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

ALWAYS_INLINE float add_lanes(float *lane /* [LANES] */)
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* The sum of a[i] * b[i]. */
ALWAYS_INLINE float sum_of_products(const float *a, const float *b, size_t count)
{
    lanes sum = {0};
    float lane[LANES];
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        lanes left, right;
        memcpy(&left, a + i, sizeof left);
        memcpy(&right, b + i, sizeof right);
        sum += left * right;
    }
    memcpy(lane, &sum, sizeof lane);
    for (size_t i = whole; i < count; i++)
        lane[i - whole] += a[i] * b[i];
    return add_lanes(lane);
}

ALWAYS_INLINE float sum_of(const float *a, size_t count)
{
    lanes sum = {0};
    float lane[LANES];
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        lanes left;
        memcpy(&left, a + i, sizeof left);
        sum += left;
    }
    memcpy(lane, &sum, sizeof lane);
    for (size_t i = whole; i < count; i++)
        lane[i - whole] += a[i];
    return add_lanes(lane);
}

#endif
