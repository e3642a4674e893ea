#include "orchestrator/host/host_memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "edge-server/server_core.h"
#include "edge-server/server_queue_virtual.h"
#include "mobile-node/device_core.h"
#include "mobile-node/device_queue_virtual.h"
#include "orchestrator/host/host_answers.h"
#include "orchestrator/session/session_core.h"

struct host {
    const struct session *session;
    struct session_core *core;
    bool is_queue;
    struct device_core *device;                 /* [N] mode round */
    struct server_core **server;                /* [M] likewise */
    struct device_queue_virtual **device_queue; /* [N] queueing mode */
    struct server_queue_virtual **server_queue; /* [M] likewise */
    bool *device_gone;                          /* [N] lost by a fault */
    bool *server_gone;                          /* [M] */
    bool *device_returns;                       /* [N] gone until the next slot */
    bool *server_returns;                       /* [M] */
    /* Actions of the orchestrator yet to be executed, in order: a list that is walked while it grows, and is
     * emptied whenever its end is reached. */
    struct session_action *queue;
    size_t queue_head, queue_tail, queue_capacity;
    size_t next_fault;
    size_t next_guests_task;
    struct host_answers *answers; /* NULL: nothing is really computed */
    uint64_t episode_start_ns;
    bool finished;
    struct diag *diag;
};

static int feed(struct host *host, const struct session_event *event)
{
    struct session_actions actions;
    int rc = session_core_step(host->core, event, &actions, host->diag);
    if (rc != 0 || actions.count == 0)
        return rc;
    assert(host->queue_head <= host->queue_tail);
    if (host->queue_head == host->queue_tail)
        host->queue_head = host->queue_tail = 0;
    rc = array_reserve(&host->queue, &host->queue_capacity, host->queue_tail + actions.count);
    if (rc != 0)
        return diag_fail(host->diag, rc, "out of memory");
    assert(host->queue_tail + actions.count <= host->queue_capacity);
    memcpy(host->queue + host->queue_tail, actions.list, actions.count * sizeof *actions.list);
    host->queue_tail += actions.count;
    return 0;
}

/* With the answer of its task, if that is still in progress. */
static int feed_report(struct host *host, const struct proto_message *message)
{
    struct proto_message answered = *message;
    const struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = &answered};
    const struct db_task *task =
        session_core_task(host->core, (uint32_t) message->report.device, message->report.round);
    int rc = task != NULL ? host_answers_fill(host->answers, task, &answered.report, host->diag) : 0;
    return rc == 0 ? feed(host, &event) : rc;
}

static int feed_message(struct host *host, const struct proto_message *message)
{
    struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = message};
    if (host->answers != NULL && message->id == PROTO_REPORT)
        return feed_report(host, message);
    return feed(host, &event);
}

static int step_device(struct host *host, uint32_t number, const struct device_event *event);

static int answer(struct host *host, const struct server_action *action)
{
    assert(action->device < host->session->world->devices);
    assert(action->message.id == PROTO_RESULT);
    if (host->device_gone[action->device])
        return 0;
    struct device_event event = {
        .kind = DEVICE_ON_RESULT,
        .now_s = action->message.result.finish_s,
        .elapsed_s = device_core_down_s(&host->device[action->device]),
        .message = &action->message,
    };
    return step_device(host, action->device, &event);
}

static int step_server(struct host *host, uint32_t number, const struct server_event *event)
{
    struct server_actions actions;
    assert(!host->is_queue && !host->server_gone[number]);
    int rc = server_core_step(host->server[number], event, &actions, host->diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++) {
        const struct server_action *action = &actions.list[i];
        if (action->kind == SERVER_DO_COMPUTE) {
            struct server_event done = {
                .kind = SERVER_ON_COMPUTED,
                .device = action->work.device,
                .round = action->work.round,
                .elapsed_s = action->duration_s,
            };
            rc = step_server(host, number, &done);
        } else if (action->kind == SERVER_DO_ANSWER) {
            rc = answer(host, action);
        } else {
            rc = feed_message(host, &action->message);
        }
    }
    return rc;
}

/* Virtual time: a job of duration d ends at now + d, at once. */
static int execute_device(struct host *host, uint32_t number, double now_s,
                          const struct device_action *action)
{
    assert(action->duration_s >= 0.0); /* virtual time does not run backwards */
    if (action->kind == DEVICE_DO_TELL)
        return feed_message(host, &action->message);
    struct device_event event = {.now_s = now_s + action->duration_s, .elapsed_s = action->duration_s};
    if (action->kind == DEVICE_DO_COMPUTE) {
        event.kind = DEVICE_ON_COMPUTED;
        return step_device(host, number, &event);
    }
    if (action->kind == DEVICE_DO_WAIT) {
        event.kind = DEVICE_ON_WAITED;
        return step_device(host, number, &event);
    }
    if (action->kind == DEVICE_DO_ABANDON)
        return 0; /* nothing is ever under way */
    assert(action->server < host->session->world->servers);
    int rc = 0;
    event.kind = DEVICE_ON_SENT; /* before the task is delivered: its result may come back within the call */
    if (!action->more)
        rc = step_device(host, number, &event);
    struct server_event task = {.kind = SERVER_ON_TASK, .message = &action->message};
    if (rc == 0 && !action->undelivered && !host->server_gone[action->server])
        rc = step_server(host, action->server, &task);
    return rc;
}

static int step_device(struct host *host, uint32_t number, const struct device_event *event)
{
    struct device_actions actions;
    assert(!host->is_queue && !host->device_gone[number]);
    int rc = device_core_step(&host->device[number], event, &actions, host->diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute_device(host, number, event->now_s, &actions.list[i]);
    return rc;
}

/* ---- queueing mode ---- */

static int step_server_queue(struct host *host, uint32_t number, const struct proto_message *message);

static int step_device_queue(struct host *host, uint32_t number, const struct proto_message *message)
{
    struct device_queue_actions actions;
    assert(host->is_queue && !host->device_gone[number]);
    int rc = device_queue_virtual_take(host->device_queue[number], message, &actions, host->diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++) {
        const struct device_queue_action *action = &actions.list[i];
        if (action->kind == DEVICE_QUEUE_TELL)
            rc = feed_message(host, &action->message);
        else if (action->kind == DEVICE_QUEUE_DELIVER && !host->server_gone[action->server])
            rc = step_server_queue(host, action->server, &action->message);
    }
    return rc;
}

static int step_server_queue(struct host *host, uint32_t number, const struct proto_message *message)
{
    struct server_queue_actions actions;
    assert(host->is_queue && !host->server_gone[number]);
    int rc = server_queue_virtual_take(host->server_queue[number], message, &actions, host->diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++) {
        const struct server_queue_action *action = &actions.list[i];
        if (action->kind == SERVER_QUEUE_TELL)
            rc = feed_message(host, &action->message);
        else if (action->kind == SERVER_QUEUE_ANSWER && !host->device_gone[action->device])
            rc = step_device_queue(host, action->device, &action->message);
    }
    return rc;
}

/* ---- nodes that go and come ---- */

/* Has the session come to the fault's place? A replay does not visit all places: a learner's closing
 * observation is left out. Faults of such a place are due at the next one. */
static bool is_due(const struct session_fault *fault, struct slot_id id, enum session_phase phase)
{
    if (fault->episode != id.episode)
        return fault->episode < id.episode;
    if (fault->slot != id.slot)
        return fault->slot < id.slot;
    return fault->phase <= phase;
}

/* A node that comes back knows nothing of what was before. */
static int renew(struct host *host, bool is_server, uint32_t number)
{
    const struct world *world = host->session->world;
    assert(number < (is_server ? world->servers : world->devices));
    if (host->is_queue && is_server) {
        server_queue_virtual_destroy(host->server_queue[number]);
        host->server_queue[number] = NULL;
        return server_queue_virtual_create(&host->server_queue[number], world, number);
    }
    if (host->is_queue) {
        device_queue_virtual_destroy(host->device_queue[number]);
        host->device_queue[number] = NULL;
        return device_queue_virtual_create(&host->device_queue[number], world, number);
    }
    if (!is_server) {
        device_core_init(&host->device[number], world, number);
        return 0;
    }
    server_core_destroy(host->server[number]);
    host->server[number] = NULL;
    return server_core_create(&host->server[number], world, number);
}

/* Injects the faults that are due at `phase` of the slot in progress. Messages of a slot that closed without
 * their receivers may still be in the queue: they are no place for the next slot's faults. */
static int inject(struct host *host, enum session_phase phase)
{
    struct slot_id id = session_core_slot(host->core);
    const struct session *session = host->session;
    if (phase != SESSION_OBSERVE && session_core_state(host->core) != SESSION_EXECUTING)
        return 0;
    int rc = 0;
    while (rc == 0 && host->next_fault < session->fault_count) {
        const struct session_fault *fault = &session->fault[host->next_fault];
        if (!is_due(fault, id, phase))
            break;
        assert(fault->number < (fault->is_server ? session->world->servers : session->world->devices));
        host->next_fault++;
        (fault->is_server ? host->server_gone : host->device_gone)[fault->number] = true;
        (fault->is_server ? host->server_returns : host->device_returns)[fault->number] = fault->is_back;
        if (fault->is_back)
            rc = renew(host, fault->is_server, fault->number);
        struct session_event event = {
            .kind = fault->is_back ? SESSION_ON_PEER_BACK : SESSION_ON_PEER_LOST,
            .is_server = fault->is_server,
            .number = fault->number,
            .why = "injected",
        };
        rc = rc != 0 ? rc : feed(host, &event);
    }
    return rc;
}

static void let_return(bool *gone, bool *returns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gone[i] = gone[i] && !returns[i];
        returns[i] = false;
    }
}

/* A recorded guest's task, in the slot that begins. */
static struct device_own guests_task(struct host *host, const struct msg_slot *slot, uint32_t number)
{
    const struct session *session = host->session;
    struct device_own own = {.is_own = true};
    for (; host->next_guests_task < session->guests_tasks; host->next_guests_task++) {
        const struct session_guests_task *task = &session->guests_task[host->next_guests_task];
        bool is_later = task->episode != slot->episode ? task->episode > slot->episode
                        : task->slot != slot->slot     ? task->slot > slot->slot
                                                       : task->device > number;
        if (is_later)
            break;
        if (task->episode == slot->episode && task->slot == slot->slot && task->device == number)
            own.tokens = task->tokens;
    }
    return own;
}

static void bring_guests_task(struct host *host, const struct msg_slot *slot, uint32_t number)
{
    const struct world *world = host->session->world;
    if (host->session->guests_task == NULL || number < world->devices - world->scenario.devices.guests)
        return;
    const struct device_own own = guests_task(host, slot, number);
    if (host->is_queue)
        device_queue_virtual_set_own(host->device_queue[number], &own);
    else
        device_core_set_own(&host->device[number], &own);
}

static int step_slot(struct host *host, uint32_t number, const struct proto_message *slot)
{
    struct device_event event = {.kind = DEVICE_ON_SLOT, .message = slot};
    bring_guests_task(host, &slot->slot, number);
    return host->is_queue ? step_device_queue(host, number, slot) : step_device(host, number, &event);
}

static int grant(struct host *host, const struct proto_message *slot)
{
    assert(slot->id == PROTO_SLOT);
    if (slot->slot.slot == 0)
        host->episode_start_ns = clock_monotonic_ns();
    if (host->session->fault_count > 0) {
        let_return(host->device_gone, host->device_returns, host->session->world->devices);
        let_return(host->server_gone, host->server_returns, host->session->world->servers);
    }
    int rc = host->session->fault_count > 0 ? inject(host, SESSION_OBSERVE) : 0;
    for (uint32_t n = 0; n < host->session->world->devices && rc == 0; n++)
        if (!host->device_gone[n])
            rc = step_slot(host, n, slot);
    return rc;
}

static int tell_device(struct host *host, uint32_t number, const struct proto_message *message)
{
    assert(number < host->session->world->devices);
    if (message->id == PROTO_FAULT)
        return renew(host, false, number);
    int rc = host->session->fault_count > 0 ? inject(host, SESSION_EXECUTE) : 0;
    struct device_event event = {
        .kind = message->id == PROTO_RECOVER ? DEVICE_ON_RECOVER : DEVICE_ON_DECISION,
        .message = message,
    };
    if (rc != 0 || host->device_gone[number])
        return rc;
    return host->is_queue ? step_device_queue(host, number, message) : step_device(host, number, &event);
}

static int tell_server(struct host *host, uint32_t number, const struct proto_message *message)
{
    assert(number < host->session->world->servers);
    if (message->id == PROTO_FAULT)
        return renew(host, true, number);
    enum session_phase phase = host->is_queue ? SESSION_SERVE : SESSION_EXECUTE;
    int rc = host->session->fault_count > 0 ? inject(host, phase) : 0;
    struct server_event event = {
        .kind = message->id == PROTO_ALLOT ? SERVER_ON_ALLOT : SERVER_ON_REVOKE,
        .message = message,
    };
    if (rc != 0 || host->server_gone[number])
        return rc;
    return host->is_queue ? step_server_queue(host, number, message) : step_server(host, number, &event);
}

static int learn(struct host *host)
{
    struct policy *policy = host->session->policy;
    assert(policy->training); /* others are never asked to learn */
    policy->kind->update(policy);
    struct session_event event = {.kind = SESSION_ON_LEARNED};
    return feed(host, &event);
}

static int go_on(struct host *host)
{
    struct session_event event = {.kind = SESSION_ON_CONTINUE};
    return feed(host, &event);
}

static int execute(struct host *host, const struct session_action *action)
{
    switch (action->kind) {
    case SESSION_DO_GRANT:
        if (host->session->progress != NULL)
            progress_update(host->session->progress, session_core_result(host->core)->slots, NULL);
        return grant(host, &action->message);
    case SESSION_DO_TELL_DEVICE: return tell_device(host, action->number, &action->message);
    case SESSION_DO_TELL_SERVER: return tell_server(host, action->number, &action->message);
    case SESSION_DO_LEARN: return learn(host);
    case SESSION_DO_CONTINUE: return go_on(host);
    case SESSION_DO_AWAIT_DEVICE:
    case SESSION_DO_AWAIT_SERVER: return 0; /* everybody is always here */
    case SESSION_DO_FINISH:
        assert(session_core_state(host->core) == SESSION_DONE);
        host->finished = true;
        return 0;
    case SESSION_DO_TASKS:
    case SESSION_DO_EVENT:
    case SESSION_DO_CHECKPOINT:
    case SESSION_DO_EPISODE:
        return session_core_record(host->core, action,
                                   units_ns_to_s(clock_monotonic_ns() - host->episode_start_ns));
    }
    assert(false); /* every kind of action has its case */
    return ERR_STATE;
}

static int make_cores(struct host *host)
{
    const struct world *world = host->session->world;
    int rc = 0;
    for (uint32_t n = 0; n < world->devices && rc == 0; n++)
        rc = renew(host, false, n);
    for (uint32_t m = 0; m < world->servers && rc == 0; m++)
        rc = renew(host, true, m);
    for (uint32_t i = 0; i < world->scenario.devices.guests; i++)
        host->device_gone[world->devices - 1 - i] = true;
    return rc;
}

static int setup(struct host *host, const struct session *session)
{
    const struct world *world = session->world;
    host->session = session;
    host->is_queue = env_is_queue(world);
    host->device = calloc(world->devices, sizeof *host->device);
    host->server = calloc(world->servers, sizeof(struct server_core *));
    host->device_queue = calloc(world->devices, sizeof(struct device_queue_virtual *));
    host->server_queue = calloc(world->servers, sizeof(struct server_queue_virtual *));
    host->device_gone = calloc(world->devices, sizeof *host->device_gone);
    host->server_gone = calloc(world->servers, sizeof *host->server_gone);
    host->device_returns = calloc(world->devices, sizeof *host->device_returns);
    host->server_returns = calloc(world->servers, sizeof *host->server_returns);
    if (host->device == NULL || host->server == NULL || host->device_queue == NULL ||
        host->server_queue == NULL || host->device_gone == NULL || host->server_gone == NULL ||
        host->device_returns == NULL || host->server_returns == NULL)
        return -ENOMEM;
    int rc = make_cores(host);
    if (rc == 0)
        rc = session_core_create(&host->core, session);
    return rc == 0 ? host_answers_open(&host->answers, session, host->diag) : rc;
}

static void teardown(struct host *host)
{
    session_core_destroy(host->core);
    host_answers_close(host->answers);
    for (uint32_t m = 0; host->server != NULL && m < host->session->world->servers; m++)
        server_core_destroy(host->server[m]);
    for (uint32_t m = 0; host->server_queue != NULL && m < host->session->world->servers; m++)
        server_queue_virtual_destroy(host->server_queue[m]);
    for (uint32_t n = 0; host->device_queue != NULL && n < host->session->world->devices; n++)
        device_queue_virtual_destroy(host->device_queue[n]);
    free(host->device);
    free(host->server);
    free(host->device_queue);
    free(host->server_queue);
    free(host->device_gone);
    free(host->server_gone);
    free(host->device_returns);
    free(host->server_returns);
    free(host->queue);
}

int host_memory_run(const struct session *session, struct session_result *ret_result, struct diag *diag)
{
    struct host host = {.diag = diag};
    uint64_t start_ns = clock_monotonic_ns();
    int rc = setup(&host, session);
    if (rc != 0)
        diag_fail(diag, rc, "%s", err_text(rc));
    struct session_event start = {.kind = SESSION_ON_START};
    if (rc == 0)
        rc = feed(&host, &start);
    while (rc == 0 && !host.finished && host.queue_head < host.queue_tail) {
        struct session_action action =
            host.queue[host.queue_head++]; /* a copy: executing it may grow the list */
        rc = execute(&host, &action);
    }
    if (rc == 0 && !host.finished)
        rc = diag_fail(diag, ERR_STATE, "the session stopped making progress");
    if (rc == 0) {
        *ret_result = *session_core_result(host.core);
        ret_result->wall_s = units_ns_to_s(clock_monotonic_ns() - start_ns);
    }
    teardown(&host);
    return rc;
}
