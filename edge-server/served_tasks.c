#include "edge-server/served_tasks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/model/env.h"

struct served_task {
    struct served_task *next; /* of its device */
    struct served_tasks *tasks;
    uint32_t device;
    uint64_t round;
    struct compute_job *job; /* NULL: done */
    bool is_bad;
    bool is_answered; /* `result` waits for the job */
    struct slot_id id;
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
    while (*place != NULL && (*place)->round != round)
        place = &(*place)->next;
    return place;
}

static void drop(struct served_task **place)
{
    struct served_task *task = *place;
    *place = task->next;
    compute_jobs_drop(task->job);
    shared_bytes_give(task->row);
    free(task);
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
    if (task->row != NULL)
        result->activation = (struct proto_bytes){task->row->data, task->row->size};
    int rc = tasks->hooks->send(tasks->user, task->device, task->id, &task->result);
    drop(place);
    return rc;
}

static void on_done(void *user, const struct compute_job_result *result)
{
    struct served_task *task = user;
    struct served_tasks *tasks = task->tasks;
    uint32_t device = task->device;
    uint64_t round = task->round;
    task->job = NULL;
    if (result->code != 0 && result->is_ours) {
        tasks->hooks->on_failure(tasks->user, result->reason);
        return;
    }
    task->is_bad = result->code != 0;
    task->answer = result->answer;
    task->row = shared_bytes_take(result->out);
    task->seconds = result->seconds;
    if (task->is_bad)
        tasks->hooks->on_bad_task(tasks->user, device, result->reason);
    struct served_task **place = find(tasks, device, round);
    if (task->is_answered && task->is_bad)
        drop(place);
    else if (task->is_answered && send_answer(tasks, place) != 0)
        tasks->hooks->on_failure(tasks->user, "a RESULT: out of memory");
    else if (tasks->hooks->on_computed != NULL)
        tasks->hooks->on_computed(tasks->user, device, round, result);
}

static int check_bytes(const struct served_tasks *tasks, const struct msg_task *task, size_t came,
                       struct diag *diag)
{
    size_t due = compute_bytes(tasks->world, (uint32_t) task->split, (uint32_t) task->tokens);
    if (task->tokens > tasks->tokens_max)
        return diag_fail(diag, ERR_RANGE, "TASK of device %u: %u tokens, and prompts have up to %u",
                         (unsigned) task->device, (unsigned) task->tokens, tasks->tokens_max);
    if (came == due)
        return 0;
    return diag_fail(
        diag, ERR_RANGE,
        "TASK of device %u: %zu bytes of activations came, and %zu were due for %u tokens behind layer %u",
        (unsigned) task->device, came, due, (unsigned) task->tokens, (unsigned) task->split);
}

static int begin(struct served_tasks *tasks, struct served_device *device, const struct msg_task *message)
{
    struct shared_bytes *in = shared_bytes_create(device->pieces.size);
    struct served_task *task = calloc(1, sizeof *task);
    int rc = in == NULL || task == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        memcpy(in->data, device->pieces.data, in->size);
        *task = (struct served_task){.tasks = tasks,
                                     .device = (uint32_t) message->device,
                                     .round = message->round,
                                     .next = device->first};
        const struct compute_job_task job = {
            .first = (uint32_t) message->split,
            .last = tasks->world->llm->layers,
            .tokens = (uint32_t) message->tokens,
            .in = in,
            .encodes_row = tasks->world->scenario.compute.head == COMPUTE_HEAD_DEVICE,
            .on_done = on_done,
            .user = task,
        };
        rc = compute_jobs_start(tasks->jobs, &job, &task->job);
    }
    shared_bytes_give(in); /* the job has its share */
    if (rc == 0)
        device->first = task;
    else
        free(task);
    return rc;
}

int served_tasks_take(struct served_tasks *tasks, const struct msg_task *message, struct diag *diag)
{
    assert(message->device < tasks->world->devices);
    struct served_device *device = &tasks->device[message->device];
    if (message->split >= tasks->world->llm->layers)
        return 0; /* the core has a sentence for it */
    size_t came = device->piece_round == message->round ? device->pieces.size : 0;
    int rc = check_bytes(tasks, message, came, diag);
    if (rc != 0)
        return rc;
    served_tasks_drop(tasks, (uint32_t) message->device, message->round);
    while (!env_is_queue(tasks->world) && device->first != NULL)
        drop(&device->first);
    rc = begin(tasks, device, message);
    served_tasks_drop_pieces(tasks, (uint32_t) message->device);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
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
            if ((*place)->round < round)
                drop(place);
            else
                place = &(*place)->next;
        }
    }
}

bool served_tasks_computes(const struct served_tasks *tasks, uint32_t device, uint64_t round)
{
    const struct served_task *task = tasks->device[device].first;
    while (task != NULL && task->round != round)
        task = task->next;
    return task != NULL && task->job != NULL;
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
    else if (task->job == NULL)
        return send_answer(tasks, place);
    return 0;
}

/* ---- life ---- */

int served_tasks_create(struct served_tasks **ret_tasks, struct compute_jobs *jobs, const struct world *world,
                        const struct served_tasks_hooks *hooks, void *user)
{
    const struct scenario *scenario = &world->scenario;
    struct served_tasks *tasks = calloc(1, sizeof *tasks + world->devices * sizeof tasks->device[0]);
    assert(hooks->send != NULL && hooks->on_bad_task != NULL && hooks->on_failure != NULL);
    if (tasks == NULL)
        return -ENOMEM;
    tasks->jobs = jobs;
    tasks->world = world;
    tasks->hooks = hooks;
    tasks->user = user;
    uint64_t longest =
        scenario->task.requests_csv[0] != '\0' ? scenario->task.tokens_max : scenario->task.tokens;
    tasks->tokens_max = scenario->devices.guests > 0 ? compute_jobs_context(jobs) : (uint32_t) longest;
    size_t ids = compute_bytes(world, 0, tasks->tokens_max),
           rows = compute_bytes(world, 1, tasks->tokens_max);
    tasks->bytes_max = ids > rows ? ids : rows;
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
