/* The second host. Messages in flight are copied whole, so that no list outlives what it points into. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "edge-server/server_core.h"
#include "edge-server/server_queue_virtual.h"
#include "mobile-node/device_core.h"
#include "mobile-node/device_queue_virtual.h"
#include "orchestrator/session/session_core.h"
#include "proto/schema.h"

#define FLIGHT_MAX 1024u
#define LISTS_MAX 8u /* of a message */

enum role { ORCHESTRATOR, DEVICE, SERVER, WORKER };
static const char *const role_names[] = {"orchestrator", "device", "server", "worker"};

struct flight {
    enum role from, to;
    uint32_t from_number, to_number;
    struct proto_message message;
    void *list[LISTS_MAX]; /* owned copies, to which the message points */
};

struct host {
    const struct session *session;
    const struct sim_host_options *options;
    struct session_core *core;
    struct device_core *device;
    struct server_core **server;
    struct device_queue_virtual **device_queue; /* queueing mode */
    struct server_queue_virtual **server_queue;
    bool *device_gone, *server_gone;
    uint64_t allotted_round[WORLD_SERVERS_MAX]; /* 1 + round of the last ALLOT; 0: none */
    struct flight *flight;                      /* [FLIGHT_MAX] in the order of sending */
    uint32_t flights;
    uint32_t drawn; /* shuffles so far */
    size_t next_fault;
    bool pending; /* late: the faults of pending_phase are still to come */
    enum session_phase pending_phase;
    bool finished;
    struct diag diag;
};

static void trace_line(struct host *host, const char *text)
{
    struct slot_id id = session_core_slot(host->core);
    if (host->options->trace != NULL)
        assert_int_equal(buf_printf(host->options->trace, "%u.%u %s\n", id.episode, id.slot, text), 0);
}

static void trace_flight(struct host *host, const struct flight *flight)
{
    static const char *const arrow = "->";
    struct buf *trace = host->options->trace;
    struct slot_id id = session_core_slot(host->core);
    if (trace == NULL)
        return;
    assert_int_equal(buf_printf(trace, "%u.%u %s", id.episode, id.slot, role_names[flight->from]), 0);
    if (flight->from != ORCHESTRATOR)
        assert_int_equal(buf_printf(trace, " %u", flight->from_number), 0);
    assert_int_equal(buf_printf(trace, " %s %s", arrow, role_names[flight->to]), 0);
    if (flight->to != ORCHESTRATOR)
        assert_int_equal(buf_printf(trace, " %u", flight->to_number), 0);
    assert_int_equal(buf_printf(trace, ": "), 0);
    assert_int_equal(proto_print(&flight->message, trace), 0);
    assert_int_equal(buf_printf(trace, "\n"), 0);
}

static void *copy(const void *data, size_t size)
{
    void *memory = malloc(size + 1);
    assert_non_null(memory);
    if (size > 0)
        memcpy(memory, data, size);
    return memory;
}

static void copy_lists(struct flight *flight)
{
    const struct schema_row *row = schema_row((uint64_t) flight->message.id);
    size_t lists = 0;
    for (size_t i = 0; i < row->field_count; i++) {
        void *slot = schema_slot(&flight->message, &row->fields[i]);
        if (row->fields[i].kind == SCHEMA_UINT_LIST) {
            struct proto_u32s *list = slot;
            list->data = flight->list[lists++] = copy(list->data, list->count * sizeof *list->data);
        } else if (row->fields[i].kind == SCHEMA_REAL_LIST) {
            struct proto_reals *list = slot;
            list->data = flight->list[lists++] = copy(list->data, list->count * sizeof *list->data);
        }
        assert_true(lists < LISTS_MAX);
    }
}

static void free_lists(struct flight *flight)
{
    for (size_t i = 0; i < LISTS_MAX; i++)
        free(flight->list[i]);
}

static void launch(struct host *host, enum role from, uint32_t from_number, enum role to, uint32_t to_number,
                   const struct proto_message *message)
{
    assert_true(host->flights < FLIGHT_MAX);
    struct flight *flight = &host->flight[host->flights++];
    *flight = (struct flight){
        .from = from,
        .to = to,
        .from_number = from_number,
        .to_number = to_number,
        .message = *message,
    };
    copy_lists(flight);
}

/* May the i-th flight land now? Not before those that its sender sent to the same receiver earlier. */
static bool may_land(const struct host *host, uint32_t i)
{
    const struct flight *flight = &host->flight[i];
    for (uint32_t j = 0; j < i; j++) {
        const struct flight *other = &host->flight[j];
        if (other->from == flight->from && other->to == flight->to &&
            other->from_number == flight->from_number && other->to_number == flight->to_number)
            return false;
    }
    return true;
}

static struct flight take_next(struct host *host)
{
    uint32_t chosen = 0;
    while (host->options->shuffle) {
        struct rng_at at = {
            .seed = host->options->seed, .stream = RNG_SAMPLING, .slot = host->drawn / 1000000u};
        chosen = rng_below(&at, host->drawn++ % 1000000u, host->flights);
        if (may_land(host, chosen))
            break;
    }
    struct flight flight = host->flight[chosen];
    host->flights--;
    memmove(host->flight + chosen, host->flight + chosen + 1,
            (host->flights - chosen) * sizeof *host->flight);
    return flight;
}

/* ---- actions ---- */

static void renew_server(struct host *host, uint32_t number)
{
    const struct world *world = host->session->world;
    server_core_destroy(host->server[number]);
    server_queue_virtual_destroy(host->server_queue[number]);
    assert_int_equal(server_core_create(&host->server[number], world, number), 0);
    assert_int_equal(server_queue_virtual_create(&host->server_queue[number], world, number), 0);
}

static void renew_device(struct host *host, uint32_t number)
{
    const struct world *world = host->session->world;
    device_queue_virtual_destroy(host->device_queue[number]);
    device_core_init(&host->device[number], world, number);
    assert_int_equal(device_queue_virtual_create(&host->device_queue[number], world, number), 0);
}

static void feed(struct host *host, const struct session_event *event);

/* Its connections are closed: what is in flight on them never lands, not even when it has come back. */
static void cut_off(struct host *host, enum role role, uint32_t number)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < host->flights; i++) {
        struct flight *flight = &host->flight[i];
        if ((flight->from == role && flight->from_number == number) ||
            (flight->to == role && flight->to_number == number))
            free_lists(flight);
        else
            host->flight[kept++] = *flight;
    }
    host->flights = kept;
}

static void lose(struct host *host, const struct session_fault *fault)
{
    struct session_event event = {.kind = fault->is_back ? SESSION_ON_PEER_BACK : SESSION_ON_PEER_LOST,
                                  .is_server = fault->is_server,
                                  .number = fault->number,
                                  .why = "injected"};
    (fault->is_server ? host->server_gone : host->device_gone)[fault->number] = !fault->is_back;
    if (!fault->is_back)
        cut_off(host, fault->is_server ? SERVER : DEVICE, fault->number);
    if (fault->is_back && fault->is_server)
        renew_server(host, fault->number);
    else if (fault->is_back)
        renew_device(host, fault->number);
    feed(host, &event);
}

static void inject(struct host *host, enum session_phase phase)
{
    struct slot_id id = session_core_slot(host->core);
    while (host->next_fault < host->session->fault_count) {
        const struct session_fault *fault = &host->session->fault[host->next_fault];
        if (fault->episode != id.episode || fault->slot != id.slot || fault->phase != phase)
            return;
        host->next_fault++;
        lose(host, fault);
    }
}

/* Nodes without which the phase in progress cannot end. */
static uint32_t owing(const struct host *host)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < host->session->world->devices; n++)
        count += session_core_waits_for(host->core, false, n) ? 1 : 0;
    for (uint32_t m = 0; m < host->session->world->servers; m++)
        count += session_core_waits_for(host->core, true, m) ? 1 : 0;
    return count;
}

/* While at least two are waited for, no message ends the phase: its faults may wait for some more. */
static void inject_late(struct host *host)
{
    struct rng_at at = {.seed = host->options->seed, .stream = RNG_SAMPLING, .slot = host->drawn / 1000000u};
    if (!host->pending || (owing(host) > 1 && rng_below(&at, host->drawn++ % 1000000u, 8) > 0))
        return;
    host->pending = false;
    inject(host, host->pending_phase);
}

static void enter(struct host *host, enum session_phase phase)
{
    host->pending = host->options->late;
    host->pending_phase = phase;
    if (!host->pending)
        inject(host, phase);
}

static void execute(struct host *host, const struct session_action *action)
{
    switch (action->kind) {
    case SESSION_DO_GRANT:
        for (uint32_t n = 0; n < host->session->world->devices; n++)
            if (session_core_waits_for(host->core, false, n))
                launch(host, ORCHESTRATOR, 0, DEVICE, n, &action->message);
        return;
    case SESSION_DO_TELL_DEVICE:
        launch(host, ORCHESTRATOR, 0, DEVICE, action->number, &action->message);
        return;
    case SESSION_DO_TELL_SERVER:
        launch(host, ORCHESTRATOR, 0, SERVER, action->number, &action->message);
        return;
    case SESSION_DO_LEARN:
        trace_line(host, "learn");
        launch(host, ORCHESTRATOR, 0, WORKER, 0, &(struct proto_message){.id = PROTO_READY});
        return;
    case SESSION_DO_AWAIT_DEVICE:
    case SESSION_DO_AWAIT_SERVER: return;
    case SESSION_DO_CONTINUE:
        launch(host, ORCHESTRATOR, 0, WORKER, 1, &(struct proto_message){.id = PROTO_READY});
        return;
    case SESSION_DO_FINISH: host->finished = true; return;
    case SESSION_DO_TASKS: trace_line(host, "rows of the slot"); break;
    case SESSION_DO_EPISODE: trace_line(host, "row of the episode"); break;
    case SESSION_DO_EVENT: trace_line(host, "a node is lost"); break;
    case SESSION_DO_CHECKPOINT: trace_line(host, "checkpoint"); break;
    }
    assert_int_equal(session_core_record(host->core, action, 0.0), 0);
}

/* Actions are executed at once; a slot that begins or is decided is the place for its faults. */
static void feed(struct host *host, const struct session_event *event)
{
    struct session_actions actions;
    bool granted = false, decided = false, served = false;
    if (session_core_step(host->core, event, &actions, &host->diag) != 0)
        fail_msg("%s", host->diag.text);
    for (size_t i = 0; i < actions.count; i++) {
        const struct session_action *action = &actions.list[i];
        granted = granted || action->kind == SESSION_DO_GRANT;
        decided = decided || action->kind == SESSION_DO_TELL_DEVICE ||
                  (action->kind == SESSION_DO_TELL_SERVER && action->message.id == PROTO_ALLOT);
        served = served || (action->kind == SESSION_DO_TELL_SERVER && action->message.id == PROTO_ALLOT &&
                            env_is_queue(host->session->world));
        execute(host, action);
    }
    if (served && session_core_state(host->core) == SESSION_EXECUTING)
        enter(host, SESSION_SERVE);
    else if (decided && session_core_state(host->core) == SESSION_EXECUTING)
        enter(host, SESSION_EXECUTE);
    else if (granted && session_core_state(host->core) == SESSION_OBSERVING)
        enter(host, SESSION_OBSERVE);
}

/* ---- landings ---- */

static void step_device(struct host *host, uint32_t number, const struct device_event *event)
{
    struct device_actions actions;
    if (device_core_step(&host->device[number], event, &actions, &host->diag) != 0)
        fail_msg("%s", host->diag.text);
    for (size_t i = 0; i < actions.count; i++) {
        const struct device_action *action = &actions.list[i];
        struct device_event done = {.now_s = event->now_s + action->duration_s,
                                    .elapsed_s = action->duration_s};
        if (action->kind == DEVICE_DO_TELL) {
            launch(host, DEVICE, number, ORCHESTRATOR, 0, &action->message);
            continue;
        }
        if (action->kind == DEVICE_DO_ABANDON)
            continue;
        if (action->kind == DEVICE_DO_SEND && !action->undelivered)
            launch(host, DEVICE, number, SERVER, action->server, &action->message);
        if (action->kind == DEVICE_DO_SEND && action->more)
            continue;
        done.kind = action->kind == DEVICE_DO_SEND   ? DEVICE_ON_SENT
                    : action->kind == DEVICE_DO_WAIT ? DEVICE_ON_WAITED
                                                     : DEVICE_ON_COMPUTED;
        step_device(host, number, &done);
    }
}

static void step_server(struct host *host, uint32_t number, const struct server_event *event)
{
    struct server_actions actions;
    if (server_core_step(host->server[number], event, &actions, &host->diag) != 0)
        fail_msg("%s", host->diag.text);
    for (size_t i = 0; i < actions.count; i++) {
        const struct server_action *action = &actions.list[i];
        if (action->kind == SERVER_DO_COMPUTE) {
            struct server_event done = {.kind = SERVER_ON_COMPUTED,
                                        .device = action->work.device,
                                        .round = action->work.round,
                                        .elapsed_s = action->duration_s};
            step_server(host, number, &done);
        } else if (action->kind == SERVER_DO_ANSWER) {
            launch(host, SERVER, number, DEVICE, action->device, &action->message);
        } else {
            launch(host, SERVER, number, ORCHESTRATOR, 0, &action->message);
        }
    }
}

static void step_device_queue(struct host *host, uint32_t number, const struct proto_message *message)
{
    struct device_queue_actions actions;
    if (device_queue_virtual_take(host->device_queue[number], message, &actions, &host->diag) != 0)
        fail_msg("%s", host->diag.text);
    for (size_t i = 0; i < actions.count; i++) {
        const struct device_queue_action *action = &actions.list[i];
        if (action->kind == DEVICE_QUEUE_TELL)
            launch(host, DEVICE, number, ORCHESTRATOR, 0, &action->message);
        else if (action->kind == DEVICE_QUEUE_DELIVER)
            launch(host, DEVICE, number, SERVER, action->server, &action->message);
    }
}

static void step_server_queue(struct host *host, uint32_t number, const struct proto_message *message)
{
    struct server_queue_actions actions;
    if (server_queue_virtual_take(host->server_queue[number], message, &actions, &host->diag) != 0)
        fail_msg("%s", host->diag.text);
    for (size_t i = 0; i < actions.count; i++) {
        const struct server_queue_action *action = &actions.list[i];
        if (action->kind == SERVER_QUEUE_TELL)
            launch(host, SERVER, number, ORCHESTRATOR, 0, &action->message);
        else if (action->kind == SERVER_QUEUE_ANSWER)
            launch(host, SERVER, number, DEVICE, action->device, &action->message);
    }
}

static void land_at_device(struct host *host, const struct flight *flight)
{
    struct device_event event = {.kind = DEVICE_ON_SLOT, .message = &flight->message};
    if (flight->message.id == PROTO_FAULT) {
        renew_device(host, flight->to_number);
        return;
    }
    if (env_is_queue(host->session->world)) {
        step_device_queue(host, flight->to_number, &flight->message);
        return;
    }
    if (flight->message.id == PROTO_DECISION)
        event.kind = DEVICE_ON_DECISION;
    if (flight->message.id == PROTO_RECOVER)
        event.kind = DEVICE_ON_RECOVER;
    if (flight->message.id == PROTO_RESULT) {
        event.kind = DEVICE_ON_RESULT;
        event.now_s = flight->message.result.finish_s;
        event.elapsed_s = device_core_down_s(&host->device[flight->to_number]);
    }
    step_device(host, flight->to_number, &event);
}

static void land_at_server(struct host *host, const struct flight *flight)
{
    struct server_event event = {.kind = SERVER_ON_TASK, .message = &flight->message};
    uint64_t *allotted = &host->allotted_round[flight->to_number];
    if (flight->message.id == PROTO_FAULT) {
        renew_server(host, flight->to_number);
        return;
    }
    if (env_is_queue(host->session->world)) {
        step_server_queue(host, flight->to_number, &flight->message);
        return;
    }
    if (flight->message.id == PROTO_REVOKE)
        event.kind = SERVER_ON_REVOKE;
    if (flight->message.id == PROTO_ALLOT) {
        event.kind = SERVER_ON_ALLOT;
        *allotted = flight->message.allot.round + 1;
    }
    if (flight->message.id == PROTO_TASK && host->options->overtook != NULL)
        *host->options->overtook += flight->message.task.round + 1 > *allotted ? 1 : 0;
    step_server(host, flight->to_number, &event);
}

static void land(struct host *host, const struct flight *flight)
{
    bool from_gone = (flight->from == DEVICE && host->device_gone[flight->from_number]) ||
                     (flight->from == SERVER && host->server_gone[flight->from_number]);
    bool to_gone = (flight->to == DEVICE && host->device_gone[flight->to_number]) ||
                   (flight->to == SERVER && host->server_gone[flight->to_number]);
    if (from_gone || to_gone)
        return; /* its connection is closed */
    struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = &flight->message};
    if (flight->to != WORKER)
        trace_flight(host, flight);
    switch (flight->to) {
    case DEVICE: land_at_device(host, flight); return;
    case SERVER: land_at_server(host, flight); return;
    case WORKER:
        if (flight->to_number == 0)
            host->session->policy->kind->update(host->session->policy);
        event.kind = flight->to_number == 0 ? SESSION_ON_LEARNED : SESSION_ON_CONTINUE;
        break;
    case ORCHESTRATOR: break;
    }
    feed(host, &event);
}

/* ---- life ---- */

static void setup(struct host *host)
{
    const struct world *world = host->session->world;
    host->flight = calloc(FLIGHT_MAX, sizeof *host->flight);
    host->device = calloc(world->devices, sizeof *host->device);
    host->server = calloc(world->servers, sizeof(struct server_core *));
    host->device_queue = calloc(world->devices, sizeof(struct device_queue_virtual *));
    host->server_queue = calloc(world->servers, sizeof(struct server_queue_virtual *));
    host->device_gone = calloc(world->devices, sizeof *host->device_gone);
    host->server_gone = calloc(world->servers, sizeof *host->server_gone);
    assert_true(host->flight != NULL && host->device != NULL && host->server != NULL &&
                host->device_queue != NULL && host->server_queue != NULL && host->device_gone != NULL &&
                host->server_gone != NULL);
    for (uint32_t n = 0; n < world->devices; n++)
        renew_device(host, n);
    for (uint32_t m = 0; m < world->servers; m++)
        renew_server(host, m);
    assert_int_equal(session_core_create(&host->core, host->session), 0);
}

void sim_host_run(const struct session *session, const struct sim_host_options *options,
                  struct session_result *ret_result)
{
    struct host host = {.session = session, .options = options};
    setup(&host);
    struct session_event start = {.kind = SESSION_ON_START};
    feed(&host, &start);
    while (!host.finished && host.flights > 0) {
        inject_late(&host);
        struct flight flight = take_next(&host);
        land(&host, &flight);
        free_lists(&flight);
    }
    assert_true(host.finished);
    *ret_result = *session_core_result(host.core);
    session_core_destroy(host.core);
    for (uint32_t i = 0; i < host.flights; i++)
        free_lists(&host.flight[i]);
    for (uint32_t m = 0; m < session->world->servers; m++) {
        server_core_destroy(host.server[m]);
        server_queue_virtual_destroy(host.server_queue[m]);
    }
    for (uint32_t n = 0; n < session->world->devices; n++)
        device_queue_virtual_destroy(host.device_queue[n]);
    free(host.device_queue);
    free(host.server_queue);
    free(host.flight);
    free(host.device);
    free(host.server);
    free(host.device_gone);
    free(host.server_gone);
}
