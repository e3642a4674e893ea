#include "orchestrator/host_tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/units.h"
#include "orchestrator/core.h"
#include "orchestrator/roster.h"
#include "orchestrator/self_audit.h"
#include "proto/wire/lag.h"
#include "proto/wire/listen.h"
#include "proto/wire/process.h"

#define TICK_MS 250u /* how often deadlines are looked at */
#define CONNECTIONS_EXTRA 16u
#define PING_TICKS 4u   /* in which a node has to answer PING: 1 s */
#define BEAT_MS 20u     /* real time: how often silence is looked at */
#define SILENT_MS 150u  /* after which a node is lost */
#define HELLO_TICKS 40u /* in which a connection has to say HELLO, and READY in mid-run: 10 s */

struct host_tcp {
    struct session played;         /* as given, and by_wall */
    const struct session *session; /* that */
    const struct host_tcp_options *options;
    struct wire_loop loop;
    struct wire_listener *listener;
    struct roster roster; /* who has joined: members by connection, device and server */
    uv_timer_t tick;
    struct progress joining;
    struct wire_alarms alarms; /* real clock, with what follows */
    struct wire_lag lag;
    struct self_audit audit;
    uv_work_t learning;
    bool learning_busy;
    struct orch_core *core; /* NULL until all have joined */
    int (*on_joined)(void *user, const struct host_tcp *host);
    void *user;
    uint64_t start_ns, episode_start_ns;
    uint32_t quiet_ticks; /* since the run last went a step on */
    uint32_t ping_ticks;  /* since the last PING; 0: it was answered, or the run went on */
    uint32_t pings;       /* how often those who owed something were asked */
    uv_timer_t beat;      /* real clock */
    uint64_t beat_ms;     /* when it last rang, by the loop's clock */
    bool beating;
    struct proto_message held; /* a SLOT that waits for nodes that the scenario brings back */
    bool is_held;
    struct wire_alarm slot_alarm;      /* queueing mode by the wall: a SLOT waits for its time */
    bool is_early;                     /* it does */
    bool *await_device, *await_server; /* [N], [M] which */
    uint32_t awaiting;                 /* how many */
    bool go_on;                        /* CONTINUE is to be fed */
    uint32_t depth;                    /* of feed */
    bool ending;
    bool finished;
    int status;
    struct diag *diag;
};

static uint64_t nodes_joined(const struct host_tcp *host)
{
    return (uint64_t) host->roster.devices_joined + host->roster.servers_joined;
}

/* ---- ending ---- */

/* Says goodbye to all and closes; the loop then runs dry. Status 0: the session is complete. */
static void end(struct host_tcp *host, int status)
{
    if (host->ending)
        return;
    host->ending = true;
    host->status = status;
    if (host->core == NULL)
        progress_stop(&host->joining, nodes_joined(host));
    struct proto_message goodbye = {.id = PROTO_GOODBYE, .goodbye = {.status = status == 0 ? 0 : 1}};
    for (struct member *member = host->roster.members; member != NULL; member = member->next) {
        if (member->role != 0)
            (void) wire_conn_send(member->conn, &goodbye); /* a node that is gone needs none */
        wire_conn_close(member->conn);
    }
    wire_listener_close(host->listener);
    host->listener = NULL;
    wire_alarms_close(&host->alarms);
    uv_close((uv_handle_t *) &host->tick, NULL);
    if (host->beating)
        uv_close((uv_handle_t *) &host->beat, NULL);
}

static void fail(struct host_tcp *host, int code)
{
    end(host, code);
}

/* ---- driving the core ---- */

static int feed(struct host_tcp *host, const struct orch_event *event, struct diag *diag);

static void on_update_work(uv_work_t *work)
{
    struct host_tcp *host = work->data;
    host->session->policy->kind->update(host->session->policy);
}

static void on_update_done(uv_work_t *work, int status)
{
    struct host_tcp *host = work->data;
    (void) status; /* never cancelled */
    host->learning_busy = false;
    struct orch_event event = {.kind = ORCH_ON_LEARNED};
    int rc = host->ending ? 0 : feed(host, &event, host->diag);
    if (rc != 0)
        fail(host, rc);
}

static int learn(struct host_tcp *host)
{
    host->learning.data = host;
    host->learning_busy = true;
    return uv_queue_work(&host->loop.uv, &host->learning, on_update_work, on_update_done);
}

static bool takes_part(const struct host_tcp *host, const struct member *member)
{
    bool any = false;
    for (uint32_t i = 0; i < member->count && !any; i++)
        any = orch_core_waits_for(host->core, false, member->first + i);
    return any;
}

static void grant(struct host_tcp *host, const struct proto_message *slot)
{
    if (slot->slot.slot == 0)
        host->episode_start_ns = clock_monotonic_ns();
    for (struct member *member = host->roster.members; member != NULL; member = member->next)
        if (member->role == MEMBER_MOBILE && member->ready && takes_part(host, member))
            (void) wire_conn_send(member->conn, slot); /* a lost node shows in on_close */
    if (host->session->progress != NULL)
        progress_update(host->session->progress, orch_core_result(host->core)->slots, NULL);
}

/* The scenario brings the node back: if it is not here yet, the next SLOT waits for it. */
static void await(struct host_tcp *host, bool is_server, uint32_t number)
{
    const struct member *member = (is_server ? host->roster.server : host->roster.device)[number];
    if (member != NULL && member->ready)
        return;
    (is_server ? host->await_server : host->await_device)[number] = true;
    host->awaiting++;
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
        roster_reserve(&host->roster, member);
    else if (kills)
        roster_vacate(&host->roster, member);
}

static void release(struct host_tcp *host);

static void on_slot_due(struct wire_alarm *alarm)
{
    struct host_tcp *host = alarm->user;
    host->is_early = false;
    release(host);
}

/* Queueing mode by the wall clock: slots tick. One that is late, because the one before took so long to
 * decide, begins at once. */
static int await_slot(struct host_tcp *host, const struct msg_slot *slot)
{
    const struct scenario *scenario = &host->session->world->scenario;
    if (!host->session->by_wall || !env_is_queue(host->session->world) || slot->slot == 0)
        return 0;
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

static int execute(struct host_tcp *host, const struct orch_action *action)
{
    switch (action->kind) {
    case ORCH_DO_GRANT: return hold_or_grant(host, &action->message);
    case ORCH_DO_TELL_DEVICE: tell(host, host->roster.device[action->number], &action->message); return 0;
    case ORCH_DO_TELL_SERVER: tell(host, host->roster.server[action->number], &action->message); return 0;
    case ORCH_DO_CONTINUE: host->go_on = true; return 0;
    case ORCH_DO_AWAIT_DEVICE: await(host, false, action->number); return 0;
    case ORCH_DO_AWAIT_SERVER: await(host, true, action->number); return 0;
    case ORCH_DO_LEARN: return learn(host);
    case ORCH_DO_FINISH:
        host->finished = true;
        end(host, 0);
        return 0;
    case ORCH_DO_TASKS:
    case ORCH_DO_EVENT:
    case ORCH_DO_CHECKPOINT:
    case ORCH_DO_EPISODE:
        return orch_core_record(host->core, action,
                                units_ns_to_s(clock_monotonic_ns() - host->episode_start_ns));
    }
    return ERR_STATE;
}

static void execute_all(struct host_tcp *host, const struct orch_actions *actions)
{
    host->quiet_ticks = host->ping_ticks = 0;
    for (size_t i = 0; i < actions->count && !host->ending; i++) {
        int rc = execute(host, &actions->list[i]);
        if (rc != 0) {
            diag_fail(host->diag, rc, "%s", err_text(rc));
            fail(host, rc);
        }
    }
}

static void go_on(struct host_tcp *host)
{
    struct orch_event event = {.kind = ORCH_ON_CONTINUE};
    while (host->go_on && !host->is_held && !host->ending) {
        host->go_on = false;
        int rc = feed(host, &event, host->diag);
        if (rc != 0)
            fail(host, rc);
    }
}

/* Steps the core and executes what it asks for. What the core refuses is returned, with a sentence in `diag`,
 * for the caller to judge; what cannot be executed (a sink's error) ends the session here. */
static int feed(struct host_tcp *host, const struct orch_event *event, struct diag *diag)
{
    struct orch_actions actions;
    int rc = orch_core_step(host->core, event, &actions, diag);
    if (rc != 0)
        return rc;
    host->depth++;
    if (actions.count > 0) /* a message that changes nothing, a late REPORT say, is no progress */
        execute_all(host, &actions);
    host->depth--;
    if (host->depth == 0)
        go_on(host);
    return 0;
}

/* Lets the SLOT go that waited for those that are here now. */
static void release(struct host_tcp *host)
{
    if (host->awaiting > 0 || host->is_early || !host->is_held || host->ending)
        return;
    host->is_held = false;
    host->quiet_ticks = host->ping_ticks = 0;
    grant(host, &host->held);
    go_on(host);
}

static void lose(struct host_tcp *host, bool is_server, uint32_t number, const char *why)
{
    struct orch_event event = {
        .kind = ORCH_ON_PEER_LOST,
        .is_server = is_server,
        .number = number,
        .keeps_reports = host->session->by_wall,
        .why = why,
    };
    int rc = feed(host, &event, host->diag);
    if (rc != 0)
        fail(host, rc);
}

static void lose_all(struct host_tcp *host, const struct member *gone, const char *why)
{
    for (uint32_t i = 0; i < gone->count && gone->ready && !host->ending; i++)
        lose(host, gone->role == MEMBER_SERVER, gone->first + i, why);
}

/* Refuses a member, and does without it at once: its connection may take its time to close. */
static void drop(struct host_tcp *host, struct member *member, enum proto_refusal reason, const char *why)
{
    struct member gone = *member;
    wire_conn_refuse(member->conn, reason, why);
    roster_vacate(&host->roster, member);
    if (host->core != NULL)
        lose_all(host, &gone, why);
}

/* ---- joining ---- */

static void tell_servers(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    for (uint32_t m = 0; m < world->servers; m++) {
        struct proto_message message = roster_server_message(&host->roster, world, m);
        for (struct member *member = host->roster.members; member != NULL; member = member->next)
            if (member->role != 0)
                (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

static void on_lag(void *user, const struct wire_lag_interval *interval)
{
    struct host_tcp *host = user;
    struct audit_loop sample = {
        .role = "orchestrator",
        .start_s = units_ns_to_s(interval->start_ns - host->start_ns),
        .duration_s = interval->duration_s,
        .lag_max_s = interval->max_s,
        .lag_mean_s = interval->mean_s,
    };
    int rc = self_audit_loop(&host->audit, &sample);
    if (rc != 0) {
        diag_fail(host->diag, rc, "%s", err_text(rc));
        fail(host, rc);
    }
}

/* While this loop is not running nobody else is silent: a tick that comes late counts for two at most. */
static void on_beat(uv_timer_t *timer)
{
    struct host_tcp *host = timer->data;
    uint64_t now_ms = uv_now(&host->loop.uv);
    uint64_t passed_ms = now_ms - host->beat_ms;
    passed_ms = passed_ms < 2 * BEAT_MS ? passed_ms : 2 * BEAT_MS;
    host->beat_ms = now_ms;
    for (struct member *member = host->roster.members; member != NULL && !host->ending; member = member->next)
        if (member->ready && (member->silent_ms += (uint32_t) passed_ms) > SILENT_MS)
            drop(host, member, PROTO_REFUSE_TIMEOUT, "silent for 150 ms");
}

static int keep_real_time(struct host_tcp *host)
{
    int rc = wire_alarms_open(&host->alarms, &host->loop);
    if (rc == 0)
        rc = wire_lag_start(&host->lag, &host->alarms, on_lag, host);
    if (rc == 0)
        rc = uv_timer_init(&host->loop.uv, &host->beat);
    host->beat.data = host;
    host->beating = rc == 0;
    host->beat_ms = uv_now(&host->loop.uv);
    if (rc == 0)
        rc = uv_timer_start(&host->beat, on_beat, BEAT_MS, BEAT_MS);
    return rc != 0 ? diag_fail(host->diag, rc, "cannot keep the real clock: %s", err_text(rc)) : 0;
}

static int open_waiting(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    host->await_device = calloc(world->devices, sizeof *host->await_device);
    host->await_server = calloc(world->servers, sizeof *host->await_server);
    bool whole = host->await_device != NULL && host->await_server != NULL;
    return whole ? 0 : diag_fail(host->diag, -ENOMEM, "out of memory");
}

static void start(struct host_tcp *host)
{
    progress_stop(&host->joining, nodes_joined(host));
    int rc = host->on_joined != NULL ? host->on_joined(host->user, host) : 0;
    if (rc == 0) {
        rc = orch_core_create(&host->core, host->session);
        if (rc != 0)
            diag_fail(host->diag, rc, "%s", err_text(rc));
    }
    host->roster.started = true;
    struct orch_event event = {.kind = ORCH_ON_START};
    host->start_ns = clock_monotonic_ns();
    if (rc == 0 && host->session->by_wall)
        rc = keep_real_time(host);
    if (rc == 0)
        rc = open_waiting(host);
    if (rc == 0)
        rc = feed(host, &event, host->diag);
    if (rc != 0)
        fail(host, rc);
}

/* A member is ready while the run is going on: its nodes take part from the next slot, those that the
 * scenario brings back in this one. Devices learn first where a server is now. */
static void come_back(struct host_tcp *host, const struct member *member)
{
    bool is_server = member->role == MEMBER_SERVER;
    if (is_server) {
        struct proto_message message =
            roster_server_message(&host->roster, host->session->world, member->first);
        for (struct member *other = host->roster.members; other != NULL; other = other->next)
            if (other->role == MEMBER_MOBILE && other->ready)
                (void) wire_conn_send(other->conn, &message); /* a lost node shows in on_close */
    }
    for (uint32_t i = 0; i < member->count && !host->ending; i++) {
        uint32_t number = member->first + i;
        struct orch_event event = {.kind = ORCH_ON_PEER_BACK, .is_server = is_server, .number = number};
        bool *awaited = &(is_server ? host->await_server : host->await_device)[number];
        host->awaiting -= *awaited ? 1 : 0;
        *awaited = false;
        int rc = feed(host, &event, host->diag);
        if (rc != 0)
            fail(host, rc);
    }
    release(host);
}

static void tell_addresses(struct host_tcp *host, const struct member *member)
{
    for (uint32_t m = 0; m < host->session->world->servers; m++) {
        struct proto_message message = roster_server_message(&host->roster, host->session->world, m);
        (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

static void on_joining_message(struct host_tcp *host, struct member *member,
                               const struct proto_message *message)
{
    struct diag diag = {0};
    enum proto_refusal reason = PROTO_REFUSE_OUT_OF_STATE;
    bool started = host->roster.started;
    struct member *old = message->id == PROTO_HELLO ? roster_holder(&host->roster, &message->hello) : NULL;
    if (old != NULL && old != member && started)
        drop(host, old, PROTO_REFUSE_TOKEN, "another connection plays this node now");
    int rc = roster_take(&host->roster, host->session->world, member, message, &reason, &diag);
    if (rc != 0) {
        log_warn("join", "%s", diag_text(&diag, rc));
        wire_conn_refuse(member->conn, reason, diag_text(&diag, rc));
        if (started ||
            !roster_is_full(&host->roster)) /* else the others have been told of it: see on_close */
            roster_vacate(&host->roster, member);
        return;
    }
    if (message->id == PROTO_HELLO)
        wire_conn_set_frame_max(member->conn, PROTO_BODY_MAX);
    if (started && message->id == PROTO_HELLO) {
        tell_addresses(host, member);
    } else if (started) {
        come_back(host, member);
    } else if (message->id == PROTO_HELLO && roster_is_full(&host->roster)) {
        tell_servers(host);
    } else if (roster_is_ready(&host->roster)) {
        start(host);
    }
}

/* ---- connections ---- */

/* Does this connection speak for the node that the message is about? */
static bool owns(const struct host_tcp *host, const struct member *member,
                 const struct proto_message *message)
{
    const struct world *world = host->session->world;
    uint64_t device = world->devices;
    if (message->id == PROTO_LOOP_AUDIT)
        return member->role != 0;
    if (message->id == PROTO_LINK_AUDIT && message->link_audit.server < world->servers &&
        host->roster.server[message->link_audit.server] == member)
        return message->link_audit.device < world->devices;
    if (message->id == PROTO_LINK_AUDIT)
        device = message->link_audit.device;
    else if (message->id == PROTO_OBSERVATION)
        device = message->observation.device;
    else if (message->id == PROTO_REPORT)
        device = message->report.device;
    else if (message->id == PROTO_PASSED)
        device = message->passed.device;
    else if (message->id == PROTO_ADVANCED)
        return message->advanced.server < world->servers &&
               host->roster.server[message->advanced.server] == member;
    return device < world->devices && host->roster.device[device] == member;
}

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct member *member = wire_conn_user(conn);
    struct host_tcp *host = member->owner;
    if (host->ending)
        return;
    member->silent_ms = 0;
    if (message->id == PROTO_BEAT && member->ready) { /* also while others are still joining */
        member->answered = member->answered || message->beat.answers == host->pings;
        return;
    }
    if (!member->ready || host->core == NULL) {
        on_joining_message(host, member, message);
        return;
    }
    if (!owns(host, member, message)) {
        drop(host, member, PROTO_REFUSE_OUT_OF_STATE, "this message does not belong to this connection");
        return;
    }
    struct diag diag = {0};
    struct orch_event event = {.kind = ORCH_ON_MESSAGE, .message = message};
    bool is_server = member->role == MEMBER_SERVER;
    int rc =
        self_audit_takes(message)
            ? self_audit_take(&host->audit, message, is_server ? "server" : "device", member->first, &diag)
            : feed(host, &event, &diag);
    if (rc != 0 && !host->ending)
        drop(host, member, rc == ERR_STATE ? PROTO_REFUSE_OUT_OF_STATE : PROTO_REFUSE_OUT_OF_RANGE,
             diag_text(&diag, rc));
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct member *member = wire_conn_user(conn);
    struct host_tcp *host = member->owner;
    struct member gone = *member;
    bool was_full = roster_is_full(&host->roster);
    roster_remove(&host->roster, member);
    if (host->ending)
        return;
    if (host->core == NULL) {
        if (gone.role != 0 && was_full) /* the others have been told of it: its place cannot be given away */
            fail(host,
                 diag_fail(host->diag, ERR_LOST, "a node left as the run was about to begin: %s", text));
        else if (gone.role != 0)
            log_warn("join", "a node left before the run began: %s", text);
        return;
    }
    lose_all(host, &gone, status == 0 ? "closed its connection" : text);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void on_dropped_close(struct wire_conn *conn, int status, const char *text)
{
    (void) conn; /* there was no memory to keep it: nothing refers to it */
    (void) status;
    (void) text;
}

static const struct wire_handlers dropped = {.on_message = NULL, .on_close = on_dropped_close};

static void on_accept(void *user, struct wire_conn *conn)
{
    struct host_tcp *host = user;
    struct member *member = roster_add(&host->roster, conn, host);
    wire_conn_set_handlers(conn, member != NULL ? &handlers : &dropped);
    wire_conn_set_user(conn, member);
    wire_conn_set_frame_max(conn, WIRE_GREETING_MAX);
    if (member == NULL)
        wire_conn_close(conn);
}

/* ---- deadlines ---- */

static void give_up_joining(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    int rc = diag_fail(host->diag, ERR_LOST, "waited %u s: %u of %u devices and %u of %u servers have joined",
                       host->options->wait_s, host->roster.devices_joined, world->devices,
                       host->roster.servers_joined, world->servers);
    fail(host, rc);
}

static bool owes(const struct host_tcp *host, const struct member *member)
{
    bool any = false;
    for (uint32_t i = 0; i < member->count && member->ready && !any; i++)
        any = orch_core_waits_for(host->core, member->role == MEMBER_SERVER, member->first + i);
    return any;
}

/* Nobody has gone a step on for stall_s. Who owes something may be waiting for somebody else: first everybody
 * who owes is asked whether they are there at all. */
static void ask_stalled(struct host_tcp *host)
{
    struct proto_message ping = {.id = PROTO_PING, .ping = {.number = ++host->pings}};
    for (struct member *member = host->roster.members; member != NULL; member = member->next) {
        member->asked = owes(host, member);
        member->answered = false;
        if (member->asked)
            (void) wire_conn_send(member->conn, &ping); /* a lost node shows in on_close */
    }
    host->ping_ticks = 1;
}

/* `role` 0: those who have not answered; else those of a role who owe something. Only of those who were
 * asked: once one is dropped the run goes on, and others owe what they have just been told. */
static bool drop_stalled(struct host_tcp *host, int role)
{
    bool any = false;
    for (struct member *member = host->roster.members; member != NULL && !host->ending;
         member = member->next) {
        bool held_up = role == 0 ? !member->answered : member->role == role;
        if (!member->asked || !held_up || !owes(host, member))
            continue;
        any = true;
        drop(host, member, PROTO_REFUSE_TIMEOUT,
             role == 0 ? "does not answer" : "owed an answer for too long");
    }
    return any;
}

/* If all have answered, a device holds up its server more likely than a server its devices, whom it only has
 * to answer: devices go first, and servers if that was not enough. */
static void refuse_stalled(struct host_tcp *host)
{
    host->quiet_ticks = host->ping_ticks = 0;
    if (!drop_stalled(host, 0) && !drop_stalled(host, MEMBER_MOBILE))
        (void) drop_stalled(host, MEMBER_SERVER);
}

/* Whom the scenario wanted back has not come: the run goes on without. */
static void give_up_awaited(struct host_tcp *host)
{
    host->awaiting = 0;
    release(host);
    const struct world *world = host->session->world;
    for (uint32_t i = 0; i < world->devices + world->servers && !host->ending; i++) {
        bool is_server = i >= world->devices;
        uint32_t number = is_server ? i - world->devices : i;
        bool *awaited = &(is_server ? host->await_server : host->await_device)[number];
        if (!*awaited)
            continue;
        *awaited = false;
        lose(host, is_server, number, "did not come back");
    }
}

/* Counts ticks, not time: a second in which this process was stopped (Ctrl-Z) or waited for a locked database
 * is no second in which the nodes were silent. */
static void watch_progress(struct host_tcp *host)
{
    if (host->core == NULL || host->learning_busy || host->is_early)
        return;
    host->quiet_ticks++;
    if (host->ping_ticks > 0 && ++host->ping_ticks > PING_TICKS)
        refuse_stalled(host);
    else if (host->ping_ticks > 0 ||
             (uint64_t) host->quiet_ticks * TICK_MS <= (uint64_t) host->options->stall_s * 1000u)
        return;
    else if (host->is_held)
        give_up_awaited(host);
    else
        ask_stalled(host);
}

/* A connection that never says who it is must not keep a place for ever, nor one that takes a node's place in
 * mid-run and then never is ready. */
static void refuse_mute(struct host_tcp *host)
{
    for (struct member *member = host->roster.members; member != NULL; member = member->next) {
        bool owes_ready = member->role != 0 && !member->ready && host->roster.started;
        if ((member->role == 0 || owes_ready) && ++member->mute_ticks > HELLO_TICKS)
            drop(host, member, PROTO_REFUSE_TIMEOUT, owes_ready ? "no READY came" : "no HELLO came");
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct host_tcp *host = timer->data;
    refuse_mute(host);
    if (host->core == NULL)
        progress_update(&host->joining, nodes_joined(host), NULL);
    uint64_t now_ns = clock_monotonic_ns();
    bool stopping = host->session->stop != NULL && *host->session->stop != 0;
    if (host->core == NULL && stopping)
        fail(host, diag_fail(host->diag, -EINTR, "interrupted while waiting for nodes"));
    else if (host->core == NULL && now_ns - host->start_ns > host->options->wait_s * UNITS_NS_PER_S)
        give_up_joining(host);
    else
        watch_progress(host);
}

/* ---- life ---- */

const char *host_tcp_address(const struct host_tcp *host, bool is_server, uint32_t number)
{
    const struct member *member = is_server ? host->roster.server[number] : host->roster.device[number];
    return member != NULL ? member->address : "";
}

static int open_host(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    int rc = roster_init(&host->roster, world);
    if (rc == 0)
        rc = uv_timer_init(&host->loop.uv, &host->tick);
    if (rc != 0)
        return diag_fail(host->diag, rc, "%s", err_text(rc));
    host->tick.data = host;
    host->start_ns = clock_monotonic_ns();
    rc = wire_listen(&host->loop, host->options->host, host->options->port,
                     world->devices + world->servers + CONNECTIONS_EXTRA, on_accept, host, &host->listener,
                     host->diag);
    if (rc != 0) {
        host->ending = true;
        uv_close((uv_handle_t *) &host->tick, NULL);
        return rc;
    }
    progress_start(&host->joining, "nodes", world->devices + world->servers, host->options->quiet);
    if (host->options->announce)
        process_ready(wire_listener_port(host->listener));
    return uv_timer_start(&host->tick, on_tick, TICK_MS, TICK_MS);
}

int host_tcp_run(const struct session *session, const struct host_tcp_options *options,
                 int (*on_joined)(void *user, const struct host_tcp *host), void *user,
                 struct session_result *ret_result, struct diag *diag)
{
    struct host_tcp host = {
        .played = *session,
        .options = options,
        .on_joined = on_joined,
        .user = user,
        .diag = diag,
        .audit = {.sink = &session->sink},
    };
    host.played.by_wall = session->world->scenario.run.clock == CLOCK_REAL;
    host.session = &host.played;
    (void) process_raise_file_limit(); /* as many nodes as the system lets us */
    int rc = wire_loop_init(&host.loop, NULL, NULL);
    if (rc != 0)
        return diag_fail(diag, rc, "cannot start the event loop: %s", err_text(rc));
    rc = open_host(&host);
    (void) uv_run(&host.loop.uv, UV_RUN_DEFAULT); /* returns when every handle is closed */
    rc = rc != 0 ? rc : host.status;
    if (rc == 0 && host.finished) {
        *ret_result = *orch_core_result(host.core);
        ret_result->wall_s = units_ns_to_s(clock_monotonic_ns() - host.start_ns);
        ret_result->messages = host.roster.messages;
        ret_result->untrusted = !audit_is_trusted(&host.audit.audit, ret_result->untrusted_reason);
    }
    orch_core_destroy(host.core);
    roster_finish(&host.roster);
    free(host.await_device);
    free(host.await_server);
    wire_loop_finish(&host.loop);
    return rc;
}
