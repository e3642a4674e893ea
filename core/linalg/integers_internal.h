/* The product of integers on one vector path (packed.h has its rule). Included by the path's file alone, which is built
 * for its instructions.
 *
 * A tile is up to INTEGER_ROWS rows and one panel of LANES columns, whose sums stay in registers over some groups of
 * the depth. Activations become integers on the stack; where all groups of some rows have no room there, sums are
 * stored and loaded again, which changes no bit. */
#ifndef HANDOFF_CORE_LINALG_INTEGERS_INTERNAL_H
#define HANDOFF_CORE_LINALG_INTEGERS_INTERNAL_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "core/linalg/half_internal.h"
#include "core/linalg/kernels_internal.h"
#include "core/linalg/lanes_internal.h"

#ifndef ALWAYS_INLINE
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#endif

#define STACK_GROUPS 1024u /* 48 KB */
#define STACK_ROWS 32u     /* of which so many groups have room: 1,024 numbers of a row */
#define SMALLEST 0x1p-100f /* 127 / m is finite, and m / 127 keeps its bits */

struct integer_tile {
    const uint8_t *panel;
    size_t first, groups;  /* those to be added; `first` begins a block of the format */
    const struct group *a; /* [groups][rows] */
    const float *from;     /* what the sums begin with */
    size_t from_down;
    float *to;
    size_t to_down;
};

/* What is taken from each of the weights' numbers. */
static int32_t taken_from(enum linalg_weights format)
{
    return format == LINALG_Q8_0 ? SIGNED_OFFSET : format == LINALG_Q4_0 ? 8 : format == LINALG_Q6_K ? 32 : 0;
}

static void quantize_group(enum linalg_weights format, const float *x, struct group *ret_group)
{
    const int32_t taken = taken_from(format);
    float m = group_largest(x);
    int32_t sum[2];
    *ret_group = (struct group){.d = m < SMALLEST ? 0.0f : NAN};
    if (!(m >= SMALLEST && m < INFINITY))
        return;
    group_numbers(x, 127.0f / m, ret_group->z, sum);
    ret_group->d = m / 127.0f;
    ret_group->sum = (float) (sum[0] + sum[1]);
    ret_group->start[0] = -taken * (format == LINALG_Q6_K ? sum[0] : sum[0] + sum[1]);
    ret_group->start[1] = -taken * sum[1];
}

/* Constant rows: every use is a loop of its own. */
ALWAYS_INLINE void add_scaled(size_t rows, FLOATS scale, const struct group *a, const INTS *dot, FLOATS *sum)
{
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        sum[i] = floats_fused(floats_scaled(scale, a[i].d), dot[i], sum[i]);
}

ALWAYS_INLINE void add_q8_0(size_t rows, const struct integer_tile *tile, size_t n, const struct group *a,
                            FLOATS *sum)
{
    const uint8_t *w = tile->panel + packed_pair_numbers(n, Q8_GROUP_BYTES);
    INTS dot[INTEGER_ROWS];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        dot[i] = ints_of(a[i].start[0]);
#pragma GCC unroll 4
    for (size_t c = 0; c < 8; c += 2)
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++)
            dot[i] = signed_add(dot[i], w + c * CHUNK_BYTES, a[i].z + 4 * c);
    add_scaled(rows, floats_of_halves(tile->panel + packed_pair_scales(n, Q8_GROUP_BYTES)), a, dot, sum);
}

ALWAYS_INLINE void dot_fours(size_t rows, const uint8_t *w, const struct group *a, INTS *ret_dot)
{
    FOURS part[INTEGER_ROWS];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        part[i] = fours_none();
#pragma GCC unroll 4
    for (size_t c = 0; c < 4; c++) {
        BYTES both = bytes_load(w + c * CHUNK_BYTES), low = bytes_low(both), high = bytes_high(both);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++)
            part[i] = fours_add(part[i], low, high, a[i].z + 8 * c);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        ret_dot[i] = fours_sum(part[i], a[i].start[0]);
}

ALWAYS_INLINE void add_q4_0(size_t rows, const struct integer_tile *tile, size_t n, const struct group *a,
                            FLOATS *sum)
{
    INTS dot[INTEGER_ROWS];
    dot_fours(rows, tile->panel + packed_pair_numbers(n, Q4_GROUP_BYTES), a, dot);
    add_scaled(rows, floats_of_halves(tile->panel + packed_pair_scales(n, Q4_GROUP_BYTES)), a, dot, sum);
}

ALWAYS_INLINE void add_q4_k(size_t rows, const struct integer_tile *tile, size_t n, const struct group *a,
                            FLOATS *sum)
{
    const uint8_t *super = tile->panel + n / SUPER_GROUPS * Q4_K_SUPER_BYTES, *scales = super + 4 * LANES;
    size_t part = n % SUPER_GROUPS;
    INTS dot[INTEGER_ROWS];
    dot_fours(rows, super + SUPER_HEAD + part * Q4_GROUP_BYTES, a, dot);
    FLOATS scale = floats_times(floats_of_halves(super), floats_of_unsigned(scales + part * LANES));
    FLOATS least = floats_times(floats_scaled(floats_of_halves(super + 2 * LANES), -1.0f),
                                floats_of_unsigned(scales + (SUPER_GROUPS + part) * LANES));
    add_scaled(rows, scale, a, dot, sum);
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        sum[i] = floats_fused_all(floats_scaled(least, a[i].d), a[i].sum, sum[i]);
}

ALWAYS_INLINE void add_q6_k(size_t rows, const struct integer_tile *tile, size_t n, const struct group *a,
                            FLOATS *sum)
{
    const uint8_t *super = tile->panel + n / SUPER_GROUPS * Q6_K_SUPER_BYTES, *scales = super + 4 * LANES;
    size_t part = n % SUPER_GROUPS;
    const uint8_t *w = super + SUPER_HEAD + part * Q6_GROUP_BYTES;
    FLOATS d = floats_of_halves(super);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        INTS dot[INTEGER_ROWS];
        BYTES upper = bytes_load(w + (4 + half) * CHUNK_BYTES);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++)
            dot[i] = ints_of(a[i].start[half]);
#pragma GCC unroll 2
        for (size_t c = 0; c < 2; c++) {
            BYTES both = bytes_load(w + (2 * half + c) * CHUNK_BYTES);
            BYTES first = bytes_join(bytes_low(both), upper, 2 * c);
            BYTES second = bytes_join(bytes_high(both), upper, 2 * c + 1);
#pragma GCC unroll 8
            for (size_t i = 0; i < rows; i++)
                dot[i] = sixes_add(dot[i], first, second, a[i].z + 16 * half + 8 * c);
        }
        add_scaled(rows, floats_times(d, floats_of_signed(scales + (2 * part + half) * LANES)), a, dot, sum);
    }
}

ALWAYS_INLINE void run_groups(enum linalg_weights format, size_t rows, const struct integer_tile *tile)
{
    FLOATS sum[INTEGER_ROWS];
    const struct group *a = tile->a;
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        sum[i] = floats_load(tile->from + i * tile->from_down);
    for (size_t n = tile->first; n < tile->first + tile->groups; n++, a += rows) {
        if (format == LINALG_Q8_0)
            add_q8_0(rows, tile, n, a, sum);
        else if (format == LINALG_Q4_0)
            add_q4_0(rows, tile, n, a, sum);
        else if (format == LINALG_Q4_K)
            add_q4_k(rows, tile, n, a, sum);
        else
            add_q6_k(rows, tile, n, a, sum);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        floats_store(tile->to + i * tile->to_down, sum[i]);
}

ALWAYS_INLINE void run_integer_rows(enum linalg_weights format, size_t rows, const struct integer_tile *tile)
{
    assert(rows >= 1 && rows <= INTEGER_ROWS);
    switch (rows) {
    case 1: run_groups(format, 1, tile); break;
#if INTEGER_ROWS > 2
    case 2: run_groups(format, 2, tile); break;
    case 3: run_groups(format, 3, tile); break;
#endif
#if INTEGER_ROWS > 4
    case 4: run_groups(format, 4, tile); break;
    case 5: run_groups(format, 5, tile); break;
    case 6: run_groups(format, 6, tile); break;
    case 7: run_groups(format, 7, tile); break;
#endif
    default: run_groups(format, INTEGER_ROWS, tile); break;
    }
}

static void run_q8_0(size_t rows, const struct integer_tile *tile)
{
    run_integer_rows(LINALG_Q8_0, rows, tile);
}

static void run_q4_0(size_t rows, const struct integer_tile *tile)
{
    run_integer_rows(LINALG_Q4_0, rows, tile);
}

static void run_q4_k(size_t rows, const struct integer_tile *tile)
{
    run_integer_rows(LINALG_Q4_K, rows, tile);
}

static void run_q6_k(size_t rows, const struct integer_tile *tile)
{
    run_integer_rows(LINALG_Q6_K, rows, tile);
}

static void run_integer_tile(enum linalg_weights format, size_t rows, const struct integer_tile *tile)
{
    switch (format) {
    case LINALG_Q8_0: run_q8_0(rows, tile); break;
    case LINALG_Q4_0: run_q4_0(rows, tile); break;
    case LINALG_Q4_K: run_q4_k(rows, tile); break;
    case LINALG_Q6_K:
    case LINALG_F32:
    default: run_q6_k(rows, tile); break;
    }
}

/* Some rows of the product, of which some groups are at hand as integers. */
struct stretch {
    const struct linalg_packed_product *product;
    size_t row, rows, first, groups;
    const struct group *a; /* a tile after another, each [groups][its rows] */
};

/* Rows are divided evenly. */
static size_t integer_tile_rows(size_t left)
{
    size_t tiles = (left + INTEGER_ROWS - 1) / INTEGER_ROWS;
    return (left + tiles - 1) / tiles;
}

static void quantize_rows(const struct stretch *stretch, struct group *to)
{
    const struct linalg_packed_product *p = stretch->product;
    for (size_t i = 0, rows; i < stretch->rows; i += rows, to += stretch->groups * rows) {
        rows = integer_tile_rows(stretch->rows - i);
        for (size_t j = 0; j < rows; j++) {
            const float *from = p->a + (stretch->row + i + j) * p->a_stride + stretch->first * GROUP;
            for (size_t n = 0; n < stretch->groups; n++)
                quantize_group(p->format, from + n * GROUP, &to[n * rows + j]);
        }
    }
}

/* Columns that a panel has and the product has not: their sums go through rows of our own. */
static void run_narrow_tile(const struct stretch *stretch, size_t rows, size_t columns,
                            const struct integer_tile *tile)
{
    float sums[INTEGER_ROWS * LANES] = {0.0f};
    struct integer_tile own = *tile;
    size_t starts = tile->from_down > 0 ? rows : 1; /* the first is everybody's */
    for (size_t i = 0; i < starts; i++)
        memcpy(sums + i * LANES, tile->from + i * tile->from_down, columns * sizeof(float));
    own.from = own.to = sums;
    own.from_down = tile->from_down > 0 ? LANES : 0;
    own.to_down = LANES;
    run_integer_tile(stretch->product->format, rows, &own);
    for (size_t i = 0; i < rows; i++)
        memcpy(tile->to + i * tile->to_down, sums + i * LANES, columns * sizeof(float));
}

static void run_integer_panel(const struct stretch *stretch, size_t column)
{
    static const float zeros[LANES];
    const struct linalg_packed_product *p = stretch->product;
    size_t columns = p->columns - column < LANES ? p->columns - column : LANES;
    struct integer_tile tile = {
        .panel = (const uint8_t *) p->packed + column / LANES * packed_panel_bytes(p->format, p->depth),
        .first = stretch->first,
        .groups = stretch->groups,
        .a = stretch->a,
        .from_down = stretch->first > 0 ? p->c_stride : 0,
        .to_down = p->c_stride,
    };
    for (size_t i = 0, rows; i < stretch->rows; i += rows, tile.a += stretch->groups * rows) {
        rows = integer_tile_rows(stretch->rows - i);
        tile.to = p->c + (stretch->row + i) * p->c_stride + column;
        tile.from = stretch->first > 0 ? tile.to : p->start != NULL ? p->start + column : zeros;
        if (columns == LANES)
            run_integer_tile(p->format, rows, &tile);
        else
            run_narrow_tile(stretch, rows, columns, &tile);
    }
}

static void multiply_integers(const struct linalg_packed_product *p)
{
    struct group groups[STACK_GROUPS];
    size_t most_rows = p->rows < STACK_ROWS ? p->rows : STACK_ROWS;
    size_t most_groups = STACK_GROUPS / most_rows / SUPER_GROUPS * SUPER_GROUPS, all = p->depth / GROUP;
    struct stretch stretch = {.product = p, .a = groups};
    for (stretch.row = 0; stretch.row < p->rows; stretch.row += stretch.rows) {
        stretch.rows = p->rows - stretch.row < most_rows ? p->rows - stretch.row : most_rows;
        for (stretch.first = 0; stretch.first < all; stretch.first += stretch.groups) {
            stretch.groups = all - stretch.first < most_groups ? all - stretch.first : most_groups;
            quantize_rows(&stretch, groups);
            for (size_t column = 0; column < p->columns; column += LANES)
                run_integer_panel(&stretch, column);
        }
    }
}

#endif
