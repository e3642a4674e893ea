#include "edge-server/server_queue.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/faults.h"
#include "core/model/station.h"
#include "edge-server/server_messages.h"

#define ROUND_BITS 32u /* rounds are below 2^32 (messages.def) */
#define NO_JOB UINT64_MAX

struct server_queue {
    const struct world *world; /* borrowed */
    uint32_t number;
    struct station station;
    struct layer_work *inside; /* [station.count] what its jobs are, in their order */
    size_t inside_capacity;
    struct slot_id id;
    uint64_t round; /* of the last ALLOT */
    bool any_round;
    uint64_t computing; /* job of the last COMPUTE; NO_JOB: it has ended, or none was asked */
    double compute_s;   /* when it was due */
    uint32_t served;    /* in this slot */
    double busy_s;      /* likewise */
    uint32_t *accrued_device, *accrued_task; /* [accrued_capacity] */
    double *accrued_j;
    size_t accrued, accrued_capacity;
    uint32_t *served_device, *served_task; /* [served_capacity] */
    size_t served_capacity;
    struct server_queue_action *action;
    size_t actions, action_capacity;
    struct server_queue_action lost; /* written to when there is no memory for one more; the step fails */
    int error;                       /* out of memory in this step */
};

/* ---- small things ---- */

static struct server_queue_action *push(struct server_queue *queue, enum server_queue_action_kind kind)
{
    int rc = array_reserve(&queue->action, &queue->action_capacity, queue->actions + 1);
    if (rc != 0) {
        queue->error = rc;
        return &queue->lost;
    }
    assert(queue->actions < queue->action_capacity);
    struct server_queue_action *action = &queue->action[queue->actions++];
    memset(action, 0,
           offsetof(struct server_queue_action, message)); /* a message is large: its owner fills it */
    action->message.id = (enum proto_id) 0;
    action->kind = kind;
    return action;
}

static uint64_t job_id(uint32_t device, uint64_t round)
{
    assert(round >> ROUND_BITS == 0);
    return (uint64_t) device << ROUND_BITS | round;
}

/* Work in seconds of the whole server at full speed. */
static double work_s(const struct server_queue *queue, uint32_t tokens, uint32_t split)
{
    return cost_edge_s(queue->world, queue->number, 1.0, tokens, split);
}

static double speed(const struct server_queue *queue)
{
    return faults_speed(queue->world->faults, queue->id, true, queue->number);
}

/* ---- serving ---- */

static void note_served(struct server_queue *queue, const struct station_job *job)
{
    if (queue->served == queue->served_capacity) {
        size_t capacity = array_capacity(queue->served_capacity, queue->served + 1);
        int rc = 0;
        array_resize(&queue->served_device, capacity, &rc);
        array_resize(&queue->served_task, capacity, &rc);
        if (rc != 0) {
            queue->error = rc;
            return;
        }
        queue->served_capacity = capacity;
    }
    assert(queue->served < queue->served_capacity);
    queue->served_device[queue->served] = (uint32_t) (job->id >> ROUND_BITS);
    queue->served_task[queue->served++] = (uint32_t) job->id;
}

static void answer(struct server_queue *queue, const struct station_job *job, const struct layer_work *work,
                   double now_s)
{
    bool shared = queue->station.discipline == DISCIPLINE_SHARED;
    double begun_s = shared || isnan(job->begun_s) ? job->arrived_s : job->begun_s;
    assert(job->arrived_s <= begun_s && begun_s <= now_s && job->accounted_s <= job->busy_s);
    struct server_queue_action *action = push(queue, SERVER_QUEUE_ANSWER);
    action->device = work->device;
    action->id = work->id;
    const struct server_account account = {
        .server = queue->number,
        .queue_s = begun_s - job->arrived_s,
        .edge_s = now_s - begun_s,
        .finish_s = now_s,
        .busy_s = job->busy_s,
    };
    server_tell_result(&action->message, work, &account);
    note_served(queue, job);
    queue->busy_s += job->busy_s - job->accounted_s;
}

/* The place of the job that leaves next. */
static size_t next_place(const struct server_queue *queue)
{
    return (size_t) (station_next(&queue->station) - queue->station.job);
}

/* The job that leaves next is done. */
static void finish(struct server_queue *queue, double now_s)
{
    station_count(&queue->station, now_s);
    size_t place = next_place(queue);
    struct layer_work work = queue->inside[place];
    struct station_job job = station_take(&queue->station, now_s);
    assert(job.id == job_id(work.device, work.round));
    memmove(queue->inside + place, queue->inside + place + 1,
            (queue->station.count - place) * sizeof *queue->inside);
    answer(queue, &job, &work, now_s);
}

static void accrue(void *user, const struct station_job *job, double busy_s)
{
    struct server_queue *queue = user;
    assert(queue->accrued < queue->accrued_capacity);
    queue->accrued_device[queue->accrued] = (uint32_t) (job->id >> ROUND_BITS);
    queue->accrued_task[queue->accrued] = (uint32_t) job->id;
    queue->accrued_j[queue->accrued++] = queue->world->server[queue->number].power_w * busy_s;
    queue->busy_s += busy_s;
}

static int reserve_accrued(struct server_queue *queue)
{
    size_t count = queue->station.count;
    if (count <= queue->accrued_capacity)
        return 0;
    size_t capacity = array_capacity(queue->accrued_capacity, count);
    int rc = 0;
    array_resize(&queue->accrued_device, capacity, &rc);
    array_resize(&queue->accrued_task, capacity, &rc);
    array_resize(&queue->accrued_j, capacity, &rc);
    if (rc == 0)
        queue->accrued_capacity = capacity;
    return rc;
}

static void advance(struct server_queue *queue, double now_s)
{
    queue->accrued = 0;
    if (reserve_accrued(queue) != 0)
        queue->error = -ENOMEM;
    else
        station_account(&queue->station, now_s, accrue, queue);
    struct proto_message *message = &push(queue, SERVER_QUEUE_TELL)->message;
    message->id = PROTO_ADVANCED;
    message->advanced = (struct msg_advanced){
        .server = queue->number,
        .round = queue->round,
        .served = queue->served,
        .busy_s = queue->busy_s,
        .backlog_s = station_left(&queue->station, now_s),
        .accrued_device = {queue->accrued_device, queue->accrued},
        .accrued_task = {queue->accrued_task, queue->accrued},
        .accrued_j = {queue->accrued_j, queue->accrued},
        .served_device = {queue->served_device, queue->served},
        .served_task = {queue->served_task, queue->served},
    };
    queue->served = 0;
    queue->busy_s = 0.0;
}

/* ---- messages ---- */

static int on_allot(struct server_queue *queue, const struct msg_allot *allot, double now_s,
                    struct diag *diag)
{
    if (queue->any_round && allot->round <= queue->round)
        return diag_fail(diag, ERR_STATE, "server %u: ALLOT of round %llu after round %llu", queue->number,
                         (unsigned long long) allot->round, (unsigned long long) queue->round);
    struct slot_id id = {(enum rng_phase) allot->phase, (uint32_t) allot->episode, (uint32_t) allot->slot};
    /* In real time a server that is struck in a slot has had the slot's ALLOT. When it is back with the next one
     * it has missed none, but its tasks are lost all the same. */
    bool struck = faults_strikes(queue->world->faults, queue->id, true, queue->number) != FAULT_NONE;
    bool next = allot->round == queue->round + 1 && id.slot > 0 && id.slot == queue->id.slot + 1;
    bool follows = queue->any_round && next && !struck;
    if (!follows) {
        station_clear(&queue->station, now_s);
        queue->computing = NO_JOB;
        queue->served = 0;
        queue->busy_s = 0.0;
    }
    queue->id = id;
    queue->round = allot->round;
    queue->any_round = true;
    station_set_rate(&queue->station, now_s, speed(queue));
    return 0;
}

int server_queue_check_task(const struct server_queue *queue, const struct msg_task *task, size_t held,
                            struct diag *diag)
{
    int rc = server_check_task(queue->world, task, diag);
    if (rc != 0)
        return rc;
    if (queue->station.count + held >= SERVER_QUEUE_TASKS_MAX)
        return diag_fail(diag, ERR_STATE, "TASK of device %u: %u are here already", (unsigned) task->device,
                         SERVER_QUEUE_TASKS_MAX);
    return 0;
}

static int on_task(struct server_queue *queue, const struct msg_task *task, double now_s, struct diag *diag)
{
    int rc = server_queue_check_task(queue, task, 0, diag);
    if (rc != 0)
        return rc;
    if (task->round + queue->id.slot < queue->round)
        return 0; /* of an episode that is over */
    size_t place = queue->station.count;
    uint32_t device = (uint32_t) task->device, tokens = (uint32_t) task->tokens,
             split = (uint32_t) task->split;
    rc = array_reserve(&queue->inside, &queue->inside_capacity, place + 1);
    if (rc == 0)
        rc = station_add(&queue->station, now_s, job_id(device, task->round), work_s(queue, tokens, split));
    if (rc != 0)
        return rc;
    struct layer_work *work = &queue->inside[place];
    *work = (struct layer_work){
        .device = device,
        .round = task->round,
        .id = queue->id,
        .tokens = tokens,
        .first_layer = split,
        .last_layer = queue->world->llm->layers,
        .rows = {0, tokens},
    };
    work->id.slot -= (uint32_t) (queue->round - task->round); /* rounds count an episode's slots */
    return 0;
}

static int on_message(struct server_queue *queue, const struct server_queue_event *event, struct diag *diag)
{
    const struct proto_message *message = event->message;
    if (message->id == PROTO_ALLOT)
        return on_allot(queue, &message->allot, event->now_s, diag);
    if (message->id == PROTO_TASK)
        return on_task(queue, &message->task, event->now_s, diag);
    if (message->id == PROTO_REVOKE)
        return 0; /* nothing waits here */
    return diag_fail(diag, ERR_STATE, "%s is not for a server", proto_name(message->id));
}

static void on_computed(struct server_queue *queue, double now_s)
{
    bool computes = queue->computing != NO_JOB;
    queue->computing = NO_JOB;
    if (computes)
        finish(queue, now_s);
}

static int on_end(struct server_queue *queue, double now_s, struct diag *diag)
{
    if (!queue->any_round)
        return diag_fail(diag, ERR_STATE, "server %u: a slot ends that has not begun", queue->number);
    advance(queue, now_s);
    return 0;
}

static int take(struct server_queue *queue, const struct server_queue_event *event, struct diag *diag)
{
    switch (event->kind) {
    case SERVER_QUEUE_ON_MESSAGE: return on_message(queue, event, diag);
    case SERVER_QUEUE_ON_COMPUTED: on_computed(queue, event->now_s); return 0;
    case SERVER_QUEUE_ON_END: return on_end(queue, event->now_s, diag);
    }
    assert(false);
    return ERR_STATE;
}

/* Says what ends next, when that has changed. */
static void ask(struct server_queue *queue)
{
    const struct station_job *job = station_next(&queue->station);
    double due_s = station_due_s(&queue->station);
    if (job == NULL || (job->id == queue->computing && due_s == queue->compute_s))
        return;
    struct server_queue_action *action = push(queue, SERVER_QUEUE_COMPUTE);
    action->work = queue->inside[next_place(queue)];
    action->due_s = due_s;
    queue->computing = job->id;
    queue->compute_s = due_s;
}

int server_queue_step(struct server_queue *queue, const struct server_queue_event *event,
                      struct server_queue_actions *ret_actions, struct diag *diag)
{
    assert(event->message != NULL || event->kind != SERVER_QUEUE_ON_MESSAGE);
    queue->actions = event->appends ? queue->actions : 0;
    queue->error = 0;
    int rc = take(queue, event, diag);
    rc = rc != 0 ? rc : queue->error;
    if (rc == 0)
        ask(queue);
    rc = rc != 0 ? rc : queue->error;
    *ret_actions =
        (struct server_queue_actions){.count = rc == 0 ? queue->actions : 0, .list = queue->action};
    return rc;
}

/* ---- life ---- */

int server_queue_create(struct server_queue **ret_queue, const struct world *world, uint32_t number)
{
    assert(number < world->servers);
    struct server_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->world = world;
    queue->number = number;
    queue->computing = NO_JOB;
    station_init(&queue->station, world->scenario.servers.discipline, 1.0, 0.0);
    *ret_queue = queue;
    return 0;
}

void server_queue_destroy(struct server_queue *queue)
{
    if (queue == NULL)
        return;
    station_finish(&queue->station);
    free(queue->inside);
    free(queue->accrued_device);
    free(queue->accrued_task);
    free(queue->accrued_j);
    free(queue->served_device);
    free(queue->served_task);
    free(queue->action);
    free(queue);
}
