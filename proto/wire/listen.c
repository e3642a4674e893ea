#include "proto/wire/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "proto/wire/conn_internal.h"
#include "proto/wire/listen_internal.h"
#include "proto/wire/ring_internal.h"

/* Connections above the limit that may be told so at the same time; the next ones are closed without a word. */
#define REFUSED_MAX 64u

struct wire_listener {
    struct wire_stream_listener streams;
    struct wire_loop *loop;
    void (*on_accept)(void *user, struct wire_conn *conn);
    void *user; /* borrowed */
    unsigned connections_max;
    unsigned connections; /* that took a place and live */
    bool is_closing;
    bool is_closed;           /* no longer listening: goes with its last connection */
    struct wire_ring in_loop; /* wire_loop.listeners */
};

static void free_if_done(struct wire_listener *listener)
{
    if (listener->is_closed && listener->connections == 0)
        free(listener);
}

void wire_listener_hold(struct wire_listener *listener)
{
    listener->connections++;
}

void wire_listener_release(struct wire_listener *listener)
{
    listener->connections--;
    free_if_done(listener);
}

static void on_streams_closed(struct wire_stream_listener *streams)
{
    struct wire_listener *listener = wire_stream_listener_user(streams);
    listener->is_closed = true;
    free_if_done(listener);
}

void wire_listener_close(struct wire_listener *listener)
{
    if (listener == NULL || listener->is_closing)
        return;
    listener->is_closing = true;
    ring_remove(&listener->in_loop);
    wire_stream_listener_close(&listener->streams);
}

void listen_close_all(struct wire_loop *loop)
{
    while (!ring_is_alone(&loop->listeners))
        wire_listener_close(RING_OWNER(loop->listeners.next, struct wire_listener, in_loop));
}

static void on_waiting(struct wire_stream_listener *streams)
{
    struct wire_listener *listener = wire_stream_listener_user(streams);
    struct wire_conn *conn = NULL;
    if (conn_accept(listener->loop, streams, listener, &conn) != 0)
        return; /* the peer went away while it waited */
    if (listener->connections <= listener->connections_max)
        listener->on_accept(listener->user, conn);
    else if (listener->connections <= (uint64_t) listener->connections_max + REFUSED_MAX)
        wire_conn_refuse(conn, PROTO_REFUSE_FULL, "no more connections are taken here");
    else
        conn_break(conn, UV_ECONNABORTED, "no more connections are taken here");
}

static const struct wire_stream_listener_handlers streams_handlers = {.on_waiting = on_waiting,
                                                                      .on_close = on_streams_closed};

int wire_listen(struct wire_loop *loop, const char *host, uint16_t port, unsigned connections_max,
                void (*on_accept)(void *user, struct wire_conn *conn), void *user,
                struct wire_listener **ret_listener, struct diag *diag)
{
    struct wire_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    *listener = (struct wire_listener){
        .loop = loop, .on_accept = on_accept, .user = user, .connections_max = connections_max};
    int rc = wire_stream_listener_init(&listener->streams, loop, &streams_handlers, listener);
    if (rc != 0) {
        free(listener);
        return diag_fail(diag, rc, "cannot listen on %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    }
    ring_append(&loop->listeners, &listener->in_loop);
    rc = wire_stream_listen(&listener->streams, host, port);
    if (rc != 0) {
        wire_listener_close(listener);
        return diag_fail(diag, rc, "cannot listen on %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    }
    *ret_listener = listener;
    return 0;
}

uint16_t wire_listener_port(const struct wire_listener *listener)
{
    return wire_stream_listener_port(&listener->streams);
}

static int bad_address(const char *text, struct diag *diag)
{
    return diag_fail(diag, ERR_SYNTAX, "address '%.300s': wanted HOST:PORT, [IPV6]:PORT, :PORT or PORT",
                     text);
}

int wire_parse_address(const char *text, char ret_host[static 256], uint16_t *ret_port, struct diag *diag)
{
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t host_size = colon != NULL ? (size_t) (colon - text) : 0;
    if (text[0] == '[') {
        if (host_size < 3 || colon[-1] != ']')
            return bad_address(text, diag);
        host++;
        host_size -= 2;
    } else if (colon != NULL && memchr(text, ':', host_size) != NULL) {
        return bad_address(text, diag); /* an IPv6 address needs its brackets */
    }
    if (host_size > 255)
        return diag_fail(diag, ERR_TOO_BIG, "address '%.60s...': the host has more than 255 characters",
                         text);
    uint64_t port = 0;
    int rc = parse_u64(colon != NULL ? colon + 1 : text, &port);
    if (rc == ERR_SYNTAX)
        return bad_address(text, diag);
    if (rc != 0 || port > 65535)
        return diag_fail(diag, ERR_RANGE, "address '%.300s': a port is 0 to 65535", text);
    (void) snprintf(ret_host, 256, "%.*s", host_size > 0 ? (int) host_size : 9,
                    host_size > 0 ? host : "127.0.0.1");
    *ret_port = (uint16_t) port;
    return 0;
}
