/* Worker processes. Each plays one cell and reports its outcome. They are forked, so nothing has to be sent to
 * them. They end when this process ends, for whatever reason. */
#ifndef HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_WORKERS_H
#define HANDOFF_ORCHESTRATOR_SWEEP_SWEEP_WORKERS_H

#include <sys/types.h>

#include "orchestrator/sweep/sweep_cell.h"

struct sweep_worker {
    pid_t pid;
    int pipe; /* its report, or the end of the stream when it dies without one */
    const struct sweep_cell *cell;
    char *part; /* owned: the file that it records into */
    uint64_t start_ns;
};

struct sweep_workers {
    struct sweep_worker *worker; /* [count] of [size], owned */
    size_t count, size;
    double cpu_s; /* of all workers that have ended */
};

/* How a cell ended. */
struct sweep_end {
    const struct sweep_cell *cell;
    char *part; /* the caller's to free */
    int rc;     /* of sweep_cell_play; ERR_LOST: the worker died, `diag` says how */
    struct diag diag;
    double wall_s, cpu_s;
};

int sweep_workers_init(struct sweep_workers *ret_workers, size_t size, struct diag *diag);
/* Kills who is still there. Takes a zeroed workers too. */
void sweep_workers_finish(struct sweep_workers *workers);

/* Needs a free place. Takes `part` over, whatever the outcome; what->path is set from it. `claim` is the file
 * that keeps the sweep claimed: a worker must not keep it when this process dies. */
int sweep_workers_start(struct sweep_workers *workers, const struct sweep_cell_play *what, char *part,
                        int claim, struct diag *diag);

/* Waits for a worker to end, at most so long: 1 and how it ended, or 0 (also when a signal came), or an
 * error. */
int sweep_workers_wait(struct sweep_workers *workers, int wait_ms, struct sweep_end *ret_end,
                       struct diag *diag);

/* Kills one of the workers and takes its cell back: 1, or 0 when there is none left. */
int sweep_workers_stop_one(struct sweep_workers *workers, struct sweep_end *ret_end);

#endif
