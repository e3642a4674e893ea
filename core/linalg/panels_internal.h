/* The product with packed floats on one vector path: tiles as in blocks_internal.h, which read the panels where they
 * lie. */
#ifndef HANDOFF_CORE_LINALG_PANELS_INTERNAL_H
#define HANDOFF_CORE_LINALG_PANELS_INTERNAL_H

#include "core/linalg/blocks_internal.h"
#include "core/linalg/packed.h"

_Static_assert(LINALG_PACKED_PANEL % PANEL == 0, "tiles divide a panel");

/* All columns of some rows, over one block of depth. */
static void run_packed(const struct job *job, const struct part *rows, const float *packed, size_t k,
                       const float *a_copy, struct tile *tile)
{
    struct part part = *rows;
    tile->a_down = a_copy != NULL ? 1 : job->a.down;
    tile->a_across = a_copy != NULL ? TILE_ROWS : job->a.across;
    tile->b_down = LINALG_PACKED_PANEL;
    for (part.j = 0; part.j < job->columns; part.j += PANEL) {
        size_t panel = part.j / LINALG_PACKED_PANEL, within = part.j % LINALG_PACKED_PANEL;
        part.columns = least(job->columns - part.j, PANEL);
        tile->b = packed + (panel * job->depth + k) * LINALG_PACKED_PANEL + within;
        run_panel(job, &part, k, a_copy, tile);
    }
}

static void multiply_floats(const struct linalg_packed_product *p)
{
    _Alignas(64) float copy[ROW_BLOCK * DEPTH_BLOCK];
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
    bool is_copied = p->rows > IN_PLACE_ROWS;
    size_t most = is_copied ? ROW_BLOCK : p->rows;
    struct tile tile;
    for (size_t k = 0; k < p->depth; k += tile.depth) {
        tile.depth = is_copied ? least(p->depth - k, DEPTH_BLOCK) : p->depth;
        for (size_t i = 0; i < p->rows; i += most) {
            struct part rows = {.i = i, .rows = least(p->rows - i, most)};
            if (is_copied)
                copy_rows(&job, &rows, k, tile.depth, copy);
            run_packed(&job, &rows, p->packed, k, is_copied ? copy : NULL, &tile);
        }
    }
}

#endif
