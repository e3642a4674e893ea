/* The cores of queueing mode stepped with arbitrary messages, made by the schema's table, and with losses and
 * returns: no crash, no failed assertion, no endless loop, no hoard. What a core says can go over the wire. A
 * refused event has no actions, says why, and changes nothing: a second core that is not told of it says the
 * same afterwards.
 *
 * Byte 0 says which core, byte 1 and 2 what world; then an event begins with a byte that says what it is, and
 * takes what it needs. Values are small, so that rounds, devices and servers often match. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edge-server/server_queue_virtual.h"
#include "mobile-node/device_queue_virtual.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/session/session_core.h"
#include "proto/message.h"
#include "proto/schema.h"

#define DEVICES 3u
#define SERVERS 2u
#define SLOTS 6u
#define EVENTS_MAX 512u
#define LIST_MAX 8u
#define FIELDS_MAX 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    const uint8_t *data;
    size_t size, at;
    const struct world *world;
    bool in_real_time, learns;
    uint64_t round; /* of the last SLOT or ALLOT, or the last granted */
    double now_s;
    uint32_t uints[FIELDS_MAX][LIST_MAX];
    double reals[FIELDS_MAX][LIST_MAX];
    struct buf frame, other;
    struct diag diag;
};

static void require(int holds)
{
    if (!holds)
        abort();
}

static unsigned take(struct fuzz *fuzz)
{
    return fuzz->at < fuzz->size ? fuzz->data[fuzz->at++] : 0;
}

/* ---- worlds ---- */

enum { WORLDS = 2 * 2 * 3 * 3 };

static const struct world *the_world(unsigned which)
{
    static struct world worlds[WORLDS];
    which %= WORLDS;
    struct world *world = &worlds[which];
    struct scenario scenario;
    if (world->devices > 0)
        return world;
    scenario_defaults(&scenario);
    scenario.run.mode = MODE_QUEUE;
    scenario.run.slot_s = 0.5;
    scenario.devices.count = DEVICES;
    scenario.servers.count = SERVERS;
    scenario.servers.discipline = which % 2 == 0 ? DISCIPLINE_FIFO : DISCIPLINE_SHARED;
    scenario.chaos.rate = which / 2 % 2 == 0 ? 0.0 : 0.3;
    scenario.handover.policy = (enum scenario_handover)(which / 4 % 3);
    scenario.handover.interruption_s = which / 4 % 3 == 0 ? 0.0 : 0.7;
    scenario.handover.backhaul_mbps = 10.0;
    scenario.faults.recovery = (enum scenario_recovery)(which / 12 % 3);
    scenario.link.delay_s = which / 12 % 3 == 1 ? 0.1 : 0.0;
    scenario.task.probability = which % 2 == 0 ? 1.0 : 0.5;
    require(world_init(world, &scenario, NULL, NULL) == 0);
    return world;
}

/* ---- messages ---- */

static uint64_t near_round(uint64_t round, unsigned how)
{
    unsigned back = how / 2 % 8;
    return how % 2 == 0 ? (back > round ? 0 : round - back) : round + 1 + (how > 250 ? back : 0);
}

static uint64_t some_uint(struct fuzz *fuzz, const struct schema_field *field)
{
    unsigned how = take(fuzz);
    uint64_t value = how % 4; /* of devices, servers, slots there are few */
    if (strstr(field->name, "round") != NULL || strstr(field->name, "task") != NULL)
        value = near_round(fuzz->round, how);
    else if (strcmp(field->name, "split") == 0)
        value = how % 36;
    else if (strcmp(field->name, "slot") == 0 || strcmp(field->name, "tokens") == 0)
        value = how % 64; /* a device walks through the slots: not through 2^32 of them */
    else if (strcmp(field->name, "server") == 0 && how >= 192)
        value = PROTO_SERVER_NONE;
    else if (how >= 250 && strcmp(field->name, "episode") != 0)
        value = field->high;
    value = value > field->low ? value : field->low;
    return value < field->high ? value : field->high;
}

static double some_real(struct fuzz *fuzz, const struct schema_field *field)
{
    static const double values[] = {0.0, 1e-12, 1e-9, 0.05, 0.25, 0.5, 1.0, 3.7, 100.0, 1e6};
    double value = values[take(fuzz) % (sizeof values / sizeof *values)];
    value = fmax(value, field->real_low);
    return fmin(value, field->real_high);
}

/* The lists of a message mostly have one length; those by server mostly one entry for each. */
static size_t some_length(struct fuzz *fuzz, const struct schema_field *field, size_t usual)
{
    bool by_server = strcmp(field->name, "gain") == 0 || strcmp(field->name, "share") == 0 ||
                     strcmp(field->name, "unsent_bits") == 0;
    size_t length = by_server ? SERVERS : usual;
    unsigned how = take(fuzz);
    return how >= 250 ? how % LIST_MAX : length;
}

static void fill(struct fuzz *fuzz, const struct schema_field *field, void *slot, size_t usual, size_t place)
{
    if (field->kind == SCHEMA_UINT)
        *(uint64_t *) slot = some_uint(fuzz, field);
    else if (field->kind == SCHEMA_REAL)
        *(double *) slot = some_real(fuzz, field);
    else if (field->kind == SCHEMA_UINT_LIST) {
        struct proto_u32s list = {fuzz->uints[place], some_length(fuzz, field, usual)};
        for (size_t i = 0; i < list.count; i++)
            fuzz->uints[place][i] = (uint32_t) some_uint(fuzz, field);
        memcpy(slot, &list, sizeof list);
    } else if (field->kind == SCHEMA_REAL_LIST) {
        struct proto_reals list = {fuzz->reals[place], some_length(fuzz, field, usual)};
        for (size_t i = 0; i < list.count; i++)
            fuzz->reals[place][i] = some_real(fuzz, field);
        memcpy(slot, &list, sizeof list);
    }
}

/* Any message, within the schema's ranges; texts and bytes are empty. */
static struct proto_message make_message(struct fuzz *fuzz, enum proto_id id)
{
    struct proto_message message = {.id = id};
    const struct schema_row *row = schema_row(id);
    size_t usual = take(fuzz) % 4;
    require(row->field_count <= FIELDS_MAX);
    for (size_t i = 0; i < row->field_count; i++)
        fill(fuzz, &row->fields[i], schema_slot(&message, &row->fields[i]), usual, i);
    return message;
}

static void encode(struct buf *frame, const struct proto_message *message, struct diag *diag)
{
    frame->size = 0;
    require(proto_encode(message, frame, diag) == 0);
}

static void require_same(struct fuzz *fuzz, const struct proto_message *a, const struct proto_message *b)
{
    require(a->id == b->id);
    if (a->id == 0)
        return;
    encode(&fuzz->frame, a, &fuzz->diag);
    encode(&fuzz->other, b, &fuzz->diag);
    require(fuzz->frame.size == fuzz->other.size &&
            memcmp(fuzz->frame.data, fuzz->other.data, fuzz->frame.size) == 0);
}

static void require_refusal(struct fuzz *fuzz, int rc, size_t count)
{
    require(rc < 0 && count == 0 && fuzz->diag.text[0] != '\0');
    fuzz->diag.text[0] = '\0';
}

static void tick(struct fuzz *fuzz, unsigned how)
{
    fuzz->now_s += how % 8 * 0.1;
}

/* ---- a device ---- */

static const enum proto_id to_device[] = {PROTO_SLOT,   PROTO_DECISION, PROTO_HANDOVER,   PROTO_RECOVER,
                                          PROTO_RESULT, PROTO_ALLOT,    PROTO_OBSERVATION};

/* A core as its driver steps it: alone in real time, within device_queue_virtual else. */
struct device {
    struct device_queue *queue;
    struct device_queue_virtual *virtual;
};

static struct device open_device(const struct fuzz *fuzz)
{
    struct device device = {NULL, NULL};
    if (fuzz->in_real_time)
        require(device_queue_create(&device.queue, fuzz->world, 1) == 0);
    else
        require(device_queue_virtual_create(&device.virtual, fuzz->world, 1) == 0);
    return device;
}

static void close_device(struct device *device)
{
    device_queue_destroy(device->queue);
    device_queue_virtual_destroy(device->virtual);
}

static int step_device(struct device *device, const struct device_queue_event *event,
                       struct device_queue_actions *ret_actions, struct diag *diag)
{
    *ret_actions = (struct device_queue_actions){.count = 0};
    if (device->queue != NULL)
        return device_queue_step(device->queue, event, ret_actions, diag);
    if (event->kind != DEVICE_QUEUE_ON_MESSAGE)
        return 0; /* what ends in virtual time is the driver's own */
    return device_queue_virtual_take(device->virtual, event->message, ret_actions, diag);
}

static void device_event(struct fuzz *fuzz, struct device *device, struct device *shadow,
                         const struct device_queue_event *event)
{
    struct device_queue_actions is, was;
    int rc = step_device(device, event, &is, &fuzz->diag);
    if (rc != 0) {
        require_refusal(fuzz, rc, is.count);
        return;
    }
    require(step_device(shadow, event, &was, &fuzz->diag) == 0 && is.count == was.count);
    for (size_t i = 0; i < is.count; i++) {
        const struct device_queue_action *a = &is.list[i], *b = &was.list[i];
        require(a->kind == b->kind && a->server == b->server && a->server < SERVERS);
        require(a->due_s == b->due_s && a->bits == b->bits && a->rate_bps == b->rate_bps);
        require(a->due_s >= 0.0 && a->bits >= 0.0 && a->rate_bps >= 0.0);
        require(layer_work_is(&a->work, &b->work) && a->work.first_layer <= a->work.last_layer);
        require_same(fuzz, &a->message, &b->message);
    }
    if (event->kind == DEVICE_QUEUE_ON_MESSAGE && event->message->id == PROTO_SLOT)
        fuzz->round = event->message->slot.round;
}

/* The next slot and a decision for it, as an orchestrator would have it. */
static void device_slot(struct fuzz *fuzz, struct device *device, struct device *shadow)
{
    unsigned how = take(fuzz);
    const double share[SERVERS] = {how % 4 * 0.1, how % 3 * 0.5};
    uint32_t split = how % 3 == 0 ? fuzz->world->llm->layers : how / 8;
    struct proto_message slot = {.id = PROTO_SLOT,
                                 .slot = {.round = fuzz->round + 1, .slot = (fuzz->round + 1) % SLOTS}};
    struct proto_message decision = {.id = PROTO_DECISION,
                                     .decision = {.round = fuzz->round + 1,
                                                  .split = split,
                                                  .server = how % 3 == 0 ? PROTO_SERVER_NONE : how % 2,
                                                  .share = {share, SERVERS}}};
    struct device_queue_event event = {.now_s = fuzz->now_s, .way_s = (double) NAN, .message = &slot};
    if (slot.slot.slot == 0 && fuzz->in_real_time)
        event.now_s = fuzz->now_s = 0.0;
    device_event(fuzz, device, shadow, &event);
    for (unsigned i = 0; i < how / 64; i++) {
        struct proto_message message = make_message(fuzz, to_device[2 + take(fuzz) % 3]);
        event.message = &message;
        device_event(fuzz, device, shadow, &event);
    }
    event.message = &decision;
    device_event(fuzz, device, shadow, &event);
}

static void fuzz_device(struct fuzz *fuzz)
{
    struct device device = open_device(fuzz), shadow = open_device(fuzz);
    for (unsigned i = 0; i < EVENTS_MAX && fuzz->at < fuzz->size; i++) {
        unsigned what = take(fuzz);
        tick(fuzz, what / 32);
        if (what % 16 >= 10) {
            device_slot(fuzz, &device, &shadow);
            continue;
        }
        struct proto_message message = {.id = (enum proto_id) 0};
        struct device_queue_event event = {.now_s = fuzz->now_s, .way_s = (double) NAN, .message = &message};
        if (what % 16 < 7)
            message = make_message(fuzz, to_device[what % 16]);
        else
            event.kind = what == 0xF9   ? DEVICE_QUEUE_ON_CUT
                         : what == 0xF8 ? DEVICE_QUEUE_ON_END
                                        : (enum device_queue_event_kind)(what % 16 - 6);
        device_event(fuzz, &device, &shadow, &event);
    }
    close_device(&device);
    close_device(&shadow);
}

/* ---- a server ---- */

struct server {
    struct server_queue *queue;
    struct server_queue_virtual *virtual;
};

static struct server open_server(const struct fuzz *fuzz)
{
    struct server server = {NULL, NULL};
    if (fuzz->in_real_time)
        require(server_queue_create(&server.queue, fuzz->world, 1) == 0);
    else
        require(server_queue_virtual_create(&server.virtual, fuzz->world, 1) == 0);
    return server;
}

static void close_server(struct server *server)
{
    server_queue_destroy(server->queue);
    server_queue_virtual_destroy(server->virtual);
}

static int step_server(struct server *server, const struct server_queue_event *event,
                       struct server_queue_actions *ret_actions, struct diag *diag)
{
    *ret_actions = (struct server_queue_actions){.count = 0};
    if (server->queue != NULL)
        return server_queue_step(server->queue, event, ret_actions, diag);
    if (event->kind != SERVER_QUEUE_ON_MESSAGE)
        return 0; /* what ends in virtual time is the driver's own */
    return server_queue_virtual_take(server->virtual, event->message, ret_actions, diag);
}

static void server_event(struct fuzz *fuzz, struct server *server, struct server *shadow,
                         const struct server_queue_event *event)
{
    struct server_queue_actions is, was;
    int rc = step_server(server, event, &is, &fuzz->diag);
    if (rc != 0) {
        require_refusal(fuzz, rc, is.count);
        return;
    }
    require(step_server(shadow, event, &was, &fuzz->diag) == 0 && is.count == was.count);
    for (size_t i = 0; i < is.count; i++) {
        const struct server_queue_action *a = &is.list[i], *b = &was.list[i];
        require(a->kind == b->kind && a->device == b->device && a->device < DEVICES);
        require(a->due_s == b->due_s && a->due_s >= 0.0 && layer_work_is(&a->work, &b->work));
        require_same(fuzz, &a->message, &b->message);
    }
    if (event->kind == SERVER_QUEUE_ON_MESSAGE && event->message->id == PROTO_ALLOT)
        fuzz->round = event->message->allot.round;
}

/* The next ALLOT, for tasks that then come, or came before. */
static void server_slot(struct fuzz *fuzz, struct server *server, struct server *shadow)
{
    unsigned how = take(fuzz), count = fuzz->in_real_time ? 0 : how % 4;
    uint32_t device[4], task[4], tokens[4], split[4];
    double arrival_s[4], start_s = (double) ((fuzz->round + 1) % SLOTS) * 0.5;
    for (unsigned i = 0; i < count; i++) {
        unsigned which = take(fuzz);
        device[i] = which % DEVICES;
        task[i] = (uint32_t) near_round(fuzz->round + 1, which / 16 * 2 % 8);
        tokens[i] = 1 + which;
        split[i] = which % 32;
        arrival_s[i] = start_s + which % 5 * 0.1;
    }
    struct proto_message allot = {.id = PROTO_ALLOT,
                                  .allot = {.round = fuzz->round + 1,
                                            .slot = (fuzz->round + 1) % SLOTS,
                                            .device = {device, count},
                                            .task = {task, count},
                                            .tokens = {tokens, count},
                                            .split = {split, count},
                                            .arrival_s = {arrival_s, count}}};
    struct server_queue_event event = {.now_s = fuzz->now_s, .message = &allot};
    for (unsigned i = 0; i <= count; i++) {
        struct proto_message message = {.id = PROTO_TASK};
        if (i == how / 4 % (count + 1)) {
            event.message = &allot;
            server_event(fuzz, server, shadow, &event);
        }
        if (i == count || how >= 250)
            break;
        message.task =
            (struct msg_task){.device = device[i], .round = task[i], .tokens = tokens[i], .split = split[i]};
        event.message = &message;
        server_event(fuzz, server, shadow, &event);
    }
}

static void fuzz_server(struct fuzz *fuzz)
{
    static const enum proto_id kinds[] = {PROTO_ALLOT, PROTO_TASK, PROTO_REVOKE, PROTO_RESULT};
    struct server server = open_server(fuzz), shadow = open_server(fuzz);
    for (unsigned i = 0; i < EVENTS_MAX && fuzz->at < fuzz->size; i++) {
        unsigned what = take(fuzz);
        tick(fuzz, what / 32);
        if (what % 16 >= 8) {
            server_slot(fuzz, &server, &shadow);
            continue;
        }
        struct proto_message message = {.id = (enum proto_id) 0};
        struct server_queue_event event = {.now_s = fuzz->now_s, .message = &message};
        if (what % 16 < 6)
            message = make_message(fuzz, kinds[what % 16 < 4 ? what % 16 : 1]);
        else
            event.kind = what / 32 == 7 ? SERVER_QUEUE_ON_END : SERVER_QUEUE_ON_COMPUTED;
        server_event(fuzz, &server, &shadow, &event);
    }
    close_server(&server);
    close_server(&shadow);
}

/* ---- the orchestrator ---- */

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    (void) policy;
    require(!isnan(feedback->reward) && feedback->next->world->devices == DEVICES);
    for (size_t i = 0; i < feedback->outcomes; i++)
        require(feedback->outcome[i].device < DEVICES && feedback->outcome[i].latency_s >= 0.0);
}

struct pair {
    struct session_core *core, *shadow;
    bool learning, done, goes_on;
};

static void require_same_action(struct fuzz *fuzz, const struct session_action *a,
                                const struct session_action *b)
{
    require(a->kind == b->kind && a->number == b->number);
    if (a->kind == SESSION_DO_GRANT || a->kind == SESSION_DO_TELL_DEVICE || a->kind == SESSION_DO_TELL_SERVER)
        require_same(fuzz, &a->message, &b->message);
    if (a->kind != SESSION_DO_TASKS)
        return;
    require(a->tasks.count == b->tasks.count);
    for (size_t i = 0; i < a->tasks.count; i++) {
        const struct db_task *row = &a->tasks.row[i];
        require(row->status == b->tasks.row[i].status && row->device == b->tasks.row[i].device);
        require(i == 0 || row->device > row[-1].device);
        require(row->end_slot >= row->slot && row->end_slot < SLOTS);
    }
}

static void session_event(struct fuzz *fuzz, struct pair *pair, const struct session_event *event)
{
    struct session_actions is, was;
    int rc = session_core_step(pair->core, event, &is, &fuzz->diag);
    if (rc != 0) {
        require_refusal(fuzz, rc, is.count);
        return;
    }
    require(session_core_step(pair->shadow, event, &was, &fuzz->diag) == 0 && is.count == was.count);
    for (size_t i = 0; i < is.count; i++) {
        require_same_action(fuzz, &is.list[i], &was.list[i]);
        pair->learning = pair->learning || is.list[i].kind == SESSION_DO_LEARN;
        pair->done = pair->done || is.list[i].kind == SESSION_DO_FINISH;
        pair->goes_on = pair->goes_on || is.list[i].kind == SESSION_DO_CONTINUE;
        if (is.list[i].kind == SESSION_DO_GRANT)
            fuzz->round = is.list[i].message.slot.round;
    }
}

static void orch_message(struct fuzz *fuzz, struct pair *pair, const struct proto_message *message)
{
    struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = message};
    session_event(fuzz, pair, &event);
}

/* What a device would say, with a list that it makes up. */
static void comply_device(struct fuzz *fuzz, struct pair *pair, uint32_t n)
{
    unsigned how = take(fuzz);
    const double gain[SERVERS] = {1e-9, how % 2 == 0 ? 1e-9 : 1e-13}, unsent[SERVERS] = {how / 8, how / 64};
    const double arrival_s[1] = {how * 0.01};
    const uint32_t task[1] = {(uint32_t) near_round(fuzz->round, how / 4 * 2)}, server[1] = {how % SERVERS};
    const size_t count = how / 2 % 2;
    bool passes = session_core_state(pair->core) == SESSION_EXECUTING;
    struct proto_message message = {.id = PROTO_OBSERVATION};
    message.observation = (struct msg_observation){.device = n,
                                                   .round = fuzz->round,
                                                   .x_m = how * 8.0,
                                                   .y_m = 500.0,
                                                   .tokens = how % 5 * 10,
                                                   .gain = {gain, SERVERS},
                                                   .unsent_bits = {unsent, SERVERS},
                                                   .accrued_task = {task, count},
                                                   .accrued_j = {arrival_s, count}};
    if (passes) {
        message.id = PROTO_PASSED;
        message.passed = (struct msg_passed){.device = n,
                                             .round = fuzz->round,
                                             .task = {task, count},
                                             .server = {server, count},
                                             .arrival_s = {arrival_s, count}};
    }
    orch_message(fuzz, pair, &message);
    if (!passes || !session_core_waits_for(pair->core, false, n))
        return;
    message.id = PROTO_REPORT;
    message.report = (struct msg_report){.device = n, .round = task[0], .latency_s = how, .attempt = how % 3};
    orch_message(fuzz, pair, &message);
}

static void comply_server(struct fuzz *fuzz, struct pair *pair, uint32_t m)
{
    unsigned how = take(fuzz);
    const uint32_t device[1] = {how % DEVICES}, task[1] = {(uint32_t) near_round(fuzz->round, how / 4 * 2)};
    const double joules[1] = {how};
    struct proto_message message = {.id = PROTO_ADVANCED};
    message.advanced = (struct msg_advanced){.server = m,
                                             .round = fuzz->round,
                                             .backlog_s = how,
                                             .accrued_device = {device, how % 2},
                                             .accrued_task = {task, how % 2},
                                             .accrued_j = {joules, how % 2},
                                             .served_device = {device, how / 2 % 2},
                                             .served_task = {task, how / 2 % 2}};
    orch_message(fuzz, pair, &message);
}

/* Whoever owes something says something. */
static void comply(struct fuzz *fuzz, struct pair *pair)
{
    struct session_event event = {.kind = pair->learning ? SESSION_ON_LEARNED : SESSION_ON_CONTINUE};
    if (pair->learning || pair->goes_on) {
        pair->goes_on = pair->learning && pair->goes_on;
        pair->learning = false;
        session_event(fuzz, pair, &event);
    }
    for (uint32_t n = 0; n < DEVICES; n++)
        if (session_core_waits_for(pair->core, false, n))
            comply_device(fuzz, pair, n);
    for (uint32_t m = 0; m < SERVERS; m++)
        if (session_core_waits_for(pair->core, true, m))
            comply_server(fuzz, pair, m);
}

static void orch_any(struct fuzz *fuzz, struct pair *pair, unsigned what)
{
    static const enum proto_id kinds[] = {PROTO_OBSERVATION, PROTO_PASSED, PROTO_REPORT, PROTO_ADVANCED,
                                          PROTO_SLOT};
    if (what < 5) {
        struct proto_message message = make_message(fuzz, kinds[what]);
        orch_message(fuzz, pair, &message);
        return;
    }
    unsigned who = take(fuzz);
    struct session_event event = {
        .kind = SESSION_ON_PEER_LOST, .is_server = who % 2 == 1, .number = who / 2 % 4, .why = "fuzzed"};
    event.keeps_reports = fuzz->in_real_time;
    if (what == 6)
        event.kind = SESSION_ON_PEER_BACK;
    else if (what == 7)
        event.kind = pair->learning ? SESSION_ON_LEARNED : SESSION_ON_CONTINUE;
    pair->learning = pair->learning && event.kind != SESSION_ON_LEARNED;
    session_event(fuzz, pair, &event);
}

static void fuzz_orchestrator(struct fuzz *fuzz)
{
    struct policy_kind kind = policy_random;
    kind.learn = fuzz->learns ? learn : NULL;
    /* Two of them, that draw the same. */
    struct policy policy = {.kind = &kind, .world = fuzz->world, .training = fuzz->learns}, other = policy;
    struct session session = {.world = fuzz->world,
                              .policy = &policy,
                              .episodes = 2,
                              .slots = SLOTS,
                              .checkpoint_every = 1,
                              .record_tasks = true,
                              .in_real_time = fuzz->in_real_time};
    struct pair pair = {0};
    struct session_event start = {.kind = SESSION_ON_START};
    require(session_core_create(&pair.core, &session) == 0);
    session.policy = &other;
    require(session_core_create(&pair.shadow, &session) == 0);
    session_event(fuzz, &pair, &start);
    for (unsigned i = 0; i < EVENTS_MAX && fuzz->at < fuzz->size && !pair.done; i++) {
        unsigned what = take(fuzz);
        if (what % 16 < 8)
            orch_any(fuzz, &pair, what % 16);
        else
            comply(fuzz, &pair);
    }
    session_core_destroy(pair.core);
    session_core_destroy(pair.shadow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {.data = data, .size = size};
    unsigned which = take(&fuzz);
    fuzz.in_real_time = which & 8;
    fuzz.learns = which & 16;
    fuzz.world = the_world(take(&fuzz));
    if (which % 3 == 0)
        fuzz_device(&fuzz);
    else if (which % 3 == 1)
        fuzz_server(&fuzz);
    else
        fuzz_orchestrator(&fuzz);
    buf_finish(&fuzz.frame);
    buf_finish(&fuzz.other);
    return 0;
}
