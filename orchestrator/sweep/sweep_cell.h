/* One cell of a sweep, played in memory and recorded into a file of its own: a learner is trained, its best
 * checkpoint found on the validation streams, and tested; others are tested alone. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_CELL_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_CELL_H

#include "core/base/buf.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/sweep/sweep_grid.h"

/* The scenario in which a cell is trained or tested; `data`: the directory of data files, or NULL. */
int sweep_cell_play_scenario(const char *data, const struct sweep_grid *grid, const struct sweep_cell *cell,
                             bool test, struct full_scenario *ret_full, struct diag *diag);

struct sweep_cell_play {
    const char *data; /* directory of data files; NULL: not given */
    const struct sweep_grid *grid;
    const struct sweep_cell *cell;
    const char *path;          /* the part's, not yet there */
    const struct buf *weights; /* what another cell has learned; NULL: nothing */
    int64_t checkpoint;        /* the episode after which; -1: none */
    int64_t updates;           /* of that training; -1: none, or not recorded */
};

/* ERR_UNSUPPORTED: the policy is not made for this cell, or the weights do not fit it; `diag` says why. */
int sweep_cell_play(const struct sweep_cell_play *what, struct diag *diag);

#endif
