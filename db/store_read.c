#include "db/store.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/row_text.h"
#include "db/store_internal.h"

/* Reads a row's columns from left to right. */
struct reader {
    sqlite3_stmt *statement;
    int index;              /* of the next column */
    int code;               /* SQLITE_NOMEM once a text could not be fetched */
    const char *unknown_in; /* "table.column" of the first word that is not known; NULL: none */
    const char *unknown;    /* that word; NULL: NULL */
};

static int64_t read_integer(struct reader *reader, int64_t null_value)
{
    int index = reader->index++;
    if (sqlite3_column_type(reader->statement, index) == SQLITE_NULL)
        return null_value;
    return sqlite3_column_int64(reader->statement, index);
}

static uint32_t read_u32(struct reader *reader)
{
    return (uint32_t) read_integer(reader, 0); /* written from a uint32_t */
}

static double read_real(struct reader *reader)
{
    int index = reader->index++;
    if (sqlite3_column_type(reader->statement, index) == SQLITE_NULL)
        return NAN;
    return sqlite3_column_double(reader->statement, index);
}

static const char *read_text(struct reader *reader)
{
    int index = reader->index++;
    if (sqlite3_column_type(reader->statement, index) == SQLITE_NULL)
        return NULL;
    const char *text = (const char *) sqlite3_column_text(reader->statement, index);
    if (text == NULL)
        reader->code = SQLITE_NOMEM;
    return text;
}

/* A word as its enumerator; 0 for one that is not known, which check_reader refuses. */
static int read_word(struct reader *reader, const char *column, int (*find)(const char *text))
{
    const char *text = read_text(reader);
    int word = find(text);
    if (word >= 0)
        return word;
    if (reader->unknown_in == NULL) {
        reader->unknown_in = column;
        reader->unknown = text;
    }
    return 0;
}

/* The readers below take the columns in the order of store.c's SELECTs. */
static void read_run(struct reader *reader, struct db_run *run)
{
    run->run_id = read_integer(reader, 0);
    run->kind = (enum db_run_kind) read_word(reader, "run.kind", store_find_kind);
    run->scenario_name = read_text(reader);
    run->scenario = read_text(reader);
    run->config_json = read_text(reader);
    run->seed = (uint64_t) read_integer(reader, 0);
    run->policy = read_text(reader);
    run->parent_run_id = read_integer(reader, 0);
    run->checkpoint_episode = read_integer(reader, -1);
    run->phase = (enum rng_phase) read_word(reader, "run.phase", store_find_phase);
    run->host = read_text(reader);
    const char *clock = read_text(reader);
    run->real_clock = clock != NULL && strcmp(clock, "real") == 0;
    run->time_scale = read_real(reader);
    const char *mode = read_text(reader);
    run->queue = mode != NULL && strcmp(mode, "queue") == 0;
    run->version = read_text(reader);
    run->cpu = read_text(reader);
    run->started_utc = read_text(reader);
    run->status = (enum db_run_status) read_word(reader, "run.status", store_find_status);
    run->trusted = read_integer(reader, 0) != 0;
    run->untrusted_reason = read_text(reader);
    run->policy_sees = read_text(reader);
    run->updates = read_integer(reader, -1);
    run->vector_path = read_text(reader);
    run->libc = read_text(reader);
    run->linalg = read_text(reader);
    run->arithmetic = read_integer(reader, 0);
    run->surrogate = read_text(reader);
    run->prompt = NULL; /* store_read_prompt */
    run->prompt_tokens = 0;
    run->prompt_bytes = NULL;
}

_Static_assert(
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "node.requests, run.prompt_tokens and answer.answer are little-endian, and so must this machine be");

/* SQLite aligns a blob's memory as malloc does. */
static const void *read_bytes(struct reader *reader, size_t *ret_size)
{
    int index = reader->index++;
    const void *bytes = sqlite3_column_blob(reader->statement, index);
    *ret_size = (size_t) sqlite3_column_bytes(reader->statement, index);
    if (bytes == NULL && *ret_size > 0)
        reader->code = SQLITE_NOMEM;
    return bytes;
}

static void read_node(struct reader *reader, struct db_node *node)
{
    node->run_id = read_integer(reader, 0);
    const char *role = read_text(reader);
    node->is_server = role != NULL && strcmp(role, "server") == 0;
    node->number = read_u32(reader);
    node->flops = read_real(reader);
    node->power_w = read_real(reader);
    node->transmit_power_w = read_real(reader);
    node->x_m = read_real(reader);
    node->y_m = read_real(reader);
    node->max_split = read_integer(reader, -1);
    node->memory_bytes = read_real(reader);
    node->requests = read_bytes(reader, &node->request_count);
    node->request_count /= sizeof *node->requests;
    node->address = read_text(reader);
    node->rate_trace = read_bytes(reader, &node->rate_trace_size);
    node->place_trace = read_bytes(reader, &node->place_trace_size);
    node->tier = read_text(reader);
}

/* Kinds of task.def. */
#define READ_WHOLE(reader, column) read_u32(reader)
#define READ_SERVER(reader, column) (int32_t) read_integer(reader, DB_SERVER_NULL)
#define READ_FLAG(reader, column) (read_integer(reader, 0) != 0)
#define READ_REAL(reader, column) read_real(reader)
#define READ_STATUS(reader, column)                                                                          \
    (enum db_task_status) read_word(reader, "task." column, db_find_task_status)

static void read_task(struct reader *reader, struct db_task *task)
{
#define TASK_RUN(name, unit, meaning) task->name = read_integer(reader, 0);
#define TASK(name, kind, unit, role, meaning) task->name = READ_##kind(reader, #name);
#include "db/task.def"
}

/* Whether the row holds as many tokens as it says. */
static bool read_answer(struct reader *reader, struct db_answer *answer)
{
    size_t size = 0, prompt_size = 0;
    answer->run_id = read_integer(reader, 0);
    answer->episode = read_u32(reader);
    answer->slot = read_u32(reader);
    answer->device = read_u32(reader);
    int64_t tokens = read_integer(reader, -1);
    answer->is_kept = sqlite3_column_type(reader->statement, reader->index) != SQLITE_NULL;
    const void *bytes = read_bytes(reader, &size);
    answer->first_token_s = read_real(reader);
    answer->device_layer_s = read_real(reader);
    answer->server_layer_s = read_real(reader);
    answer->activation_bytes = (uint64_t) read_integer(reader, 0);
    answer->overridden = read_integer(reader, 0) != 0;
    answer->prompt = read_bytes(reader, &prompt_size);
    answer->prompt_tokens = (uint32_t) (prompt_size / sizeof *answer->prompt);
    if (tokens < 0 || tokens > (int64_t) DB_ANSWER_MAX || prompt_size % sizeof *answer->prompt != 0 ||
        (answer->is_kept && size != (size_t) tokens * sizeof *answer->token))
        return false;
    answer->tokens = (uint32_t) tokens;
    memset(answer->token, 0, sizeof answer->token);
    if (bytes != NULL)
        memcpy(answer->token, bytes, size);
    return true;
}

static void read_event(struct reader *reader, struct db_event *event)
{
    event->run_id = read_integer(reader, 0);
    event->episode = read_u32(reader);
    event->slot = read_u32(reader);
    event->phase = (enum db_event_phase) read_word(reader, "event.phase", db_find_event_phase);
    event->kind = (enum db_event_kind) read_word(reader, "event.kind", db_find_event_kind);
    event->role = (enum db_event_role) read_word(reader, "event.role", db_find_event_role);
    event->number = read_integer(reader, DB_EVENT_NULL);
    event->action = (enum db_event_action) read_word(reader, "event.action", db_find_event_action);
    event->until_slot = read_integer(reader, DB_EVENT_NULL);
    event->from_server = read_integer(reader, DB_EVENT_NULL);
    event->to_server = read_integer(reader, DB_EVENT_NULL);
    event->task_slot = read_integer(reader, DB_EVENT_NULL);
    event->speed = read_real(reader);
    event->detail = read_text(reader);
}

static void read_checkpoint(struct reader *reader, struct db_checkpoint *checkpoint)
{
    checkpoint->run_id = read_integer(reader, 0);
    checkpoint->episode = read_u32(reader);
    checkpoint->weights_size = (size_t) read_integer(reader, 0);
    checkpoint->learner_size = (size_t) read_integer(reader, 0);
    checkpoint->validation_cost = read_real(reader);
}

/* The next row as a reader: 1, 0 after the last, or an error. */
static int next_row(struct store *store, struct binder *binder, struct reader *reader, struct diag *diag)
{
    *reader = (struct reader){.statement = binder->statement, .index = 0, .code = SQLITE_OK};
    return store_step(store, binder, "read it", diag);
}

static int check_reader(struct store *store, const struct reader *reader, struct diag *diag)
{
    assert(reader->index == sqlite3_column_count(reader->statement)); /* every column has been read */
    if (reader->code != SQLITE_OK)
        return db_fail(store->db, reader->code, "read it", diag);
    if (reader->unknown_in != NULL)
        return diag_fail(diag, ERR_CORRUPT, "%s: %s is '%s', which is none of its words", store->db->path,
                         reader->unknown_in, reader->unknown != NULL ? reader->unknown : "NULL");
    return 0;
}

/* Copies the run's texts into memory reserved beforehand: nothing moves while pointers into it are being
 * made. */
static int keep_texts(struct db_run *run, struct buf *arena)
{
    const char **const texts[] = {
        &run->scenario_name,    &run->scenario, &run->config_json, &run->policy,      &run->host,
        &run->version,          &run->cpu,      &run->started_utc, &run->policy_sees, &run->vector_path,
        &run->untrusted_reason, &run->libc,     &run->linalg,      &run->surrogate};
    size_t count = sizeof texts / sizeof *texts;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += *texts[i] != NULL ? strlen(*texts[i]) + 1 : 0;
    int rc = buf_reserve(arena, total);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (*texts[i] == NULL)
            continue;
        size_t at = arena->size;
        rc = buf_push(arena, *texts[i], strlen(*texts[i]) + 1);
        if (rc == 0)
            *texts[i] = (const char *) arena->data + at;
    }
    return rc;
}

int store_read_run(struct store *store, int64_t run_id, struct db_run *ret_run, struct buf *arena,
                   struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_RUN);
    binder_integer(&binder, run_id);
    struct reader reader;
    struct db_run run = {0};
    int rc = next_row(store, &binder, &reader, diag);
    if (rc == 0 && run_id == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "%s: holds no run", store->db->path);
    else if (rc == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "%s: holds no run %lld", store->db->path, (long long) run_id);
    if (rc == 1) {
        read_run(&reader, &run);
        rc = check_reader(store, &reader, diag);
        if (rc == 0)
            rc = keep_texts(&run, arena);
    }
    store_reset(&binder);
    if (rc == 0)
        *ret_run = run;
    return rc;
}

int store_read_prompt(struct store *store, int64_t run_id, struct buf *tokens, struct buf *bytes,
                      struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_PROMPT);
    binder_integer(&binder, run_id);
    struct reader reader;
    size_t size = 0, lengths = 0;
    int rc = next_row(store, &binder, &reader, diag);
    assert(tokens->size == 0 && bytes->size == 0);
    if (rc == 1) {
        const void *ids = read_bytes(&reader, &size), *each = read_bytes(&reader, &lengths);
        rc = check_reader(store, &reader, diag);
        if (rc == 0 && size % sizeof(uint32_t) != 0)
            rc = diag_fail(diag, ERR_CORRUPT,
                           "%s: run %lld: prompt_tokens has %zu bytes, which is no list of tokens of 4 bytes",
                           store->db->path, (long long) run_id, size);
        if (rc == 0 && lengths != 0 && lengths != size / sizeof(uint32_t))
            rc = diag_fail(diag, ERR_CORRUPT,
                           "%s: run %lld: prompt_bytes has %zu bytes, one for each of %zu tokens",
                           store->db->path, (long long) run_id, lengths, size / sizeof(uint32_t));
        if (rc == 0 && size > 0)
            rc = buf_push(tokens, ids, size);
        if (rc == 0 && lengths > 0)
            rc = buf_push(bytes, each, lengths);
    }
    store_reset(&binder);
    return rc;
}

int store_each_run(struct store *store, int (*row)(void *user, const struct db_run *run), void *user,
                   struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_RUNS);
    struct reader reader;
    struct db_run run;
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        read_run(&reader, &run);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &run)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_each_node(struct store *store, int64_t run_id, int (*row)(void *user, const struct db_node *node),
                    void *user, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_NODES);
    binder_integer(&binder, run_id);
    struct reader reader;
    struct db_node node;
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        read_node(&reader, &node);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &node)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_each_task(struct store *store, int64_t run_id, int (*row)(void *user, const struct db_task *task),
                    void *user, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_TASKS);
    binder_integer(&binder, run_id);
    struct reader reader;
    struct db_task task;
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        read_task(&reader, &task);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &task)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_each_event(struct store *store, int64_t run_id,
                     int (*row)(void *user, const struct db_event *event), void *user, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_EVENTS);
    binder_integer(&binder, run_id);
    struct reader reader;
    struct db_event event;
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        read_event(&reader, &event);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &event)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_each_twin_part(struct store *store, int64_t real_run_id,
                         int (*row)(void *user, const struct db_twin_part *part), void *user,
                         struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_TWIN_PARTS);
    binder_integer(&binder, real_run_id);
    struct reader reader;
    struct db_twin_part part;
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        part.part = read_text(&reader);
        part.tasks = (uint64_t) read_integer(&reader, 0);
        part.virtual_mean = read_real(&reader);
        part.real_mean = read_real(&reader);
        part.mape_pct = read_real(&reader);
        part.off_pct = read_real(&reader);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &part)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_each_checkpoint(struct store *store, int64_t run_id,
                          int (*row)(void *user, const struct db_checkpoint *checkpoint), void *user,
                          struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_CHECKPOINTS);
    binder_integer(&binder, run_id);
    struct reader reader;
    struct db_checkpoint checkpoint = {0}; /* without blobs */
    int rc;
    while ((rc = next_row(store, &binder, &reader, diag)) == 1) {
        read_checkpoint(&reader, &checkpoint);
        if ((rc = check_reader(store, &reader, diag)) != 0 || (rc = row(user, &checkpoint)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

/* The one row of a bound statement: a checkpoint and, as its last column, one of the two blobs. */
static int read_blob(struct store *store, struct binder *binder, const char *what,
                     struct db_checkpoint *ret_checkpoint, struct buf *bytes, struct diag *diag)
{
    struct reader reader;
    struct db_checkpoint checkpoint = {0};
    int rc = next_row(store, binder, &reader, diag);
    if (rc == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "%s: the run has no such %s", store->db->path, what);
    if (rc == 1) {
        read_checkpoint(&reader, &checkpoint);
        const void *blob = sqlite3_column_blob(binder->statement, reader.index);
        size_t size = (size_t) sqlite3_column_bytes(binder->statement, reader.index);
        if (blob == NULL && size > 0)
            rc = db_fail(store->db, SQLITE_NOMEM, "read it", diag);
        else
            rc = buf_push(bytes, blob, size);
    }
    store_reset(binder);
    if (rc == 0)
        *ret_checkpoint = checkpoint;
    return rc;
}

int store_read_checkpoint(struct store *store, int64_t run_id, int64_t episode,
                          struct db_checkpoint *ret_checkpoint, struct buf *weights, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_WEIGHTS);
    binder_integer(&binder, run_id);
    binder_integer(&binder, episode);
    size_t at = weights->size;
    int rc = read_blob(store, &binder, "checkpoint", ret_checkpoint, weights, diag);
    if (rc == 0)
        ret_checkpoint->weights = weights->data != NULL ? weights->data + at : NULL;
    return rc;
}

int store_read_learner(struct store *store, int64_t run_id, struct db_checkpoint *ret_checkpoint,
                       struct buf *learner, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_LEARNER);
    binder_integer(&binder, run_id);
    size_t at = learner->size;
    int rc = read_blob(store, &binder, "learner state", ret_checkpoint, learner, diag);
    if (rc == 0)
        ret_checkpoint->learner = learner->data != NULL ? learner->data + at : NULL;
    return rc;
}

void store_tasks_open(struct store *store, int64_t run_id)
{
    struct binder binder = store_start(store, SELECT_TASKS);
    store_reset(&binder);
    binder_integer(&binder, run_id);
}

int store_tasks_next(struct store *store, struct db_task *ret_task, struct diag *diag)
{
    struct binder binder = {.statement = store->statement[SELECT_TASKS], .code = SQLITE_OK};
    struct reader reader;
    struct db_task task;
    int rc = next_row(store, &binder, &reader, diag);
    if (rc != 1) {
        store_reset(&binder);
        return rc;
    }
    read_task(&reader, &task);
    int check = check_reader(store, &reader, diag);
    if (check != 0)
        return check;
    *ret_task = task;
    return rc;
}

void store_answers_open(struct store *store, int64_t run_id)
{
    struct binder binder = store_start(store, SELECT_ANSWERS);
    store_reset(&binder);
    binder_integer(&binder, run_id);
}

int store_answers_next(struct store *store, struct db_answer *ret_answer, struct diag *diag)
{
    struct binder binder = {.statement = store->statement[SELECT_ANSWERS], .code = SQLITE_OK};
    struct reader reader;
    struct db_answer answer;
    int rc = next_row(store, &binder, &reader, diag);
    if (rc != 1) {
        store_reset(&binder);
        return rc;
    }
    bool whole = read_answer(&reader, &answer);
    int check = check_reader(store, &reader, diag);
    if (check == 0 && !whole)
        check =
            diag_fail(diag, ERR_CORRUPT,
                      "%s: the answer in episode %u, slot %u of device %u has not as many tokens as it says",
                      store->db->path, answer.episode, answer.slot, answer.device);
    if (check != 0)
        return check;
    *ret_answer = answer;
    return rc;
}
