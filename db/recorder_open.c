/* Opening and closing: what a recorder begins and ends with. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/recorder_internal.h"

/* Another process's VACUUM or new index delays the run; only a lock kept for longer ends the recording. */

/* What a recorder begins with: a run that is new, or one that goes on. */
struct beginning {
    const struct db_run *run; /* NULL: it goes on */
    const struct db_node *node;
    size_t node_count;
    const struct db_rewind *rewind;
};

static int insert_run(struct recorder *recorder, const struct beginning *beginning, struct diag *diag)
{
    int rc = store_insert_run(recorder->store, beginning->run, &recorder->run_id, diag);
    for (size_t i = 0; rc == 0 && i < beginning->node_count; i++) {
        struct db_node row = beginning->node[i];
        row.run_id = recorder->run_id;
        rc = store_insert_node(recorder->store, &row, diag);
    }
    /* Before another process can see the run. */
    return rc != 0 ? rc : claim_take(&recorder->claim, recorder->db.path, recorder->run_id, diag);
}

static int rewind_run(struct recorder *recorder, const struct db_rewind *rewind, struct diag *diag)
{
    recorder->run_id = rewind->run_id;
    int rc = claim_take(&recorder->claim, recorder->db.path, rewind->run_id, diag);
    return rc != 0 ? rc : store_rewind_run(recorder->store, rewind, diag);
}

static int init_sync(struct recorder *recorder)
{
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);
    if (rc != 0)
        return -rc;
    rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(&recorder->work, &attributes);
    pthread_condattr_destroy(&attributes);
    if (rc != 0)
        return -rc;
    rc = pthread_cond_init(&recorder->room, NULL);
    if (rc == 0 && (rc = pthread_mutex_init(&recorder->mutex, NULL)) != 0)
        pthread_cond_destroy(&recorder->room);
    if (rc != 0)
        pthread_cond_destroy(&recorder->work);
    return -rc;
}

static void finish_sync(struct recorder *recorder)
{
    pthread_mutex_destroy(&recorder->mutex);
    pthread_cond_destroy(&recorder->room);
    pthread_cond_destroy(&recorder->work);
}

/* Signals belong to the program's main thread: the new thread blocks them all. */
static int start_thread(struct recorder *recorder, struct diag *diag)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&recorder->thread, NULL, recorder_write_all, recorder);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? 0 : diag_fail(diag, -code, "cannot start the recorder's thread: %s", strerror(code));
}

static void destroy(struct recorder *recorder)
{
    claim_release(&recorder->claim); /* behind db_close: see claim.h */
    finish_sync(recorder);
    for (size_t i = 0; recorder->answer != NULL && i < RECORDER_QUEUE_ROWS; i++)
        free(recorder->answer[i].prompt);
    free(recorder->answer);
    free(recorder);
}

static int begin(struct recorder *recorder, const struct beginning *beginning, struct diag *diag)
{
    int rc = db_begin(&recorder->db, diag);
    if (rc != 0)
        return rc;
    rc = beginning->run != NULL ? insert_run(recorder, beginning, diag)
                                : rewind_run(recorder, beginning->rewind, diag);
    if (rc == 0)
        rc = db_commit(&recorder->db, diag);
    if (rc != 0)
        db_rollback(&recorder->db);
    return rc;
}

static int start(struct recorder **ret_recorder, const char *path, enum db_mode mode,
                 const struct beginning *beginning, struct diag *diag)
{
    assert((beginning->run != NULL) != (beginning->rewind != NULL));
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL)
        return diag_fail(diag, -ENOMEM, "%s: no memory for the recorder", path);
    recorder->claim = claim_none;
    int rc = init_sync(recorder);
    if (rc != 0) {
        free(recorder);
        return rc;
    }
    rc = db_open(&recorder->db, path, mode, diag);
    if (rc == 0)
        rc = store_create(&recorder->store, &recorder->db, diag);
    if (rc == 0)
        rc = begin(recorder, beginning, diag);
    if (rc == 0) {
        db_set_patience(&recorder->db, DB_PATIENCE_MS);
        rc = start_thread(recorder, diag);
    }
    if (rc != 0) {
        store_destroy(recorder->store);
        (void) db_close(&recorder->db, diag); /* the first error stands, and a log that stays is named */
        destroy(recorder);
        return rc;
    }
    *ret_recorder = recorder;
    return 0;
}

int recorder_create(struct recorder **ret_recorder, const char *path, const struct db_run *run,
                    const struct db_node *node, size_t node_count, int64_t *ret_run_id, struct diag *diag)
{
    const struct beginning beginning = {.run = run, .node = node, .node_count = node_count};
    int rc = start(ret_recorder, path, DB_CREATE, &beginning, diag);
    if (rc == 0)
        *ret_run_id = (*ret_recorder)->run_id;
    return rc;
}

int recorder_resume(struct recorder **ret_recorder, const char *path, const struct db_rewind *rewind,
                    struct diag *diag)
{
    const struct beginning beginning = {.rewind = rewind};
    return start(ret_recorder, path, DB_READWRITE, &beginning, diag);
}

static int finish_run(struct recorder *recorder, enum db_run_status status, bool trusted, const char *reason,
                      struct diag *diag)
{
    int rc = db_begin(&recorder->db, diag);
    if (rc == 0)
        rc = store_finish_run(recorder->store, recorder->run_id, status, trusted, reason, diag);
    if (rc == 0)
        rc = db_commit(&recorder->db, diag);
    if (rc != 0)
        db_rollback(&recorder->db);
    return rc;
}

int recorder_close(struct recorder *recorder, enum db_run_status status, bool trusted, const char *reason,
                   struct recorder_stats *ret_stats, struct diag *diag)
{
    if (recorder == NULL)
        return 0;
    assert(status != DB_RUNNING && (trusted || reason != NULL));
    pthread_mutex_lock(&recorder->mutex);
    assert(!recorder->closing);
    recorder->closing = true;
    pthread_cond_signal(&recorder->work);
    pthread_mutex_unlock(&recorder->mutex);
    pthread_join(recorder->thread, NULL);

    assert(recorder->pushed == recorder->written && recorder->items_pushed == recorder->items_written);
    int rc = recorder->rc;
    if (rc == 0) {
        rc = finish_run(recorder, status, trusted, reason, diag);
    } else {
        (void) diag_fail(diag, rc, "%s", diag_text(&recorder->diag, rc)); /* only writes the sentence */
        /* Rows are missing: say so in the file if it can still be written at all. */
        (void) store_finish_run(recorder->store, recorder->run_id, DB_ABORTED, false, "recording failed",
                                NULL);
    }
    store_destroy(recorder->store);
    int close_rc = db_close(&recorder->db, diag);
    if (ret_stats != NULL)
        *ret_stats = recorder->stats;
    destroy(recorder);
    return rc != 0 ? rc : close_rc;
}
