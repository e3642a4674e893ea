#include "core/linalg/weights.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/err.h"
#include "core/linalg/half_internal.h"
#include "core/linalg/weight_blocks_internal.h"

struct kind {
    const char *name;
    size_t values, bytes; /* of a block */
};

static const struct kind kinds[LINALG_WEIGHTS_FORMATS] = {
    [LINALG_F32] = {"f32", 1, sizeof(float)},
    [LINALG_Q8_0] = {"q8_0", GROUP, Q8_0_BYTES},
    [LINALG_Q4_0] = {"q4_0", GROUP, Q4_0_BYTES},
    [LINALG_Q4_K] = {"q4_k", GROUP *SUPER_GROUPS, Q4_K_BYTES},
    [LINALG_Q6_K] = {"q6_k", GROUP *SUPER_GROUPS, Q6_K_BYTES},
};

static const struct kind *kind_of(enum linalg_weights format)
{
    assert((unsigned) format < LINALG_WEIGHTS_FORMATS);
    return &kinds[format];
}

const char *linalg_weights_name(enum linalg_weights format)
{
    return kind_of(format)->name;
}

size_t linalg_weights_block(enum linalg_weights format)
{
    return kind_of(format)->values;
}

size_t linalg_row_bytes(enum linalg_weights format, size_t depth)
{
    const struct kind *kind = kind_of(format);
    bool fits = depth >= 1 && depth <= LINALG_DEPTH_MAX && depth % kind->values == 0;
    return fits ? depth / kind->values * kind->bytes : 0;
}

size_t linalg_blocks_bytes(enum linalg_weights format)
{
    return kind_of(format)->bytes;
}

size_t linalg_blocks_groups(enum linalg_weights format)
{
    return kind_of(format)->values / GROUP;
}

/* Values i and i + 16 are the lower and upper half of a byte. */
static void group_of_q4_0(const uint8_t *block, uint8_t ret_q[GROUP])
{
    const uint8_t *q = block + 2;
    for (size_t i = 0; i < GROUP / 2; i++) {
        ret_q[i] = q[i] & 15u;
        ret_q[i + GROUP / 2] = q[i] >> 4;
    }
}

/* Groups 2 n and 2 n + 1 are the lower and upper halves of the same 32 bytes. */
static void group_of_q4_k(const uint8_t *block, size_t part, uint8_t ret_q[GROUP])
{
    const uint8_t *q = block + 16 + part / 2 * GROUP;
    for (size_t i = 0; i < GROUP; i++)
        ret_q[i] = part % 2 == 0 ? q[i] & 15u : q[i] >> 4;
}

/* Of each four groups, 0 and 2 share 32 bytes of lower bits, as do 1 and 3; all four share 32 bytes of upper bits. */
static void group_of_q6_k(const uint8_t *block, size_t part, uint8_t ret_q[GROUP])
{
    const uint8_t *low = block + part / 4 * 64 + part % 2 * GROUP, *high = block + 128 + part / 4 * GROUP;
    for (size_t i = 0; i < GROUP; i++) {
        uint32_t lower = part % 4 < 2 ? low[i] & 15u : low[i] >> 4;
        ret_q[i] = (uint8_t) (lower | (uint32_t) (high[i] >> 2 * (part % 4) & 3) << 4);
    }
}

void linalg_blocks_group(enum linalg_weights format, const uint8_t *block, size_t part, uint8_t ret_q[GROUP])
{
    assert(part < linalg_blocks_groups(format));
    switch (format) {
    case LINALG_Q8_0: memcpy(ret_q, block + 2, GROUP); break;
    case LINALG_Q4_0: group_of_q4_0(block, ret_q); break;
    case LINALG_Q4_K: group_of_q4_k(block, part, ret_q); break;
    case LINALG_Q6_K:
    case LINALG_F32:
    default: group_of_q6_k(block, part, ret_q); break;
    }
}

/* Four bytes of scales, four of minima, each with six bits of the first four groups' and two of the others', whose
 * lower four bits share the last four bytes. */
void linalg_blocks_scales(const uint8_t *block, uint8_t ret_scale[SUPER_GROUPS],
                          uint8_t ret_minimum[SUPER_GROUPS])
{
    const uint8_t *first = block + 4, *second = first + 4, *rest = first + 8;
    for (size_t i = 0; i < 4; i++) {
        ret_scale[i] = first[i] & 63u;
        ret_minimum[i] = second[i] & 63u;
        ret_scale[4 + i] = (uint8_t) ((rest[i] & 15u) | (first[i] & 0xc0u) >> 2);
        ret_minimum[4 + i] = (uint8_t) (rest[i] >> 4 | (second[i] & 0xc0u) >> 2);
    }
}

static void dequantize_q8_0(const uint8_t *block, const uint8_t q[GROUP], float *ret_values)
{
    float d = float_of_half(half_at(block));
    for (size_t i = 0; i < GROUP; i++)
        ret_values[i] = d * (float) (int8_t) q[i];
}

static void dequantize_q4_0(const uint8_t *block, const uint8_t q[GROUP], float *ret_values)
{
    float d = float_of_half(half_at(block));
    for (size_t i = 0; i < GROUP; i++)
        ret_values[i] = d * (float) (q[i] - 8);
}

static void dequantize_q4_k(const uint8_t *block, size_t part, const uint8_t q[GROUP], float *ret_values)
{
    uint8_t scale[SUPER_GROUPS], minimum[SUPER_GROUPS];
    linalg_blocks_scales(block, scale, minimum);
    float d = float_of_half(half_at(block)) * (float) scale[part];
    float least = float_of_half(half_at(block + 2)) * (float) minimum[part];
    for (size_t i = 0; i < GROUP; i++)
        ret_values[i] = d * (float) q[i] - least;
}

static void dequantize_q6_k(const uint8_t *block, size_t part, const uint8_t q[GROUP], float *ret_values)
{
    const uint8_t *scale = block + Q6_K_SCALES + 2 * part;
    float d = float_of_half(half_at(block + Q6_K_D));
    for (size_t i = 0; i < GROUP; i++)
        ret_values[i] = d * (float) (int8_t) scale[i / 16] * (float) (q[i] - 32);
}

static void dequantize_group(enum linalg_weights format, const uint8_t *block, size_t part, float *ret_values)
{
    uint8_t q[GROUP];
    linalg_blocks_group(format, block, part, q);
    switch (format) {
    case LINALG_Q8_0: dequantize_q8_0(block, q, ret_values); break;
    case LINALG_Q4_0: dequantize_q4_0(block, q, ret_values); break;
    case LINALG_Q4_K: dequantize_q4_k(block, part, q, ret_values); break;
    case LINALG_Q6_K:
    case LINALG_F32:
    default: dequantize_q6_k(block, part, q, ret_values); break;
    }
}

void linalg_dequantize_rows(enum linalg_weights format, size_t count, size_t depth, const void *rows,
                            float *ret_values)
{
    size_t bytes = linalg_row_bytes(format, depth), groups = linalg_blocks_groups(format);
    assert(bytes > 0);
    if (format == LINALG_F32) {
        memcpy(ret_values, rows, count * bytes);
        return;
    }
    const uint8_t *block = rows;
    for (size_t n = 0; n < count * (depth / GROUP / groups); n++, block += linalg_blocks_bytes(format))
        for (size_t part = 0; part < groups; part++, ret_values += GROUP)
            dequantize_group(format, block, part, ret_values);
}

/* The first of those of largest magnitude; no number if one is none. */
static float largest(const float values[GROUP])
{
    float found = 0.0f;
    for (size_t i = 0; i < GROUP; i++)
        if (isnan(values[i]))
            return values[i];
        else if (fabsf(values[i]) > fabsf(found))
            found = values[i];
    return found;
}

static float clamped(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

static void put_half(uint16_t half, uint8_t *to)
{
    to[0] = (uint8_t) half;
    to[1] = (uint8_t) (half >> 8);
}

static int quantize_q8_0(const float values[GROUP], uint8_t *ret_block)
{
    uint16_t half = half_of_float(fabsf(largest(values)) / 127.0f);
    if (!half_is_finite(half))
        return ERR_RANGE;
    float d = float_of_half(half);
    put_half(half, ret_block);
    for (size_t i = 0; i < GROUP; i++)
        ret_block[2 + i] =
            d == 0.0f ? 0 : (uint8_t) (int8_t) rounded(clamped(values[i] / d, -127.0f, 127.0f));
    return 0;
}

static int quantize_q4_0(const float values[GROUP], uint8_t *ret_block)
{
    uint16_t half = half_of_float(largest(values) / -8.0f);
    if (!half_is_finite(half))
        return ERR_RANGE;
    float d = float_of_half(half);
    uint8_t q[GROUP];
    put_half(half, ret_block);
    for (size_t i = 0; i < GROUP; i++)
        q[i] = d == 0.0f ? 8 : (uint8_t) (rounded(clamped(values[i] / d, -8.0f, 7.0f)) + 8.0f);
    for (size_t i = 0; i < GROUP / 2; i++)
        ret_block[2 + i] = (uint8_t) (q[i] | q[i + GROUP / 2] << 4);
    return 0;
}

int linalg_quantize_rows(enum linalg_weights format, size_t count, size_t depth, const float *values,
                         void *ret_rows)
{
    assert(format == LINALG_Q8_0 || format == LINALG_Q4_0);
    assert(linalg_row_bytes(format, depth) > 0);
    const struct kind *kind = kind_of(format);
    uint8_t *block = ret_rows;
    int code = 0;
    for (size_t n = 0; n < count * (depth / GROUP) && code == 0; n++, values += GROUP, block += kind->bytes)
        code = format == LINALG_Q8_0 ? quantize_q8_0(values, block) : quantize_q4_0(values, block);
    return code;
}
