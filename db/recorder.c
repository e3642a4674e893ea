/* Two sides of one queue. The caller's side copies rows into a ring of tasks and a ring of everything else,
 * where each item remembers how many task rows went before it; the thread's side puts the two back into one
 * order.
 *
 *   caller ─┬─ recorder_tasks ─►  ring   [.. written | being written | pushed ..]  ─┬─► thread:
 *           └─ episode, event ─►  items  each with `after`, its position in the ring ─┘   BEGIN, rows, COMMIT
 *
 * The thread sleeps until a batch is due, and only then opens the transaction: the database is locked for the
 * few milliseconds that the batch takes, never while waiting for rows. Rows that are being written are read
 * in place, without the mutex: the caller does not reuse their places before `written` has passed them. */
#include "db/recorder.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "db/recorder_internal.h"

_Static_assert(RECORDER_BATCH_ROWS <= RECORDER_QUEUE_ROWS, "a batch of rows finds room in an empty queue");

/* What one look at the queue gives the thread to write. */
struct batch {
    uint64_t first, end; /* task rows */
    uint64_t items_first, items_end;
    const struct answer_place *answer; /* as the recorder's */
};

static bool is_urgent(enum item_kind kind)
{
    return kind == ITEM_EPISODE;
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
    assert(bytes->size % sizeof *sample == 0);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = store_insert_link_sample(recorder->store, recorder->run_id, &sample[i], diag);
    return rc;
}

/* The episode's row and what a run that is resumed after it needs are there together or not at all. An
 * episode that is done is safe before the next one starts to be written. */
static int write_episode(struct recorder *recorder, const struct episode_item *item, struct diag *diag)
{
    int rc = item->experience.bytes != NULL
                 ? store_insert_experience(recorder->store, &item->experience, diag)
                 : 0;
    if (rc == 0 && item->has_checkpoint)
        rc = store_insert_checkpoint(recorder->store, &item->checkpoint, diag);
    if (rc == 0)
        rc = store_insert_episode(recorder->store, &item->row, diag);
    if (rc == 0)
        rc = db_commit(&recorder->db, diag);
    return rc == 0 ? db_begin(&recorder->db, diag) : rc;
}

static int write_item(struct recorder *recorder, const struct item *item, struct diag *diag)
{
    switch (item->kind) {
    case ITEM_EPISODE: return write_episode(recorder, &item->episode, diag);
    case ITEM_EVENT: return store_insert_event(recorder->store, &item->event, diag);
    case ITEM_SURROGATE:
        return store_set_surrogate(recorder->store, recorder->run_id, (const char *) item->bytes.data, diag);
    case ITEM_LINK_SAMPLES: return write_link_samples(recorder, &item->bytes, diag);
    case ITEM_PROCESS_SAMPLE:
        return store_insert_process_sample(recorder->store, recorder->run_id, &item->process_sample, diag);
    case ITEM_COMPUTE_SAMPLE:
        return store_insert_compute_sample(recorder->store, recorder->run_id, &item->compute_sample, diag);
    }
    return ERR_STATE;
}

/* A task's row, and that of its answer. */
static int write_task(struct recorder *recorder, const struct batch *batch, uint64_t row, struct diag *diag)
{
    size_t place = row % RECORDER_QUEUE_ROWS;
    int rc = store_insert_task(recorder->store, &recorder->ring[place], diag);
    if (rc == 0 && batch->answer != NULL && batch->answer[place].is_taken)
        rc = store_insert_answer(recorder->store, &batch->answer[place].answer, diag);
    return rc;
}

static int write_rows(struct recorder *recorder, const struct batch *batch, struct diag *diag)
{
    uint64_t row = batch->first;
    for (uint64_t i = batch->items_first; i <= batch->items_end; i++) {
        const struct item *item = i < batch->items_end ? &recorder->item[i % RECORDER_QUEUE_ITEMS] : NULL;
        uint64_t until = item != NULL ? item->after : batch->end;
        assert(row <= until && until <= batch->end);
        for (; row < until; row++) {
            int rc = write_task(recorder, batch, row, diag);
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

static bool begins_slot(const struct recorder *recorder, uint64_t row)
{
    const struct db_task *here = &recorder->ring[row % RECORDER_QUEUE_ROWS];
    const struct db_task *before = &recorder->ring[(row - 1) % RECORDER_QUEUE_ROWS];
    return here->slot != before->slot || here->episode != before->episode;
}

/* Of more rows than a batch takes: as many as end with a slot. A slot that is larger than a batch is divided. */
static uint64_t whole_slots_end(const struct recorder *recorder, uint64_t first)
{
    uint64_t most = first + RECORDER_BATCH_ROWS, end = most;
    while (end > first && !begins_slot(recorder, end))
        end--;
    return end > first ? end : most;
}

/* Mutex held. At most RECORDER_BATCH_ROWS tasks, and the items that lie before or right behind them. */
static struct batch choose_batch(const struct recorder *recorder)
{
    struct batch batch = {.first = recorder->written,
                          .end = recorder->pushed,
                          .items_first = recorder->items_written,
                          .items_end = recorder->items_written,
                          .answer = recorder->answer};
    assert(batch.first <= batch.end && batch.end - batch.first <= RECORDER_QUEUE_ROWS);
    assert(recorder->items_pushed - recorder->items_written <= RECORDER_QUEUE_ITEMS);
    if (batch.end - batch.first > RECORDER_BATCH_ROWS)
        batch.end = whole_slots_end(recorder, batch.first);
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
        assert(recorder->bytes >= item->bytes.size && recorder->urgent >= (is_urgent(item->kind) ? 1u : 0u));
        recorder->bytes -= item->bytes.size;
        recorder->urgent -= is_urgent(item->kind);
        buf_finish(&item->bytes);
    }
    assert(recorder->written <= batch->end && batch->end <= recorder->pushed);
    assert(recorder->items_written <= batch->items_end && batch->items_end <= recorder->items_pushed);
    recorder->written = batch->end;
    recorder->items_written = batch->items_end;
    if (is_empty(recorder)) {
        assert(recorder->bytes == 0 && recorder->urgent == 0);
        recorder->oldest_ns = 0;
    }
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

void *recorder_write_all(void *user)
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

void recorder_explain(struct recorder *recorder, struct diag *diag)
{
    pthread_mutex_lock(&recorder->mutex);
    if (recorder->rc != 0)
        (void) diag_fail(diag, recorder->rc, "%s", diag_text(&recorder->diag, recorder->rc));
    pthread_mutex_unlock(&recorder->mutex);
}

static bool has_room_for_tasks(const struct recorder *recorder, size_t count)
{
    return RECORDER_QUEUE_ROWS - (recorder->pushed - recorder->written) >= count;
}

static int copy_prompt(struct answer_place *beside)
{
    size_t size = beside->answer.prompt_tokens * sizeof *beside->prompt;
    beside->prompt = malloc(size > 0 ? size : 1);
    if (beside->prompt == NULL)
        return -ENOMEM;
    memcpy(beside->prompt, beside->answer.prompt, size);
    beside->answer.prompt = beside->prompt;
    return 0;
}

/* The answer's place beside its task's row; *answer, the next one, goes on when it is this task's. */
static int put_answer(struct recorder *recorder, size_t place, const struct db_answer **answer,
                      const struct db_answer *end)
{
    const struct db_task *task = &recorder->ring[place];
    const struct db_answer *next = *answer;
    if (recorder->answer == NULL)
        return 0;
    struct answer_place *beside = &recorder->answer[place];
    free(beside->prompt);
    beside->prompt = NULL;
    beside->is_taken = next < end && next->episode == task->episode && next->slot == task->slot &&
                       next->device == task->device;
    if (!beside->is_taken)
        return 0;
    beside->answer = *next;
    beside->answer.run_id = recorder->run_id;
    (*answer)++;
    return next->prompt != NULL ? copy_prompt(beside) : 0;
}

/* Mutex held: for good, since most runs have no answers. */
static int reserve_answers(struct recorder *recorder)
{
    if (recorder->answer == NULL)
        recorder->answer = calloc(RECORDER_QUEUE_ROWS, sizeof *recorder->answer);
    return recorder->answer != NULL ? 0 : -ENOMEM;
}

int recorder_tasks(struct recorder *recorder, const struct db_task *task, size_t count)
{
    return recorder_answered_tasks(recorder, task, count, NULL, 0);
}

int recorder_answered_tasks(struct recorder *recorder, const struct db_task *task, size_t count,
                            const struct db_answer *answer, size_t answers)
{
    const struct db_answer *end = answers > 0 ? answer + answers : answer;
    pthread_mutex_lock(&recorder->mutex);
    int rc = answers > 0 ? reserve_answers(recorder) : 0;
    for (size_t done = 0; done < count && rc == 0;) {
        size_t some = count - done < RECORDER_BATCH_ROWS ? count - done : RECORDER_BATCH_ROWS;
        wait_for_room(recorder, has_room_for_tasks, some);
        rc = recorder->rc;
        if (rc != 0)
            break;
        for (size_t i = 0; i < some && rc == 0; i++) {
            size_t place = (recorder->pushed + i) % RECORDER_QUEUE_ROWS;
            recorder->ring[place] = task[done + i];
            recorder->ring[place].run_id = recorder->run_id;
            rc = put_answer(recorder, place, &answer, end);
        }
        if (rc != 0)
            break;
        assert(has_room_for_tasks(recorder, some) && !recorder->closing);
        recorder->pushed += some;
        done += some;
        announce(recorder);
    }
    pthread_mutex_unlock(&recorder->mutex);
    assert(rc != 0 || answer == end); /* each was one of these tasks' */
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
        assert(has_room_for_item(recorder, item->bytes.size) && !recorder->closing);
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

int recorder_event(struct recorder *recorder, const struct db_event *event)
{
    struct item item = {.kind = ITEM_EVENT, .event = *event};
    size_t size = event->detail != NULL ? strlen(event->detail) + 1 : 0;
    int rc = buf_reserve(&item.bytes, size);
    if (rc != 0)
        return rc;
    item.event.run_id = recorder->run_id;
    item.event.detail = keep(&item.bytes, event->detail, size);
    return push_item(recorder, &item);
}

int recorder_surrogate(struct recorder *recorder, const char *table)
{
    struct item item = {.kind = ITEM_SURROGATE};
    int rc = buf_push(&item.bytes, table, strlen(table) + 1);
    return rc != 0 ? rc : push_item(recorder, &item);
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

int recorder_compute_sample(struct recorder *recorder, const struct db_compute_sample *sample)
{
    struct item item = {.kind = ITEM_COMPUTE_SAMPLE, .compute_sample = *sample};
    return push_item(recorder, &item);
}

/* What is in the item afterwards points into its own bytes. */
static int keep_checkpoint(struct recorder *recorder, struct item *item)
{
    struct db_checkpoint *checkpoint = &item->episode.checkpoint;
    struct db_experience *experience = &item->episode.experience;
    int rc =
        buf_reserve(&item->bytes, checkpoint->weights_size + checkpoint->learner_size + experience->size);
    if (rc != 0)
        return rc;
    checkpoint->run_id = experience->run_id = recorder->run_id;
    checkpoint->weights = keep(&item->bytes, checkpoint->weights, checkpoint->weights_size);
    checkpoint->learner = keep(&item->bytes, checkpoint->learner, checkpoint->learner_size);
    experience->bytes = keep(&item->bytes, experience->bytes, experience->size);
    return 0;
}

int recorder_episode(struct recorder *recorder, const struct db_episode *episode,
                     const struct db_checkpoint *checkpoint, const struct db_experience *experience)
{
    struct item item = {.kind = ITEM_EPISODE,
                        .episode = {.row = *episode, .has_checkpoint = checkpoint != NULL}};
    if (checkpoint != NULL)
        item.episode.checkpoint = *checkpoint;
    if (experience != NULL)
        item.episode.experience = *experience;
    int rc = keep_checkpoint(recorder, &item);
    if (rc != 0)
        return rc;
    item.episode.row.run_id = recorder->run_id;
    return push_item(recorder, &item);
}
