/* Where streams wait to be accepted: a bound address. Port 0 lets the system choose; the real port is read
 * back. */
#ifndef HANDOFF_PROTO_WIRE_STREAM_LISTENER_H
#define HANDOFF_PROTO_WIRE_STREAM_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/wire/loop.h"

struct wire_stream_listener;

struct wire_stream_listener_handlers {
    /* A connection waits: wire_stream_accept must take it before this returns. */
    void (*on_waiting)(struct wire_stream_listener *listener);
    /* Once, last: the memory is the owner's again. */
    void (*on_close)(struct wire_stream_listener *listener);
};

/* The owner embeds it and keeps it, unmoved, until on_close. */
struct wire_stream_listener {
    const struct wire_stream_listener_handlers *handlers; /* borrowed until on_close */
    void *user;                                           /* borrowed */
    bool is_closing;
    uint16_t port;
    uv_tcp_t tcp;
};

/* Nothing to close when it fails; else wire_stream_listener_close must follow in the end. */
int wire_stream_listener_init(struct wire_stream_listener *listener, struct wire_loop *loop,
                              const struct wire_stream_listener_handlers *handlers, void *user);
/* Binds and listens at a numeric address or the first one that the name has (IPv4 before IPv6). May wait for
 * the resolver: called at start. */
int wire_stream_listen(struct wire_stream_listener *listener, const char *host, uint16_t port);

void *wire_stream_listener_user(const struct wire_stream_listener *listener);
uint16_t wire_stream_listener_port(const struct wire_stream_listener *listener);
/* Streams that were accepted live on. Again: does nothing. */
void wire_stream_listener_close(struct wire_stream_listener *listener);

#endif
