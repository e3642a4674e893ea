/* The TCP host's conversation with the core (host_tcp_internal.h). */
#include <assert.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "orchestrator/host/host_tcp_internal.h"

static void on_update_work(uv_work_t *work)
{
    struct host_tcp *host = work->data;
    host->session->policy->kind->update(host->session->policy);
}

static void on_update_done(uv_work_t *work, int status)
{
    struct host_tcp *host = work->data;
    assert(status == 0); /* never cancelled */
    (void) status;
    assert(host->learning_busy);
    host->learning_busy = false;
    struct session_event event = {.kind = SESSION_ON_LEARNED};
    int rc = host->ending ? 0 : host_tcp_feed(host, &event, host->diag);
    if (rc != 0)
        host_tcp_fail(host, rc);
}

static int learn(struct host_tcp *host)
{
    assert(!host->learning_busy); /* the core waits for an update before it asks for the next */
    assert(host->session->policy->training);
    host->learning.data = host;
    host->learning_busy = true;
    return uv_queue_work(&host->loop.uv, &host->learning, on_update_work, on_update_done);
}

static bool takes_part(const struct host_tcp *host, const struct member *member)
{
    bool any = false;
    for (uint32_t i = 0; i < member->count && !any; i++)
        any = session_core_waits_for(host->core, false, member->first + i);
    return any;
}

static void grant(struct host_tcp *host, const struct proto_message *slot)
{
    assert(slot->id == PROTO_SLOT && !host->is_held);
    if (slot->slot.slot == 0)
        host->episode_start_ns = clock_monotonic_ns();
    for (struct member *member = host->members.all; member != NULL; member = member->next)
        if (member->role == MEMBER_MOBILE && member->ready && takes_part(host, member))
            (void) wire_conn_send(member->conn, slot); /* a lost node shows in on_close */
    if (host->session->progress != NULL)
        progress_update(host->session->progress, session_core_result(host->core)->slots, NULL);
}

/* The scenario brings the node back: if it is not here yet, the next SLOT waits for it. */
static void await(struct host_tcp *host, bool is_server, uint32_t number)
{
    assert(number < (is_server ? host->members.servers : host->members.devices));
    const struct member *member = (is_server ? host->members.server : host->members.device)[number];
    if (member != NULL && member->ready)
        return;
    enum host_tcp_wait *wait = &(is_server ? host->await_server : host->await_device)[number];
    host->awaiting += *wait == HOST_TCP_WAITS ? 0 : 1;
    *wait = HOST_TCP_WAITS;
}

static void tell(struct host_tcp *host, struct member *member, const struct proto_message *message)
{
    if (member == NULL)
        return;
    bool kills = message->id == PROTO_FAULT;
    if (kills && member->count > 1)
        return; /* the process plays others too: this one falls silent by itself */
    (void) wire_conn_send(member->conn, message); /* a lost node shows in on_close */
    if (kills && message->fault.returns != 0)
        members_reserve(&host->members, member);
    else if (kills)
        members_vacate(&host->members, member);
}

static void on_slot_due(struct wire_alarm *alarm)
{
    struct host_tcp *host = alarm->user;
    host->is_early = false;
    host_tcp_release(host);
}

/* Queueing mode in real time: slots tick. One that is late, because the one before took so long to
 * decide, begins at once. */
static int await_slot(struct host_tcp *host, const struct msg_slot *slot)
{
    const struct scenario *scenario = &host->session->world->scenario;
    if (!host->session->in_real_time || !env_is_queue(host->session->world) || slot->slot == 0)
        return 0;
    assert(scenario->run.time_scale > 0.0);
    double after_s = (double) slot->slot * scenario->run.slot_s / scenario->run.time_scale;
    host->slot_alarm.on_due = on_slot_due; /* it may be set: the last device was lost before a SLOT's time */
    host->slot_alarm.user = host;
    host->is_early = true;
    return wire_alarm_set(&host->alarms, &host->slot_alarm,
                          host->episode_start_ns + (uint64_t) (after_s * (double) UNITS_NS_PER_S));
}

static int hold_or_grant(struct host_tcp *host, const struct proto_message *slot)
{
    int rc = await_slot(host, &slot->slot);
    host->held = *slot;
    host->is_held = host->awaiting > 0 || host->is_early;
    if (!host->is_held)
        grant(host, slot);
    return rc;
}

static int execute(struct host_tcp *host, const struct session_action *action)
{
    switch (action->kind) {
    case SESSION_DO_GRANT: return hold_or_grant(host, &action->message);
    case SESSION_DO_TELL_DEVICE:
        assert(action->number < host->members.devices);
        tell(host, host->members.device[action->number], &action->message);
        return 0;
    case SESSION_DO_TELL_SERVER:
        assert(action->number < host->members.servers);
        tell(host, host->members.server[action->number], &action->message);
        return 0;
    case SESSION_DO_CONTINUE: host->go_on = true; return 0;
    case SESSION_DO_AWAIT_DEVICE: await(host, false, action->number); return 0;
    case SESSION_DO_AWAIT_SERVER: await(host, true, action->number); return 0;
    case SESSION_DO_LEARN: return learn(host);
    case SESSION_DO_FINISH:
        assert(!host->finished && session_core_state(host->core) == SESSION_DONE);
        host->finished = true;
        host_tcp_end(host, 0);
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

static void execute_all(struct host_tcp *host, const struct session_actions *actions)
{
    host->quiet_ticks = host->ping_ticks = 0;
    for (size_t i = 0; i < actions->count && !host->ending; i++) {
        int rc = execute(host, &actions->list[i]);
        if (rc != 0) {
            diag_fail(host->diag, rc, "%s", err_text(rc));
            host_tcp_fail(host, rc);
        }
    }
}

static void go_on(struct host_tcp *host)
{
    struct session_event event = {.kind = SESSION_ON_CONTINUE};
    assert(host->depth == 0); /* CONTINUE is not fed within a step */
    while (host->go_on && !host->is_held && !host->ending) {
        host->go_on = false;
        int rc = host_tcp_feed(host, &event, host->diag);
        if (rc != 0)
            host_tcp_fail(host, rc);
    }
}

/* Steps the core and executes what it asks for. What the core refuses is returned, with a sentence in `diag`,
 * for the caller to judge; what cannot be executed (a sink's error) ends the session here. */
int host_tcp_feed(struct host_tcp *host, const struct session_event *event, struct diag *diag)
{
    struct session_actions actions;
    assert(host->core != NULL && !host->ending);
    int rc = session_core_step(host->core, event, &actions, diag);
    if (rc != 0)
        return rc;
    host->depth++;
    if (actions.count > 0) /* a message that changes nothing, a late REPORT say, is no progress */
        execute_all(host, &actions);
    assert(host->depth > 0);
    host->depth--;
    if (host->depth == 0)
        go_on(host);
    return 0;
}

/* Lets the SLOT go that waited for those that are here now. */
void host_tcp_release(struct host_tcp *host)
{
    if (host->awaiting > 0 || host->is_early || !host->is_held || host->ending)
        return;
    host->is_held = false;
    host->quiet_ticks = host->ping_ticks = 0;
    grant(host, &host->held);
    go_on(host);
}

void host_tcp_lose(struct host_tcp *host, bool is_server, uint32_t number, const char *why)
{
    struct session_event event = {
        .kind = SESSION_ON_PEER_LOST,
        .is_server = is_server,
        .number = number,
        .keeps_reports = host->session->in_real_time,
        .why = why,
    };
    int rc = host_tcp_feed(host, &event, host->diag);
    if (rc != 0)
        host_tcp_fail(host, rc);
}

void host_tcp_lose_all(struct host_tcp *host, const struct member *gone, const char *why)
{
    assert(gone->count == 0 || gone->role != 0);
    for (uint32_t i = 0; i < gone->count && gone->ready && !host->ending; i++)
        host_tcp_lose(host, gone->role == MEMBER_SERVER, gone->first + i, why);
}

/* Refuses a member, and does without it at once: its connection may take its time to close. */
void host_tcp_drop(struct host_tcp *host, struct member *member, enum proto_refusal reason, const char *why)
{
    struct member gone = *member;
    wire_conn_refuse(member->conn, reason, why);
    members_vacate(&host->members, member);
    if (host->core != NULL)
        host_tcp_lose_all(host, &gone, why);
}
