/* What loop.c and listen.c know of a connection. */
#ifndef HANDOFF_PROTO_WIRE_CONN_INTERNAL_H
#define HANDOFF_PROTO_WIRE_CONN_INTERNAL_H

#include "core/base/buf.h"
#include "proto/wire/conn.h"
#include "proto/wire/listen.h"

/*   wire_connect           connected            close, REFUSE, end of stream
 *  ─────────────► CONNECTING ───────► OPEN ───────────────────────────────────► DRAINING
 *                     │  wire_accept ──► │                                         │
 *                     │ failed, late     │ error, queue too long                   │ queue gone and peer
 *                     └──────────────────┴────────────────► CLOSED ◄──────────────┘ or WIRE_LINGER_MS over
 *
 * DRAINING writes what is queued, says FIN, and reads on without listening until the peer's FIN: closing with
 * unread bytes would make the kernel answer RST, and the peer could lose our last frame. CLOSED waits for
 * libuv's close callbacks. */
enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_DRAINING, CONN_CLOSED };

struct wire_conn {
    struct wire_loop *loop;         /* outlives it */
    struct wire_listener *listener; /* whose place it takes; NULL: we connected */
    struct wire_handlers handlers;
    void *user; /* borrowed */
    enum conn_state state;
    size_t frame_max; /* of what is taken from the peer */
    bool is_connected;
    bool is_writing; /* `writing` is with libuv */
    bool has_said_fin, has_heard_fin;
    unsigned open_handles; /* tcp, deadline, a name look-up on its way: memory goes when none is left */
    uv_tcp_t tcp;
    uv_timer_t deadline; /* of CONNECTING and DRAINING */
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct buf queue;           /* frames sent since the last write */
    struct buf writing;         /* what a write left over; libuv's until its callback */
    struct buf partial;         /* start of a frame whose rest has not come */
    struct wire_ring in_loop;   /* wire_loop.conns */
    struct wire_ring in_unsent; /* wire_loop.unsent */
    struct wire_counters counters;
    int status; /* why it ends: the first cause wins */
    enum proto_refusal refusal;
    char text[256];
    char peer[64];
};

/* Takes the connection that waits at `server`. It has no handlers; reading has begun. */
int conn_accept(struct wire_loop *loop, uv_stream_t *server, struct wire_listener *listener,
                struct wire_conn **ret_conn);
/* Closes at once, dropping what is queued. */
void conn_break(struct wire_conn *conn, int status, const char *text);
/* Everything queued in this turn leaves now. */
void conn_flush_all(struct wire_loop *loop);

/* A connection takes a place, and gives it back. */
void listener_hold(struct wire_listener *listener);
void listener_release(struct wire_listener *listener);

#endif
