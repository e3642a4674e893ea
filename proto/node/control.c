#include "proto/node/control.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/units.h"
#include "proto/node/real_time.h"

#define RETRY_MS 50u
#define BEAT_MS 50u /* the orchestrator takes three of them missing for a death */

static void end(struct node_control *control, int status)
{
    if (control->ending)
        return;
    control->ending = true;
    control->status = status;
    uv_close((uv_handle_t *) &control->retry, NULL);
    uv_close((uv_handle_t *) &control->beat, NULL);
    control->hooks->on_end(control->user);
    wire_alarms_close(&control->alarms);
    wire_conn_close(control->conn);
}

void node_control_fail(struct node_control *control, int status, const char *text)
{
    if (!control->ending)
        log_error("node", "%s", text);
    end(control, status);
}

static void on_stop(void *user, int signal)
{
    (void) signal; /* SIGINT and SIGTERM mean the same here */
    end(user, PROCESS_SIGNAL);
}

static void on_lag(void *user, const struct wire_loop_lag_interval *interval)
{
    struct node_control *control = user;
    if (!control->ready || control->begin_ns == 0 || interval->start_ns < control->begin_ns)
        return; /* before the run began */
    struct proto_message message = {
        .id = PROTO_LOOP_AUDIT,
        .loop_audit = {.start_s = units_ns_to_s(interval->start_ns - control->begin_ns),
                       .duration_s = interval->duration_s,
                       .lag_max_s = interval->max_s,
                       .lag_mean_s = interval->mean_s},
    };
    (void) wire_conn_send(control->conn, &message); /* on_close tells if it could not leave */
    if (!compute_is_real(&control->join.world) || control->computed.jobs == 0)
        return;
    message = compute_audit_tell(&control->computed, message.loop_audit.start_s, interval->duration_s);
    (void) wire_conn_send(control->conn, &message); /* likewise */
}

/* `answers`: the PING's number, 0 for none. */
static void send_beat(struct node_control *control, uint64_t answers)
{
    bool computes = control->jobs != NULL && compute_jobs_are_busy(control->jobs);
    struct proto_message beat = {.id = PROTO_BEAT, .beat = {.answers = answers, .computes = computes}};
    if (control->ready)
        (void) wire_conn_send(control->conn, &beat); /* on_close tells if it could not leave */
}

static void on_beat(uv_timer_t *timer)
{
    send_beat(timer->data, 0);
}

static int keep_real_time(struct node_control *control, struct diag *diag)
{
    if (control->alarms.is_open)
        return 0; /* the node has joined again */
    (void) uv_timer_start(&control->beat, on_beat, BEAT_MS,
                          BEAT_MS); /* the timer is initialised: cannot fail */
    int rc = wire_alarms_open(&control->alarms, &control->loop);
    if (rc == 0)
        rc = wire_loop_lag_start(&control->lag, &control->alarms, on_lag, control);
    return rc != 0 ? diag_fail(diag, rc, "cannot keep the real clock: %s", err_text(rc)) : 0;
}

static void become_ready(struct node_control *control)
{
    assert(!control->ready && !control->ending && join_is_ready(&control->join));
    struct diag diag = {0};
    control->ready = true;
    int rc = real_time_is_kept(&control->join.world.scenario) ? keep_real_time(control, &diag) : 0;
    if (rc == 0)
        rc = control->hooks->on_ready(control->user, &diag);
    if (rc != 0) {
        node_control_fail(control, PROCESS_FAILED, diag_text(&diag, rc));
        return;
    }
    if (control->ending)
        return; /* its model cannot be opened */
    struct proto_message ready = {.id = PROTO_READY};
    (void) wire_conn_send(control->conn, &ready); /* on_close tells if it could not leave */
}

/* Killed by the scenario. When the node comes back, the connection's end leads to on_close. */
static void on_fault(struct node_control *control, const struct msg_fault *fault)
{
    if (fault->returns != 0)
        wire_conn_close(control->conn);
    else
        end(control, PROCESS_SCRIPTED);
}

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct node_control *control = wire_conn_user(conn);
    struct diag diag = {0};
    if (control->ending)
        return;
    if (message->id == PROTO_GOODBYE) {
        bool aborted = message->goodbye.status != 0;
        if (aborted)
            log_warn("node", "the orchestrator has given up the run");
        end(control, aborted ? PROCESS_ABORTED : PROCESS_OK);
        return;
    }
    if (message->id == PROTO_FAULT) {
        on_fault(control, &message->fault);
        return;
    }
    if (message->id == PROTO_PING) {
        send_beat(control, message->ping.number);
        return;
    }
    if (control->ready && control->begin_ns == 0)
        control->begin_ns = clock_monotonic_ns();
    int rc = control->ready ? control->hooks->on_message(control->user, message, &diag)
                            : join_take(&control->join, message, &diag);
    if (rc != 0) {
        enum proto_refusal reason = rc == ERR_STATE ? PROTO_REFUSE_OUT_OF_STATE : PROTO_REFUSE_OUT_OF_RANGE;
        wire_conn_refuse(conn, reason, diag_text(&diag, rc));
        node_control_fail(control, PROCESS_FAILED, diag_text(&diag, rc));
    } else if (!control->ready && join_is_ready(&control->join)) {
        become_ready(control);
    }
}

static void connect_again(uv_timer_t *timer);

static void forget_run(struct node_control *control)
{
    if (control->ready)
        control->hooks->on_reset(control->user);
    control->ready = false;
    join_again(&control->join);
    control->give_up_ns = clock_monotonic_ns() + control->options->reconnect_s * UNITS_NS_PER_S;
}

/* A node that was given up for silence, or whose old connection still holds its place, may try again. */
static bool may_try_again(const struct node_control *control, enum proto_refusal refusal)
{
    bool known = control->join.welcome || control->join.known_token != 0;
    return refusal == PROTO_REFUSE_NONE ||
           (known && (refusal == PROTO_REFUSE_TIMEOUT || refusal == PROTO_REFUSE_FULL));
}

static void give_up(struct node_control *control, enum proto_refusal refusal, const char *text)
{
    char what[1024];
    bool refused = refusal != PROTO_REFUSE_NONE;
    bool lost = !refused && control->lost_text[0] != '\0' && strcmp(control->lost_text, text) != 0;
    (void) snprintf(what, sizeof what, "%s the orchestrator at %s:%u: %s%s%s",
                    refused ? "refused by" : (control->join.known_token != 0 ? "lost" : "cannot reach"),
                    control->options->orchestrator.host, control->options->orchestrator.port,
                    lost ? control->lost_text : "", lost ? "; then: " : "", text);
    node_control_fail(control, refused ? PROCESS_REFUSED : PROCESS_LOST, what);
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct node_control *control = wire_conn_user(conn);
    assert(control->conn == conn);
    control->conn = NULL;
    if (control->ending)
        return;
    (void) status; /* `text` says it in words */
    enum proto_refusal refusal = wire_conn_refusal(conn);
    bool again = may_try_again(control, refusal);
    if (again && control->join.welcome) {
        (void) snprintf(control->lost_text, sizeof control->lost_text, "%s", text); /* may be cut */
        forget_run(control);
    }
    if (again && clock_monotonic_ns() < control->give_up_ns)
        (void) uv_timer_start(&control->retry, connect_again, RETRY_MS,
                              0); /* the timer is initialised: cannot fail */
    else
        give_up(control, refusal, text);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void connect_again(uv_timer_t *timer)
{
    struct node_control *control = timer->data;
    struct diag diag = {0};
    assert(control->conn == NULL && !control->ready && !control->ending);
    const struct node_address *address = &control->options->orchestrator;
    int rc =
        wire_connect(&control->loop, address->host, address->port, &handlers, control, &control->conn, &diag);
    if (rc != 0) {
        node_control_fail(control, PROCESS_LOST, diag_text(&diag, rc));
        return;
    }
    const struct node_options *options = control->options;
    const char *host = options->advertise[0] != '\0' ? options->advertise : options->listen.host;
    struct proto_message hello =
        join_hello(&control->join, control->join.role == NODE_SERVER ? host : NULL, control->data_port);
    (void) wire_conn_send(control->conn, &hello); /* leaves once connected; on_close tells if not */
}

int node_control_init(struct node_control *control, enum node_role role, const struct node_options *options,
                      const struct node_control_hooks *hooks, void *user)
{
    assert(hooks->on_ready != NULL && hooks->on_message != NULL && hooks->on_reset != NULL &&
           hooks->on_end != NULL);
    *control = (struct node_control){.options = options, .hooks = hooks, .user = user};
    join_init(&control->join, role, options->count);
    control->join.is_guest = options->prompt != NULL;
    control->join.tier = options->tier;
    int rc = wire_loop_init(&control->loop, on_stop, control);
    if (rc == 0)
        rc = uv_timer_init(&control->loop.uv, &control->retry);
    if (rc == 0)
        rc = uv_timer_init(&control->loop.uv, &control->beat);
    control->retry.data = control->beat.data = control;
    return rc;
}

void node_control_start(struct node_control *control, uint16_t data_port)
{
    assert((control->join.role == NODE_SERVER) == (data_port != 0));
    control->data_port = data_port;
    control->give_up_ns = clock_monotonic_ns() + control->options->reconnect_s * UNITS_NS_PER_S;
    connect_again(&control->retry);
}

int node_control_run(struct node_control *control)
{
    (void) uv_run(&control->loop.uv, UV_RUN_DEFAULT); /* returns when every handle is closed */
    assert(control->ending && control->conn == NULL);
    return control->status;
}

void node_control_leave(struct node_control *control)
{
    struct proto_message goodbye = {.id = PROTO_GOODBYE};
    (void) wire_conn_send(control->conn, &goodbye); /* the process ends all the same */
    end(control, PROCESS_OK);
}

void node_control_fail_model(struct node_control *control, const char *text)
{
    wire_conn_refuse(control->conn, PROTO_REFUSE_MODEL, text);
    node_control_fail(control, PROCESS_USAGE, text);
}

bool node_control_open_model(struct node_control *control, struct compute_jobs **ret_jobs)
{
    struct diag diag = {0};
    const char *path = control->options->model;
    int rc = compute_jobs_open(ret_jobs, &control->loop, &control->join.world, path, &diag);
    if (rc == 0) {
        control->jobs = *ret_jobs;
        return true;
    }
    node_control_fail_model(control, diag_text(&diag, rc));
    return false;
}

void node_control_close_model(struct node_control *control, struct compute_jobs *jobs)
{
    compute_jobs_close(jobs);
    control->jobs = NULL;
}

void node_control_finish(struct node_control *control)
{
    wire_loop_finish(&control->loop);
    join_finish(&control->join);
}
