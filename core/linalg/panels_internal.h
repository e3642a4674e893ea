/* The product with packed floats on one vector path: tiles as in blocks_internal.h, which read the panels where they
 * lie. */
#ifndef HANDOFF_CORE_LINALG_PANELS_INTERNAL_H
#define HANDOFF_CORE_LINALG_PANELS_INTERNAL_H

#include "core/linalg/blocks_internal.h"
#include "core/linalg/packed.h"

_Static_assert(LINALG_PACKED_PANEL % PANEL == 0, "tiles divide a panel");

/* One row: what has registers of a panel, and of so many panels, since memory is read faster in several streams. */
#define ROW_VECTORS (LINALG_PACKED_PANEL / WIDTH < WIDE_VECTORS ? LINALG_PACKED_PANEL / WIDTH : WIDE_VECTORS)
#define ROW_PANELS (WIDTH == 1 ? 1 : WIDTH == 16 ? 4 : 2)

#define PACKED_DEPTH 192u /* of a panel: 24 KB, in the first cache or the second */
#define PACKED_ROWS 144u  /* of a copy of a: 108 KB, in the second; whole tiles of each path */

/* The packed floats from a column and a k on. */
static const float *packed_at(const struct job *job, const float *packed, size_t column, size_t k)
{
    size_t panel = column / LINALG_PACKED_PANEL, within = column % LINALG_PACKED_PANEL;
    return packed + (panel * job->depth + k) * LINALG_PACKED_PANEL + within;
}

/* All columns of some rows from rows->j on, over one block of depth. */
static void run_packed(const struct job *job, const struct part *rows, const float *packed, size_t k,
                       const float *a_copy, struct tile *tile)
{
    struct part part = *rows;
    tile->a_down = a_copy != NULL ? 1 : job->a.down;
    tile->a_across = a_copy != NULL ? TILE_ROWS : job->a.across;
    tile->b_down = LINALG_PACKED_PANEL;
    for (part.j = rows->j; part.j < job->columns; part.j += PANEL) {
        part.columns = least(job->columns - part.j, PANEL);
        tile->b = packed_at(job, packed, part.j, k);
        run_panel(job, &part, k, a_copy, tile);
    }
}

/* Columns of `panels` panels, `apart` floats from each other. */
ALWAYS_INLINE void add_up_row(size_t panels, size_t apart, const struct tile *tile)
{
    const float *b = tile->b;
    VECTOR sum[ROW_PANELS][ROW_VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < panels; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < ROW_VECTORS; j++)
            sum[i][j] = vector_load(tile->start + i * tile->start_down + j * WIDTH);
    for (size_t k = 0; k < tile->depth; k++, b += LINALG_PACKED_PANEL) {
        VECTOR left = vector_of(tile->a[k]);
#pragma GCC unroll 8
        for (size_t i = 0; i < panels; i++)
#pragma GCC unroll 8
            for (size_t j = 0; j < ROW_VECTORS; j++)
                sum[i][j] = vector_fused(left, vector_load(b + i * apart + j * WIDTH), sum[i][j]);
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < panels; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < ROW_VECTORS; j++)
            vector_store(tile->c + i * tile->c_down + j * WIDTH, sum[i][j]);
}

/* Here the panels are what rows are to other tiles. */
static void multiply_row(const struct job *job, const float *packed)
{
    const size_t width = ROW_VECTORS * WIDTH, apart = job->depth * LINALG_PACKED_PANEL;
    struct tile tile = {.a = job->a.at, .depth = job->depth};
    struct part part = {.rows = 1};
    while (part.j + width <= job->columns) {
        bool are_many = part.j + ROW_PANELS * width <= job->columns;
        tile.b = packed_at(job, packed, part.j, 0);
        set_start(job, &part, 0, &tile);
        tile.start_down = job->start != NULL ? LINALG_PACKED_PANEL : 0;
        tile.c_down = LINALG_PACKED_PANEL;
        if (are_many)
            add_up_row(ROW_PANELS, apart, &tile);
        else
            add_up_row(1, apart, &tile);
        part.j += are_many ? ROW_PANELS * width : width;
    }
    run_packed(job, &part, packed, 0, NULL, &tile);
}

static void multiply_few_rows(const struct job *job, const float *packed)
{
    struct part rows = {.rows = job->rows};
    struct tile tile = {.depth = job->depth};
    run_packed(job, &rows, packed, 0, NULL, &tile);
}

static void multiply_rows(const struct job *job, const float *packed)
{
    _Alignas(64) float copy[PACKED_ROWS * PACKED_DEPTH];
    struct tile tile;
    for (size_t k = 0; k < job->depth; k += tile.depth) {
        tile.depth = least(job->depth - k, PACKED_DEPTH);
        for (size_t i = 0; i < job->rows; i += PACKED_ROWS) {
            struct part rows = {.i = i, .rows = least(job->rows - i, PACKED_ROWS)};
            copy_rows(job, &rows, k, tile.depth, copy);
            run_packed(job, &rows, packed, k, copy, &tile);
        }
    }
}

static void multiply_floats(const struct linalg_packed_product *p)
{
    const struct job job = {
        .rows = p->rows,
        .columns = p->columns,
        .depth = p->depth,
        .a = {p->a, p->a_stride, 1},
        .start = p->start,
        .start_across = 1,
        .c = p->c,
        .c_down = p->c_stride,
        .c_across = 1,
    };
    if (p->rows == 1)
        multiply_row(&job, p->packed);
    else if (p->rows <= IN_PLACE_ROWS)
        multiply_few_rows(&job, p->packed);
    else
        multiply_rows(&job, p->packed);
}

#endif
