/* What a node really computes (core/compute), beside its event loop. A job is one task's layers, or its head. Jobs wait in
 * order; up to compute.batch of them go through the model together, on a thread that is not the loop's. Each then calls
 * back on the loop's thread.
 *
 *   start ──► waits ──► is computed ──► on_done     one batch at a time
 *     drop ─────┴────────────┴───────►              no callback
 *
 * Whoever starts jobs bounds their number: an open task has one job at most.
 *
 * A prompt in chunks is a *series* of jobs, one for each chunk. The task's keys and values stay with the series from one
 * job to the next. A batch has chunks of any tasks. */
#ifndef HANDOFF_PROTO_NODE_COMPUTE_JOBS_H
#define HANDOFF_PROTO_NODE_COMPUTE_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/compute/compute.h"
#include "core/model/world.h"
#include "proto/node/shared_bytes.h"
#include "proto/wire/loop.h"

struct compute_jobs;
struct compute_job;
struct compute_series;

struct compute_job_result {
    int code; /* 0; else the rest is empty but for: */
    const char *reason;
    bool is_ours; /* the failure is this node's: its memory, its model file. Else it is what came in */
    struct shared_bytes *out; /* borrowed: take it to keep it. Encoded rows, or the last row; NULL: none */
    struct compute_answer answer;
    double seconds;  /* measured: its part of its batch's time, by rows and layers */
    uint64_t end_ns; /* of CLOCK_MONOTONIC */
};

struct compute_job_task {
    uint32_t first, last; /* layers [first, last); equal: the head alone, on the encoded row `in` */
    uint32_t tokens;      /* of the prompt */
    uint32_t coding;      /* of all its rows that cross (compute_part) */
    /* NULL: all rows in this job. Else its next rows are; all jobs of a series have the same layers and tokens. */
    struct compute_series *series;
    uint32_t rows; /* with a series */
    /* Whose task it is, and how it came (compute_part): copied. NULL: nothing is damaged or scored. */
    const struct compute_origin *origin;
    struct shared_bytes *in; /* what compute_step.in says; the job takes its own share */
    /* last = L, after the prompt's last rows: encode the last row, as a server does with compute.head `device`; and
     * apply the head to it. Without the first, the head is applied where the layers end. */
    bool encodes_row, applies_head;
    /* Called once, from the loop; the job is no more. May start and drop others, and close the pool. */
    void (*on_done)(void *user, const struct compute_job_result *result);
    void *user;
};

/* Do this world's nodes compute? */
static inline bool compute_is_real(const struct world *world)
{
    return world->scenario.compute.kind == COMPUTE_MODEL;
}

/* The world's engine (compute_open: `path`, errors). `world` and `loop` are borrowed. Its hash takes about 3 s a
 * gigabyte, in which nothing is told. */
int compute_jobs_open(struct compute_jobs **ret_jobs, struct wire_loop *loop, const struct world *world,
                      const char *path, struct diag *diag);
/* Waits for the batch that runs, and forgets all jobs without a callback: their pointers are dead. The world is not
 * used any more. The loop has to run once more before it is closed. NULL-safe. */
void compute_jobs_close(struct compute_jobs *jobs);

/* The model's context. */
uint32_t compute_jobs_context(const struct compute_jobs *jobs);

/* Loads layers ahead (compute_load), at once and on this thread: so only before the first job. */
int compute_jobs_load(struct compute_jobs *jobs, uint32_t first, uint32_t last, struct diag *diag);

/* Keys and values of a task whose rows come in several jobs. NULL: no memory. */
struct compute_series *compute_series_create(void);
/* Before the pool is closed. It has no job, or one that was dropped. NULL-safe. */
void compute_series_destroy(struct compute_series *series);

/* A series has one job at a time. -ENOMEM. */
int compute_jobs_start(struct compute_jobs *jobs, const struct compute_job_task *task,
                       struct compute_job **ret_job);
/* Something is being computed, or waits to be. */
bool compute_jobs_are_busy(const struct compute_jobs *jobs);
/* Forgets a job that has not called back yet. NULL-safe. */
void compute_jobs_drop(struct compute_job *job);

#endif
