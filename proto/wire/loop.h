/* An owned libuv loop: signals, and a clean close that proves nothing leaked. */
#ifndef HANDOFF_PROTO_WIRE_LOOP_H
#define HANDOFF_PROTO_WIRE_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "proto/message.h"

/* One link of a ring; a ring's head links to itself when empty. */
struct wire_ring {
    struct wire_ring *previous, *next;
};

struct wire_loop {
    uv_loop_t uv;
    uv_signal_t interrupt, terminate; /* SIGINT, SIGTERM */
    void (*on_stop)(void *user, int signal);
    void *user;
    /* The rest belongs to conn.c, listen.c and stream.c. */
    uv_prepare_t before_poll;     /* what timers and callers sent leaves here, */
    uv_check_t after_poll;        /* what read callbacks sent leaves here: nothing waits for another poll */
    struct wire_ring conns;       /* every connection that lives (wire_conn.in_loop) */
    struct wire_ring unsent;      /* connections with bytes queued in this turn (wire_conn.in_unsent) */
    struct wire_ring listeners;   /* wire_listener.in_loop */
    struct proto_scratch scratch; /* of the message being handed over */
    char *read_buffer;            /* shared by all streams; taken at the first read */
    bool is_finishing;            /* no new connections */
};

/* SIGPIPE is ignored. `on_stop` (may be NULL) is called on SIGINT or SIGTERM; the handles do not keep the
 * loop alive. */
int wire_loop_init(struct wire_loop *loop, void (*on_stop)(void *user, int signal), void *user);
/* Breaks off the connections and listeners that are left (on_close is called), closes the signal handles,
 * runs the loop until every handle is closed, asserts that it then closes with 0. Connections already closing
 * may finish. */
void wire_loop_finish(struct wire_loop *loop);

#endif
