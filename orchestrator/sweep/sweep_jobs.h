/* A sweep in the experiment's file: its jobs, their outcomes, and how a worker's result is merged.
 * One process at a time plays a sweep. The file stays open while workers are forked: they never use it. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_JOBS_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_JOBS_H

#include "db/claim.h"
#include "db/experiment_file.h"
#include "orchestrator/sweep/sweep_grid.h"

struct sweep_job {
    enum db_job_status status;
    uint32_t attempts;
    double wall_s, cpu_s; /* NAN: not known */
    int64_t train_run_id; /* 0: none */
    char *error;          /* owned; NULL: none */
};

struct sweep_jobs {
    const struct sweep_grid *grid; /* borrowed */
    const char *path;
    struct experiment_file file;
    struct claim claim;
    bool has_folder; /* for parts: this process plays the sweep */
    int64_t sweep_id;
    struct sweep_job *job; /* [grid->count], owned: cell number i + 1's */
    struct diag *diag;
};

/* Opens the file and begins the sweep, or goes on with the one of its name: what ran when it was killed, and
 * what failed, waits again. ERR_STATE: that one is of another text, or another process plays it.
 * Close it also when this failed. */
int sweep_jobs_open(struct sweep_jobs *ret_jobs, const char *path, const struct sweep_grid *grid,
                    const char *text, struct diag *diag);
/* Only looks; a file or a sweep that is not there yet has all jobs waiting. */
int sweep_jobs_look(struct sweep_jobs *ret_jobs, const char *path, const struct sweep_grid *grid,
                    const char *text, struct diag *diag);
int sweep_jobs_close(struct sweep_jobs *jobs, struct diag *diag);

/* A job is handed out; the caller frees the name of the file that its worker is to record into. */
int sweep_jobs_start(struct sweep_jobs *jobs, const struct sweep_cell *cell, char **ret_part);
/* What the worker left comes into the file, and the part goes. */
int sweep_jobs_merge(struct sweep_jobs *jobs, const struct sweep_cell *cell, const char *part);
/* A job ends in another way, or waits again; `error` may be NULL. The part goes. */
int sweep_jobs_end(struct sweep_jobs *jobs, const struct sweep_cell *cell, enum db_job_status status,
                   const char *error, const char *part);

/* Appends what the cell learned, as of its best checkpoint; how many updates its training made, -1: not recorded. */
int sweep_jobs_weights(struct sweep_jobs *jobs, const struct sweep_cell *cell, struct buf *weights,
                       int64_t *ret_checkpoint, int64_t *ret_updates);

#endif
