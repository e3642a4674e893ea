/* Formats of tensors, and their values as floats. Source of the blocks: ggml's quantisation version 2. */
#include <assert.h>
#include <string.h>

#include "core/base/half.h"
#include "core/weights/weights.h"

/* The K formats' blocks: 256 elements. */
#define K_ELEMENTS 256u

/* A block's elements, from its bytes. */
typedef void read_block(const uint8_t *block, float *ret_values);

static uint16_t u16_at(const uint8_t *at)
{
    return (uint16_t) (at[0] | at[1] << 8);
}

static void read_f32(const uint8_t *block, float *ret_values)
{
    memcpy(ret_values, block, sizeof *ret_values);
}

static void read_f16(const uint8_t *block, float *ret_values)
{
    *ret_values = half_to_float(u16_at(block));
}

static void read_bf16(const uint8_t *block, float *ret_values)
{
    *ret_values = half_brain_to_float(u16_at(block));
}

static void read_q8_0(const uint8_t *block, float *ret_values)
{
    float scale = half_to_float(u16_at(block));
    for (size_t i = 0; i < 32; i++)
        ret_values[i] = scale * (float) (int8_t) block[2 + i];
}

/* Byte i holds element i in its lower and element 16 + i in its upper four bits. */
static void read_q4_0(const uint8_t *block, float *ret_values)
{
    float scale = half_to_float(u16_at(block));
    for (size_t i = 0; i < 16; i++) {
        ret_values[i] = scale * (float) ((block[2 + i] & 15) - 8);
        ret_values[16 + i] = scale * (float) ((block[2 + i] >> 4) - 8);
    }
}

/* Eight scales and eight offsets of six bits each, in 12 bytes. Those of the first four parts are the lower six bits
 * of bytes 0 to 3 and 4 to 7. Of the others bytes 8 to 11 hold the lower four bits, scales below offsets; the upper
 * two are those of bytes 0 to 3 and 4 to 7. */
static void unpack_scales(const uint8_t *packed, uint32_t part, uint32_t *ret_scale, uint32_t *ret_offset)
{
    if (part < 4) {
        *ret_scale = packed[part] & 63;
        *ret_offset = packed[part + 4] & 63;
    } else {
        *ret_scale = (packed[part + 4] & 15u) | (uint32_t) (packed[part - 4] >> 6) << 4;
        *ret_offset = (packed[part + 4] >> 4) | (uint32_t) (packed[part] >> 6) << 4;
    }
}

/* Eight parts of 32. 32 bytes hold two of them, one in the lower and one in the upper four bits. */
static void read_q4_k(const uint8_t *block, float *ret_values)
{
    float scales = half_to_float(u16_at(block)), offsets = half_to_float(u16_at(block + 2));
    const uint8_t *nibbles = block + 16;
    for (uint32_t part = 0; part < 8; part++) {
        uint32_t scale = 0, offset = 0;
        unpack_scales(block + 4, part, &scale, &offset);
        float by = scales * (float) scale, less = offsets * (float) offset; /* exact */
        for (uint32_t i = 0; i < 32; i++) {
            uint32_t nibble = ((uint32_t) nibbles[part / 2 * 32 + i] >> (part % 2 * 4)) & 15;
            ret_values[part * 32 + i] = by * (float) nibble - less;
        }
    }
}

/* Two halves of 128 elements, in four quarters of 32: their lower four bits, then their upper two; a signed scale for
 * each 16 elements. */
static void read_q6_k(const uint8_t *block, float *ret_values)
{
    const uint8_t *lower = block, *upper = block + 128, *scales = block + 192;
    float scale = half_to_float(u16_at(block + 208));
    for (uint32_t i = 0; i < K_ELEMENTS; i++) {
        uint32_t half = i / 128, quarter = i % 128 / 32, place = i % 32;
        uint32_t low = ((uint32_t) lower[half * 64 + quarter % 2 * 32 + place] >> (quarter / 2 * 4)) & 15;
        uint32_t high = ((uint32_t) upper[half * 32 + place] >> (2 * quarter)) & 3;
        float by = scale * (float) (int8_t) scales[i / 16]; /* exact */
        ret_values[i] = by * (float) ((int32_t) (low | high << 4) - 32);
    }
}

static const struct type {
    const char *name;
    uint32_t elements, bytes; /* of a block */
    read_block *read;
} types[WEIGHTS_TYPES] = {
    [WEIGHTS_F32] = {"F32", 1, 4, read_f32},
    [WEIGHTS_F16] = {"F16", 1, 2, read_f16},
    [WEIGHTS_BF16] = {"BF16", 1, 2, read_bf16},
    [WEIGHTS_Q8_0] = {"Q8_0", 32, 34, read_q8_0},
    [WEIGHTS_Q4_0] = {"Q4_0", 32, 18, read_q4_0},
    [WEIGHTS_Q4_K] = {"Q4_K", K_ELEMENTS, 144, read_q4_k},
    [WEIGHTS_Q6_K] = {"Q6_K", K_ELEMENTS, 210, read_q6_k},
};

static const struct type *type_of(enum weights_type type)
{
    assert((uint32_t) type < WEIGHTS_TYPES);
    return &types[type];
}

const char *weights_type_name(enum weights_type type)
{
    return type_of(type)->name;
}

uint32_t weights_block_elements(enum weights_type type)
{
    return type_of(type)->elements;
}

uint32_t weights_block_bytes(enum weights_type type)
{
    return type_of(type)->bytes;
}

uint64_t weights_row_bytes(enum weights_type type, uint32_t columns)
{
    assert(columns % type_of(type)->elements == 0);
    return (uint64_t) columns / type_of(type)->elements * type_of(type)->bytes;
}

void weights_read_rows(const struct weights_tensor *tensor, uint32_t first, uint32_t count, float *ret_rows)
{
    assert(first <= tensor->rows && count <= tensor->rows - first);
    const struct type *type = type_of(tensor->type);
    uint64_t row_bytes = weights_row_bytes(tensor->type, tensor->columns);
    const uint8_t *from = (const uint8_t *) tensor->at + first * row_bytes;
    uint64_t blocks = (uint64_t) count * tensor->columns / type->elements;
    if (tensor->type == WEIGHTS_F32) {
        memcpy(ret_rows, from, count * row_bytes);
        return;
    }
    for (uint64_t i = 0; i < blocks; i++)
        type->read(from + i * type->bytes, ret_rows + i * type->elements);
}
