/* Rows of weights for tests, made at random and read number by number: the formats of weights.h, written once more. */
#ifndef HANDOFF_TESTS_UNIT_LINALG_WEIGHT_ROWS_H
#define HANDOFF_TESTS_UNIT_LINALG_WEIGHT_ROWS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/linalg/weights.h"

static inline void fill_floats(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.stream = RNG_WEIGHTS, .entity = entity};
    for (size_t i = 0; i < count; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        for (size_t j = 0; j < 4 && i + j < count; j++)
            values[i + j] = (float) (2.0 * rng_u01(block.v[j]) - 1.0);
    }
}

static inline float number_of_half(const uint8_t *from)
{
    unsigned half = from[0] + 256u * from[1], exponent = half >> 10 & 31u, fraction = half & 1023u;
    float size = exponent == 0    ? ldexpf((float) fraction, -24)
                 : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                  : ldexpf((float) (1024 + fraction), (int) exponent - 25);
    return half >> 15 ? -size : size;
}

/* Offsets of the halves in a block. */
static inline size_t places_of_halves(enum linalg_weights format, size_t ret_places[2])
{
    ret_places[0] = format == LINALG_Q6_K ? 208 : 0;
    ret_places[1] = 2;
    return format == LINALG_Q4_K ? 2 : 1;
}

/* Any numbers; scales are finite, from denormal ones to 8, of either sign. */
static inline void fill_rows(enum linalg_weights format, size_t count, size_t depth, uint32_t entity,
                             uint8_t *rows)
{
    size_t bytes = count * linalg_row_bytes(format, depth), places[2],
           halves = places_of_halves(format, places);
    size_t block = linalg_row_bytes(format, linalg_weights_block(format));
    struct rng_at at = {.stream = RNG_TASK, .entity = entity};
    if (format == LINALG_F32) {
        for (size_t i = 0; i < count * depth; i++) {
            float value = (float) (2.0 * rng_uniform(&at, (uint32_t) i) - 1.0);
            memcpy(rows + i * sizeof value, &value, sizeof value);
        }
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (i % 16 == 0) {
            struct rng_block word = rng_block(&at, (uint32_t) (i / 16));
            memcpy(rows + i, word.v, bytes - i < 16 ? bytes - i : 16);
        }
    }
    for (size_t n = 0; n < bytes / block; n++)
        for (size_t i = 0; i < halves; i++) {
            uint8_t *upper = rows + n * block + places[i] + 1;
            uint32_t exponent = (*upper >> 2 & 31u) % 18u;
            *upper = (uint8_t) ((*upper & 0x83u) | exponent << 2);
        }
}

/* A number of a row: the integer, what is taken from it, and the scale and minimum it belongs to. */
struct weight {
    int q;
    float scale, minimum;
};

static inline struct weight weight_of_q4_k(const uint8_t *block, size_t i)
{
    const uint8_t *s = block + 4;
    size_t j = i / 32;
    int byte = block[16 + i / 64 * 32 + i % 32];
    int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
    return (struct weight){i / 32 % 2 == 1 ? byte >> 4 : byte & 15, number_of_half(block) * (float) scale,
                           number_of_half(block + 2) * (float) minimum};
}

static inline struct weight weight_of_q6_k(const uint8_t *block, size_t i)
{
    const uint8_t *low = block + i / 128 * 64, *high = block + 128 + i / 128 * 32;
    size_t l = i % 32, which = i % 128 / 32;
    int lower = low[l + which % 2 * 32];
    lower = which >= 2 ? lower >> 4 : lower & 15;
    int8_t scale = (int8_t) block[192 + i / 16];
    return (struct weight){(lower | (high[l] >> (2 * which) & 3) << 4) - 32,
                           number_of_half(block + 208) * (float) scale, 0.0f};
}

static inline struct weight weight_of(enum linalg_weights format, const uint8_t *row, size_t k)
{
    const uint8_t *block =
        row + k / linalg_weights_block(format) * linalg_row_bytes(format, linalg_weights_block(format));
    size_t i = k % linalg_weights_block(format);
    switch (format) {
    case LINALG_Q8_0: return (struct weight){(int8_t) block[2 + i], number_of_half(block), 0.0f};
    case LINALG_Q4_0:
        return (struct weight){(i < 16 ? block[2 + i] & 15 : block[2 + i - 16] >> 4) - 8,
                               number_of_half(block), 0.0f};
    case LINALG_Q4_K: return weight_of_q4_k(block, i);
    case LINALG_Q6_K:
    case LINALG_F32:
    default: return weight_of_q6_k(block, i);
    }
}

#endif
