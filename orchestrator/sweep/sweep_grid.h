/* The cells of a sweep: what one worker plays at a time. Their numbers depend on the file alone.
 *
 * With `train: each` every cell of a learner trains and tests. With `train: once` a cell at the scenario's
 * own values trains for each learner and seed, and the cells along the axes test what it has learned. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_GRID_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_GRID_H

#include "core/model/scenario.h"
#include "orchestrator/sweep/sweep_file.h"

#define SWEEP_GRID_CELLS_MAX 10000u
/* The file's, the experiment's, the axes', those of training or testing, and the seed. */
#define SWEEP_GRID_SETTINGS_MAX (3 * SWEEP_FILE_SETTINGS_MAX + SWEEP_FILE_AXES_MAX)

struct sweep_cell {
    uint32_t number; /* from 1 */
    const struct sweep_experiment *experiment;
    const struct policy_kind *kind;
    uint64_t seed;
    bool at_base;                   /* at the scenario's own values, not on the axes */
    size_t at[SWEEP_FILE_AXES_MAX]; /* the value of each axis */
    bool trains, tests;
    uint32_t trained_by; /* the cell whose weights it tests; 0: its own, or none */
    char *axis, *value;  /* owned: keys and values, with commas between; "" at the base */
    char *settings_json; /* owned: every key set, with its value */
};

struct sweep_grid {
    const struct sweep_file *file; /* borrowed */
    struct sweep_cell *cell;       /* [count], owned */
    size_t count;
};

/* Finish it also when this failed. */
int sweep_grid_make(struct sweep_grid *ret_grid, const struct sweep_file *file, struct diag *diag);
void sweep_grid_finish(struct sweep_grid *grid);

/* What is set for a cell's training or test, in order: later settings override earlier ones. Returns how
 * many. */
size_t sweep_grid_settings(const struct sweep_grid *grid, const struct sweep_cell *cell, bool test,
                           struct sweep_setting ret_settings[static SWEEP_GRID_SETTINGS_MAX]);

/* Do two cells have the same scenarios, but for the seed? */
bool sweep_grid_same_place(const struct sweep_cell *a, const struct sweep_cell *b);

/* Does the cell's test keep its task rows? */
bool sweep_grid_keeps_tasks(const struct sweep_cell *cell);

/* How much a cell has to do, in device-slots played: rough, to begin with the longest and to guess when all
 * are done. */
double sweep_grid_work(const struct sweep_cell *cell, const struct scenario *train,
                       const struct scenario *test);

#endif
