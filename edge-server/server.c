#include "edge-server/server.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/model/env.h"
#include "edge-server/downlink.h"
#include "edge-server/served_tasks.h"
#include "edge-server/server_core.h"
#include "edge-server/server_queue_real.h"
#include "edge-server/server_queue_virtual.h"
#include "proto/node/control.h"
#include "proto/node/real_time.h"
#include "proto/wire/alarm.h"
#include "proto/wire/listen.h"

#define DOOR_MS 5000u   /* between two looks at connections without ATTACH; the second look refuses them */
#define PEERS_EXTRA 16u /* connections beyond one a device, for strangers that are about to be refused */

/* One data connection, from a mobile process. */
struct peer {
    struct server *server;
    struct wire_conn *conn;
    struct peer *next;     /* server.peers */
    bool attached, mute;   /* mute: seen once without ATTACH */
    uint32_t first, count; /* the devices it may speak for */
};

/* Real time: what is being received from and computed for one device. */
struct job {
    struct server *server;
    struct wire_alarm alarm;
    uint32_t device;
    struct layer_work work;
    uint64_t start_ns, due_ns;
    bool is_due;                       /* it is due by the model, and is still being computed */
    uint64_t piece_round, piece_bytes; /* activations that have come for the TASK of that round */
};

struct server {
    struct node_control control;
    struct wire_listener *listener;
    struct server_core *core; /* mode round; NULL in queueing mode and before the run */
    /* Queueing mode; else NULL. */
    struct server_queue_virtual *queue_virtual; /* virtual time */
    struct server_queue *queue;                 /* real time, as is queue_real */
    struct server_queue_real *queue_real;
    uv_timer_t door;
    struct peer *peers;
    struct peer **peer_of;      /* [N] the connection each device last sent on; NULL: none */
    struct job *job;            /* [N], real time (queueing mode: for its pieces); NULL in virtual time */
    struct downlink *downlink;  /* [N], real time; NULL where RESULTs take no time */
    struct compute_jobs *jobs;  /* compute.kind model; else NULL */
    struct served_tasks *tasks; /* likewise */
};

static int step(struct server *server, const struct server_event *event, struct diag *diag);

/* When the core refuses an event of this shell, that is our own mistake: the process ends and says so. */
static void end_real_job(struct job *job)
{
    struct server *server = job->server;
    struct diag diag = {0};
    struct server_event computed = {
        .kind = SERVER_ON_COMPUTED,
        .device = job->device,
        .round = job->work.round,
        .elapsed_s = real_time_s(&server->control.join.world.scenario, job->start_ns, clock_monotonic_ns()),
    };
    int rc = step(server, &computed, &diag);
    if (rc != 0)
        node_control_fail(&server->control, PROCESS_FAILED, diag_text(&diag, rc));
}

static void on_job_done(struct wire_alarm *alarm)
{
    struct job *job = alarm->user;
    struct served_tasks *tasks = job->server->tasks;
    job->is_due = tasks != NULL && served_tasks_computes(tasks, &job->work);
    if (!job->is_due) /* else on_computed goes on */
        end_real_job(job);
}

/* What is computed has ended when the model says so and when it really has. */
static void on_computed(void *user, const struct layer_work *work, const struct compute_job_result *result)
{
    struct server *server = user;
    struct job *job = server->job != NULL && server->core != NULL ? &server->job[work->device] : NULL;
    if (server->queue_real != NULL)
        server_queue_real_computed(server->queue_real, work, result);
    if (job == NULL)
        return; /* virtual time waits for nothing */
    bool is_asked = layer_work_is(&job->work, work) && (job->is_due || wire_alarm_is_set(&job->alarm));
    compute_audit_note(&server->control.computed, result->seconds, result->end_ns,
                       is_asked ? job->due_ns : UINT64_MAX); /* before its turn, or revoked */
    if (!is_asked || !job->is_due)
        return;
    job->is_due = false;
    end_real_job(job);
}

/* Real time: a job ends when its time has passed. An alarm that is still set belongs to a revoked job, and is
 * set anew. */
static int start_job(struct server *server, const struct server_action *action)
{
    assert(action->work.device < server->control.join.world.devices);
    struct job *job = &server->job[action->work.device];
    job->work = action->work;
    job->start_ns = clock_monotonic_ns();
    job->is_due = false;
    job->due_ns = real_time_due_ns(&server->control.join.world.scenario, job->start_ns, action->duration_s);
    return wire_alarm_set(&server->control.alarms, &job->alarm, job->due_ns);
}

/* Virtual time: a job of duration d ends at once. */
static int end_job(struct server *server, const struct server_action *action, struct diag *diag)
{
    struct server_event computed = {
        .kind = SERVER_ON_COMPUTED,
        .device = action->work.device,
        .round = action->work.round,
        .elapsed_s = action->duration_s,
    };
    return step(server, &computed, diag);
}

/* Sends a RESULT: over the downlink when RESULTs take time, else at once. */
static int send_result(void *user, uint32_t device, struct slot_id id, const struct proto_message *result)
{
    struct server *server = user;
    assert(device < server->control.join.world.devices && result->id == PROTO_RESULT);
    struct peer *peer = server->peer_of[device];
    if (peer == NULL)
        return 0; /* the device is lost, and the orchestrator will notice */
    if (server->downlink != NULL)
        return downlink_send(&server->downlink[device], peer->conn, id, result);
    (void) wire_conn_send(peer->conn, result); /* as above */
    return 0;
}

/* A RESULT leaves when what it tells of has been computed. */
static int answer(struct server *server, uint32_t device, struct slot_id id,
                  const struct proto_message *result)
{
    return server->tasks != NULL ? served_tasks_answer(server->tasks, device, id, result)
                                 : send_result(server, device, id, result);
}

static int answer_queue(void *user, const struct server_queue_action *action)
{
    return answer(user, action->device, action->id, &action->message);
}

static int execute(struct server *server, const struct server_action *action, struct diag *diag)
{
    switch (action->kind) {
    case SERVER_DO_TELL:
        (void) wire_conn_send(server->control.conn,
                              &action->message); /* a lost orchestrator shows in control.c */
        return 0;
    case SERVER_DO_ANSWER: return answer(server, action->device, action->id, &action->message);
    case SERVER_DO_COMPUTE:
        return server->job != NULL ? start_job(server, action) : end_job(server, action, diag);
    }
    assert(false);
    return ERR_STATE;
}

static bool is_queue(const struct server *server)
{
    return server->queue_real != NULL || server->queue_virtual != NULL;
}

static int step_queue(struct server *server, const struct proto_message *message, struct diag *diag)
{
    if (server->queue_real != NULL)
        return server_queue_real_take(server->queue_real, message, diag);
    struct server_queue_actions actions;
    int rc = server_queue_virtual_take(server->queue_virtual, message, &actions, diag);
    for (size_t i = 0; i < actions.count; i++) {
        const struct server_queue_action *action = &actions.list[i];
        if (action->kind == SERVER_QUEUE_ANSWER)
            (void) answer_queue(server, action); /* no downlink in virtual time: cannot fail */
        else if (action->kind == SERVER_QUEUE_TELL)
            (void) wire_conn_send(server->control.conn,
                                  &action->message); /* a lost orchestrator shows in control.c */
    }
    return rc;
}

static int step(struct server *server, const struct server_event *event, struct diag *diag)
{
    struct server_actions actions;
    int rc = server_core_step(server->core, event, &actions, diag);
    for (size_t i = 0; i < actions.count && rc == 0; i++)
        rc = execute(server, &actions.list[i], diag);
    return rc;
}

static void on_attach(struct peer *peer, const struct msg_attach *attach)
{
    const struct join *join = &peer->server->control.join;
    if (attach->run_token != join->run_token) {
        wire_conn_refuse(peer->conn, PROTO_REFUSE_TOKEN, "ATTACH with the token of another run");
        return;
    }
    if (attach->first + attach->count > join->world.devices) {
        wire_conn_refuse(peer->conn, PROTO_REFUSE_OUT_OF_RANGE, "ATTACH for devices that do not exist");
        return;
    }
    peer->attached = true;
    peer->first = (uint32_t) attach->first;
    peer->count = (uint32_t) attach->count;
    wire_conn_set_frame_max(peer->conn, PROTO_BODY_MAX);
}

static bool speaks_for(const struct peer *peer, uint64_t device)
{
    return peer->attached && device >= peer->first && device - peer->first < peer->count;
}

static int on_piece(struct server *server, const struct msg_piece *piece, struct diag *diag)
{
    assert(piece->device < server->control.join.world.devices); /* on_attach, speaks_for */
    if (server->tasks != NULL)
        return served_tasks_take_piece(server->tasks, piece, diag);
    struct job *job = &server->job[piece->device];
    if (job->piece_round != piece->round)
        job->piece_bytes = 0;
    job->piece_round = piece->round;
    job->piece_bytes += piece->bytes.size;
    return 0;
}

/* In real time a TASK comes after all of its activations. The next chunk needs its own. */
static int check_whole(struct server *server, const struct msg_task *task, struct diag *diag)
{
    if (server->job == NULL || server->tasks != NULL)
        return 0;
    struct job *job = &server->job[task->device];
    double bytes = job->piece_round == task->round ? (double) job->piece_bytes : 0.0;
    double due = floor((task->declared_bits - task->forwarded_bits) / 8.0);
    if (bytes < due)
        return diag_fail(diag, ERR_RANGE, "TASK of device %u: %.0f of %.0f bytes came before it",
                         (unsigned) task->device, bytes, due);
    if (task->chunks > 0)
        job->piece_bytes -= (uint64_t) due;
    return 0;
}

static int on_task(struct server *server, struct peer *peer, const struct proto_message *message,
                   struct diag *diag)
{
    int rc = check_whole(server, &message->task, diag);
    if (rc == 0 && server->tasks != NULL)
        rc = served_tasks_take(server->tasks, &message->task, diag);
    if (rc != 0)
        return rc;
    struct server_event event = {.kind = SERVER_ON_TASK, .message = message};
    assert(is_queue(server) != (server->core != NULL));
    server->peer_of[message->task.device] = peer;
    rc = is_queue(server) ? step_queue(server, message, diag) : step(server, &event, diag);
    if (rc != 0 && server->tasks != NULL)
        served_tasks_drop(server->tasks, (uint32_t) message->task.device, message->task.round);
    return rc;
}

/* PIECEs come in real time, and with real layers. */
static bool is_piece(const struct peer *peer, const struct proto_message *message)
{
    const struct server *server = peer->server;
    return message->id == PROTO_PIECE && (server->job != NULL || server->tasks != NULL) &&
           speaks_for(peer, message->piece.device);
}

static void on_peer_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct peer *peer = wire_conn_user(conn);
    struct server *server = peer->server;
    struct diag diag = {0};
    if (!peer->attached && message->id == PROTO_ATTACH && server->peer_of != NULL) {
        on_attach(peer, &message->attach);
        return;
    }
    bool is_task = message->id == PROTO_TASK && speaks_for(peer, message->task.device);
    if (!is_task && !is_piece(peer, message)) {
        wire_conn_refuse(conn, PROTO_REFUSE_OUT_OF_STATE,
                         "ATTACH first, then TASKs of the devices named there");
        return;
    }
    int rc = is_task ? on_task(server, peer, message, &diag) : on_piece(server, &message->piece, &diag);
    if (rc != 0)
        wire_conn_refuse(conn, rc == ERR_STATE ? PROTO_REFUSE_OUT_OF_STATE : PROTO_REFUSE_OUT_OF_RANGE,
                         diag_text(&diag, rc));
}

static void on_peer_close(struct wire_conn *conn, int status, const char *text)
{
    struct peer *peer = wire_conn_user(conn);
    struct server *server = peer->server;
    if (status != 0)
        log_info("data", "a device's connection ended: %s", text);
    assert(peer->conn == conn);
    for (uint32_t i = 0; i < peer->count; i++) {
        if (server->peer_of[peer->first + i] == peer)
            server->peer_of[peer->first + i] = NULL;
        if (server->tasks != NULL)
            served_tasks_drop_pieces(server->tasks, peer->first + i);
        if (server->downlink != NULL)
            downlink_forget(&server->downlink[peer->first + i], conn);
    }
    struct peer **place = &server->peers;
    while (*place != peer) {
        assert(*place != NULL);
        place = &(*place)->next;
    }
    *place = peer->next;
    free(peer);
}

static const struct wire_handlers peer_handlers = {.on_message = on_peer_message, .on_close = on_peer_close};

static void on_refused_close(struct wire_conn *conn, int status, const char *text)
{
    (void) conn; /* there was no memory to keep it: nothing refers to it */
    (void) status;
    (void) text;
}

static const struct wire_handlers refused_handlers = {.on_message = NULL, .on_close = on_refused_close};

static void on_accept(void *user, struct wire_conn *conn)
{
    struct server *server = user;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        wire_conn_set_handlers(conn, &refused_handlers);
        wire_conn_close(conn);
        return;
    }
    *peer = (struct peer){.server = server, .conn = conn, .next = server->peers};
    server->peers = peer;
    wire_conn_set_handlers(conn, &peer_handlers);
    wire_conn_set_user(conn, peer);
    wire_conn_set_frame_max(conn, WIRE_GREETING_MAX);
}

/* A connection that sends no ATTACH must not keep a place for ever. */
static void on_door(uv_timer_t *timer)
{
    struct server *server = timer->data;
    for (struct peer *peer = server->peers; peer != NULL; peer = peer->next) {
        if (!peer->attached && peer->mute)
            wire_conn_refuse(peer->conn, PROTO_REFUSE_TIMEOUT, "no ATTACH came");
        peer->mute = true;
    }
}

static void drop_what_is_over(struct served_tasks *tasks, const struct world *world,
                              const struct proto_message *message)
{
    if (message->id == PROTO_REVOKE && message->revoke.device < world->devices)
        served_tasks_drop(tasks, (uint32_t) message->revoke.device, message->revoke.round);
    else if (message->id == PROTO_ALLOT && message->allot.slot == 0)
        served_tasks_drop_before(tasks, message->allot.round);
}

static int on_message(void *user, const struct proto_message *message, struct diag *diag)
{
    struct server *server = user;
    if (message->id == PROTO_SERVER)
        return join_move_server(&server->control.join, &message->server, diag);
    if (server->tasks != NULL)
        drop_what_is_over(server->tasks, &server->control.join.world, message);
    struct server_event event = {.message = message};
    if (message->id == PROTO_ALLOT)
        event.kind = SERVER_ON_ALLOT;
    else if (message->id == PROTO_REVOKE)
        event.kind = SERVER_ON_REVOKE;
    else
        return diag_fail(diag, ERR_STATE, "%s is not for an edge server", proto_name(message->id));
    return is_queue(server) ? step_queue(server, message, diag) : step(server, &event, diag);
}

static int open_jobs(struct server *server)
{
    uint32_t devices = server->control.join.world.devices;
    server->job = calloc(devices, sizeof *server->job);
    if (server->job == NULL)
        return -ENOMEM;
    for (uint32_t n = 0; n < devices; n++)
        server->job[n] = (struct job){
            .server = server, .device = n, .alarm = {.on_due = on_job_done, .user = &server->job[n]}};
    return 0;
}

static int open_downlinks(struct server *server)
{
    const struct join *join = &server->control.join;
    if (transfer_down_is_free(&join->world, join->first))
        return 0;
    server->downlink = calloc(join->world.devices, sizeof *server->downlink);
    if (server->downlink == NULL)
        return -ENOMEM;
    for (uint32_t n = 0; n < join->world.devices; n++)
        downlink_init(&server->downlink[n], &server->control, n, join->first);
    return 0;
}

static int open_queue(struct server *server, bool in_real_time)
{
    const struct join *join = &server->control.join;
    if (!in_real_time)
        return server_queue_virtual_create(&server->queue_virtual, &join->world, join->first);
    int rc = server_queue_create(&server->queue, &join->world, join->first);
    return rc != 0 ? rc
                   : server_queue_real_open(&server->queue_real, &server->control, server->queue,
                                            answer_queue, server);
}

/* ---- real layers (compute.kind model) ---- */

static void on_bad_task(void *user, uint32_t device, const char *reason)
{
    struct server *server = user;
    struct peer *peer = server->peer_of[device];
    struct diag diag = {0};
    if (peer == NULL)
        return;
    diag_fail(&diag, ERR_RANGE, "TASK of device %u: %s", device, reason);
    wire_conn_refuse(peer->conn, PROTO_REFUSE_OUT_OF_RANGE, diag.text);
}

static void on_failure(void *user, const char *reason)
{
    struct server *server = user;
    node_control_fail(&server->control, PROCESS_FAILED, reason);
}

static const struct served_tasks_hooks tasks_hooks = {
    .send = send_result, .on_computed = on_computed, .on_bad_task = on_bad_task, .on_failure = on_failure};

/* Last in on_ready: without a model this node cannot take part. In real time no first task shall be late, so all layers
 * that may be asked for are loaded before the run. */
static int open_tasks(struct server *server, bool in_real_time, struct diag *diag)
{
    const struct world *world = &server->control.join.world;
    if (!node_control_open_model(&server->control, &server->jobs))
        return 0;
    int rc = in_real_time ? compute_jobs_load(server->jobs, (uint32_t) world->scenario.model.min_split,
                                              world->llm->layers, diag)
                          : 0;
    if (rc == 0)
        rc = served_tasks_create(&server->tasks, server->jobs, world, server->control.join.first,
                                 &tasks_hooks, server);
    if (rc == 0 && server->queue_real != NULL)
        server_queue_real_set_tasks(server->queue_real, server->tasks);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static int on_ready(void *user, struct diag *diag)
{
    struct server *server = user;
    const struct join *join = &server->control.join;
    assert(server->peer_of == NULL && server->core == NULL && !is_queue(server)); /* on_reset */
    server->peer_of = calloc(join->world.devices, sizeof(struct peer *));
    if (server->peer_of == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    bool in_real_time = real_time_is_kept(&join->world.scenario);
    int rc = env_is_queue(&join->world) ? open_queue(server, in_real_time)
                                        : server_core_create(&server->core, &join->world, join->first);
    if (rc == 0 && in_real_time)
        rc = open_jobs(server);
    if (rc == 0 && server->job != NULL)
        rc = open_downlinks(server);
    if (rc == 0 && compute_is_real(&join->world))
        rc = open_tasks(server, in_real_time, diag);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static void let_go(struct server *server)
{
    served_tasks_stop(server->tasks);
    uint32_t devices = server->downlink != NULL ? server->control.join.world.devices : 0;
    for (uint32_t n = 0; n < devices; n++)
        downlink_finish(&server->downlink[n]);
    free(server->downlink);
    server->downlink = NULL;
    for (struct peer *peer = server->peers; peer != NULL; peer = peer->next) {
        peer->attached = false;
        peer->count = 0;
        wire_conn_close(peer->conn);
    }
    for (uint32_t n = 0; server->job != NULL && n < server->control.join.world.devices; n++)
        wire_alarm_cancel(&server->control.alarms, &server->job[n].alarm);
    server_queue_real_close(server->queue_real);
    server->queue_real = NULL;
}

static void forget_run(struct server *server)
{
    served_tasks_destroy(server->tasks);
    node_control_close_model(&server->control, server->jobs);
    server->tasks = NULL;
    server->jobs = NULL;
    server_core_destroy(server->core);
    server_queue_destroy(server->queue);
    server_queue_virtual_destroy(server->queue_virtual);
    free(server->peer_of);
    free(server->job);
    server->core = NULL;
    server->queue = NULL;
    server->queue_virtual = NULL;
    server->peer_of = NULL;
    server->job = NULL;
}

static void on_reset(void *user)
{
    let_go(user);
    forget_run(user);
}

static void on_end(void *user)
{
    struct server *server = user;
    uv_close((uv_handle_t *) &server->door, NULL);
    wire_listener_close(server->listener);
    server->listener = NULL;
    let_go(server);
}

static const struct node_control_hooks hooks = {
    .on_ready = on_ready, .on_message = on_message, .on_reset = on_reset, .on_end = on_end};

int server_run(const struct node_options *options)
{
    struct server server = {0};
    struct diag diag = {0};
    (void) process_raise_file_limit(); /* as many devices as the system lets us */
    int rc = node_control_init(&server.control, NODE_SERVER, options, &hooks, &server);
    if (rc != 0) {
        log_error("node", "cannot start: %s", err_text(rc));
        return PROCESS_FAILED;
    }
    (void) uv_timer_init(&server.control.loop.uv, &server.door); /* cannot fail, nor can its start */
    server.door.data = &server;
    (void) uv_timer_start(&server.door, on_door, DOOR_MS, DOOR_MS);
    rc = wire_listen(&server.control.loop, options->listen.host, options->listen.port,
                     WORLD_DEVICES_MAX + PEERS_EXTRA, on_accept, &server, &server.listener, &diag);
    if (rc != 0) {
        node_control_fail(&server.control, PROCESS_FAILED, diag_text(&diag, rc));
    } else {
        process_ready(wire_listener_port(server.listener));
        node_control_start(&server.control, wire_listener_port(server.listener));
    }
    int status = node_control_run(&server.control);
    forget_run(&server);
    node_control_finish(&server.control);
    return status;
}
