#include "core/damage/turned_internal.h"

#include <assert.h>
#include <stdbool.h>

#include "core/damage/draws_internal.h"

#define WIDTH_MAX 32u

uint32_t turned_width(enum activation_format format)
{
    switch (format) {
    case ACTIVATION_FP32: return 32;
    case ACTIVATION_FP16:
    case ACTIVATION_TOPK: return 16;
    case ACTIVATION_INT8: return 8;
    case ACTIVATION_INT4: return 4;
    case ACTIVATION_FORMATS: break;
    }
    assert(false); /* every format is above */
    return WIDTH_MAX;
}

static uint32_t elements_of_row(const struct activation_shape *shape)
{
    return shape->format == ACTIVATION_TOPK ? shape->k : shape->columns;
}

uint64_t turned_elements(const struct activation_shape *shape)
{
    return (uint64_t) shape->rows * elements_of_row(shape);
}

uint64_t turned_units(const struct activation_shape *shape)
{
    uint32_t each = WIDTH_MAX / turned_width(shape->format);
    return (turned_elements(shape) + each - 1) / each;
}

/* Elements that follow one another, and what was drawn for them. */
struct turning {
    const struct rng_at *at;
    uint64_t threshold;
    uint32_t width, open;        /* bits of an element; a mask of those that may turn over */
    uint32_t shift;              /* 2^shift elements are a unit */
    uint64_t element;            /* the next one's number */
    uint64_t units;              /* of all elements */
    uint32_t drawn[DRAWS_UNITS]; /* from the last unit on that is a multiple of DRAWS_UNITS */
};

/* Which of the next element's bits turn over. */
static uint32_t next_turned(struct turning *turning, struct damage_result *result)
{
    uint32_t place = (uint32_t) turning->element & ((1u << turning->shift) - 1);
    uint64_t unit = turning->element >> turning->shift;
    if (place == 0 && unit % DRAWS_UNITS == 0) {
        uint64_t left = turning->units - unit;
        draws_bits(turning->at, (uint32_t) unit, left < DRAWS_UNITS ? (uint32_t) left : DRAWS_UNITS,
                   turning->threshold, turning->drawn);
    }
    uint32_t turned = turning->drawn[unit % DRAWS_UNITS] >> (place * turning->width) & turning->open;
    turning->element++;
    result->turned += (uint64_t) __builtin_popcount(turned);
    return turned;
}

/* Elements of whole bytes. `infinite`: the exponent's bits of a float, whose magnitudes from there on are no finite
 * numbers; 0: all are. */
static void turn_numbers(struct turning *turning, uint8_t *bytes, uint32_t count, uint32_t infinite,
                         struct damage_result *result)
{
    uint32_t size = turning->width / 8;
    for (uint32_t i = 0; i < count; i++, bytes += size) {
        uint32_t turned = next_turned(turning, result), number = 0;
        for (uint32_t b = 0; b < size; b++) {
            bytes[b] ^= (uint8_t) (turned >> (8 * b));
            number |= (uint32_t) bytes[b] << (8 * b);
        }
        if (infinite == 0 || (number & infinite) != infinite)
            continue;
        for (uint32_t b = 0; b < size; b++)
            bytes[b] = 0;
        result->missing++;
    }
}

/* Blocks of INT4, each behind its scale. */
static uint8_t *turn_nibbles(struct turning *turning, uint8_t *bytes, uint32_t columns,
                             struct damage_result *result)
{
    for (uint32_t first = 0; first < columns; first += ACTIVATION_INT4_BLOCK) {
        uint32_t left = columns - first, count = left < ACTIVATION_INT4_BLOCK ? left : ACTIVATION_INT4_BLOCK;
        bytes += 2;
        for (uint32_t i = 0; i < count; i++)
            bytes[i / 2] ^= (uint8_t) (next_turned(turning, result) << (i % 2 * 4));
        bytes += (count + 1) / 2;
    }
    return bytes;
}

void turned_bits(const struct damage *damage, const struct activation_shape *shape, const struct rng_at *at,
                 uint8_t *bytes, struct damage_result *result)
{
    uint32_t width = turned_width(shape->format), open = width - damage->protected_bits;
    size_t each = activation_bytes(shape->format, 1, shape->columns, shape->k);
    struct turning turning = {
        .at = at,
        .threshold = draws_threshold(damage->bit_error),
        .units = turned_units(shape),
        .width = width,
        .shift = (uint32_t) __builtin_ctz(WIDTH_MAX / width),
        .open = (uint32_t) (((uint64_t) 1 << open) - 1),
    };
    result->elements += turned_elements(shape);
    result->bits += turned_elements(shape) * open;
    if (turning.threshold == 0 || open == 0)
        return;
    for (uint32_t r = 0; r < shape->rows; r++) {
        uint8_t *row = bytes + r * each;
        switch (shape->format) {
        case ACTIVATION_FP32: turn_numbers(&turning, row, shape->columns, 0x7f800000u, result); break;
        case ACTIVATION_FP16: turn_numbers(&turning, row, shape->columns, 0x7c00u, result); break;
        case ACTIVATION_TOPK: turn_numbers(&turning, row, shape->k, 0x7c00u, result); break;
        case ACTIVATION_INT8: turn_numbers(&turning, row + 4, shape->columns, 0, result); break;
        case ACTIVATION_INT4: (void) turn_nibbles(&turning, row, shape->columns, result); break;
        case ACTIVATION_FORMATS: assert(false);
        }
    }
}
