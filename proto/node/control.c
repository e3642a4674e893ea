#include "proto/node/control.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/units.h"
#include "proto/node/real_time.h"

#define RETRY_MS 50u
#define BEAT_MS 50u /* the orchestrator takes three of them missing for a death */

static void end(struct node_control *link, int status)
{
    if (link->ending)
        return;
    link->ending = true;
    link->status = status;
    uv_close((uv_handle_t *) &link->retry, NULL);
    uv_close((uv_handle_t *) &link->beat, NULL);
    link->hooks->on_end(link->user);
    wire_alarms_close(&link->alarms);
    wire_conn_close(link->conn);
}

void node_control_fail(struct node_control *link, int status, const char *text)
{
    if (!link->ending)
        log_error("node", "%s", text);
    end(link, status);
}

static void on_stop(void *user, int signal)
{
    (void) signal; /* SIGINT and SIGTERM mean the same here */
    end(user, PROCESS_SIGNAL);
}

static void on_lag(void *user, const struct wire_loop_lag_interval *interval)
{
    struct node_control *link = user;
    if (!link->ready || link->begin_ns == 0 || interval->start_ns < link->begin_ns)
        return; /* the run had not begun */
    struct proto_message message = {
        .id = PROTO_LOOP_AUDIT,
        .loop_audit = {.start_s = units_ns_to_s(interval->start_ns - link->begin_ns),
                       .duration_s = interval->duration_s,
                       .lag_max_s = interval->max_s,
                       .lag_mean_s = interval->mean_s},
    };
    (void) wire_conn_send(link->conn, &message); /* on_close tells if it could not leave */
}

/* `answers`: the PING's number, 0 for none. */
static void send_beat(struct node_control *link, uint64_t answers)
{
    struct proto_message beat = {.id = PROTO_BEAT, .beat = {.answers = answers}};
    if (link->ready)
        (void) wire_conn_send(link->conn, &beat); /* on_close tells if it could not leave */
}

static void on_beat(uv_timer_t *timer)
{
    send_beat(timer->data, 0);
}

static int keep_real_time(struct node_control *link, struct diag *diag)
{
    if (link->alarms.is_open)
        return 0;                                                  /* since an earlier time in this run */
    (void) uv_timer_start(&link->beat, on_beat, BEAT_MS, BEAT_MS); /* the timer is initialised: cannot fail */
    int rc = wire_alarms_open(&link->alarms, &link->loop);
    if (rc == 0)
        rc = wire_loop_lag_start(&link->lag, &link->alarms, on_lag, link);
    return rc != 0 ? diag_fail(diag, rc, "cannot keep the real clock: %s", err_text(rc)) : 0;
}

static void become_ready(struct node_control *link)
{
    struct diag diag = {0};
    link->ready = true;
    int rc = real_time_is_kept(&link->join.world.scenario) ? keep_real_time(link, &diag) : 0;
    if (rc == 0)
        rc = link->hooks->on_ready(link->user, &diag);
    if (rc != 0) {
        node_control_fail(link, PROCESS_FAILED, diag_text(&diag, rc));
        return;
    }
    struct proto_message ready = {.id = PROTO_READY};
    (void) wire_conn_send(link->conn, &ready); /* on_close tells if it could not leave */
}

/* Killed by the scenario: as if by the hand of somebody else. The connection's end leads to on_close. */
static void on_fault(struct node_control *link, const struct msg_fault *fault)
{
    if (fault->returns != 0)
        wire_conn_close(link->conn);
    else
        end(link, PROCESS_SCRIPTED);
}

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct node_control *link = wire_conn_user(conn);
    struct diag diag = {0};
    if (link->ending)
        return;
    if (message->id == PROTO_GOODBYE) {
        bool aborted = message->goodbye.status != 0;
        if (aborted)
            log_warn("node", "the orchestrator has given up the run");
        end(link, aborted ? PROCESS_ABORTED : PROCESS_OK);
        return;
    }
    if (message->id == PROTO_FAULT) {
        on_fault(link, &message->fault);
        return;
    }
    if (message->id == PROTO_PING) {
        send_beat(link, message->ping.number);
        return;
    }
    if (link->ready && link->begin_ns == 0)
        link->begin_ns = clock_monotonic_ns();
    int rc = link->ready ? link->hooks->on_message(link->user, message, &diag)
                         : join_take(&link->join, message, &diag);
    if (rc != 0) {
        enum proto_refusal reason = rc == ERR_STATE ? PROTO_REFUSE_OUT_OF_STATE : PROTO_REFUSE_OUT_OF_RANGE;
        wire_conn_refuse(conn, reason, diag_text(&diag, rc));
        node_control_fail(link, PROCESS_FAILED, diag_text(&diag, rc));
    } else if (!link->ready && join_is_ready(&link->join)) {
        become_ready(link);
    }
}

static void connect_again(uv_timer_t *timer);

static void forget_run(struct node_control *link)
{
    if (link->ready)
        link->hooks->on_reset(link->user);
    link->ready = false;
    join_again(&link->join);
    link->give_up_ns = clock_monotonic_ns() + link->options->reconnect_s * UNITS_NS_PER_S;
}

/* A node that was given up for silence, or whose old connection still holds its place, may try again. */
static bool may_try_again(const struct node_control *link, enum proto_refusal refusal)
{
    bool known = link->join.welcome || link->join.known_token != 0;
    return refusal == PROTO_REFUSE_NONE ||
           (known && (refusal == PROTO_REFUSE_TIMEOUT || refusal == PROTO_REFUSE_FULL));
}

static void give_up(struct node_control *link, enum proto_refusal refusal, const char *text)
{
    char what[512];
    bool refused = refusal != PROTO_REFUSE_NONE;
    (void) snprintf(what, sizeof what, "%s the orchestrator at %s:%u: %s",
                    refused ? "refused by" : (link->join.known_token != 0 ? "lost" : "cannot reach"),
                    link->options->orchestrator.host, link->options->orchestrator.port, text);
    node_control_fail(link, refused ? PROCESS_REFUSED : PROCESS_LOST, what);
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct node_control *link = wire_conn_user(conn);
    link->conn = NULL;
    if (link->ending)
        return;
    (void) status; /* `text` says it in words */
    enum proto_refusal refusal = wire_conn_refusal(conn);
    bool again = may_try_again(link, refusal);
    if (again && link->join.welcome)
        forget_run(link);
    if (again && clock_monotonic_ns() < link->give_up_ns)
        (void) uv_timer_start(&link->retry, connect_again, RETRY_MS,
                              0); /* the timer is initialised: cannot fail */
    else
        give_up(link, refusal, text);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void connect_again(uv_timer_t *timer)
{
    struct node_control *link = timer->data;
    struct diag diag = {0};
    const struct node_address *address = &link->options->orchestrator;
    int rc = wire_connect(&link->loop, address->host, address->port, &handlers, link, &link->conn, &diag);
    if (rc != 0) {
        node_control_fail(link, PROCESS_LOST, diag_text(&diag, rc));
        return;
    }
    const struct node_options *options = link->options;
    const char *host = options->advertise[0] != '\0' ? options->advertise : options->listen.host;
    struct proto_message hello =
        join_hello(&link->join, link->join.role == NODE_SERVER ? host : NULL, link->data_port);
    (void) wire_conn_send(link->conn, &hello); /* leaves once connected; on_close tells if not */
}

int node_control_init(struct node_control *link, enum node_role role, const struct node_options *options,
                      const struct node_control_hooks *hooks, void *user)
{
    *link = (struct node_control){.options = options, .hooks = hooks, .user = user};
    join_init(&link->join, role, options->count);
    int rc = wire_loop_init(&link->loop, on_stop, link);
    if (rc == 0)
        rc = uv_timer_init(&link->loop.uv, &link->retry);
    if (rc == 0)
        rc = uv_timer_init(&link->loop.uv, &link->beat);
    link->retry.data = link->beat.data = link;
    return rc;
}

void node_control_start(struct node_control *link, uint16_t data_port)
{
    link->data_port = data_port;
    link->give_up_ns = clock_monotonic_ns() + link->options->reconnect_s * UNITS_NS_PER_S;
    connect_again(&link->retry);
}

int node_control_run(struct node_control *link)
{
    (void) uv_run(&link->loop.uv, UV_RUN_DEFAULT); /* returns when every handle is closed */
    return link->status;
}

void node_control_finish(struct node_control *link)
{
    wire_loop_finish(&link->loop);
    join_finish(&link->join);
}
