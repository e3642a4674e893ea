/* Typed writes and reads. All statements are prepared once, listed in store.c; none is built with printf. */
#ifndef HANDOFF_DB_STORE_H
#define HANDOFF_DB_STORE_H

#include "core/base/buf.h"
#include "db/db.h"
#include "db/rows.h"

struct store;

/* Prepares the statements of an open database, which must outlive the store. */
int store_create(struct store **ret_store, struct db *db, struct diag *diag);
void store_destroy(struct store *store);

/* Writes. None opens a transaction of its own: use db_begin/db_commit around batches. */
int store_insert_run(struct store *store, const struct db_run *run, int64_t *ret_run_id, struct diag *diag);
int store_finish_run(struct store *store, int64_t run_id, enum db_run_status status, bool trusted,
                     const char *reason, struct diag *diag);
int store_insert_node(struct store *store, const struct db_node *node, struct diag *diag);
int store_insert_task(struct store *store, const struct db_task *task, struct diag *diag);
int store_insert_answer(struct store *store, const struct db_answer *answer, struct diag *diag);
int store_insert_episode(struct store *store, const struct db_episode *episode, struct diag *diag);
int store_insert_event(struct store *store, const struct db_event *event, struct diag *diag);
int store_insert_link_sample(struct store *store, int64_t run_id, const struct db_link_sample *sample,
                             struct diag *diag);
int store_insert_process_sample(struct store *store, int64_t run_id, const struct db_process_sample *sample,
                                struct diag *diag);
int store_insert_compute_sample(struct store *store, int64_t run_id, const struct db_compute_sample *sample,
                                struct diag *diag);
/* Where it carries the full learner state, that of the run's earlier checkpoints is cleared. */
int store_insert_checkpoint(struct store *store, const struct db_checkpoint *checkpoint, struct diag *diag);
/* Also drops what the learner no longer needs. A count of 0 only does that. */
int store_insert_experience(struct store *store, const struct db_experience *experience, struct diag *diag);
/* Takes the place of an earlier measure of the same. */
int store_insert_leak(struct store *store, const struct db_leak *leak, struct diag *diag);
/* A run is running again, and holds nothing later than an episode. ERR_STATE: it is not as it was when it was
 * read: it has finished since then, or that episode is not there. */
int store_rewind_run(struct store *store, const struct db_rewind *rewind, struct diag *diag);
int store_set_surrogate(struct store *store, int64_t run_id, const char *table, struct diag *diag);
int store_set_validation_cost(struct store *store, int64_t run_id, uint32_t episode, double cost,
                              struct diag *diag);

/* Reads. A returned run's text belongs to `arena`, finished by the caller after use. ERR_NOT_FOUND: no such
 * run. run_id 0 means the newest run of kind 'train' (any kind if there is none). */
int store_read_run(struct store *store, int64_t run_id, struct db_run *ret_run, struct buf *arena,
                   struct diag *diag);

/* Appends the tokens of a run's text, u32 each, and the bytes that each stands for, one byte each: to empty buffers. None,
 * or not known: nothing is appended. ERR_CORRUPT: they are no list of tokens, or of another length. */
int store_read_prompt(struct store *store, int64_t run_id, struct buf *tokens, struct buf *bytes,
                      struct diag *diag);

/* Calls `row` for each in key order; a nonzero return stops and is returned. Text is valid during the call. */
int store_each_run(struct store *store, int (*row)(void *user, const struct db_run *run), void *user,
                   struct diag *diag);
int store_each_node(struct store *store, int64_t run_id, int (*row)(void *user, const struct db_node *node),
                    void *user, struct diag *diag);
int store_each_task(struct store *store, int64_t run_id, int (*row)(void *user, const struct db_task *task),
                    void *user, struct diag *diag);
/* The same rows one at a time, for a reader that sets the pace: open, then next: 1 and a row, 0 after the
 * last, or an error. One such reading at a time. */
void store_tasks_open(struct store *store, int64_t run_id);
int store_tasks_next(struct store *store, struct db_task *ret_task, struct diag *diag);
/* Likewise for answers. ERR_CORRUPT: a row's tokens are not as many as it says. */
void store_answers_open(struct store *store, int64_t run_id);
int store_answers_next(struct store *store, struct db_answer *ret_answer, struct diag *diag);
int store_each_event(struct store *store, int64_t run_id,
                     int (*row)(void *user, const struct db_event *event), void *user, struct diag *diag);
int store_each_twin_part(struct store *store, int64_t real_run_id,
                         int (*row)(void *user, const struct db_twin_part *part), void *user,
                         struct diag *diag);
/* Blobs are NULL in this listing; read one with store_read_checkpoint. */
int store_each_checkpoint(struct store *store, int64_t run_id,
                          int (*row)(void *user, const struct db_checkpoint *checkpoint), void *user,
                          struct diag *diag);
/* Copies the weights of the checkpoint after `episode` (or of the latest, episode -1) into `weights`. */
int store_read_checkpoint(struct store *store, int64_t run_id, int64_t episode,
                          struct db_checkpoint *ret_checkpoint, struct buf *weights, struct diag *diag);
/* The same for the full learner state, which the run's latest checkpoint alone carries. ERR_NOT_FOUND: it has
 * none. */
int store_read_learner(struct store *store, int64_t run_id, struct db_checkpoint *ret_checkpoint,
                       struct buf *learner, struct diag *diag);

/* In order of episode; the bytes are valid during the call. */
int store_each_experience(struct store *store, int64_t run_id,
                          int (*row)(void *user, const struct db_experience *experience), void *user,
                          struct diag *diag);
/* How far a run has come. */
struct db_progress {
    int64_t last_episode; /* the last that has all of its slots; -1: none */
    int64_t last_learner; /* the last after which the full learner state is there; -1: none */
};
int store_read_progress(struct store *store, int64_t run_id, uint32_t slots, struct db_progress *ret_progress,
                        struct diag *diag);
/* Wall time of the run's episodes up to one. */
int store_read_elapsed(struct store *store, int64_t run_id, int64_t after_episode, double *ret_elapsed_s,
                       struct diag *diag);

/* Sweeps. ERR_NOT_FOUND: none has that name. Its text is appended to `text`. */
int store_find_sweep(struct store *store, const char *name, int64_t *ret_sweep_id, struct buf *text,
                     struct diag *diag);
int store_insert_sweep(struct store *store, const struct db_sweep *sweep, int64_t *ret_sweep_id,
                       struct diag *diag);
/* With status 'waiting', and without results. */
int store_insert_job(struct store *store, const struct db_job *job, struct diag *diag);
/* In order of number. */
int store_each_job(struct store *store, int64_t sweep_id, int (*row)(void *user, const struct db_job *job),
                   void *user, struct diag *diag);
/* Jobs that were running when their sweep was killed, those that failed, and those whose run is not there any more
 * wait again. */
int store_renew_jobs(struct store *store, int64_t sweep_id, struct diag *diag);
int store_start_job(struct store *store, const struct db_job *job, const char *worker, const char *utc,
                    struct diag *diag);
/* Status, times and error of a job whose worker has ended. */
int store_end_job(struct store *store, const struct db_job *job, const char *utc, struct diag *diag);

/* What a worker recorded into a file of its own (its run ids count from 1). */
struct store_part {
    const char *path;
    bool tasks;      /* take the test run's task rows too */
    bool validation; /* take the runs over validation streams too */
};
/* Takes a part's rows over under new run ids and ends its job as done, all or nothing, in a transaction of
 * its own: a file cannot be attached within one. Of checkpoints the best (by validation cost) and the last
 * are taken, as weights alone: the runs are finished. Where job->train_run_id is set, runs without a parent
 * get it as theirs. */
int store_merge_part(struct store *store, const struct db_job *job, const struct store_part *part,
                     const char *utc, struct diag *diag);

const char *store_job_status_text(enum db_job_status status);

/* 'train' and so on, as in the column. */
const char *store_kind_text(int kind);

/* The functions above share prepared statements: a row callback may call any of them but the one that called
 * it.
 *
 * Runs one read-only query and appends its result as a JSON array of objects, or as an aligned text table.
 * `sql` is one of our own named queries (sql_find_query in db/sql.h), never text from outside; one integer
 * parameter (?1) may be bound. */
int store_query_json(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                     struct diag *diag);
int store_query_table(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                      struct diag *diag);
int store_query_csv(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                    struct diag *diag);

/* The same for results of any size: the text goes to `sink` in pieces. A nonzero return of the sink stops and
 * is returned. */
int store_stream_json(struct store *store, const char *sql, int64_t parameter,
                      int (*sink)(void *user, const void *bytes, size_t size), void *user, struct diag *diag);
int store_stream_csv(struct store *store, const char *sql, int64_t parameter,
                     int (*sink)(void *user, const void *bytes, size_t size), void *user, struct diag *diag);

#endif
