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

/* Hundreds of nodes may start in the same moment. */
#define BACKLOG 1024
/* Connections above the limit that may be told so at the same time; the next ones are closed without a word. */
#define REFUSED_MAX 64u

struct wire_listener {
    uv_tcp_t tcp;
    struct wire_loop *loop;
    void (*on_accept)(void *user, struct wire_conn *conn);
    void *user; /* borrowed */
    unsigned connections_max;
    unsigned connections; /* that took a place and live */
    uint16_t port;
    bool is_closing;          /* uv_close was called */
    bool is_closed;           /* and has called back: goes with its last connection */
    struct wire_ring in_loop; /* wire_loop.listeners */
};

static void free_if_done(struct wire_listener *listener)
{
    if (listener->is_closed && listener->connections == 0)
        free(listener);
}

void listener_hold(struct wire_listener *listener)
{
    listener->connections++;
}

void listener_release(struct wire_listener *listener)
{
    listener->connections--;
    free_if_done(listener);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct wire_listener *listener = handle->data;
    listener->is_closed = true;
    free_if_done(listener);
}

void wire_listener_close(struct wire_listener *listener)
{
    if (listener == NULL || listener->is_closing)
        return;
    listener->is_closing = true;
    ring_remove(&listener->in_loop);
    uv_close((uv_handle_t *) &listener->tcp, on_listener_closed);
}

void listen_close_all(struct wire_loop *loop)
{
    while (!ring_is_alone(&loop->listeners))
        wire_listener_close(RING_OWNER(loop->listeners.next, struct wire_listener, in_loop));
}

static void on_connection(uv_stream_t *server, int status)
{
    struct wire_listener *listener = server->data;
    if (status != 0)
        return; /* out of descriptors, say: the peer sees its connection closed and may try again */
    struct wire_conn *conn = NULL;
    if (conn_accept(listener->loop, server, listener, &conn) != 0)
        return; /* the peer went away while it waited */
    if (listener->connections <= listener->connections_max)
        listener->on_accept(listener->user, conn);
    else if (listener->connections <= (uint64_t) listener->connections_max + REFUSED_MAX)
        wire_conn_refuse(conn, PROTO_REFUSE_FULL, "no more connections are taken here");
    else
        conn_break(conn, UV_ECONNABORTED, "no more connections are taken here");
}

/* A numeric address, or the first one that the name has (IPv4 before IPv6). May wait for the resolver: called
 * at start. */
static int resolve(struct wire_loop *loop, const char *host, uint16_t port,
                   struct sockaddr_storage *ret_address)
{
    if (uv_ip4_addr(host, port, (struct sockaddr_in *) ret_address) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *) ret_address) == 0)
        return 0;
    char service[8];
    (void) snprintf(service, sizeof service, "%u", (unsigned) port); /* fits */
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t request;
    int rc = uv_getaddrinfo(&loop->uv, &request, NULL, host, service, &hints);
    if (rc != 0) {
        hints.ai_family = AF_INET6;
        rc = uv_getaddrinfo(&loop->uv, &request, NULL, host, service, &hints);
    }
    if (rc != 0)
        return rc;
    memcpy(ret_address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return 0;
}

static int bind_and_listen(struct wire_listener *listener, const struct sockaddr_storage *address)
{
    int rc = uv_tcp_bind(&listener->tcp, (const struct sockaddr *) address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *) &listener->tcp, BACKLOG, on_connection);
    struct sockaddr_storage bound = {0};
    int size = sizeof bound;
    if (rc == 0)
        rc = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *) &bound, &size);
    if (rc != 0)
        return rc;
    listener->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &bound)->sin6_port
                                                       : ((struct sockaddr_in *) &bound)->sin_port);
    return 0;
}

int wire_listen(struct wire_loop *loop, const char *host, uint16_t port, unsigned connections_max,
                void (*on_accept)(void *user, struct wire_conn *conn), void *user,
                struct wire_listener **ret_listener, struct diag *diag)
{
    struct wire_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    *listener = (struct wire_listener){
        .loop = loop, .on_accept = on_accept, .user = user, .connections_max = connections_max};
    int rc = uv_tcp_init(&loop->uv, &listener->tcp);
    if (rc != 0) {
        free(listener);
        return diag_fail(diag, rc, "cannot listen on %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    }
    listener->tcp.data = listener;
    ring_append(&loop->listeners, &listener->in_loop);
    struct sockaddr_storage address = {0};
    rc = resolve(loop, host, port, &address);
    if (rc == 0)
        rc = bind_and_listen(listener, &address);
    if (rc != 0) {
        wire_listener_close(listener);
        return diag_fail(diag, rc, "cannot listen on %s:%u: %s", host, (unsigned) port, uv_strerror(rc));
    }
    *ret_listener = listener;
    return 0;
}

uint16_t wire_listener_port(const struct wire_listener *listener)
{
    return listener->port;
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
