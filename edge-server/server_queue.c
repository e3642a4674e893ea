#include "edge-server/server_queue.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/faults.h"
#include "core/model/station.h"

#define ROUND_BITS 32u /* rounds are below 2^32 (messages.def) */

/* A task that ALLOT has announced for the slot, or that is here before its ALLOT. */
struct visitor {
    uint32_t device, tokens, split;
    uint64_t round;
    double arrival_s;
    bool here; /* its TASK has come, or will not */
};

struct visitors {
    struct visitor *list; /* owned */
    size_t count, capacity;
};

struct server_queue {
    const struct world *world; /* borrowed */
    uint32_t number;
    bool in_real_time;
    struct station station;
    struct slot_id id;
    uint64_t round; /* of the last ALLOT */
    bool any_round;
    bool waiting;                            /* for TASKs that ALLOT has announced */
    struct visitors expected;                /* in order of arrival */
    struct visitors early;                   /* TASKs that have overtaken their ALLOT */
    size_t missing;                          /* of `expected` */
    uint32_t served;                         /* in this slot */
    double busy_s;                           /* likewise */
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
    *action = (struct server_queue_action){.kind = kind};
    return action;
}

static int reserve(struct visitors *visitors, size_t count)
{
    return array_reserve(&visitors->list, &visitors->capacity, count);
}

static struct visitor *find(struct visitors *visitors, uint64_t device, uint64_t round)
{
    for (size_t i = 0; i < visitors->count; i++)
        if (visitors->list[i].device == device && visitors->list[i].round == round)
            return &visitors->list[i];
    return NULL;
}

static uint64_t job_id(uint32_t device, uint64_t round)
{
    assert(round >> ROUND_BITS == 0);
    return (uint64_t) device << ROUND_BITS | round;
}

/* Work in seconds of the whole server at full speed. */
static double work_s(const struct server_queue *queue, uint32_t tokens, uint32_t split)
{
    return cost_edge_s(queue->world, queue->world->server[queue->number].flops, 1.0, tokens, split);
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

static void answer(struct server_queue *queue, const struct station_job *job, double now_s)
{
    bool shared = queue->station.discipline == DISCIPLINE_SHARED;
    double begun_s = shared || isnan(job->begun_s) ? job->arrived_s : job->begun_s;
    assert(job->arrived_s <= begun_s && begun_s <= now_s && job->accounted_s <= job->busy_s);
    struct server_queue_action *action = push(queue, SERVER_QUEUE_ANSWER);
    action->device = (uint32_t) (job->id >> ROUND_BITS);
    action->id = queue->id;
    action->id.slot -=
        (uint32_t) (queue->round - (job->id & UINT32_MAX)); /* rounds count an episode's slots */
    action->message.id = PROTO_RESULT;
    action->message.result = (struct msg_result){
        .device = action->device,
        .round = job->id & UINT32_MAX,
        .queue_s = begun_s - job->arrived_s,
        .edge_s = now_s - begun_s,
        .finish_s = now_s,
        .server = queue->number,
        .busy_s = job->busy_s,
    };
    note_served(queue, job);
    queue->busy_s += job->busy_s - job->accounted_s;
}

static void finish_until(struct server_queue *queue, double end_s)
{
    for (double due_s = station_due_s(&queue->station); due_s <= end_s;
         due_s = station_due_s(&queue->station)) {
        struct station_job job = station_take(&queue->station, due_s);
        answer(queue, &job, due_s);
    }
}

static int add(struct server_queue *queue, double now_s, const struct visitor *visitor)
{
    assert(visitor->device < queue->world->devices && visitor->split < queue->world->llm->layers);
    return station_add(&queue->station, now_s, job_id(visitor->device, visitor->round),
                       work_s(queue, visitor->tokens, visitor->split));
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

/* Virtual time: all arrivals of this slot are known. Goes through it. */
static void run_slot(struct server_queue *queue)
{
    double end_s = (queue->id.slot + 1.0) * queue->world->scenario.run.slot_s;
    assert(!queue->in_real_time && queue->missing == 0);
    queue->waiting = false;
    queue->early.count = 0; /* the rest was sent by devices that were lost */
    for (size_t i = 0; i < queue->expected.count && queue->error == 0; i++) {
        const struct visitor *visitor = &queue->expected.list[i];
        assert(i == 0 || visitor[-1].arrival_s <= visitor->arrival_s);
        finish_until(queue, visitor->arrival_s);
        int rc = add(queue, visitor->arrival_s, visitor);
        queue->error = queue->error != 0 ? queue->error : rc;
    }
    finish_until(queue, end_s);
    advance(queue, end_s);
}

/* ---- messages ---- */

static int check_allot(const struct server_queue *queue, const struct msg_allot *allot, struct diag *diag)
{
    size_t count = allot->device.count;
    if (queue->waiting || (queue->any_round && allot->round <= queue->round))
        return diag_fail(diag, ERR_STATE, "server %u: ALLOT of round %llu after round %llu", queue->number,
                         (unsigned long long) allot->round, (unsigned long long) queue->round);
    if (allot->task.count != count || allot->tokens.count != count || allot->split.count != count ||
        allot->arrival_s.count != count || (queue->in_real_time && count > 0))
        return diag_fail(diag, ERR_RANGE, "ALLOT: its lists do not fit together");
    for (size_t i = 0; i < count; i++)
        if (allot->device.data[i] >= queue->world->devices ||
            allot->split.data[i] >= queue->world->llm->layers)
            return diag_fail(diag, ERR_RANGE, "ALLOT: device %u with split %u does not exist here",
                             allot->device.data[i], allot->split.data[i]);
    return 0;
}

static int by_arrival(const void *a, const void *b)
{
    const struct visitor *x = a, *y = b;
    if (x->arrival_s != y->arrival_s)
        return x->arrival_s < y->arrival_s ? -1 : 1;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->round > y->round) - (x->round < y->round);
}

static void expect(struct server_queue *queue, const struct msg_allot *allot)
{
    assert(allot->device.count <= queue->expected.capacity);
    queue->expected.count = allot->device.count;
    queue->missing = 0;
    for (size_t i = 0; i < allot->device.count; i++) {
        struct visitor *visitor = &queue->expected.list[i];
        *visitor = (struct visitor){.device = allot->device.data[i],
                                    .tokens = allot->tokens.data[i],
                                    .split = allot->split.data[i],
                                    .round = allot->task.data[i],
                                    .arrival_s = allot->arrival_s.data[i]};
        visitor->here = find(&queue->early, visitor->device, visitor->round) != NULL;
        queue->missing += visitor->here ? 0 : 1;
    }
    if (queue->expected.count > 1)
        qsort(queue->expected.list, queue->expected.count, sizeof *queue->expected.list, by_arrival);
}

static int on_allot(struct server_queue *queue, const struct msg_allot *allot, double now_s,
                    struct diag *diag)
{
    int rc = check_allot(queue, allot, diag);
    if (rc == 0)
        rc = reserve(&queue->expected, allot->device.count);
    if (rc != 0)
        return rc;
    struct slot_id id = {(enum rng_phase) allot->phase, (uint32_t) allot->episode, (uint32_t) allot->slot};
    double start_s = queue->in_real_time ? now_s : id.slot * queue->world->scenario.run.slot_s;
    /* In real time a server that is struck in a slot has had the slot's ALLOT. When it is back with the next one
     * it has missed none, but its tasks are lost all the same. */
    bool struck = faults_strikes(queue->world->faults, queue->id, true, queue->number) != FAULT_NONE;
    bool next = allot->round == queue->round + 1 && id.slot > 0 && id.slot == queue->id.slot + 1;
    bool follows = queue->any_round && next && !struck;
    if (!follows) {
        station_clear(&queue->station, start_s);
        queue->served = 0;
        queue->busy_s = 0.0;
    }
    queue->id = id;
    queue->round = allot->round;
    queue->any_round = true;
    station_set_rate(&queue->station, start_s, speed(queue));
    if (queue->in_real_time) {
        advance(queue, start_s);
        return 0;
    }
    expect(queue, allot);
    queue->waiting = queue->missing > 0;
    if (!queue->waiting)
        run_slot(queue);
    return 0;
}

int server_queue_check_task(const struct server_queue *queue, const struct msg_task *task, size_t held,
                            struct diag *diag)
{
    if (task->device >= queue->world->devices || task->split >= queue->world->llm->layers)
        return diag_fail(diag, ERR_RANGE, "TASK: device %u with split %llu does not exist here",
                         (unsigned) task->device, (unsigned long long) task->split);
    if (queue->early.count + queue->station.count + held >= SERVER_QUEUE_TASKS_MAX)
        return diag_fail(diag, ERR_STATE, "TASK of device %u: %u are here already", (unsigned) task->device,
                         SERVER_QUEUE_TASKS_MAX);
    return 0;
}

static int on_task(struct server_queue *queue, const struct msg_task *task, double now_s, struct diag *diag)
{
    int rc = server_queue_check_task(queue, task, 0, diag);
    if (rc != 0)
        return rc;
    const struct visitor visitor = {.device = (uint32_t) task->device,
                                    .tokens = (uint32_t) task->tokens,
                                    .split = (uint32_t) task->split,
                                    .round = task->round};
    if (queue->in_real_time && task->round + queue->id.slot < queue->round)
        return 0; /* of an episode that is over */
    if (queue->in_real_time)
        return add(queue, now_s, &visitor);
    struct visitor *expected = queue->waiting ? find(&queue->expected, visitor.device, visitor.round) : NULL;
    if (expected != NULL) {
        assert(queue->missing > 0);
        queue->missing -= expected->here ? 0 : 1;
        expected->here = true;
        if (queue->missing == 0)
            run_slot(queue);
        return 0;
    }
    rc = reserve(&queue->early, queue->early.count + 1);
    if (rc == 0)
        queue->early.list[queue->early.count++] = visitor;
    return rc;
}

/* A device is lost: its TASKs are not waited for, but served, as if they had come. */
static void on_revoke(struct server_queue *queue, const struct msg_revoke *revoke)
{
    if (!queue->waiting || revoke->round != queue->round)
        return;
    for (size_t i = 0; i < queue->expected.count; i++) {
        struct visitor *visitor = &queue->expected.list[i];
        if (visitor->device == revoke->device && !visitor->here) {
            assert(queue->missing > 0);
            visitor->here = true;
            queue->missing--;
        }
    }
    if (queue->missing == 0)
        run_slot(queue);
}

static int on_message(struct server_queue *queue, const struct server_queue_event *event, struct diag *diag)
{
    const struct proto_message *message = event->message;
    if (message->id == PROTO_ALLOT)
        return on_allot(queue, &message->allot, event->now_s, diag);
    if (message->id == PROTO_TASK)
        return on_task(queue, &message->task, event->now_s, diag);
    if (message->id != PROTO_REVOKE)
        return diag_fail(diag, ERR_STATE, "%s is not for a server", proto_name(message->id));
    on_revoke(queue, &message->revoke);
    return 0;
}

static int on_computed(struct server_queue *queue, double now_s, struct diag *diag)
{
    if (!queue->in_real_time)
        return diag_fail(diag, ERR_STATE, "server %u: COMPUTED in virtual time", queue->number);
    if (queue->station.count == 0)
        return 0; /* its task was forgotten meanwhile */
    struct station_job job = station_take(&queue->station, now_s);
    answer(queue, &job, now_s);
    return 0;
}

int server_queue_step(struct server_queue *queue, const struct server_queue_event *event,
                      struct server_queue_actions *ret_actions, struct diag *diag)
{
    assert(event->message != NULL || event->kind == SERVER_QUEUE_ON_COMPUTED);
    queue->actions = 0;
    queue->error = 0;
    int rc = event->kind == SERVER_QUEUE_ON_MESSAGE ? on_message(queue, event, diag)
                                                    : on_computed(queue, event->now_s, diag);
    assert(queue->waiting == (queue->missing > 0));
    rc = rc != 0 ? rc : queue->error;
    if (rc == 0 && queue->in_real_time && queue->station.count > 0)
        push(queue, SERVER_QUEUE_COMPUTE)->duration_s = station_due_s(&queue->station) - queue->station.now_s;
    rc = rc != 0 ? rc : queue->error;
    *ret_actions =
        (struct server_queue_actions){.count = rc == 0 ? queue->actions : 0, .list = queue->action};
    return rc;
}

/* ---- life ---- */

int server_queue_create(struct server_queue **ret_queue, const struct world *world, uint32_t number,
                        bool in_real_time)
{
    assert(number < world->servers);
    struct server_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->world = world;
    queue->number = number;
    queue->in_real_time = in_real_time;
    station_init(&queue->station, world->scenario.servers.discipline, 1.0, 0.0);
    *ret_queue = queue;
    return 0;
}

void server_queue_destroy(struct server_queue *queue)
{
    if (queue == NULL)
        return;
    station_finish(&queue->station);
    free(queue->expected.list);
    free(queue->early.list);
    free(queue->accrued_device);
    free(queue->accrued_task);
    free(queue->accrued_j);
    free(queue->served_device);
    free(queue->served_task);
    free(queue->action);
    free(queue);
}
