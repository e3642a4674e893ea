#include "orchestrator/host/host_tcp.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/units.h"
#include "orchestrator/host/host_tcp_internal.h"

#define CONNECTIONS_EXTRA 16u

/* ---- ending ---- */

/* Says goodbye to all and closes; the loop then runs dry. Status 0: the session is complete. */
void host_tcp_end(struct host_tcp *host, int status)
{
    if (host->ending)
        return;
    assert((status == 0) == host->finished);
    assert(host->listener != NULL); /* open_host ends by itself when there is none */
    host->ending = true;
    host->status = status;
    if (host->core == NULL)
        progress_stop(&host->joining, members_joined(&host->members));
    struct proto_message goodbye = {.id = PROTO_GOODBYE, .goodbye = {.status = status == 0 ? 0 : 1}};
    for (struct member *member = host->members.all; member != NULL; member = member->next) {
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

void host_tcp_fail(struct host_tcp *host, int code)
{
    assert(code != 0);
    host_tcp_end(host, code);
}

/* ---- joining ---- */

static void tell_servers(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    for (uint32_t m = 0; m < world->servers; m++) {
        struct proto_message message = members_server_message(&host->members, world, m);
        for (struct member *member = host->members.all; member != NULL; member = member->next)
            if (member->role != 0)
                (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

static void on_lag(void *user, const struct wire_loop_lag_interval *interval)
{
    struct host_tcp *host = user;
    assert(interval->start_ns >= host->start_ns);
    struct audit_loop sample = {
        .role = "orchestrator",
        .start_s = units_ns_to_s(interval->start_ns - host->start_ns),
        .duration_s = interval->duration_s,
        .lag_max_s = interval->max_s,
        .lag_mean_s = interval->mean_s,
    };
    int rc = timing_audit_loop(&host->audit, &sample);
    if (rc != 0) {
        diag_fail(host->diag, rc, "%s", err_text(rc));
        host_tcp_fail(host, rc);
    }
}

static int keep_real_time(struct host_tcp *host)
{
    int rc = wire_alarms_open(&host->alarms, &host->loop);
    if (rc == 0)
        rc = wire_loop_lag_start(&host->lag, &host->alarms, on_lag, host);
    if (rc == 0)
        rc = uv_timer_init(&host->loop.uv, &host->beat);
    host->beat.data = host;
    host->beating = rc == 0;
    host->beat_ms = uv_now(&host->loop.uv);
    if (rc == 0)
        rc = uv_timer_start(&host->beat, host_tcp_beat, HOST_TCP_BEAT_MS, HOST_TCP_BEAT_MS);
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

/* A member is ready while the run is going on: its nodes take part from the next slot, those that the
 * scenario brings back in this one. Devices learn first where a server is now. */
static void come_back(struct host_tcp *host, const struct member *member)
{
    bool is_server = member->role == MEMBER_SERVER;
    assert(host->core != NULL && member->ready);
    if (is_server) {
        struct proto_message message =
            members_server_message(&host->members, host->session->world, member->first);
        for (struct member *other = host->members.all; other != NULL; other = other->next)
            if (other->role == MEMBER_MOBILE && other->ready)
                (void) wire_conn_send(other->conn, &message); /* a lost node shows in on_close */
    }
    for (uint32_t i = 0; i < member->count && !host->ending; i++) {
        uint32_t number = member->first + i;
        struct session_event event = {.kind = SESSION_ON_PEER_BACK, .is_server = is_server, .number = number};
        enum host_tcp_wait *wait = &(is_server ? host->await_server : host->await_device)[number];
        assert(*wait != HOST_TCP_WAITS || host->awaiting > 0);
        host->awaiting -= *wait == HOST_TCP_WAITS ? 1 : 0;
        *wait = HOST_TCP_WAITS_NOT;
        int rc = host_tcp_feed(host, &event, host->diag);
        if (rc != 0)
            host_tcp_fail(host, rc);
    }
    host_tcp_release(host);
}

static void start(struct host_tcp *host)
{
    assert(!host->members.started && host->core == NULL);
    assert(members_is_full(&host->members) && members_is_ready(&host->members));
    progress_stop(&host->joining, members_joined(&host->members));
    int rc = host->on_joined != NULL ? host->on_joined(host->user, host) : 0;
    if (rc == 0) {
        rc = session_core_create(&host->core, host->session);
        if (rc != 0)
            diag_fail(host->diag, rc, "%s", err_text(rc));
    }
    host->members.started = true;
    struct session_event event = {.kind = SESSION_ON_START};
    host->start_ns = clock_monotonic_ns();
    if (rc == 0 && host->session->in_real_time)
        rc = keep_real_time(host);
    if (rc == 0)
        rc = open_waiting(host);
    if (rc == 0)
        rc = host_tcp_feed(host, &event, host->diag);
    if (rc != 0)
        host_tcp_fail(host, rc);
    for (struct member *member = host->members.all; member != NULL && !host->ending; member = member->next)
        if (member->is_guest && member->ready)
            come_back(host, member);
}

static void tell_addresses(struct host_tcp *host, const struct member *member)
{
    for (uint32_t m = 0; m < host->session->world->servers; m++) {
        struct proto_message message = members_server_message(&host->members, host->session->world, m);
        (void) wire_conn_send(member->conn, &message); /* a lost node shows in on_close */
    }
}

static void on_joining_message(struct host_tcp *host, struct member *member,
                               const struct proto_message *message)
{
    struct diag diag = {0};
    enum proto_refusal reason = PROTO_REFUSE_OUT_OF_STATE;
    bool started = host->members.started;
    struct member *old = message->id == PROTO_HELLO ? members_holder(&host->members, &message->hello) : NULL;
    if (old != NULL && old != member && started)
        host_tcp_drop(host, old, PROTO_REFUSE_TOKEN, "another connection plays this node now");
    int rc = members_take(&host->members, host->session->world, member, message, &reason, &diag);
    if (rc != 0) {
        log_warn("join", "%s", diag_text(&diag, rc));
        wire_conn_refuse(member->conn, reason, diag_text(&diag, rc));
        /* Else the others have been told of it: see on_close. */
        if (started || member->is_guest || !members_is_full(&host->members))
            members_vacate(&host->members, member);
        return;
    }
    if (message->id == PROTO_HELLO)
        wire_conn_set_frame_max(member->conn, PROTO_BODY_MAX);
    bool is_late = started || (member->is_guest && members_is_full(&host->members));
    if (is_late && message->id == PROTO_HELLO) {
        tell_addresses(host, member);
    } else if (started) {
        come_back(host, member);
    } else if (message->id == PROTO_HELLO && members_is_full(&host->members)) {
        tell_servers(host);
    } else if (members_is_ready(&host->members)) {
        start(host);
    }
}

/* A guest has its answer: its place is free, and the run goes on without it. */
static void see_off(struct host_tcp *host, struct member *member)
{
    struct member gone = *member;
    wire_conn_close(member->conn);
    members_vacate(&host->members, member);
    host_tcp_lose_all(host, &gone, "the guest has its answer, and leaves");
}

/* ---- connections ---- */

/* Does this connection speak for the node that the message is about? */
static bool owns(const struct host_tcp *host, const struct member *member,
                 const struct proto_message *message)
{
    const struct world *world = host->session->world;
    uint64_t device = world->devices;
    if (message->id == PROTO_LOOP_AUDIT || message->id == PROTO_COMPUTE_AUDIT)
        return member->role != 0;
    if (message->id == PROTO_LINK_AUDIT && message->link_audit.server >= world->servers)
        return false;
    if (message->id == PROTO_LINK_AUDIT && host->members.server[message->link_audit.server] == member)
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
               host->members.server[message->advanced.server] == member;
    return device < world->devices && host->members.device[device] == member;
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
        member->computes = message->beat.computes != 0;
        return;
    }
    if (!member->ready || host->core == NULL) {
        on_joining_message(host, member, message);
        return;
    }
    if (message->id == PROTO_GOODBYE && member->is_guest) {
        see_off(host, member);
        return;
    }
    if (!owns(host, member, message)) {
        host_tcp_drop(host, member, PROTO_REFUSE_OUT_OF_STATE,
                      "this message does not belong to this connection");
        return;
    }
    struct diag diag = {0};
    struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = message};
    host->audit.elapsed_s = units_ns_to_s(clock_monotonic_ns() - host->start_ns);
    bool is_server = member->role == MEMBER_SERVER;
    int rc =
        timing_audit_takes(message)
            ? timing_audit_take(&host->audit, message, is_server ? "server" : "device", member->first, &diag)
            : host_tcp_feed(host, &event, &diag);
    if (rc != 0 && !host->ending)
        host_tcp_drop(host, member, rc == ERR_STATE ? PROTO_REFUSE_OUT_OF_STATE : PROTO_REFUSE_OUT_OF_RANGE,
                      diag_text(&diag, rc));
}

/* No other node can take its place: the scenario's model is at fault, or a file on that machine. */
static void fail_model(struct host_tcp *host, const struct member *member, const char *text)
{
    bool is_server = member->role == MEMBER_SERVER;
    uint32_t last = member->first + member->count - 1;
    if (is_server || member->count == 1)
        diag_fail(host->diag, ERR_UNSUPPORTED, "%s %u at %s: %s", is_server ? "server" : "device",
                  member->first, member->address, text);
    else
        diag_fail(host->diag, ERR_UNSUPPORTED, "devices %u to %u at %s: %s", member->first, last,
                  member->address, text);
    host_tcp_fail(host, ERR_UNSUPPORTED);
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct member *member = wire_conn_user(conn);
    struct host_tcp *host = member->owner;
    struct member gone = *member;
    bool was_full = members_is_full(&host->members);
    members_remove(&host->members, member);
    if (host->ending)
        return;
    if (host->core == NULL && gone.role != 0 && !gone.is_guest &&
        wire_conn_refusal(conn) == PROTO_REFUSE_MODEL) {
        fail_model(host, &gone, text);
        return;
    }
    if (host->core == NULL) {
        if (gone.role != 0 && !gone.is_guest &&
            was_full) /* the others have been told of it: its place cannot be given away */
            host_tcp_fail(
                host, diag_fail(host->diag, ERR_LOST, "a node left as the run was about to begin: %s", text));
        else if (gone.role != 0)
            log_warn("join", "a node left before the run began: %s", text);
        return;
    }
    host_tcp_lose_all(host, &gone, status == 0 ? "closed its connection" : text);
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
    struct member *member = members_add(&host->members, conn, host);
    wire_conn_set_handlers(conn, member != NULL ? &handlers : &dropped);
    wire_conn_set_user(conn, member);
    wire_conn_set_frame_max(conn, WIRE_GREETING_MAX);
    if (member == NULL)
        wire_conn_close(conn);
}

/* ---- life ---- */

const char *host_tcp_address(const struct host_tcp *host, bool is_server, uint32_t number)
{
    assert(number < (is_server ? host->members.servers : host->members.devices));
    const struct member *member = is_server ? host->members.server[number] : host->members.device[number];
    return member != NULL ? member->address : "";
}

static int open_host(struct host_tcp *host)
{
    const struct world *world = host->session->world;
    int rc = members_init(&host->members, world);
    if (rc == 0)
        rc = timing_audit_init(&host->audit, &host->session->sinks, world);
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
    progress_start(&host->joining, "nodes", members_residents(&host->members) + world->servers,
                   host->options->quiet);
    if (host->options->announce)
        process_ready(wire_listener_port(host->listener));
    return uv_timer_start(&host->tick, host_tcp_tick, HOST_TCP_TICK_MS, HOST_TCP_TICK_MS);
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
    };
    host.played.in_real_time = session->world->scenario.run.clock == CLOCK_REAL;
    host.session = &host.played;
    (void) process_raise_file_limit(); /* as many nodes as the system lets us */
    int rc = wire_loop_init(&host.loop, NULL, NULL);
    if (rc != 0)
        return diag_fail(diag, rc, "cannot start the event loop: %s", err_text(rc));
    rc = open_host(&host);
    (void) uv_run(&host.loop.uv, UV_RUN_DEFAULT); /* returns when every handle is closed */
    rc = rc != 0 ? rc : host.status;
    assert(host.members.all == NULL); /* every connection has been closed */
    assert(!host.learning_busy && host.depth == 0);
    assert(rc != 0 || host.finished);
    if (rc == 0 && host.finished) {
        *ret_result = *session_core_result(host.core);
        ret_result->wall_s = units_ns_to_s(clock_monotonic_ns() - host.start_ns);
        ret_result->messages = host.members.messages;
        ret_result->untrusted = !audit_is_trusted(&host.audit.audit, ret_result->untrusted_reason);
    }
    session_core_destroy(host.core);
    members_finish(&host.members);
    timing_audit_finish(&host.audit);
    free(host.await_device);
    free(host.await_server);
    wire_loop_finish(&host.loop);
    return rc;
}
