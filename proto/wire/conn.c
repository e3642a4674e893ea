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
    assert(conn->open_handles > 0);
    if (--conn->open_handles > 0)
        return;
    if (conn->handlers.on_close != NULL)
        conn->handlers.on_close(conn, conn->status, conn->text);
    ring_remove(&conn->in_loop);
    if (conn->listener != NULL)
        wire_listener_release(conn->listener);
    buf_finish(&conn->queue);
    buf_finish(&conn->partial);
    free(conn);
}

static void on_stream_closed(struct wire_stream *stream)
{
    drop_handle(wire_stream_user(stream));
}

static void on_deadline_closed(uv_handle_t *handle)
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
    wire_stream_close(&conn->stream);
    uv_close((uv_handle_t *) &conn->deadline, on_deadline_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    struct wire_conn *conn = timer->data;
    char peer[64], text[sizeof peer + 32];
    wire_stream_peer(&conn->stream, peer);
    (void) snprintf(text, sizeof text, "no answer from %s in time", peer); /* fits */
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

static void connect_failed(struct wire_conn *conn, int status)
{
    char peer[64], text[sizeof conn->text];
    wire_stream_peer(&conn->stream, peer);
    (void) snprintf(text, sizeof text, "cannot connect to %s: %s", peer,
                    uv_strerror(status)); /* may be cut */
    conn_break(conn, status, text);
}

/* Connected by either side: from here on bytes flow. */
static int conn_begin(struct wire_conn *conn)
{
    conn->is_connected = true;
    if (conn->state == CONN_CONNECTING) {
        (void) uv_timer_stop(&conn->deadline); /* cannot fail */
        set_state(conn, CONN_OPEN);
    }
    return wire_stream_read_start(&conn->stream);
}

static void on_open(struct wire_stream *stream)
{
    struct wire_conn *conn = wire_stream_user(stream);
    int rc = conn_begin(conn);
    if (rc != 0)
        connect_failed(conn, rc);
    else
        conn_write_queue(conn);
}

static void on_written(struct wire_stream *stream)
{
    conn_write_queue(wire_stream_user(stream));
}

static void on_fail(struct wire_stream *stream, int status)
{
    struct wire_conn *conn = wire_stream_user(stream);
    if (!conn->is_connected)
        connect_failed(conn, status);
    else
        conn_break(conn, status, uv_strerror(status));
}

static const struct wire_stream_handlers stream_handlers = {
    .on_open = on_open,
    .on_bytes = conn_take_bytes,
    .on_end = conn_take_end,
    .on_written = on_written,
    .on_fail = on_fail,
    .on_close = on_stream_closed,
};

static int conn_create(struct wire_loop *loop, struct wire_conn **ret_conn)
{
    struct wire_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    int rc = wire_stream_init(&conn->stream, loop, &stream_handlers, conn);
    if (rc != 0) {
        free(conn);
        return rc;
    }
    (void) uv_timer_init(&loop->uv, &conn->deadline); /* cannot fail */
    conn->open_handles = 2;
    conn->deadline.data = conn;
    conn->loop = loop;
    conn->state = CONN_CONNECTING;
    conn->frame_max = PROTO_BODY_MAX;
    ring_init(&conn->in_unsent);
    ring_append(&loop->conns, &conn->in_loop);
    *ret_conn = conn;
    return 0;
}

int conn_accept(struct wire_loop *loop, struct wire_stream_listener *streams, struct wire_listener *listener,
                struct wire_conn **ret_conn)
{
    struct wire_conn *conn = NULL;
    int rc = conn_create(loop, &conn);
    if (rc != 0)
        return rc;
    conn->listener = listener;
    wire_listener_hold(listener);
    rc = wire_stream_accept(&conn->stream, streams);
    if (rc == 0)
        rc = conn_begin(conn);
    if (rc != 0) /* the peer may be gone already */
        conn_break(conn, rc, uv_strerror(rc));
    else
        *ret_conn = conn;
    return rc;
}

int wire_connect(struct wire_loop *loop, const char *host, uint16_t port,
                 const struct wire_handlers *handlers, void *user, struct wire_conn **ret_conn,
                 struct diag *diag)
{
    struct wire_conn *conn = NULL;
    int rc = loop->is_finishing ? UV_ECANCELED : conn_create(loop, &conn);
    if (rc != 0)
        return diag_fail(diag, rc, "cannot connect to %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    rc = wire_stream_connect(&conn->stream, host, port);
    if (rc != 0) {
        char peer[64];
        wire_stream_peer(&conn->stream, peer);
        conn_break(conn, rc, "never started"); /* no handlers yet: nobody hears of it */
        return diag_fail(diag, rc, "cannot connect to %s: %s", peer, uv_strerror(rc));
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
    wire_stream_peer(&conn->stream, ret_text);
}

struct wire_counters wire_conn_counters(const struct wire_conn *conn)
{
    return conn->counters;
}
