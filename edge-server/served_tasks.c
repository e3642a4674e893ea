#include "edge-server/served_tasks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/model/chunks.h"
#include "core/model/env.h"
#include "edge-server/server_messages.h"

struct served_task {
    struct served_task *next; /* of its device */
    struct served_tasks *tasks;
    struct layer_work work;        /* its rows: of the present chunk, or of the last that is done */
    struct compute_series *series; /* in chunks; else NULL */
    uint32_t chunks, came, done;
    struct shared_bytes **in; /* [chunks] activations; NULL: not here yet, or the job has them */
    struct compute_job *job;  /* NULL: what is here is done */
    bool is_bad;
    bool is_answered; /* `result` waits for the job */
    struct slot_id id;
    struct compute_origin origin;
    struct proto_message result;
    struct compute_answer answer;
    struct shared_bytes *row; /* compute.head device */
    double seconds;
};

struct served_device {
    uint64_t piece_round;
    struct buf pieces; /* that have come for the TASK of that round */
    struct served_task *first;
};

struct served_tasks {
    struct compute_jobs *jobs;
    const struct world *world;
    uint32_t number;
    const struct served_tasks_hooks *hooks;
    void *user;
    uint32_t tokens_max; /* of a prompt */
    size_t bytes_max;    /* of a task's activations */
    struct served_device device[];
};

static struct served_task **find(struct served_tasks *tasks, uint32_t device, uint64_t round)
{
    assert(device < tasks->world->devices);
    struct served_task **place = &tasks->device[device].first;
    while (*place != NULL && (*place)->work.round != round)
        place = &(*place)->next;
    return place;
}

/* It has no job. NULL-safe. */
static void destroy(struct served_task *task)
{
    if (task == NULL)
        return;
    compute_series_destroy(task->series);
    for (uint32_t i = 0; task->in != NULL && i < task->chunks; i++)
        shared_bytes_give(task->in[i]);
    free(task->in);
    shared_bytes_give(task->row);
    free(task);
}

static void drop(struct served_task **place)
{
    struct served_task *task = *place;
    *place = task->next;
    compute_jobs_drop(task->job);
    destroy(task);
}

/* ---- pieces ---- */

int served_tasks_take_piece(struct served_tasks *tasks, const struct msg_piece *piece, struct diag *diag)
{
    assert(piece->device < tasks->world->devices);
    struct served_device *device = &tasks->device[piece->device];
    if (device->piece_round != piece->round || piece->bytes.size == 0)
        buf_clear(&device->pieces);
    device->piece_round = piece->round;
    if (piece->bytes.size > tasks->bytes_max - device->pieces.size)
        return diag_fail(diag, ERR_RANGE, "PIECEs of device %u: more than %zu bytes, which no task has",
                         (unsigned) piece->device, tasks->bytes_max);
    int rc = buf_push(&device->pieces, piece->bytes.data, piece->bytes.size);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

void served_tasks_drop_pieces(struct served_tasks *tasks, uint32_t device)
{
    buf_finish(&tasks->device[device].pieces);
}

/* ---- computing ---- */

static int send_answer(struct served_tasks *tasks, struct served_task **place)
{
    struct served_task *task = *place;
    struct msg_result *result = &task->result.result;
    result->compute_s = task->seconds;
    result->tokens = (struct proto_u32s){task->answer.token, task->answer.count};
    result->nll = task->answer.score.nats;
    result->nll_tokens = task->answer.score.tokens;
    result->nll_bytes = task->answer.score.bytes;
    if (task->row != NULL)
        result->activation = (struct proto_bytes){task->row->data, task->row->size};
    int rc = tasks->hooks->send(tasks->user, task->work.device, task->id, &task->result);
    drop(place);
    return rc;
}

static bool is_done(const struct served_task *task)
{
    return task->done == task->chunks;
}

static int start_next(struct served_task *task);

/* What became of the task with a job: it ends, goes on, or waits for more. */
static int settle(struct served_tasks *tasks, struct served_task *task)
{
    struct served_task **place = find(tasks, task->work.device, task->work.round);
    assert(*place == task && task->job == NULL);
    if (task->is_answered && task->is_bad)
        drop(place);
    else if (task->is_answered && is_done(task))
        return send_answer(tasks, place);
    else if (!task->is_bad && task->done < task->came)
        return start_next(task);
    return 0;
}

static void on_done(void *user, const struct compute_job_result *result)
{
    struct served_task *task = user;
    struct served_tasks *tasks = task->tasks;
    const struct layer_work work = task->work;
    task->job = NULL;
    if (result->code != 0 && result->is_ours) {
        tasks->hooks->on_failure(tasks->user, result->reason);
        return;
    }
    task->is_bad = result->code != 0;
    task->answer = result->answer;
    task->row = shared_bytes_take(result->out);
    task->seconds += result->seconds;
    task->done++;
    if (task->is_bad)
        tasks->hooks->on_bad_task(tasks->user, work.device, result->reason);
    if (settle(tasks, task) != 0)
        tasks->hooks->on_failure(tasks->user, "a task's layers: out of memory");
    else if (tasks->hooks->on_computed != NULL)
        tasks->hooks->on_computed(tasks->user, &work, result);
}

/* Rows that a TASK brings, checked. */
static struct chunk_rows rows_of(const struct msg_task *task)
{
    if (task->chunks == 0)
        return (struct chunk_rows){0, (uint32_t) task->tokens};
    return chunks_rows((uint32_t) task->tokens, (uint32_t) task->chunks, (uint32_t) task->chunk);
}

static int check_bytes(const struct served_tasks *tasks, const struct msg_task *task, size_t came,
                       struct diag *diag)
{
    uint32_t rows = rows_of(task).count;
    size_t due = compute_bytes(tasks->world, (uint32_t) task->split, rows, (uint32_t) task->coding);
    if (came == due)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "TASK of device %u: %zu bytes of activations came, and %zu were due for %u tokens behind layer %u",
        (unsigned) task->device, came, due, rows, (unsigned) task->split);
}

static int check_task(const struct served_tasks *tasks, const struct msg_task *task, size_t came,
                      struct diag *diag)
{
    if (task->tokens > tasks->tokens_max)
        return diag_fail(diag, ERR_RANGE, "TASK of device %u: %u tokens, and prompts have up to %u",
                         (unsigned) task->device, (unsigned) task->tokens, tasks->tokens_max);
    int rc = server_check_cut(tasks->world, task, diag);
    return rc != 0 ? rc : check_bytes(tasks, task, came, diag);
}

/* The next rows that are here. */
static int start_next(struct served_task *task)
{
    struct served_tasks *tasks = task->tasks;
    struct shared_bytes **in = &task->in[task->done];
    assert(task->job == NULL && *in != NULL);
    task->work.rows = chunks_rows(task->work.tokens, task->chunks, task->done);
    const struct compute_job_task job = {
        .first = task->work.first_layer,
        .last = task->work.last_layer,
        .tokens = task->work.tokens,
        .coding = task->work.coding,
        .series = task->series,
        .rows = task->work.rows.count,
        .origin = &task->origin,
        .in = *in,
        .encodes_row = tasks->world->scenario.compute.head == COMPUTE_HEAD_DEVICE,
        .on_done = on_done,
        .user = task,
    };
    int rc = compute_jobs_start(tasks->jobs, &job, &task->job);
    shared_bytes_give(*in); /* the job has its share */
    *in = NULL;
    return rc;
}

/* Rows that have come for the task. */
static int add(struct served_task *task, const struct buf *pieces)
{
    struct shared_bytes *in = shared_bytes_create(pieces->size);
    if (in == NULL)
        return -ENOMEM;
    memcpy(in->data, pieces->data, in->size);
    assert(task->came < task->chunks);
    task->in[task->came++] = in;
    return task->job == NULL && !task->is_bad ? start_next(task) : 0;
}

/* Its activations have crossed the task's channel. */
static struct compute_origin origin_of(const struct served_tasks *tasks, const struct msg_task *message)
{
    return (struct compute_origin){
        .device = (uint32_t) message->device,
        .id = {(enum rng_phase) message->phase, (uint32_t) message->episode, (uint32_t) message->slot},
        .has_crossed = true,
        .channel = message->channel,
        .server = tasks->number,
        .rate_bps = message->rate_bps,
        .is_own_prompt = world_is_guest(tasks->world, (uint32_t) message->device),
    };
}

static struct served_task *create(struct served_tasks *tasks, const struct msg_task *message)
{
    struct served_task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return NULL;
    *task = (struct served_task){
        .tasks = tasks,
        .work = {.device = (uint32_t) message->device,
                 .round = message->round,
                 .tokens = (uint32_t) message->tokens,
                 .first_layer = (uint32_t) message->split,
                 .last_layer = tasks->world->llm->layers,
                 .coding = (uint32_t) message->coding},
        .origin = origin_of(tasks, message),
        .chunks = message->chunks > 0 ? (uint32_t) message->chunks : 1,
        .series = message->chunks > 1 ? compute_series_create() : NULL,
    };
    task->in = calloc(task->chunks, sizeof(struct shared_bytes *));
    if (task->in != NULL && (task->chunks == 1 || task->series != NULL))
        return task;
    destroy(task);
    return NULL;
}

/* A task's first rows, or all. */
static int begin(struct served_tasks *tasks, struct served_device *device, const struct msg_task *message)
{
    served_tasks_drop(tasks, (uint32_t) message->device, message->round);
    while (!env_is_queue(tasks->world) && device->first != NULL)
        drop(&device->first);
    struct served_task *task = create(tasks, message);
    int rc = task == NULL ? -ENOMEM : add(task, &device->pieces);
    if (rc != 0) {
        destroy(task);
        return rc;
    }
    task->next = device->first;
    device->first = task;
    return 0;
}

/* One of the chunks behind the first. */
static int take_chunk(struct served_tasks *tasks, struct served_device *device,
                      const struct msg_task *message, struct diag *diag)
{
    struct served_task *task = *find(tasks, (uint32_t) message->device, message->round);
    if (task == NULL)
        return 0;
    bool follows = task->came == message->chunk && task->chunks == message->chunks &&
                   task->work.tokens == message->tokens && task->work.first_layer == message->split &&
                   task->work.coding == message->coding;
    if (!follows)
        return diag_fail(
            diag, ERR_STATE,
            "TASK of device %u: chunk %llu of %llu does not follow the %u of %u that came before",
            (unsigned) message->device, (unsigned long long) message->chunk,
            (unsigned long long) message->chunks, task->came, task->chunks);
    return add(task, &device->pieces);
}

int served_tasks_take(struct served_tasks *tasks, const struct msg_task *message, struct diag *diag)
{
    assert(message->device < tasks->world->devices);
    struct served_device *device = &tasks->device[message->device];
    if (message->coding >= tasks->world->codings.count)
        return diag_fail(diag, ERR_RANGE, "TASK of device %u: coding %u of %u", (unsigned) message->device,
                         (unsigned) message->coding, tasks->world->codings.count);
    if (message->split >= tasks->world->llm->layers)
        return 0; /* the core has a sentence for it */
    size_t came = device->piece_round == message->round ? device->pieces.size : 0;
    int rc = check_task(tasks, message, came, diag);
    if (rc != 0)
        return rc;
    rc = message->chunk > 0 ? take_chunk(tasks, device, message, diag) : begin(tasks, device, message);
    served_tasks_drop_pieces(tasks, (uint32_t) message->device);
    return rc == -ENOMEM ? diag_fail(diag, rc, "%s", err_text(rc)) : rc;
}

void served_tasks_drop(struct served_tasks *tasks, uint32_t device, uint64_t round)
{
    struct served_task **place = find(tasks, device, round);
    if (*place != NULL)
        drop(place);
}

void served_tasks_drop_before(struct served_tasks *tasks, uint64_t round)
{
    for (uint32_t n = 0; n < tasks->world->devices; n++) {
        struct served_task **place = &tasks->device[n].first;
        while (*place != NULL) {
            if ((*place)->work.round < round)
                drop(place);
            else
                place = &(*place)->next;
        }
    }
}

bool served_tasks_computes(const struct served_tasks *tasks, const struct layer_work *work)
{
    const struct served_task *task = tasks->device[work->device].first;
    while (task != NULL && task->work.round != work->round)
        task = task->next;
    if (task == NULL || task->job == NULL)
        return false;
    return task->work.rows.first <= work->rows.first; /* they go in order */
}

int served_tasks_answer(struct served_tasks *tasks, uint32_t device, struct slot_id id,
                        const struct proto_message *result)
{
    struct served_task **place = find(tasks, device, result->result.round), *task = *place;
    assert(result->id == PROTO_RESULT);
    if (task == NULL)
        return 0;
    task->is_answered = true;
    task->id = id;
    task->result = *result;
    if (task->is_bad)
        drop(place);
    else if (is_done(task))
        return send_answer(tasks, place);
    return 0;
}

/* ---- life ---- */

int served_tasks_create(struct served_tasks **ret_tasks, struct compute_jobs *jobs, const struct world *world,
                        uint32_t number, const struct served_tasks_hooks *hooks, void *user)
{
    const struct scenario *scenario = &world->scenario;
    struct served_tasks *tasks = calloc(1, sizeof *tasks + world->devices * sizeof tasks->device[0]);
    assert(hooks->send != NULL && hooks->on_bad_task != NULL && hooks->on_failure != NULL);
    if (tasks == NULL)
        return -ENOMEM;
    tasks->jobs = jobs;
    tasks->world = world;
    tasks->number = number;
    tasks->hooks = hooks;
    tasks->user = user;
    uint64_t longest =
        scenario->task.requests_csv[0] != '\0' ? scenario->task.tokens_max : scenario->task.tokens;
    tasks->tokens_max = scenario->devices.guests > 0 ? compute_jobs_context(jobs) : (uint32_t) longest;
    tasks->bytes_max = compute_bytes(world, 0, tasks->tokens_max, 0);
    for (uint32_t coding = 0; coding < world->codings.count; coding++) {
        size_t rows = compute_bytes(world, 1, tasks->tokens_max, coding);
        tasks->bytes_max = rows > tasks->bytes_max ? rows : tasks->bytes_max;
    }
    *ret_tasks = tasks;
    return 0;
}

void served_tasks_stop(struct served_tasks *tasks)
{
    for (uint32_t n = 0; tasks != NULL && n < tasks->world->devices; n++)
        for (struct served_task *task = tasks->device[n].first; task != NULL; task = task->next) {
            compute_jobs_drop(task->job);
            task->job = NULL;
        }
}

void served_tasks_destroy(struct served_tasks *tasks)
{
    if (tasks == NULL)
        return;
    for (uint32_t n = 0; n < tasks->world->devices; n++) {
        buf_finish(&tasks->device[n].pieces);
        while (tasks->device[n].first != NULL)
            drop(&tasks->device[n].first);
    }
    free(tasks);
}
