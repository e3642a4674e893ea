/* The product with packed floats on one vector path: tiles as in blocks_internal.h, which read the panels where they
 * lie. */
#ifndef HANDOFF_CORE_LINALG_PANELS_INTERNAL_H
#define HANDOFF_CORE_LINALG_PANELS_INTERNAL_H

#include "core/linalg/blocks_internal.h"
#include "core/linalg/packed.h"

_Static_assert(LINALG_PACKED_PANEL % PANEL == 0, "tiles divide a panel");

/* A row alone takes as much of a panel as has chains of its own. */
#define ROW_VECTORS (LINALG_PACKED_PANEL / WIDTH < WIDE_VECTORS ? LINALG_PACKED_PANEL / WIDTH : WIDE_VECTORS)

#ifndef PACKED_DEPTH
#define PACKED_DEPTH 192u
#endif
#define PACKED_ROWS 144u
#define LINE_FLOATS 16u /* of a cache line */

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

static void multiply_row(const struct job *job, const float *packed)
{
    struct tile tile = {.a = job->a.at, .a_across = 1, .b_down = LINALG_PACKED_PANEL, .depth = job->depth};
    struct part part = {.rows = 1};
    for (; part.j + ROW_VECTORS * WIDTH <= job->columns; part.j += ROW_VECTORS * WIDTH) {
        tile.b = packed_at(job, packed, part.j, 0);
        set_start(job, &part, 0, &tile);
        add_up(1, ROW_VECTORS, false, &tile);
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
