/* What a run needs to be resumed: a learner's experience, and the file as it was after an episode. */
#include <assert.h>
#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/store.h"
#include "db/store_internal.h"

int store_insert_experience(struct store *store, const struct db_experience *experience, struct diag *diag)
{
    struct binder binder = store_start(store, FORGET_EXPERIENCE_BEFORE);
    binder_integer(&binder, experience->run_id);
    binder_integer(&binder, (int64_t) experience->oldest);
    int rc = store_run(store, &binder, "clear old experience", diag);
    if (rc != 0 || experience->count == 0)
        return rc;
    binder = store_start(store, INSERT_EXPERIENCE);
    binder_integer(&binder, experience->run_id);
    binder_integer(&binder, experience->episode);
    binder_integer(&binder, (int64_t) experience->first);
    binder_integer(&binder, (int64_t) experience->count);
    binder_blob(&binder, experience->bytes, experience->size);
    return store_run(store, &binder, "record experience", diag);
}

int store_each_experience(struct store *store, int64_t run_id,
                          int (*row)(void *user, const struct db_experience *experience), void *user,
                          struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_EXPERIENCE);
    binder_integer(&binder, run_id);
    int rc;
    while ((rc = store_step(store, &binder, "read it", diag)) == 1) {
        struct sqlite3_stmt *at = binder.statement;
        assert(sqlite3_column_count(at) == 5);
        struct db_experience experience = {
            .run_id = sqlite3_column_int64(at, 0),
            .episode = (uint32_t) sqlite3_column_int64(at, 1), /* written from a uint32_t */
            .first = (uint64_t) sqlite3_column_int64(at, 2),
            .count = (uint64_t) sqlite3_column_int64(at, 3),
            .bytes = sqlite3_column_blob(at, 4),
            .size = (size_t) sqlite3_column_bytes(at, 4),
        };
        rc = experience.bytes == NULL && experience.size > 0
                 ? db_fail(store->db, SQLITE_NOMEM, "read it", diag)
                 : row(user, &experience);
        if (rc != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_read_progress(struct store *store, int64_t run_id, uint32_t slots, struct db_progress *ret_progress,
                        struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_PROGRESS);
    binder_integer(&binder, run_id);
    binder_integer(&binder, slots);
    int rc = store_step(store, &binder, "read it", diag);
    if (rc == 1)
        *ret_progress = (struct db_progress){
            .last_episode = sqlite3_column_int64(binder.statement, 0),
            .last_learner = sqlite3_column_int64(binder.statement, 1),
        };
    store_reset(&binder);
    return rc == 1 ? 0 : rc; /* an aggregate always gives a row */
}

int store_read_elapsed(struct store *store, int64_t run_id, int64_t after_episode, double *ret_elapsed_s,
                       struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_ELAPSED);
    binder_integer(&binder, run_id);
    binder_integer(&binder, after_episode);
    int rc = store_step(store, &binder, "read it", diag);
    if (rc == 1)
        *ret_elapsed_s = sqlite3_column_double(binder.statement, 0);
    store_reset(&binder);
    return rc == 1 ? 0 : rc; /* an aggregate always gives a row */
}

int store_rewind_run(struct store *store, const struct db_rewind *rewind, struct diag *diag)
{
    /* Samples first: which are later is told by the episodes' wall times. */
    static const enum statement deletes[] = {
        REWIND_LINK_SAMPLES, REWIND_PROCESS_SAMPLES, REWIND_COMPUTE_SAMPLES, REWIND_TASKS,   REWIND_ANSWERS,
        REWIND_EVENTS,       REWIND_CHECKPOINTS,     REWIND_EXPERIENCE,      REWIND_EPISODES};
    struct binder binder = store_start(store, RESUME_RUN);
    binder_text(&binder, rewind->config_json);
    binder_integer(&binder, rewind->run_id);
    binder_integer(&binder, rewind->after_episode);
    binder_integer(&binder, rewind->was_finished);
    int rc = store_run(store, &binder, "resume a run", diag);
    if (rc == 0 && sqlite3_changes(store->db->handle) == 0)
        rc = diag_fail(diag, ERR_STATE,
                       "%s: run %lld has gone on since it was read, or is finished, or is not there any more",
                       store->db->path, (long long) rewind->run_id);
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes && rc == 0; i++) {
        binder = store_start(store, deletes[i]);
        binder_integer(&binder, rewind->run_id);
        binder_integer(&binder, rewind->after_episode);
        rc = store_run(store, &binder, "drop later rows", diag);
    }
    return rc;
}
