#include "edge-server/server.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/node/link.h"
#include "edge-server/server_core.h"
#include "proto/wire/listen.h"
#include "proto/wire/process.h"

#define PEERS_EXTRA 16u /* connections beyond one a device: strangers that are about to be refused */

/* One data connection, from a mobile process. */
struct peer {
    struct server *server;
    struct wire_conn *conn;
    struct peer *next; /* server.peers */
    bool attached;
    uint32_t first, count; /* the devices it may speak for */
};

struct server {
    struct node_link link;
    struct wire_listener *listener;
    struct server_core *core;
    struct peer *peers;
    struct peer **peer_of; /* [N] the connection each device last sent on; NULL: none */
};

static int step(struct server *server, const struct server_event *event, struct diag *diag);

/* Virtual time: a job of duration d ends at once. (The real clock will wait here.) */
static int execute(struct server *server, const struct server_action *action, struct diag *diag)
{
    if (action->kind == SERVER_DO_TELL) {
        (void) wire_conn_send(server->link.conn,
                              &action->message); /* a lost orchestrator shows in node_link */
        return 0;
    }
    if (action->kind == SERVER_DO_ANSWER) {
        struct peer *peer = server->peer_of[action->device];
        if (peer != NULL)
            (void) wire_conn_send(peer->conn,
                                  &action->message); /* a lost device is the orchestrator's business */
        return 0;
    }
    struct server_event computed = {
        .kind = SERVER_ON_COMPUTED,
        .device = action->device,
        .round = action->round,
        .elapsed_s = action->duration_s,
    };
    return step(server, &computed, diag);
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
    const struct join *join = &peer->server->link.join;
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
}

static void on_peer_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct peer *peer = wire_conn_user(conn);
    struct server *server = peer->server;
    if (!peer->attached && message->id == PROTO_ATTACH && server->core != NULL) {
        on_attach(peer, &message->attach);
        return;
    }
    bool welcome = peer->attached && message->id == PROTO_TASK && message->task.device >= peer->first &&
                   message->task.device - peer->first < peer->count;
    if (!welcome) {
        wire_conn_refuse(conn, PROTO_REFUSE_OUT_OF_STATE,
                         "ATTACH first, then TASKs of the devices named there");
        return;
    }
    struct diag diag = {0};
    struct server_event event = {.kind = SERVER_ON_TASK, .message = message};
    server->peer_of[message->task.device] = peer;
    int rc = step(server, &event, &diag);
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
    for (uint32_t i = 0; i < peer->count; i++)
        if (server->peer_of[peer->first + i] == peer)
            server->peer_of[peer->first + i] = NULL;
    struct peer **place = &server->peers;
    while (*place != peer)
        place = &(*place)->next;
    *place = peer->next;
    free(peer);
}

static const struct wire_handlers peer_handlers = {.on_message = on_peer_message, .on_close = on_peer_close};

static void on_refused_close(struct wire_conn *conn, int status, const char *text)
{
    (void) conn; /* a connection there was no memory to keep: nothing refers to it */
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
}

static int on_message(void *user, const struct proto_message *message, struct diag *diag)
{
    struct server *server = user;
    struct server_event event = {.message = message};
    if (message->id == PROTO_ALLOT)
        event.kind = SERVER_ON_ALLOT;
    else if (message->id == PROTO_REVOKE)
        event.kind = SERVER_ON_REVOKE;
    else
        return diag_fail(diag, ERR_STATE, "%s is not for an edge server", proto_name(message->id));
    return step(server, &event, diag);
}

static int on_ready(void *user, struct diag *diag)
{
    struct server *server = user;
    const struct join *join = &server->link.join;
    server->peer_of = calloc(join->world.devices, sizeof(struct peer *));
    if (server->peer_of == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    int rc = server_core_create(&server->core, &join->world, join->first);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

static void on_end(void *user)
{
    struct server *server = user;
    wire_listener_close(server->listener);
    server->listener = NULL;
    for (struct peer *peer = server->peers; peer != NULL; peer = peer->next)
        wire_conn_close(peer->conn);
}

static const struct node_link_hooks hooks = {
    .on_ready = on_ready, .on_message = on_message, .on_end = on_end};

int server_run(const struct node_options *options)
{
    struct server server = {0};
    struct diag diag = {0};
    (void) process_raise_file_limit(); /* as many devices as the system lets us */
    int rc = node_link_init(&server.link, NODE_SERVER, options, &hooks, &server);
    if (rc != 0) {
        log_error("node", "cannot start: %s", err_text(rc));
        return PROCESS_FAILED;
    }
    rc = wire_listen(&server.link.loop, options->listen.host, options->listen.port,
                     WORLD_DEVICES_MAX + PEERS_EXTRA, on_accept, &server, &server.listener, &diag);
    if (rc != 0) {
        node_link_fail(&server.link, PROCESS_FAILED, diag_text(&diag, rc));
    } else {
        process_ready(wire_listener_port(server.listener));
        node_link_start(&server.link, wire_listener_port(server.listener));
    }
    int status = node_link_run(&server.link);
    server_core_destroy(server.core);
    free(server.peer_of);
    node_link_finish(&server.link);
    return status;
}
