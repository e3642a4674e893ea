/* An owned libuv loop: signals, and a clean close that proves nothing leaked. */
#ifndef HANDOFF_PROTO_WIRE_LOOP_H
#define HANDOFF_PROTO_WIRE_LOOP_H

#include <uv.h>

struct wire_loop {
    uv_loop_t uv;
    uv_signal_t interrupt, terminate; /* SIGINT, SIGTERM */
    void (*on_stop)(void *user, int signal);
    void *user;
};

/* SIGPIPE is ignored. `on_stop` (may be NULL) is called on SIGINT or SIGTERM; the handles do not keep the loop alive. */
int wire_loop_init(struct wire_loop *loop, void (*on_stop)(void *user, int signal), void *user);
/* Closes the signal handles, runs the loop until every handle is closed, asserts that it then closes with 0. */
void wire_loop_finish(struct wire_loop *loop);

#endif
