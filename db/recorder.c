/* Two sides of one queue. The caller's side copies rows into a ring of tasks and a ring of everything else,
 * where each item remembers how many task rows went before it; the thread's side puts the two back into one
 * order.
 *
 *   caller ── recorder_tasks ──►  ring      [.. written | being written | pushed ..]  ──► thread: BEGIN,
 * rows, COMMIT └─ episode, event ──►  items     each with `after`, its place in the ring  ──►
 *
 * The thread sleeps until a batch is due, and only then opens the transaction: the database is locked for the
 * few milliseconds that the batch takes, never while waiting for rows. Rows that are being written are read
 * in place, without the mutex: the caller does not reuse their places before `written` has passed them. */
#include "db/recorder.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "db/db.h"
#include "db/db_internal.h"
#include "db/store.h"

/* Somebody's index or VACUUM on the file holds the run back; only a lock kept for longer ends the recording.
 */
#define PATIENCE_MS 60000

enum item_kind { ITEM_EPISODE, ITEM_EVENT, ITEM_LINK_SAMPLES, ITEM_PROCESS_SAMPLE, ITEM_CHECKPOINT };

struct item {
    enum item_kind kind;
    uint64_t after; /* task rows handed over before it */
    union {
        struct db_episode episode;
        struct db_event event;
        struct db_checkpoint checkpoint;
        struct db_process_sample process_sample;
    };
    struct buf bytes; /* owned: the texts or blobs that the row points to, or an array of link samples */
};

struct recorder {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work; /* the thread waits here for a due batch */
    pthread_cond_t room; /* the caller waits here for a place in the queue */
    struct db db;        /* owned; the thread's alone while it runs */
    struct store *store; /* owned, likewise */
    int64_t run_id;

    /* Under the mutex. Counters only grow; a row's place is its number modulo the ring's size. */
    uint64_t pushed, written;             /* task rows */
    uint64_t items_pushed, items_written; /* items */
    size_t bytes;                         /* owned by the items in the queue */
    uint32_t urgent;                      /* items in the queue that make a batch due at once */
    uint64_t oldest_ns;                   /* when the queue's oldest content came; 0: empty */
    bool closing;
    int rc; /* the thread's first error; nothing is written after it */
    struct diag diag;
    struct recorder_stats stats;

    struct item item[RECORDER_QUEUE_ITEMS];
    struct db_task ring[RECORDER_QUEUE_ROWS];
};

/* What one look at the queue gives the thread to write. */
struct batch {
    uint64_t first, end; /* task rows */
    uint64_t items_first, items_end;
};

static bool is_urgent(enum item_kind kind)
{
    return kind == ITEM_EPISODE || kind == ITEM_CHECKPOINT;
}

static bool is_empty(const struct recorder *recorder)
{
    return recorder->pushed == recorder->written && recorder->items_pushed == recorder->items_written;
}

/* Does the thread have to write now, rather than wait for more? */
static bool is_due(const struct recorder *recorder)
{
    return recorder->closing || recorder->urgent > 0 ||
           recorder->pushed - recorder->written >= RECORDER_BATCH_ROWS ||
           recorder->items_pushed - recorder->items_written >= RECORDER_QUEUE_ITEMS / 2;
}

static int write_link_samples(struct recorder *recorder, const struct buf *bytes, struct diag *diag)
{
    const struct db_link_sample *sample = (const void *) bytes->data;
    size_t count = bytes->size / sizeof *sample;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = store_insert_link_sample(recorder->store, recorder->run_id, &sample[i], diag);
    return rc;
}

static int write_item(struct recorder *recorder, const struct item *item, struct diag *diag)
{
    switch (item->kind) {
    case ITEM_EPISODE: {
        int rc = store_insert_episode(recorder->store, &item->episode, diag);
        /* An episode that is done is safe before the next one starts to be written. */
        if (rc == 0)
            rc = db_commit(&recorder->db, diag);
        return rc == 0 ? db_begin(&recorder->db, diag) : rc;
    }
    case ITEM_EVENT: return store_insert_event(recorder->store, &item->event, diag);
    case ITEM_LINK_SAMPLES: return write_link_samples(recorder, &item->bytes, diag);
    case ITEM_PROCESS_SAMPLE:
        return store_insert_process_sample(recorder->store, recorder->run_id, &item->process_sample, diag);
    case ITEM_CHECKPOINT: return store_insert_checkpoint(recorder->store, &item->checkpoint, diag);
    }
    return ERR_STATE;
}

static int write_rows(struct recorder *recorder, const struct batch *batch, struct diag *diag)
{
    uint64_t row = batch->first;
    for (uint64_t i = batch->items_first; i <= batch->items_end; i++) {
        const struct item *item = i < batch->items_end ? &recorder->item[i % RECORDER_QUEUE_ITEMS] : NULL;
        uint64_t until = item != NULL ? item->after : batch->end;
        for (; row < until; row++) {
            int rc = store_insert_task(recorder->store, &recorder->ring[row % RECORDER_QUEUE_ROWS], diag);
            if (rc != 0)
                return rc;
        }
        int rc = item != NULL ? write_item(recorder, item, diag) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_batch(struct recorder *recorder, const struct batch *batch, struct diag *diag)
{
    int rc = db_begin(&recorder->db, diag);
    if (rc != 0)
        return rc;
    rc = write_rows(recorder, batch, diag);
    if (rc == 0)
        rc = db_commit(&recorder->db, diag);
    if (rc != 0)
        db_rollback(&recorder->db);
    return rc;
}

/* Mutex held. At most RECORDER_BATCH_ROWS tasks, and the items that lie before or right behind them. */
static struct batch choose_batch(const struct recorder *recorder)
{
    struct batch batch = {.first = recorder->written,
                          .end = recorder->pushed,
                          .items_first = recorder->items_written,
                          .items_end = recorder->items_written};
    if (batch.end - batch.first > RECORDER_BATCH_ROWS)
        batch.end = batch.first + RECORDER_BATCH_ROWS;
    while (batch.items_end < recorder->items_pushed &&
           recorder->item[batch.items_end % RECORDER_QUEUE_ITEMS].after <= batch.end)
        batch.items_end++;
    return batch;
}

/* Mutex held: gives the places of a batch back to the caller. */
static void release_batch(struct recorder *recorder, const struct batch *batch)
{
    for (uint64_t i = batch->items_first; i < batch->items_end; i++) {
        struct item *item = &recorder->item[i % RECORDER_QUEUE_ITEMS];
        recorder->bytes -= item->bytes.size;
        recorder->urgent -= is_urgent(item->kind);
        buf_finish(&item->bytes);
    }
    recorder->written = batch->end;
    recorder->items_written = batch->items_end;
    if (is_empty(recorder))
        recorder->oldest_ns = 0;
    pthread_cond_broadcast(&recorder->room);
}

/* Mutex held. Until something is due, or old enough, or the end has come. */
static void wait_for_work(struct recorder *recorder)
{
    while (!is_due(recorder)) {
        if (recorder->oldest_ns == 0) {
            pthread_cond_wait(&recorder->work, &recorder->mutex);
            continue;
        }
        uint64_t deadline_ns = recorder->oldest_ns + RECORDER_BATCH_NS;
        struct timespec deadline = {.tv_sec = (time_t) (deadline_ns / UNITS_NS_PER_S),
                                    .tv_nsec = (long) (deadline_ns % UNITS_NS_PER_S)};
        if (pthread_cond_timedwait(&recorder->work, &recorder->mutex, &deadline) == ETIMEDOUT)
            return;
    }
}

static void *write_all(void *user)
{
    struct recorder *recorder = user;
    pthread_mutex_lock(&recorder->mutex);
    for (;;) {
        wait_for_work(recorder);
        if (is_empty(recorder)) {
            if (recorder->closing)
                break;
            continue;
        }
        struct batch batch = choose_batch(recorder);
        int rc = recorder->rc;
        if (rc == 0) {
            struct diag diag = {0};
            pthread_mutex_unlock(&recorder->mutex);
            rc = write_batch(recorder, &batch, &diag);
            pthread_mutex_lock(&recorder->mutex);
            if (rc == 0) {
                recorder->stats.task_rows += batch.end - batch.first;
                recorder->stats.batches++;
                /* What is left came while this batch was written. */
                recorder->oldest_ns = clock_monotonic_ns();
            } else {
                recorder->rc = rc;
                recorder->diag = diag;
            }
        }
        release_batch(recorder, &batch);
    }
    pthread_mutex_unlock(&recorder->mutex);
    return NULL;
}

/* Mutex held. Waits until `has_room` or until the thread has failed, and counts the wait. */
static void wait_for_room(struct recorder *recorder, bool (*has_room)(const struct recorder *, size_t),
                          size_t size)
{
    if (recorder->rc != 0 || has_room(recorder, size))
        return;
    uint64_t start_ns = clock_monotonic_ns();
    while (recorder->rc == 0 && !has_room(recorder, size))
        pthread_cond_wait(&recorder->room, &recorder->mutex);
    recorder->stats.waits++;
    recorder->stats.waited_s += units_ns_to_s(clock_monotonic_ns() - start_ns);
}

/* Mutex held. The thread needs a call when a batch is due, and when it waits without a deadline. */
static void announce(struct recorder *recorder)
{
    bool first = recorder->oldest_ns == 0;
    if (first)
        recorder->oldest_ns = clock_monotonic_ns();
    if (first || is_due(recorder))
        pthread_cond_signal(&recorder->work);
}

static bool has_room_for_tasks(const struct recorder *recorder, size_t count)
{
    return RECORDER_QUEUE_ROWS - (recorder->pushed - recorder->written) >= count;
}

int recorder_tasks(struct recorder *recorder, const struct db_task *task, size_t count)
{
    int rc = 0;
    pthread_mutex_lock(&recorder->mutex);
    for (size_t done = 0; done < count && rc == 0;) {
        size_t some = count - done < RECORDER_BATCH_ROWS ? count - done : RECORDER_BATCH_ROWS;
        wait_for_room(recorder, has_room_for_tasks, some);
        rc = recorder->rc;
        if (rc != 0)
            break;
        for (size_t i = 0; i < some; i++) {
            struct db_task *row = &recorder->ring[(recorder->pushed + i) % RECORDER_QUEUE_ROWS];
            *row = task[done + i];
            row->run_id = recorder->run_id;
        }
        recorder->pushed += some;
        done += some;
        announce(recorder);
    }
    pthread_mutex_unlock(&recorder->mutex);
    return rc;
}

static bool has_room_for_item(const struct recorder *recorder, size_t size)
{
    if (recorder->items_pushed - recorder->items_written >= RECORDER_QUEUE_ITEMS)
        return false;
    return recorder->bytes == 0 || recorder->bytes + size <= RECORDER_QUEUE_BYTES;
}

/* Takes the item and its bytes over, whatever the outcome. */
static int push_item(struct recorder *recorder, struct item *item)
{
    pthread_mutex_lock(&recorder->mutex);
    wait_for_room(recorder, has_room_for_item, item->bytes.size);
    int rc = recorder->rc;
    if (rc == 0) {
        item->after = recorder->pushed;
        recorder->bytes += item->bytes.size;
        recorder->urgent += is_urgent(item->kind);
        recorder->item[recorder->items_pushed++ % RECORDER_QUEUE_ITEMS] = *item;
        announce(recorder);
    }
    pthread_mutex_unlock(&recorder->mutex);
    if (rc != 0)
        buf_finish(&item->bytes);
    return rc;
}

int recorder_episode(struct recorder *recorder, const struct db_episode *episode)
{
    struct item item = {.kind = ITEM_EPISODE, .episode = *episode};
    item.episode.run_id = recorder->run_id;
    return push_item(recorder, &item);
}

/* Copies bytes into memory that was reserved before, and says where they are now. */
static const void *keep(struct buf *bytes, const void *source, size_t size)
{
    if (source == NULL)
        return NULL;
    assert(bytes->capacity - bytes->size >= size);
    void *copy = bytes->data + bytes->size;
    if (size > 0)
        memcpy(copy, source, size);
    bytes->size += size;
    return copy;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

int recorder_event(struct recorder *recorder, const struct db_event *event)
{
    struct item item = {.kind = ITEM_EVENT, .event = *event};
    size_t sizes[] = {text_size(event->phase), text_size(event->kind), text_size(event->role),
                      text_size(event->detail)};
    int rc = buf_reserve(&item.bytes, sizes[0] + sizes[1] + sizes[2] + sizes[3]);
    if (rc != 0)
        return rc;
    item.event.run_id = recorder->run_id;
    item.event.phase = keep(&item.bytes, event->phase, sizes[0]);
    item.event.kind = keep(&item.bytes, event->kind, sizes[1]);
    item.event.role = keep(&item.bytes, event->role, sizes[2]);
    item.event.detail = keep(&item.bytes, event->detail, sizes[3]);
    return push_item(recorder, &item);
}

int recorder_link_samples(struct recorder *recorder, const struct db_link_sample *sample, size_t count)
{
    struct item item = {.kind = ITEM_LINK_SAMPLES};
    int rc = count > 0 ? buf_push(&item.bytes, sample, count * sizeof *sample) : 0;
    return rc != 0 || count == 0 ? rc : push_item(recorder, &item);
}

int recorder_process_sample(struct recorder *recorder, const struct db_process_sample *sample)
{
    struct item item = {.kind = ITEM_PROCESS_SAMPLE, .process_sample = *sample};
    return push_item(recorder, &item);
}

int recorder_checkpoint(struct recorder *recorder, const struct db_checkpoint *checkpoint)
{
    struct item item = {.kind = ITEM_CHECKPOINT, .checkpoint = *checkpoint};
    int rc = buf_reserve(&item.bytes, checkpoint->weights_size + checkpoint->learner_size);
    if (rc != 0)
        return rc;
    item.checkpoint.run_id = recorder->run_id;
    item.checkpoint.weights = keep(&item.bytes, checkpoint->weights, checkpoint->weights_size);
    item.checkpoint.learner = keep(&item.bytes, checkpoint->learner, checkpoint->learner_size);
    return push_item(recorder, &item);
}

static int insert_run(struct recorder *recorder, const struct db_run *run, const struct db_node *node,
                      size_t node_count, struct diag *diag)
{
    int rc = db_begin(&recorder->db, diag);
    if (rc != 0)
        return rc;
    rc = store_insert_run(recorder->store, run, &recorder->run_id, diag);
    for (size_t i = 0; rc == 0 && i < node_count; i++) {
        struct db_node row = node[i];
        row.run_id = recorder->run_id;
        rc = store_insert_node(recorder->store, &row, diag);
    }
    if (rc == 0)
        rc = db_commit(&recorder->db, diag);
    if (rc != 0)
        db_rollback(&recorder->db);
    return rc;
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
    int code = pthread_create(&recorder->thread, NULL, write_all, recorder);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? 0 : diag_fail(diag, -code, "cannot start the recorder's thread: %s", strerror(code));
}

int recorder_create(struct recorder **ret_recorder, const char *path, const struct db_run *run,
                    const struct db_node *node, size_t node_count, int64_t *ret_run_id, struct diag *diag)
{
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL)
        return diag_fail(diag, -ENOMEM, "%s: no memory for the recorder", path);
    int rc = init_sync(recorder);
    if (rc != 0) {
        free(recorder);
        return rc;
    }
    rc = db_open(&recorder->db, path, DB_CREATE, diag);
    if (rc == 0)
        rc = store_create(&recorder->store, &recorder->db, diag);
    if (rc == 0)
        rc = insert_run(recorder, run, node, node_count, diag);
    if (rc == 0) {
        db_set_patience(&recorder->db, PATIENCE_MS);
        rc = start_thread(recorder, diag);
    }
    if (rc != 0) {
        store_destroy(recorder->store);
        (void) db_close(&recorder->db, NULL); /* the first error stands */
        finish_sync(recorder);
        free(recorder);
        return rc;
    }
    *ret_run_id = recorder->run_id;
    *ret_recorder = recorder;
    return 0;
}

int recorder_close(struct recorder *recorder, enum db_run_status status, bool trusted, const char *reason,
                   struct recorder_stats *ret_stats, struct diag *diag)
{
    if (recorder == NULL)
        return 0;
    pthread_mutex_lock(&recorder->mutex);
    recorder->closing = true;
    pthread_cond_signal(&recorder->work);
    pthread_mutex_unlock(&recorder->mutex);
    pthread_join(recorder->thread, NULL);

    int rc = recorder->rc;
    if (rc == 0) {
        rc = store_finish_run(recorder->store, recorder->run_id, status, trusted, reason, diag);
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
    finish_sync(recorder);
    free(recorder);
    return rc != 0 ? rc : close_rc;
}
