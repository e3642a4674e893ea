#include "mobile-node/task_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/env.h"

#define BYTE_BITS 8u

/* Of a task whose device computes its layers in chunks: rows behind them. */
struct line {
    struct compute_series *series;
    uint32_t chunks, asked, computed;
    struct shared_bytes *activation; /* of all rows, filled chunk by chunk */
};

struct open_task {
    struct open_task *next; /* of its device */
    struct task_store *store;
    struct layer_work work; /* what is computed, or was last */
    uint32_t at;            /* layers that `activation`, which has all rows, has gone through */
    struct shared_bytes *activation;
    struct line *line;       /* in chunks, until all are computed; else NULL */
    struct compute_job *job; /* NULL: nothing is computed */
    bool has_head;           /* the job is the head, on a server's row */
    uint32_t then;           /* behind the job, layers up to this one; 0: nothing */
    bool offloads;           /* a server gets, or got, the rest of it */
    bool reported;
    uint32_t served_by; /* of the row that the head is applied to */
    struct compute_answer answer;
    uint64_t bytes; /* that have crossed */
    double device_s, server_s;
};

/* Something a device has said that has to wait. */
struct said {
    struct said *next;
    uint32_t server;
    struct proto_message message; /* TASK or REPORT */
    struct buf frame;             /* another message, encoded: it has lists that die */
};

struct device_tasks {
    struct open_task *open;
    struct said *said, **said_end;
    struct slot_id slot;
    bool has_slot;
};

struct task_store {
    struct compute_jobs *jobs;
    const struct world *world;
    uint32_t first, count;
    const struct task_store_hooks *hooks;
    void *user;
    struct device_tasks device[];
};

/* ---- tasks ---- */

static struct device_tasks *device_of(struct task_store *store, uint32_t device)
{
    assert(device >= store->first && device - store->first < store->count);
    return &store->device[device - store->first];
}

static struct open_task *find(const struct task_store *store, uint64_t device, uint64_t round)
{
    if (device < store->first || device - store->first >= store->count)
        return NULL;
    struct open_task *task = store->device[device - store->first].open;
    while (task != NULL && task->work.round != round)
        task = task->next;
    return task;
}

static void destroy_line(struct line *line)
{
    if (line == NULL)
        return;
    compute_series_destroy(line->series);
    shared_bytes_give(line->activation);
    free(line);
}

static void destroy(struct open_task *task)
{
    compute_jobs_drop(task->job);
    destroy_line(task->line);
    shared_bytes_give(task->activation);
    free(task);
}

static struct shared_bytes *make_prompt(const struct task_store *store, const struct layer_work *work)
{
    struct shared_bytes *bytes =
        shared_bytes_create(compute_bytes(store->world, 0, work->tokens, work->coding));
    uint32_t *token = malloc(work->tokens * sizeof *token);
    if (bytes != NULL && token != NULL) {
        if (store->hooks->prompt != NULL)
            store->hooks->prompt(store->user, work->tokens, token);
        else
            compute_prompt(store->world, work->device, work->id, work->tokens, token);
        for (uint32_t i = 0; i < work->tokens; i++)
            for (uint32_t b = 0; b < sizeof *token; b++)
                bytes->data[sizeof *token * i + b] = (uint8_t) (token[i] >> BYTE_BITS * b);
    } else {
        shared_bytes_give(bytes);
        bytes = NULL;
    }
    free(token);
    return bytes;
}

static struct open_task *begin_task(struct task_store *store, const struct layer_work *work)
{
    struct open_task *task = calloc(1, sizeof *task);
    struct device_tasks *device = device_of(store, work->device);
    if (task == NULL)
        return NULL;
    assert(work->first_layer == 0 && work->tokens > 0);
    *task = (struct open_task){.store = store, .work = *work, .activation = make_prompt(store, work)};
    if (task->activation == NULL) {
        free(task);
        return NULL;
    }
    task->next = device->open;
    device->open = task;
    return task;
}

/* ---- what is said ---- */

/* Rows that a TASK brings. */
static struct chunk_rows rows_of(const struct msg_task *task)
{
    if (task->chunks == 0)
        return (struct chunk_rows){0, (uint32_t) task->tokens};
    return chunks_rows((uint32_t) task->tokens, (uint32_t) task->chunks, (uint32_t) task->chunk);
}

/* Are the activations of this TASK there? */
static bool is_there(const struct open_task *task, const struct msg_task *message)
{
    const struct line *line = task->line;
    return task->at == message->split || (line != NULL && task->work.last_layer == message->split &&
                                          message->chunk < line->computed && message->chunks == line->chunks);
}

/* Has what the message waits for come? */
static bool may_leave(const struct task_store *store, const struct said *said)
{
    const struct proto_message *message = &said->message;
    const struct open_task *task;
    if (message->id == PROTO_TASK) {
        task = find(store, message->task.device, message->task.round);
        return task == NULL || is_there(task, &message->task);
    }
    if (message->id != PROTO_REPORT)
        return true;
    task = find(store, message->report.device, message->report.round);
    return task == NULL || (task->answer.count > 0 && task->job == NULL);
}

static void send_report(struct task_store *store, struct open_task *task, const struct proto_message *message)
{
    struct proto_message whole = *message;
    struct msg_report *report = &whole.report;
    report->answer = (struct proto_u32s){task->answer.token, task->answer.count};
    report->activation_bytes = task->bytes;
    report->device_compute_s = task->device_s;
    report->server_compute_s = report->served_by == PROTO_SERVER_NONE ? 0.0 : task->server_s;
    report->first_token_s = report->latency_s; /* an answer has one token */
    report->nll = task->answer.score.nats;
    report->nll_tokens = task->answer.score.tokens;
    report->nll_bytes = task->answer.score.bytes;
    task->reported = true;
    store->hooks->send(store->user, PROTO_SERVER_NONE, &whole, NULL);
}

/* What a task that is forgotten had to say is not sent. */
static void leave(struct task_store *store, struct said *said)
{
    const struct proto_message *message = &said->message;
    struct open_task *task;
    if (message->id == PROTO_TASK) {
        const struct shared_slice activation = task_store_activation(store, &message->task);
        if (activation.bytes != NULL)
            store->hooks->send(store->user, said->server, message, &activation);
    } else if (message->id == PROTO_REPORT) {
        task = find(store, message->report.device, message->report.round);
        if (task != NULL)
            send_report(store, task, message);
    } else {
        store->hooks->send_frame(store->user, said->frame.data, said->frame.size);
    }
}

static void let_leave(struct task_store *store, struct device_tasks *device)
{
    while (device->said != NULL && may_leave(store, device->said)) {
        struct said *said = device->said;
        device->said = said->next;
        if (device->said == NULL)
            device->said_end = &device->said;
        leave(store, said);
        buf_finish(&said->frame);
        free(said);
    }
}

int task_store_say(struct task_store *store, uint32_t device, uint32_t server,
                   const struct proto_message *message)
{
    struct device_tasks *tasks = device_of(store, device);
    bool is_kept = message->id == PROTO_TASK || message->id == PROTO_REPORT;
    if (tasks->said == NULL && !is_kept) {
        store->hooks->send(store->user, server, message, NULL);
        return 0;
    }
    struct said *said = calloc(1, sizeof *said);
    int rc = said == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        said->server = server;
        said->message = *message;
        rc = is_kept ? 0 : proto_encode(message, &said->frame, NULL);
    }
    if (rc != 0) {
        free(said);
        return rc;
    }
    struct open_task *task = message->id == PROTO_TASK ? find(store, device, message->task.round) : NULL;
    if (task != NULL)
        task->offloads = true;
    *tasks->said_end = said;
    tasks->said_end = &said->next;
    let_leave(store, tasks);
    return 0;
}

/* ---- computing ---- */

static int go_on(struct open_task *task);

static void fail_memory(struct task_store *store)
{
    store->hooks->on_failure(store->user, "a task's layers: out of memory");
}

/* Another chunk is there. Behind the last the line ends. */
static void take_chunk(struct open_task *task, const struct compute_job_result *result)
{
    struct line *line = task->line;
    const struct world *world = task->store->world;
    const struct chunk_rows rows = chunks_rows(task->work.tokens, line->chunks, line->computed);
    size_t at = compute_bytes(world, task->work.last_layer, rows.first, task->work.coding);
    assert(result->out->size == compute_bytes(world, task->work.last_layer, rows.count, task->work.coding));
    memcpy(line->activation->data + at, result->out->data, result->out->size);
    line->computed++;
    if (line->computed < line->chunks)
        return;
    shared_bytes_give(task->activation);
    task->activation = shared_bytes_take(line->activation);
    task->at = task->work.last_layer;
    destroy_line(line);
    task->line = NULL;
}

static void on_done(void *user, const struct compute_job_result *result)
{
    struct open_task *task = user;
    struct task_store *store = task->store;
    struct layer_work work = task->work;
    task->job = NULL;
    if (result->code != 0) { /* its own rows */
        store->hooks->on_failure(store->user, result->reason);
        return;
    }
    task->device_s += result->seconds;
    if (task->line != NULL) {
        take_chunk(task, result);
    } else if (work.last_layer == store->world->llm->layers) {
        task->answer = result->answer;
    } else {
        shared_bytes_give(task->activation);
        task->activation = shared_bytes_take(result->out);
        task->at = work.last_layer;
    }
    if (go_on(task) != 0) {
        fail_memory(store);
        return;
    }
    if (store->hooks->on_computed != NULL)
        store->hooks->on_computed(store->user, &work, result);
    let_leave(store, device_of(store, work.device)); /* the hook may have ended the task */
}

/* What the device computes with has not crossed anything. */
static struct compute_origin origin_of(const struct open_task *task)
{
    return (struct compute_origin){
        .device = task->work.device,
        .id = task->work.id,
        .is_own_prompt = task->store->hooks->prompt != NULL,
    };
}

/* Layers from where the activations are. With the head at the device, the last row of a task that goes to a server is
 * encoded there. It is encoded here too when the server is lost, so that the answer is the same. */
static int start(struct open_task *task, uint32_t last)
{
    struct task_store *store = task->store;
    bool as_server = last == store->world->llm->layers && task->offloads &&
                     store->world->scenario.compute.head == COMPUTE_HEAD_DEVICE;
    assert(task->job == NULL && task->at < last);
    task->work.first_layer = task->at;
    task->work.last_layer = last;
    task->work.rows = (struct chunk_rows){0, task->work.tokens};
    const struct compute_origin origin = origin_of(task);
    const struct compute_job_task job = {
        .first = task->at,
        .last = last,
        .tokens = task->work.tokens,
        .coding = task->work.coding,
        .origin = &origin,
        .in = task->activation,
        .encodes_row = as_server,
        .applies_head = as_server,
        .on_done = on_done,
        .user = task,
    };
    return compute_jobs_start(store->jobs, &job, &task->job);
}

/* The next chunk through the device's layers. */
static int start_chunk(struct open_task *task)
{
    struct line *line = task->line;
    const struct chunk_rows rows = chunks_rows(task->work.tokens, line->chunks, line->computed);
    struct task_store *store = task->store;
    const size_t size = compute_bytes(store->world, 0, rows.count, task->work.coding);
    struct shared_bytes *ids = shared_bytes_create(size);
    if (ids == NULL)
        return -ENOMEM;
    memcpy(ids->data, task->activation->data + compute_bytes(store->world, 0, rows.first, task->work.coding),
           size);
    task->work.rows = rows;
    const struct compute_job_task job = {
        .last = task->work.last_layer,
        .tokens = task->work.tokens,
        .coding = task->work.coding,
        .series = line->series,
        .rows = rows.count,
        .in = ids,
        .on_done = on_done,
        .user = task,
    };
    int rc = compute_jobs_start(store->jobs, &job, &task->job);
    shared_bytes_give(ids); /* the job has its share */
    return rc;
}

/* What is to be computed next, if anything is. */
static int go_on(struct open_task *task)
{
    uint32_t then = task->then;
    assert(task->job == NULL);
    if (task->line != NULL)
        return task->line->computed < task->line->asked ? start_chunk(task) : 0;
    task->then = 0;
    return then > 0 ? start(task, then) : 0;
}

static int begin_line(struct open_task *task, const struct layer_work *work)
{
    const struct world *world = task->store->world;
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return -ENOMEM;
    *line = (struct line){
        .series = compute_series_create(),
        .chunks = chunks_of(world, work->tokens, work->last_layer),
        .activation = shared_bytes_create(compute_bytes(world, work->last_layer, work->tokens, work->coding)),
    };
    if (line->series == NULL || line->activation == NULL) {
        destroy_line(line);
        return -ENOMEM;
    }
    task->line = line;
    task->work = *work;
    return 0;
}

/* Device's layers of one chunk: they are asked for in order. */
static int compute_chunk(struct open_task *task, const struct layer_work *work)
{
    int rc = 0;
    task->offloads = true;
    if (work->last_layer == 0 || task->at == work->last_layer)
        return 0; /* no layers, or computed */
    assert(work->first_layer == 0 && task->at == 0);
    if (task->line == NULL)
        rc = begin_line(task, work);
    if (rc != 0)
        return rc;
    struct line *line = task->line;
    if (line->asked < line->chunks &&
        chunks_rows(work->tokens, line->chunks, line->asked).first == work->rows.first)
        line->asked++;
    return task->job == NULL ? go_on(task) : 0;
}

int task_store_compute(struct task_store *store, const struct layer_work *work)
{
    struct open_task *task = find(store, work->device, work->round);
    uint32_t layers = store->world->llm->layers;
    if (task == NULL)
        task = begin_task(store, work);
    if (task == NULL)
        return -ENOMEM;
    if (work->rows.count < work->tokens)
        return compute_chunk(task, work);
    task->offloads = task->offloads || work->last_layer < layers;
    bool is_done = work->last_layer == layers ? task->answer.count > 0 : task->at == work->last_layer;
    bool is_wanted =
        task->job != NULL && (task->work.last_layer == work->last_layer || task->then == work->last_layer);
    if (work->first_layer == work->last_layer || is_done || is_wanted)
        return 0;
    if (task->job == NULL && task->line == NULL)
        return start(task, work->last_layer);
    task->then = work->last_layer; /* behind the job, and all chunks */
    return 0;
}

bool task_store_computes(const struct task_store *store, uint32_t device, uint64_t round)
{
    const struct open_task *task = find(store, device, round);
    return task != NULL && task->job != NULL;
}

struct shared_slice task_store_activation(struct task_store *store, const struct msg_task *message)
{
    struct open_task *task = find(store, message->device, message->round);
    if (task == NULL || !is_there(task, message))
        return (struct shared_slice){0};
    const uint32_t split = (uint32_t) message->split;
    const struct chunk_rows rows = rows_of(message);
    const struct shared_slice slice = {
        .bytes = task->at == split ? task->activation : task->line->activation,
        .at = compute_bytes(store->world, split, rows.first, task->work.coding),
        .size = compute_bytes(store->world, split, rows.count, task->work.coding),
    };
    task->offloads = true;
    task->bytes += slice.size;
    return slice;
}

/* ---- answers ---- */

static void on_head(void *user, const struct compute_job_result *result)
{
    struct open_task *task = user;
    struct task_store *store = task->store;
    uint32_t device = task->work.device;
    task->job = NULL;
    task->has_head = false;
    if (result->code != 0 && result->is_ours) {
        store->hooks->on_failure(store->user, result->reason);
        return;
    }
    if (store->hooks->on_head != NULL)
        store->hooks->on_head(store->user, result);
    if (result->code != 0) {
        store->hooks->on_bad_row(store->user, device, task->served_by, result->reason);
        return;
    }
    task->answer = result->answer;
    task->device_s += result->seconds;
    let_leave(store, device_of(store, device));
}

static int start_head(struct open_task *task, const struct msg_result *result)
{
    struct task_store *store = task->store;
    struct shared_bytes *row = shared_bytes_create(result->activation.size);
    if (row == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < row->size; i++)
        row->data[i] = result->activation.data[i];
    const struct compute_job_task job = {
        .first = store->world->llm->layers,
        .last = store->world->llm->layers,
        .tokens = 1,
        .coding = task->work.coding,
        .in = row,
        .applies_head = true,
        .on_done = on_head,
        .user = task,
    };
    int rc = compute_jobs_start(store->jobs, &job, &task->job);
    task->has_head = rc == 0;
    shared_bytes_give(row);
    return rc;
}

static int check_result(const struct open_task *task, const struct msg_result *result, struct diag *diag)
{
    const struct world *world = task->store->world;
    bool at_device = world->scenario.compute.head == COMPUTE_HEAD_DEVICE;
    size_t row = at_device ? compute_row_bytes(world, task->work.coding) : 0, tokens = at_device ? 0 : 1;
    if (result->activation.size != row || result->tokens.count != tokens)
        return diag_fail(
            diag, ERR_RANGE,
            "RESULT of device %llu: %zu tokens and %zu bytes of a row came, and %zu and %zu were due",
            (unsigned long long) result->device, result->tokens.count, result->activation.size, tokens, row);
    for (size_t i = 0; i < tokens; i++)
        if (result->tokens.data[i] >= world->llm->vocab)
            return diag_fail(diag, ERR_RANGE, "RESULT of device %llu: token %u of a vocabulary of %u",
                             (unsigned long long) result->device, result->tokens.data[i], world->llm->vocab);
    return 0;
}

int task_store_take_result(struct task_store *store, const struct msg_result *result, struct diag *diag)
{
    struct open_task *task = find(store, result->device, result->round);
    int rc = task != NULL ? check_result(task, result, diag) : 0;
    if (rc != 0 || task == NULL || task->answer.count > 0 || task->job != NULL)
        return rc;
    task->server_s = result->compute_s;
    task->served_by = (uint32_t) result->server;
    if (result->activation.size > 0) {
        task->bytes += result->activation.size;
        rc = start_head(task, result);
        return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
    }
    task->answer.score =
        (struct likelihood){.nats = result->nll, .tokens = result->nll_tokens, .bytes = result->nll_bytes};
    task->answer.count = (uint32_t) result->tokens.count;
    for (uint32_t i = 0; i < task->answer.count; i++)
        task->answer.token[i] = result->tokens.data[i];
    return 0;
}

/* ---- slots ---- */

/* Forgets tasks before `round`; `all`: also those that have not been reported. */
static void forget(struct task_store *store, struct device_tasks *device, uint64_t round, bool all)
{
    struct open_task **place = &device->open;
    while (*place != NULL) {
        struct open_task *task = *place;
        if (task->work.round >= round || !(all || task->reported)) {
            place = &task->next;
            continue;
        }
        *place = task->next;
        destroy(task);
    }
    let_leave(store, device);
}

void task_store_begin_slot(struct task_store *store, uint32_t device, const struct msg_slot *slot)
{
    struct device_tasks *tasks = device_of(store, device);
    struct slot_id id = {(enum rng_phase) slot->phase, (uint32_t) slot->episode, (uint32_t) slot->slot};
    bool follows = tasks->has_slot && tasks->slot.phase == id.phase && tasks->slot.episode == id.episode &&
                   tasks->slot.slot + 1 == id.slot;
    tasks->slot = id;
    tasks->has_slot = true;
    if (!follows || !env_is_queue(store->world))
        forget(store, tasks, slot->round, true);
}

void task_store_begin_task(struct task_store *store, uint32_t device)
{
    forget(store, device_of(store, device), UINT64_MAX, false);
}

/* What the lost server made of the activations that it got. Whoever goes on may get others. */
static void forget_answer(struct open_task *task)
{
    task->answer = (struct compute_answer){0};
    if (!task->has_head)
        return;
    compute_jobs_drop(task->job);
    task->job = NULL;
    task->has_head = false;
}

void task_store_take_back(struct task_store *store, uint32_t device, uint64_t round)
{
    struct open_task *task = find(store, device, round);
    if (task == NULL)
        return;
    task->reported = false;
    if (store->world->scenario.channel.mode != CHANNEL_RELIABLE)
        forget_answer(task);
}

int task_store_create(struct task_store **ret_store, struct compute_jobs *jobs, const struct world *world,
                      uint32_t first, uint32_t count)
{
    struct task_store *store = calloc(1, sizeof *store + count * sizeof store->device[0]);
    if (store == NULL)
        return -ENOMEM;
    store->jobs = jobs;
    store->world = world;
    store->first = first;
    store->count = count;
    for (uint32_t i = 0; i < count; i++)
        store->device[i].said_end = &store->device[i].said;
    *ret_store = store;
    return 0;
}

void task_store_set_hooks(struct task_store *store, const struct task_store_hooks *hooks, void *user)
{
    assert(hooks->send != NULL && hooks->send_frame != NULL && hooks->on_bad_row != NULL &&
           hooks->on_failure != NULL);
    store->hooks = hooks;
    store->user = user;
}

void task_store_stop(struct task_store *store)
{
    for (uint32_t i = 0; store != NULL && i < store->count; i++)
        for (struct open_task *task = store->device[i].open; task != NULL; task = task->next) {
            compute_jobs_drop(task->job);
            task->job = NULL;
        }
}

void task_store_destroy(struct task_store *store)
{
    for (uint32_t i = 0; store != NULL && i < store->count; i++) {
        struct device_tasks *device = &store->device[i];
        while (device->open != NULL) {
            struct open_task *task = device->open;
            device->open = task->next;
            destroy(task);
        }
        while (device->said != NULL) {
            struct said *said = device->said;
            device->said = said->next;
            buf_finish(&said->frame);
            free(said);
        }
    }
    free(store);
}
