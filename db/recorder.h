/* Writes a run on its own thread: rows are handed over in order, a queue of bounded size lies between, and
 * they are committed in batches (at most RECORDER_BATCH_ROWS rows or RECORDER_BATCH_NS, whichever is first,
 * and at every episode's end). Nothing is dropped: a full queue makes the caller wait, and the wait is
 * counted. One caller thread. The recorder owns its connection to the database from create to close. */
#ifndef HANDOFF_DB_RECORDER_H
#define HANDOFF_DB_RECORDER_H

#include "core/base/diag.h"
#include "db/rows.h"

#define RECORDER_QUEUE_ROWS 16384 /* task rows between the caller and the thread */
#define RECORDER_QUEUE_ITEMS 256  /* episodes and events, likewise */
/* Of checkpoints and samples; a larger one waits until it is alone. */
#define RECORDER_QUEUE_BYTES (1 << 26)
#define RECORDER_BATCH_ROWS 4096
#define RECORDER_BATCH_NS 200000000ULL

struct recorder;

struct recorder_stats {
    uint64_t task_rows;
    uint64_t batches;
    uint64_t waits; /* times the caller found the queue full */
    double waited_s;
};

/* Opens (creates) the file, inserts the run and its nodes in one transaction, and starts the thread. The
 * run's id is known on return. node[i].run_id need not be set; nor need any row's below. */
int recorder_create(struct recorder **ret_recorder, const char *path, const struct db_run *run,
                    const struct db_node *node, size_t node_count, int64_t *ret_run_id, struct diag *diag);

/* The same for a run that goes on. ERR_STATE: another process records it, or it is no longer as it was when it
 * was read. */
int recorder_resume(struct recorder **ret_recorder, const char *path, const struct db_rewind *rewind,
                    struct diag *diag);

/* Hands over one slot's task rows, in device order. Rows are copied. */
int recorder_tasks(struct recorder *recorder, const struct db_task *task, size_t count);
/* The same with answers of some of these tasks, in the tasks' order: an answer is committed with its task. */
int recorder_answered_tasks(struct recorder *recorder, const struct db_task *task, size_t count,
                            const struct db_answer *answer, size_t answers);
/* The episode's row; with the learner's checkpoint after it and what the learner went through since the one
 * before (either may be NULL: copied): all are committed at once, behind everything that was handed over
 * before. */
int recorder_episode(struct recorder *recorder, const struct db_episode *episode,
                     const struct db_checkpoint *checkpoint, const struct db_experience *experience);
int recorder_event(struct recorder *recorder, const struct db_event *event); /* its detail is copied */
/* A surrogate has taken the model's place (run.surrogate): copied. */
int recorder_surrogate(struct recorder *recorder, const char *table);
/* Samples of one link, of one event loop, and of a process's real layers: copied. */
int recorder_link_samples(struct recorder *recorder, const struct db_link_sample *sample, size_t count);
int recorder_process_sample(struct recorder *recorder, const struct db_process_sample *sample);
int recorder_compute_sample(struct recorder *recorder, const struct db_compute_sample *sample);

/* Why the thread has failed, once a push has said that it has: in the words of the failure. */
void recorder_explain(struct recorder *recorder, struct diag *diag);

/* Writes what is queued, sets the run's status, closes the file cleanly, ends the thread, frees all. Returns
 * the first error that the thread met (each push returns it too, once it is known). NULL-safe. */
int recorder_close(struct recorder *recorder, enum db_run_status status, bool trusted, const char *reason,
                   struct recorder_stats *ret_stats, struct diag *diag);

#endif
