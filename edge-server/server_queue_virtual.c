#include "edge-server/server_queue_virtual.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/model/agenda.h"

/* What is due: the job that the core computes, and from ARRIVAL on the arrivals. At once, a job ends first. */
enum { COMPUTE, ARRIVAL };

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

struct server_queue_virtual {
    const struct world *world; /* borrowed */
    uint32_t number;
    struct server_queue *queue; /* owned */
    struct agenda agenda;
    uint64_t round;           /* of the last ALLOT */
    double end_s;             /* of its slot, since the episode's start */
    bool waiting;             /* for TASKs that ALLOT has announced */
    struct visitors expected; /* in order of arrival */
    struct visitors early;    /* TASKs that have overtaken their ALLOT */
    size_t missing;           /* of `expected` */
};

int server_queue_virtual_create(struct server_queue_virtual **ret_server, const struct world *world,
                                uint32_t number)
{
    struct server_queue_virtual *server = calloc(1, sizeof *server);
    if (server == NULL)
        return -ENOMEM;
    server->world = world;
    server->number = number;
    int rc = server_queue_create(&server->queue, world, number);
    rc = rc != 0 ? rc : agenda_reserve(&server->agenda, ARRIVAL);
    if (rc != 0)
        server_queue_virtual_destroy(server);
    else
        *ret_server = server;
    return rc;
}

void server_queue_virtual_destroy(struct server_queue_virtual *server)
{
    if (server == NULL)
        return;
    server_queue_destroy(server->queue);
    agenda_finish(&server->agenda);
    free(server->expected.list);
    free(server->early.list);
    free(server);
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

/* ---- living through a slot ---- */

/* Adds to the actions; of the new ones COMPUTE alone is ours. */
static int step(struct server_queue_virtual *server, struct server_queue_event *event,
                struct server_queue_actions *actions, struct diag *diag)
{
    size_t before = actions->count;
    event->appends = before > 0;
    int rc = server_queue_step(server->queue, event, actions, diag);
    for (size_t i = before; i < actions->count; i++)
        if (actions->list[i].kind == SERVER_QUEUE_COMPUTE)
            agenda_set(&server->agenda, COMPUTE, actions->list[i].due_s);
    return rc;
}

static int arrive(struct server_queue_virtual *server, const struct visitor *visitor,
                  struct server_queue_actions *actions, struct diag *diag)
{
    struct proto_message message;
    message.id = PROTO_TASK;
    message.task = (struct msg_task){.device = visitor->device,
                                     .round = visitor->round,
                                     .split = visitor->split,
                                     .tokens = visitor->tokens};
    struct server_queue_event event = {
        .kind = SERVER_QUEUE_ON_MESSAGE, .now_s = visitor->arrival_s, .message = &message};
    return step(server, &event, actions, diag);
}

/* All that was awaited is here. */
static int live_through_slot(struct server_queue_virtual *server, struct server_queue_actions *actions,
                             struct diag *diag)
{
    struct server_queue_event computed = {.kind = SERVER_QUEUE_ON_COMPUTED};
    struct server_queue_event end = {.kind = SERVER_QUEUE_ON_END, .now_s = server->end_s};
    double until_s = server->end_s;
    uint32_t due;
    int rc = 0;
    assert(server->missing == 0);
    server->waiting = false;
    server->early.count = 0; /* the rest was sent by devices that were lost */
    for (size_t i = 0; i < server->expected.count; i++) {
        agenda_set(&server->agenda, (uint32_t) (ARRIVAL + i), server->expected.list[i].arrival_s);
        until_s = fmax(until_s, server->expected.list[i].arrival_s);
    }
    while (rc == 0 && agenda_take(&server->agenda, until_s, &due, &computed.now_s))
        rc = due == COMPUTE ? step(server, &computed, actions, diag)
                            : arrive(server, &server->expected.list[due - ARRIVAL], actions, diag);
    return rc != 0 ? rc : step(server, &end, actions, diag);
}

/* ---- messages ---- */

static int check_allot(const struct server_queue_virtual *server, const struct msg_allot *allot,
                       struct diag *diag)
{
    size_t count = allot->device.count;
    if (server->waiting)
        return diag_fail(diag, ERR_STATE, "server %u: ALLOT of round %llu before that of round %llu was done",
                         server->number, (unsigned long long) allot->round,
                         (unsigned long long) server->round);
    if (allot->task.count != count || allot->tokens.count != count || allot->split.count != count ||
        allot->arrival_s.count != count)
        return diag_fail(diag, ERR_RANGE, "ALLOT: its lists do not fit together");
    for (size_t i = 0; i < count; i++)
        if (allot->device.data[i] >= server->world->devices ||
            allot->split.data[i] >= server->world->llm->layers)
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

static void expect(struct server_queue_virtual *server, const struct msg_allot *allot)
{
    assert(allot->device.count <= server->expected.capacity);
    server->expected.count = allot->device.count;
    server->missing = 0;
    for (size_t i = 0; i < allot->device.count; i++) {
        struct visitor *visitor = &server->expected.list[i];
        *visitor = (struct visitor){.device = allot->device.data[i],
                                    .tokens = allot->tokens.data[i],
                                    .split = allot->split.data[i],
                                    .round = allot->task.data[i],
                                    .arrival_s = allot->arrival_s.data[i]};
        visitor->here = find(&server->early, visitor->device, visitor->round) != NULL;
        server->missing += visitor->here ? 0 : 1;
    }
    if (server->expected.count > 1)
        qsort(server->expected.list, server->expected.count, sizeof *server->expected.list, by_arrival);
}

static int on_allot(struct server_queue_virtual *server, const struct proto_message *message,
                    struct server_queue_actions *actions, struct diag *diag)
{
    const struct msg_allot *allot = &message->allot;
    double slot_s = server->world->scenario.run.slot_s;
    int rc = check_allot(server, allot, diag);
    rc = rc != 0 ? rc : reserve(&server->expected, allot->device.count);
    rc = rc != 0 ? rc : agenda_reserve(&server->agenda, ARRIVAL + allot->device.count);
    if (rc != 0)
        return rc;
    struct server_queue_event event = {
        .kind = SERVER_QUEUE_ON_MESSAGE, .now_s = (uint32_t) allot->slot * slot_s, .message = message};
    rc = step(server, &event, actions, diag);
    if (rc != 0)
        return rc;
    server->round = allot->round;
    server->end_s = ((uint32_t) allot->slot + 1.0) * slot_s;
    expect(server, allot);
    server->waiting = server->missing > 0;
    return server->waiting ? 0 : live_through_slot(server, actions, diag);
}

static int on_task(struct server_queue_virtual *server, const struct msg_task *task,
                   struct server_queue_actions *actions, struct diag *diag)
{
    int rc = server_queue_check_task(server->queue, task, server->early.count, diag);
    if (rc != 0)
        return rc;
    struct visitor *expected = server->waiting ? find(&server->expected, task->device, task->round) : NULL;
    if (expected == NULL) {
        rc = reserve(&server->early, server->early.count + 1);
        if (rc == 0)
            server->early.list[server->early.count++] =
                (struct visitor){.device = (uint32_t) task->device, .round = task->round};
        return rc;
    }
    assert(server->missing > 0);
    server->missing -= expected->here ? 0 : 1;
    expected->here = true;
    return server->missing == 0 ? live_through_slot(server, actions, diag) : 0;
}

/* A device is lost: its TASKs are not waited for, but served, as if they had come. */
static int on_revoke(struct server_queue_virtual *server, const struct msg_revoke *revoke,
                     struct server_queue_actions *actions, struct diag *diag)
{
    if (!server->waiting || revoke->round != server->round)
        return 0;
    for (size_t i = 0; i < server->expected.count; i++) {
        struct visitor *visitor = &server->expected.list[i];
        if (visitor->device == revoke->device && !visitor->here) {
            assert(server->missing > 0);
            visitor->here = true;
            server->missing--;
        }
    }
    return server->missing == 0 ? live_through_slot(server, actions, diag) : 0;
}

int server_queue_virtual_take(struct server_queue_virtual *server, const struct proto_message *message,
                              struct server_queue_actions *ret_actions, struct diag *diag)
{
    *ret_actions = (struct server_queue_actions){.count = 0};
    int rc = message->id == PROTO_ALLOT  ? on_allot(server, message, ret_actions, diag)
             : message->id == PROTO_TASK ? on_task(server, &message->task, ret_actions, diag)
             : message->id == PROTO_REVOKE
                 ? on_revoke(server, &message->revoke, ret_actions, diag)
                 : diag_fail(diag, ERR_STATE, "%s is not for a server", proto_name(message->id));
    assert(server->waiting == (server->missing > 0));
    if (rc != 0)
        ret_actions->count = 0;
    return rc;
}
