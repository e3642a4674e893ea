#include "proto/wire/stream_listener.h"

#include <stdio.h>
#include <string.h>

/* Hundreds of nodes may start in the same moment. */
#define BACKLOG 1024

int wire_stream_listener_init(struct wire_stream_listener *listener, struct wire_loop *loop,
                              const struct wire_stream_listener_handlers *handlers, void *user)
{
    *listener = (struct wire_stream_listener){.handlers = handlers, .user = user};
    int rc = uv_tcp_init(&loop->uv, &listener->tcp);
    listener->tcp.data = listener;
    return rc;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct wire_stream_listener *listener = server->data;
    if (status == 0) /* else out of descriptors, say: the peer sees its connection closed and may try again */
        listener->handlers->on_waiting(listener);
}

static int resolve(uv_loop_t *loop, const char *host, uint16_t port, struct sockaddr_storage *ret_address)
{
    if (uv_ip4_addr(host, port, (struct sockaddr_in *) ret_address) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *) ret_address) == 0)
        return 0;
    char service[8];
    (void) snprintf(service, sizeof service, "%u", (unsigned) port); /* fits */
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t request;
    int rc = uv_getaddrinfo(loop, &request, NULL, host, service, &hints);
    if (rc != 0) {
        hints.ai_family = AF_INET6;
        rc = uv_getaddrinfo(loop, &request, NULL, host, service, &hints);
    }
    if (rc != 0)
        return rc;
    memcpy(ret_address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return 0;
}

int wire_stream_listen(struct wire_stream_listener *listener, const char *host, uint16_t port)
{
    struct sockaddr_storage address = {0}, bound = {0};
    int size = sizeof bound;
    int rc = resolve(listener->tcp.loop, host, port, &address);
    if (rc == 0)
        rc = uv_tcp_bind(&listener->tcp, (const struct sockaddr *) &address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *) &listener->tcp, BACKLOG, on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *) &bound, &size);
    if (rc != 0)
        return rc;
    listener->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &bound)->sin6_port
                                                       : ((struct sockaddr_in *) &bound)->sin_port);
    return 0;
}

void *wire_stream_listener_user(const struct wire_stream_listener *listener)
{
    return listener->user;
}

uint16_t wire_stream_listener_port(const struct wire_stream_listener *listener)
{
    return listener->port;
}

static void on_closed(uv_handle_t *handle)
{
    struct wire_stream_listener *listener = handle->data;
    listener->handlers->on_close(listener);
}

void wire_stream_listener_close(struct wire_stream_listener *listener)
{
    if (listener->is_closing)
        return;
    listener->is_closing = true;
    uv_close((uv_handle_t *) &listener->tcp, on_closed);
}
