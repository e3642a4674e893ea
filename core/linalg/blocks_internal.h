/* The product on one vector path. Included by the path's file alone, which is built for its instructions.
 *
 * A tile is TILE_ROWS rows and PANEL columns of the result, whose sums stay in registers while k rises. b is copied
 * panel by panel, so that what a tile reads of it is contiguous; a is copied when it is transposed. Where depth is
 * cut into blocks, a tile's sums are stored and loaded again, which changes no bit. */
#ifndef HANDOFF_CORE_LINALG_BLOCKS_INTERNAL_H
#define HANDOFF_CORE_LINALG_BLOCKS_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/linalg/kernels_internal.h"
#include "core/linalg/vector_internal.h"

#define PANEL (WIDTH * TILE_VECTORS)
/* One row has fewer sums than it takes to hide the latency: it gets wider tiles. */
#define WIDE_VECTORS 8u
#define WIDE_PANEL (WIDTH * WIDE_VECTORS)

#define DEPTH_BLOCK 128u /* a panel of it, at most 16 KB, stays in the first cache */
#define ROW_BLOCK 72u    /* of a transposed a: 36 KB, in the second; whole tiles of each path */

/* So few rows read b where it lies. */
#define IN_PLACE_ROWS (2 * TILE_ROWS)

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The product, or its transpose. */
struct job {
    size_t rows, columns, depth;
    struct linalg_matrix a, b;
    const float *start; /* [columns]; NULL: zeros */
    size_t start_across;
    float *c;
    size_t c_down, c_across;
};

/* A rectangle of c. */
struct part {
    size_t i, j, rows, columns;
};

/* Element (i, k) of a lies at a[i * a_down + k * a_across]. */
struct tile {
    const float *a;
    size_t a_down, a_across; /* a copy's are 1 and TILE_ROWS */
    const float *b;          /* [depth][b_down] */
    size_t b_down;
    const float *start;
    size_t start_down;
    float *c;
    size_t c_down;
    size_t depth;
};

/* Constant arguments: every use is a loop of its own, with its sums in registers. */
ALWAYS_INLINE void add_up(size_t rows, size_t vectors, bool is_copied, const struct tile *tile)
{
    const size_t down = is_copied ? 1 : tile->a_down, across = is_copied ? TILE_ROWS : tile->a_across;
    const float *a = tile->a, *b = tile->b;
    VECTOR sum[TILE_ROWS][WIDE_VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = vector_load(tile->start + i * tile->start_down + j * WIDTH);
    for (size_t k = 0; k < tile->depth; k++, a += across, b += tile->b_down) {
        VECTOR right[WIDE_VECTORS];
#pragma GCC unroll 8
        for (size_t j = 0; j < vectors; j++)
            right[j] = vector_load(b + j * WIDTH);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++) {
            VECTOR left = vector_of(a[i * down]);
#pragma GCC unroll 8
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] = vector_fused(left, right[j], sum[i][j]);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < vectors; j++)
            vector_store(tile->c + i * tile->c_down + j * WIDTH, sum[i][j]);
}

ALWAYS_INLINE void add_up_rows(size_t rows, size_t vectors, bool is_copied, const struct tile *tile)
{
    assert(rows >= 1 && rows <= TILE_ROWS);
    switch (rows) {
    case 1: add_up(1, vectors, is_copied, tile); break;
    case 2: add_up(2, vectors, is_copied, tile); break;
    case 3: add_up(3, vectors, is_copied, tile); break;
#if TILE_ROWS > 4
    case 4: add_up(4, vectors, is_copied, tile); break;
    case 5: add_up(5, vectors, is_copied, tile); break;
#endif
#if TILE_ROWS > 6
    case 6: add_up(6, vectors, is_copied, tile); break;
    case 7: add_up(7, vectors, is_copied, tile); break;
#endif
    default: add_up(TILE_ROWS, vectors, is_copied, tile); break;
    }
}

static void add_up_narrow(size_t rows, const struct tile *tile)
{
    add_up_rows(rows, 1, false, tile);
}

static void add_up_in_place(size_t rows, const struct tile *tile)
{
    add_up_rows(rows, TILE_VECTORS, false, tile);
}

static void add_up_copied(size_t rows, const struct tile *tile)
{
    add_up_rows(rows, TILE_VECTORS, true, tile);
}

static void add_up_wide(const struct tile *tile)
{
    add_up(1, WIDE_VECTORS, false, tile);
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows are divided evenly: 64 are not ten tiles of 6 and one of 4, which hides less latency. */
static size_t tile_rows(size_t left)
{
    size_t tiles = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + tiles - 1) / tiles;
}

ALWAYS_INLINE void copy_floats(float *restrict to, const float *restrict from, size_t count)
{
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        vector_store(to + i, vector_load(from + i));
    for (; i < count; i++)
        to[i] = from[i];
}

static const float zeros[WIDE_PANEL];

/* What the chains of a part begin with, when depth has reached `k`: `start`, or the sums so far. */
static void set_start(const struct job *job, const struct part *part, size_t k, struct tile *tile)
{
    float *c = job->c + part->i * job->c_down + part->j * job->c_across;
    tile->c = c;
    tile->c_down = job->c_down;
    tile->start = k > 0 ? c : job->start != NULL ? job->start + part->j * job->start_across : zeros;
    tile->start_down = k > 0 ? job->c_down : 0;
}

static void run_tile(const struct part *part, const struct tile *tile)
{
    bool is_copied = tile->a_down == 1 && tile->a_across == TILE_ROWS;
    if (part->columns <= WIDTH)
        add_up_narrow(part->rows, tile);
    else if (is_copied)
        add_up_copied(part->rows, tile);
    else
        add_up_in_place(part->rows, tile);
}

/* A row of a part, from floats that lie `across` from each other, to ours or back. */
static void gather(float *to, const float *from, size_t across, size_t columns)
{
    if (across == 1)
        copy_floats(to, from, columns);
    else
        for (size_t j = 0; j < columns; j++)
            to[j] = from[j * across];
}

static void scatter(float *to, size_t across, const float *from, size_t columns)
{
    if (across == 1)
        copy_floats(to, from, columns);
    else
        for (size_t j = 0; j < columns; j++)
            to[j * across] = from[j];
}

/* A part narrower than a panel, or whose elements do not lie side by side: its sums go through a tile of our own. */
static void run_apart(const struct job *job, const struct part *part, size_t k, const struct tile *tile)
{
    float sums[TILE_ROWS * PANEL];
    size_t across = k > 0 ? job->c_across : job->start != NULL ? job->start_across : 1;
    size_t starts = k > 0 ? part->rows : 1; /* the first is everybody's */
    memset(sums, 0, starts * PANEL * sizeof(float));
    for (size_t i = 0; i < starts; i++)
        gather(sums + i * PANEL, tile->start + i * tile->start_down, across, part->columns);
    struct tile own = *tile;
    own.c = sums;
    own.c_down = PANEL;
    own.start = sums;
    own.start_down = k > 0 ? PANEL : 0;
    run_tile(part, &own);
    for (size_t i = 0; i < part->rows; i++)
        scatter(tile->c + i * tile->c_down, job->c_across, sums + i * PANEL, part->columns);
}

static void copy_plain(const float *from, size_t down, size_t columns, size_t depth, float *to)
{
    if (columns == PANEL)
        for (size_t l = 0; l < depth; l++)
            copy_floats(to + l * PANEL, from + l * down, PANEL);
    else
        for (size_t l = 0; l < depth; l++)
            copy_floats(to + l * PANEL, from + l * down, columns);
}

static void copy_transposed(const float *from, size_t across, size_t columns, size_t depth, float *to)
{
    size_t turned_k = depth / TURN * TURN, turned_j = columns / TURN * TURN;
    for (size_t j = 0; j < turned_j; j += TURN)
        for (size_t l = 0; l < turned_k; l += TURN)
            vector_turn(from + j * across + l, across, to + l * PANEL + j, PANEL);
    for (size_t l = 0; l < depth; l++)
        for (size_t j = l < turned_k ? turned_j : 0; j < columns; j++)
            to[l * PANEL + j] = from[l + j * across];
}

/* to[depth][PANEL] = columns j.. of b, from row k on, zeros beyond its last column. */
static void copy_panel(const struct job *job, const struct part *part, size_t k, size_t depth, float *to)
{
    const size_t down = job->b.down, across = job->b.across, columns = part->columns;
    const float *from = job->b.at + k * down + part->j * across;
    if (columns < PANEL)
        memset(to, 0, depth * PANEL * sizeof(float));
    if (across == 1)
        copy_plain(from, down, columns, depth, to);
    else if (down == 1)
        copy_transposed(from, across, columns, depth, to);
    else
        for (size_t l = 0; l < depth; l++)
            for (size_t j = 0; j < columns; j++)
                to[l * PANEL + j] = from[l * down + j * across];
}

/* to[depth][TILE_ROWS] = some rows of a, of which `rows` follow. */
static void copy_tile(const struct linalg_matrix *a, size_t rows, size_t depth, float *to)
{
    const float *from = a->at;
    size_t taken = least(rows, TILE_ROWS);
    if (a->down == 1 && taken == TILE_ROWS)
        for (size_t l = 0; l < depth; l++)
            memcpy(to + l * TILE_ROWS, from + l * a->across, TILE_ROWS * sizeof(float));
    else
        for (size_t l = 0; l < depth; l++)
            for (size_t i = 0; i < taken; i++)
                to[l * TILE_ROWS + i] = from[i * a->down + l * a->across];
}

/* to[tiles][depth][TILE_ROWS] = rows i.. of a, from column k on. */
static void copy_rows(const struct job *job, const struct part *part, size_t k, size_t depth, float *to)
{
    for (size_t first = 0; first < part->rows; to += depth * TILE_ROWS) {
        struct linalg_matrix from = job->a;
        from.at += (part->i + first) * from.down + k * from.across;
        copy_tile(&from, part->rows - first, depth, to);
        first += tile_rows(part->rows - first);
    }
}

/* All tiles of a part that is one panel wide. */
static void run_panel(const struct job *job, const struct part *panel, size_t k, const float *a_copy,
                      struct tile *tile)
{
    bool is_whole = panel->columns == PANEL && job->c_across == 1 && (k > 0 || job->start_across == 1);
    struct part part = *panel;
    for (size_t first = 0; first < panel->rows; first += part.rows) {
        part.i = panel->i + first;
        part.rows = tile_rows(panel->rows - first);
        tile->a = a_copy != NULL ? a_copy : job->a.at + part.i * job->a.down + k * job->a.across;
        a_copy = a_copy != NULL ? a_copy + tile->depth * TILE_ROWS : NULL;
        set_start(job, &part, k, tile);
        if (is_whole)
            run_tile(&part, tile);
        else
            run_apart(job, &part, k, tile);
    }
}

/* All columns of some rows, over one block of depth. */
static void run_rows(const struct job *job, const struct part *rows, size_t k, const float *a_copy)
{
    _Alignas(64) float panel[DEPTH_BLOCK * PANEL];
    struct tile tile = {.a_down = a_copy != NULL ? 1 : job->a.down,
                        .a_across = a_copy != NULL ? TILE_ROWS : job->a.across,
                        .b = panel,
                        .b_down = PANEL,
                        .depth = least(job->depth - k, DEPTH_BLOCK)};
    struct part part = *rows;
    for (part.j = rows->j; part.j < job->columns; part.j += PANEL) {
        part.columns = least(job->columns - part.j, PANEL);
        copy_panel(job, &part, k, tile.depth, panel);
        run_panel(job, &part, k, a_copy, &tile);
    }
}

/* Columns `first` and following. */
static void run_blocks(const struct job *job, size_t first)
{
    _Alignas(64) float copy[ROW_BLOCK * DEPTH_BLOCK];
    bool is_copied = job->a.across != 1 && job->rows > TILE_ROWS;
    size_t most = is_copied ? ROW_BLOCK : job->rows, k = 0;
    do {
        size_t depth = least(job->depth - k, DEPTH_BLOCK);
        for (size_t i = 0; i < job->rows; i += most) {
            struct part rows = {.i = i, .j = first, .rows = least(job->rows - i, most)};
            if (is_copied)
                copy_rows(job, &rows, k, depth, copy);
            run_rows(job, &rows, k, is_copied ? copy : NULL);
        }
        k += depth;
    } while (k < job->depth);
}

/* Few rows: hardly anything of b is read twice, so it is read where it lies. Returns how many columns are done; a last
 * narrow panel is left. */
static size_t run_in_place(const struct job *job)
{
    struct tile tile = {
        .a_down = job->a.down, .a_across = job->a.across, .b_down = job->b.down, .depth = job->depth};
    struct part part = {.j = 0};
    while (job->columns - part.j >= PANEL) {
        part.columns = job->rows == 1 && job->columns - part.j >= WIDE_PANEL ? WIDE_PANEL : PANEL;
        tile.b = job->b.at + part.j;
        for (part.i = 0; part.i < job->rows; part.i += part.rows) {
            part.rows = tile_rows(job->rows - part.i);
            tile.a = job->a.at + part.i * job->a.down;
            set_start(job, &part, 0, &tile);
            if (part.columns > PANEL)
                add_up_wide(&tile);
            else
                add_up_in_place(part.rows, &tile);
        }
        part.j += part.columns;
    }
    return part.j;
}

/* One column is the transpose of one row, whose sums can be computed side by side. */
static struct job transpose(const struct linalg_product *p)
{
    return (struct job){
        .rows = 1,
        .columns = p->rows,
        .depth = p->depth,
        .a = {p->b.at, p->b.across, p->b.down},
        .b = {p->a.at, p->a.across, p->a.down},
        .start = p->start,
        .start_across = p->start != NULL ? 0 : 1,
        .c = p->c,
        .c_down = 1,
        .c_across = p->c_stride,
    };
}

static void multiply(const struct linalg_product *p)
{
    struct job job = {p->rows, p->columns, p->depth, p->a, p->b, p->start, 1, p->c, p->c_stride, 1};
    assert(p->rows >= 1 && p->columns >= 1 && (p->rows == 1 || p->c_stride >= p->columns));
    if (p->columns == 1)
        job = transpose(p);
    bool lies_well = job.b.across == 1 && job.c_across == 1 && job.start_across == 1;
    size_t done = lies_well && job.rows <= IN_PLACE_ROWS ? run_in_place(&job) : 0;
    if (done < job.columns)
        run_blocks(&job, done);
}

#endif
