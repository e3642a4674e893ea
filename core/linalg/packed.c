#include "core/linalg/packed.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/err.h"
#include "core/linalg/half_internal.h"
#include "core/linalg/kernels_internal.h"
#include "core/linalg/packed_internal.h"

size_t linalg_packed_bytes(enum linalg_weights format, size_t columns, size_t depth)
{
    if (linalg_row_bytes(format, depth) == 0 || columns < 1 || columns > LINALG_COLUMNS_MAX)
        return 0;
    size_t panel = packed_panel_columns(format);
    return (columns + panel - 1) / panel * packed_panel_bytes(format, depth);
}

/* Where one column's numbers go. */
struct target {
    enum linalg_weights format;
    size_t depth, groups;
    uint8_t *panel;
    size_t lane; /* the column's place in its panel */
};

static struct target target_of(enum linalg_weights format, size_t depth, size_t column, void *packed)
{
    size_t panel = packed_panel_columns(format);
    return (struct target){
        .format = format,
        .depth = depth,
        .groups = depth / GROUP,
        .panel = (uint8_t *) packed + column / panel * packed_panel_bytes(format, depth),
        .lane = column % panel,
    };
}

/* Numbers of eight bits. */
static void put_bytes(const uint8_t q[GROUP], size_t lane, uint8_t *to)
{
    for (size_t c = 0; c < 8; c++)
        memcpy(to + c * CHUNK_BYTES + 4 * lane, q + 4 * c, 4);
}

/* The lower four bits. */
static void put_halves(const uint8_t q[GROUP], size_t lane, uint8_t *to)
{
    for (size_t c = 0; c < 4; c++)
        for (size_t i = 0; i < 4; i++)
            to[c * CHUNK_BYTES + 4 * lane + i] =
                (uint8_t) ((q[8 * c + i] & 15u) | (q[8 * c + 4 + i] & 15u) << 4);
}

/* Bits 4 and 5. */
static void put_quarters(const uint8_t q[GROUP], size_t lane, uint8_t *to)
{
    for (size_t c = 0; c < 2; c++)
        for (size_t i = 0; i < 4; i++) {
            const uint8_t *from = q + 16 * c + i;
            to[c * CHUNK_BYTES + 4 * lane + i] =
                (uint8_t) (from[0] >> 4 | from[4] >> 4 << 2 | from[8] >> 4 << 4 | from[12] >> 4 << 6);
        }
}

static void put_half(const uint8_t *half, size_t lane, uint8_t *to)
{
    memcpy(to + lane * sizeof(uint16_t), half, sizeof(uint16_t));
}

static void put_q8_0(const struct target *to, const uint8_t *block, const uint8_t q[GROUP], size_t n)
{
    put_half(block, to->lane, to->panel + packed_pair_scales(n, Q8_GROUP_BYTES));
    put_bytes(q, to->lane, to->panel + packed_pair_numbers(n, Q8_GROUP_BYTES));
}

static void put_q4_0(const struct target *to, const uint8_t *block, const uint8_t q[GROUP], size_t n)
{
    put_half(block, to->lane, to->panel + packed_pair_scales(n, Q4_GROUP_BYTES));
    put_halves(q, to->lane, to->panel + packed_pair_numbers(n, Q4_GROUP_BYTES));
}

static void put_q4_k(const struct target *to, const uint8_t *block, const uint8_t q[GROUP], size_t n)
{
    uint8_t *super = to->panel + n / SUPER_GROUPS * Q4_K_SUPER_BYTES, *scales = super + 4 * LANES;
    uint8_t scale[SUPER_GROUPS], minimum[SUPER_GROUPS];
    size_t part = n % SUPER_GROUPS;
    linalg_blocks_scales(block, scale, minimum);
    put_half(block, to->lane, super);
    put_half(block + 2, to->lane, super + 2 * LANES);
    scales[part * LANES + to->lane] = scale[part];
    scales[(SUPER_GROUPS + part) * LANES + to->lane] = minimum[part];
    put_halves(q, to->lane, super + SUPER_HEAD + part * Q4_GROUP_BYTES);
}

static void put_q6_k(const struct target *to, const uint8_t *block, const uint8_t q[GROUP], size_t n)
{
    uint8_t *super = to->panel + n / SUPER_GROUPS * Q6_K_SUPER_BYTES, *scales = super + 4 * LANES;
    size_t part = n % SUPER_GROUPS;
    uint8_t *numbers = super + SUPER_HEAD + part * Q6_GROUP_BYTES;
    put_half(block + Q6_K_D, to->lane, super);
    for (size_t i = 2 * part; i < 2 * part + 2; i++)
        scales[i * LANES + to->lane] = block[Q6_K_SCALES + i];
    put_halves(q, to->lane, numbers);
    put_quarters(q, to->lane, numbers + Q4_GROUP_BYTES);
}

static void put_group(const struct target *to, const uint8_t *block, size_t n)
{
    uint8_t q[GROUP];
    linalg_blocks_group(to->format, block, n % linalg_blocks_groups(to->format), q);
    switch (to->format) {
    case LINALG_Q8_0: put_q8_0(to, block, q, n); break;
    case LINALG_Q4_0: put_q4_0(to, block, q, n); break;
    case LINALG_Q4_K: put_q4_k(to, block, q, n); break;
    case LINALG_Q6_K:
    case LINALG_F32:
    default: put_q6_k(to, block, q, n); break;
    }
}

static bool is_sound(enum linalg_weights format, const uint8_t *block)
{
    const uint8_t *d = format == LINALG_Q6_K ? block + Q6_K_D : block;
    return half_is_finite(half_at(d)) && (format != LINALG_Q4_K || half_is_finite(half_at(block + 2)));
}

static int put_integers(const struct target *to, const uint8_t *row)
{
    size_t parts = linalg_blocks_groups(to->format), bytes = linalg_blocks_bytes(to->format);
    for (size_t n = 0; n < to->groups; n++) {
        const uint8_t *block = row + n / parts * bytes;
        if (!is_sound(to->format, block))
            return ERR_CORRUPT;
        put_group(to, block, n);
    }
    return 0;
}

/* The row may lie anywhere. */
static int put_floats(const struct target *to, const uint8_t *row)
{
    for (size_t k = 0; k < to->depth; k++)
        memcpy(to->panel + (k * LINALG_PACKED_PANEL + to->lane) * sizeof(float), row + k * sizeof(float),
               sizeof(float));
    return 0;
}

/* What belongs to no column: gaps, and columns that the last panel has and the matrix has not. A panel's first column
 * clears the gaps, the matrix' last one the columns. */
static void clear_gaps(const struct target *to)
{
    size_t bytes = to->format == LINALG_Q8_0 ? Q8_GROUP_BYTES : Q4_GROUP_BYTES;
    bool is_paired = to->format == LINALG_Q8_0 || to->format == LINALG_Q4_0;
    if (is_paired && to->groups % 2 == 1)
        memset(to->panel + packed_pair_scales(to->groups - 1, bytes) + 2 * LANES, 0, 2 * LANES);
    if (to->format == LINALG_Q6_K)
        for (size_t n = 0; n < to->groups / SUPER_GROUPS; n++)
            memset(to->panel + n * Q6_K_SUPER_BYTES + 2 * LANES, 0, 2 * LANES);
}

static void clear_column(const struct target *to)
{
    static const uint8_t zeros[Q6_K_BYTES];
    if (to->format == LINALG_F32)
        for (size_t k = 0; k < to->depth; k++)
            memcpy(to->panel + (k * LINALG_PACKED_PANEL + to->lane) * sizeof(float), zeros, sizeof(float));
    else
        for (size_t n = 0; n < to->groups; n++)
            put_group(to, zeros, n);
}

static void clear_rest(enum linalg_weights format, size_t columns, size_t depth, void *packed)
{
    for (size_t column = columns; column % packed_panel_columns(format) != 0; column++) {
        struct target target = target_of(format, depth, column, packed);
        clear_column(&target);
    }
}

int linalg_pack_rows(enum linalg_weights format, size_t columns, size_t depth, size_t first, size_t count,
                     const void *rows, void *packed)
{
    assert(linalg_packed_bytes(format, columns, depth) > 0);
    assert(first <= columns && count <= columns - first);
    assert((uintptr_t) packed % LINALG_PACKED_ALIGNMENT == 0);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        const uint8_t *row = (const uint8_t *) rows + i * linalg_row_bytes(format, depth);
        struct target target = target_of(format, depth, first + i, packed);
        if (target.lane == 0)
            clear_gaps(&target);
        code = format == LINALG_F32 ? put_floats(&target, row) : put_integers(&target, row);
        if (first + i == columns - 1 && code == 0)
            clear_rest(format, columns, depth, packed);
    }
    return code;
}

void linalg_multiply_packed(const struct linalg_packed_product *product)
{
    assert(linalg_packed_bytes(product->format, product->columns, product->depth) > 0);
    assert(product->rows >= 1 && (product->rows == 1 || product->c_stride >= product->columns));
    assert(product->rows == 1 || product->a_stride >= product->depth);
    assert((uintptr_t) product->packed % LINALG_PACKED_ALIGNMENT == 0);
    if (product->format == LINALG_F32)
        linalg_kernels_in_use()->multiply_floats(product);
    else
        linalg_integers_in_use()->multiply(product);
}
