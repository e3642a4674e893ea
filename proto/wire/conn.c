/* A connection's life. Bytes in: conn_read.c. Bytes out: conn_write.c. Loop thread only. */
#include "proto/wire/conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "proto/wire/conn_internal.h"
#include "proto/wire/conn_io_internal.h"
#include "proto/wire/ring_internal.h"

#define KEEPALIVE_S 30u

static void set_state(struct wire_conn *conn, enum conn_state state)
{
    static const unsigned allowed[] = {
        [CONN_CONNECTING] = 1u << CONN_OPEN | 1u << CONN_DRAINING | 1u << CONN_CLOSED,
        [CONN_OPEN] = 1u << CONN_DRAINING | 1u << CONN_CLOSED,
        [CONN_DRAINING] = 1u << CONN_CLOSED,
        [CONN_CLOSED] = 0,
    };
    assert((allowed[conn->state] & 1u << state) != 0);
    conn->state = state;
}

/* The first cause is the one that on_close tells. */
static void set_cause(struct wire_conn *conn, int status, const char *text)
{
    if (conn->text[0] != '\0')
        return;
    conn->status = status;
    (void) snprintf(conn->text, sizeof conn->text, "%s", text); /* a cut sentence is still a sentence */
}

/* One of the handles is gone; with the last one goes the connection. */
static void drop_handle(struct wire_conn *conn)
{
    if (--conn->open_handles > 0)
        return;
    if (conn->handlers.on_close != NULL)
        conn->handlers.on_close(conn, conn->status, conn->text);
    ring_remove(&conn->in_loop);
    if (conn->listener != NULL)
        listener_release(conn->listener);
    buf_finish(&conn->queue);
    buf_finish(&conn->writing);
    buf_finish(&conn->partial);
    free(conn);
}

static void on_handle_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

void conn_break(struct wire_conn *conn, int status, const char *text)
{
    if (conn->state == CONN_CLOSED)
        return;
    set_cause(conn, status, text);
    set_state(conn, CONN_CLOSED);
    ring_remove(&conn->in_unsent);
    buf_clear(&conn->queue);
    if (conn->resolve.data != NULL)
        (void) uv_cancel(
            (uv_req_t *) &conn->resolve); /* too late to cancel: its callback comes all the same */
    uv_close((uv_handle_t *) &conn->tcp, on_handle_closed);
    uv_close((uv_handle_t *) &conn->deadline, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    struct wire_conn *conn = timer->data;
    char text[sizeof conn->peer + 32];
    (void) snprintf(text, sizeof text, "no answer from %s in time", conn->peer); /* fits */
    conn_break(conn, UV_ETIMEDOUT, text);
}

static void set_deadline(struct wire_conn *conn, uint64_t timeout_ms)
{
    int rc = uv_timer_start(&conn->deadline, on_deadline, timeout_ms, 0);
    assert(rc == 0); /* fails for closing handles only */
    (void) rc;
}

void conn_drain(struct wire_conn *conn, int status, const char *text)
{
    if (conn->state == CONN_CLOSED || conn->state == CONN_DRAINING)
        return;
    set_cause(conn, status, text);
    if (!conn->is_connected && conn->queue.size == 0) {
        conn_break(conn, status, text);
        return;
    }
    set_state(conn, CONN_DRAINING);
    ring_remove(&conn->in_unsent);
    set_deadline(conn, WIRE_LINGER_MS);
    conn_write_queue(conn);
}

static int conn_create(struct wire_loop *loop, struct wire_conn **ret_conn)
{
    struct wire_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    int rc = uv_tcp_init(&loop->uv, &conn->tcp);
    if (rc != 0) {
        free(conn);
        return rc;
    }
    (void) uv_timer_init(&loop->uv, &conn->deadline); /* cannot fail */
    conn->open_handles = 2;
    conn->tcp.data = conn->deadline.data = conn->connect.data = conn->write.data = conn->shutdown.data = conn;
    conn->loop = loop;
    conn->state = CONN_CONNECTING;
    conn->frame_max = PROTO_BODY_MAX;
    ring_init(&conn->in_unsent);
    ring_append(&loop->conns, &conn->in_loop);
    *ret_conn = conn;
    return 0;
}

/* Connected by either side: from here on bytes flow. */
static int conn_begin(struct wire_conn *conn)
{
    conn->is_connected = true;
    if (conn->state == CONN_CONNECTING) {
        (void) uv_timer_stop(&conn->deadline); /* cannot fail */
        set_state(conn, CONN_OPEN);
    }
    int rc = uv_tcp_nodelay(&conn->tcp, 1);
    if (rc == 0)
        rc = uv_tcp_keepalive(&conn->tcp, 1, KEEPALIVE_S);
    return rc != 0 ? rc : conn_start_reading(conn);
}

/* "127.0.0.1:4711", "[::1]:4711" */
static void name_address(const struct sockaddr *address, size_t size, char *ret_text)
{
    char host[INET6_ADDRSTRLEN] = "unknown";
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        (void) uv_ip6_name((const struct sockaddr_in6 *) (const void *) address, host,
                           sizeof host); /* fits */
        memcpy(&in6, address, sizeof in6);
        (void) snprintf(ret_text, size, "[%s]:%u", host, (unsigned) ntohs(in6.sin6_port));
    } else {
        struct sockaddr_in in;
        (void) uv_ip4_name((const struct sockaddr_in *) (const void *) address, host, sizeof host); /* fits */
        memcpy(&in, address, sizeof in);
        (void) snprintf(ret_text, size, "%s:%u", host, (unsigned) ntohs(in.sin_port));
    }
}

int conn_accept(struct wire_loop *loop, uv_stream_t *server, struct wire_listener *listener,
                struct wire_conn **ret_conn)
{
    struct wire_conn *conn = NULL;
    int rc = conn_create(loop, &conn);
    if (rc != 0)
        return rc;
    conn->listener = listener;
    listener_hold(listener);
    rc = uv_accept(server, (uv_stream_t *) &conn->tcp);
    struct sockaddr_storage address = {0};
    int size = sizeof address;
    if (rc == 0)
        rc = uv_tcp_getpeername(&conn->tcp, (struct sockaddr *) &address, &size);
    if (rc == 0) {
        name_address((struct sockaddr *) &address, sizeof conn->peer, conn->peer);
        rc = conn_begin(conn);
    }
    if (rc != 0) /* the peer may be gone already */
        conn_break(conn, rc, uv_strerror(rc));
    else
        *ret_conn = conn;
    return rc;
}

static void connect_failed(struct wire_conn *conn, int status)
{
    char text[sizeof conn->text];
    (void) snprintf(text, sizeof text, "cannot connect to %s: %s", conn->peer,
                    uv_strerror(status)); /* may be cut */
    conn_break(conn, status, text);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct wire_conn *conn = request->data;
    if (conn->state == CONN_CLOSED)
        return;
    if (status == 0)
        status = conn_begin(conn);
    if (status != 0)
        connect_failed(conn, status);
    else
        conn_write_queue(conn);
}

static int start_connect(struct wire_conn *conn, const struct sockaddr *address)
{
    return uv_tcp_connect(&conn->connect, &conn->tcp, address, on_connected);
}

/* IPv4 goes first: our listeners bind 127.0.0.1 by default, and "localhost" often names ::1 before it. */
static const struct sockaddr *choose_address(const struct addrinfo *list)
{
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        if (at->ai_family == AF_INET)
            return at->ai_addr;
    return list->ai_addr;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct wire_conn *conn = request->data;
    request->data = NULL;
    if (status == 0 && conn->state != CONN_CLOSED)
        status = start_connect(conn, choose_address(list));
    uv_freeaddrinfo(list);
    if (status != 0 && conn->state != CONN_CLOSED)
        connect_failed(conn, status);
    drop_handle(conn);
}

static int start_resolve(struct wire_conn *conn, const char *host, uint16_t port)
{
    char service[8];
    (void) snprintf(service, sizeof service, "%u", (unsigned) port); /* fits */
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(&conn->loop->uv, &conn->resolve, on_resolved, host, service, &hints);
    if (rc != 0)
        return rc;
    conn->resolve.data = conn;
    conn->open_handles++;
    return 0;
}

int wire_connect(struct wire_loop *loop, const char *host, uint16_t port,
                 const struct wire_handlers *handlers, void *user, struct wire_conn **ret_conn,
                 struct diag *diag)
{
    struct wire_conn *conn = NULL;
    int rc = loop->is_finishing ? UV_ECANCELED : conn_create(loop, &conn);
    if (rc != 0)
        return diag_fail(diag, rc, "cannot connect to %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    (void) snprintf(conn->peer, sizeof conn->peer, strchr(host, ':') != NULL ? "[%.53s]:%u" : "%.55s:%u",
                    host, (unsigned) port); /* a long name is cut */
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (uv_ip4_addr(host, port, &in) == 0)
        rc = start_connect(conn, (const struct sockaddr *) &in);
    else if (uv_ip6_addr(host, port, &in6) == 0)
        rc = start_connect(conn, (const struct sockaddr *) &in6);
    else
        rc = start_resolve(conn, host, port);
    if (rc != 0) {
        (void) diag_fail(diag, rc, "cannot connect to %s: %s", conn->peer,
                         uv_strerror(rc));     /* rc is what we return */
        conn_break(conn, rc, "never started"); /* no handlers yet: nobody hears of it */
        return rc;
    }
    conn->handlers = *handlers;
    conn->user = user;
    set_deadline(conn, WIRE_CONNECT_MS);
    *ret_conn = conn;
    return 0;
}

void wire_conn_refuse(struct wire_conn *conn, enum proto_refusal reason, const char *text)
{
    conn_refuse(conn, reason, UV_ECONNABORTED, text);
}

void wire_conn_close(struct wire_conn *conn)
{
    if (conn != NULL)
        conn_drain(conn, 0, "closed");
}

void *wire_conn_user(const struct wire_conn *conn)
{
    return conn->user;
}

void wire_conn_set_user(struct wire_conn *conn, void *user)
{
    conn->user = user;
}

void wire_conn_set_handlers(struct wire_conn *conn, const struct wire_handlers *handlers)
{
    conn->handlers = *handlers;
}

void wire_conn_set_frame_max(struct wire_conn *conn, size_t size)
{
    conn->frame_max = size;
}

enum proto_refusal wire_conn_refusal(const struct wire_conn *conn)
{
    return conn->refusal;
}

void wire_conn_peer(const struct wire_conn *conn, char ret_text[static 64])
{
    memcpy(ret_text, conn->peer, sizeof conn->peer);
}

struct wire_counters wire_conn_counters(const struct wire_conn *conn)
{
    return conn->counters;
}
