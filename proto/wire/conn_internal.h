/* What loop.c and listen.c know of a connection. */
#ifndef HANDOFF_PROTO_WIRE_CONN_INTERNAL_H
#define HANDOFF_PROTO_WIRE_CONN_INTERNAL_H

#include "core/base/buf.h"
#include "proto/wire/conn.h"
#include "proto/wire/listen.h"
#include "proto/wire/stream.h"

/*   wire_connect           connected            close, REFUSE, end of stream
 *  ─────────────► CONNECTING ───────► OPEN ───────────────────────────────────► DRAINING
 *                     │  wire_accept ──► │                                         │
 *                     │ failed, late     │ error, queue too long                   │ queue gone and peer
 *                     └──────────────────┴────────────────► CLOSED ◄──────────────┘ or WIRE_LINGER_MS over
 *
 * DRAINING writes what is queued, says FIN, and reads on without listening until the peer's FIN: closing with
 * unread bytes would make the kernel answer RST, and the peer could lose our last frame. CLOSED waits for the
 * stream and the timer to close. */
enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_DRAINING, CONN_CLOSED };

struct wire_conn {
    struct wire_loop *loop;         /* outlives it */
    struct wire_listener *listener; /* whose place it takes; NULL: we connected */
    struct wire_handlers handlers;
    void *user; /* borrowed */
    enum conn_state state;
    size_t frame_max; /* of what is taken from the peer */
    bool is_connected;
    bool has_heard_fin;
    unsigned open_handles; /* stream, deadline: memory goes when none is left */
    struct wire_stream stream;
    uv_timer_t deadline;        /* of CONNECTING and DRAINING */
    struct buf queue;           /* frames sent since the last write */
    struct buf partial;         /* start of a frame whose rest has not come */
    struct wire_ring in_loop;   /* wire_loop.conns */
    struct wire_ring in_unsent; /* wire_loop.unsent */
    struct wire_counters counters;
    int status; /* why it ends: the first cause wins */
    enum proto_refusal refusal;
    char text[256];
};

/* Takes the connection that waits at `streams`, which belongs to `listener`. It has no handlers; reading has
 * begun. */
int conn_accept(struct wire_loop *loop, struct wire_stream_listener *streams, struct wire_listener *listener,
                struct wire_conn **ret_conn);
/* Closes at once, dropping what is queued. */
void conn_break(struct wire_conn *conn, int status, const char *text);
/* Everything queued in this turn leaves now. */
void conn_flush_all(struct wire_loop *loop);

/* A connection takes a place, and gives it back. */
void wire_listener_hold(struct wire_listener *listener);
void wire_listener_release(struct wire_listener *listener);

#endif
