/* The TCP host: nodes are processes that connect, join, and play the run over real sockets. libuv shell
 * around the orchestrator's core; the learner's updates run on a worker thread while the slot is on the wire.
 * Virtual time. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_HOST_TCP_H
#define HANDOFF_ORCHESTRATOR_HOST_HOST_TCP_H

#include "orchestrator/session/session.h"

struct host_tcp_options {
    const char *host; /* to listen on */
    uint16_t port;    /* 0: any free one */
    uint32_t wait_s;  /* how long to wait for all nodes to join */
    uint32_t stall_s; /* a node that owes something for this long is taken for lost */
    bool announce;    /* print READY port=N on stdout */
    bool quiet;       /* no progress while nodes join */
};

struct host_tcp;

/* Listens, announces, and waits until the world's N devices and M servers have joined. Node addresses are
 * then known: `on_joined` (may be NULL) is called once, before the first slot, and may refuse by returning a
 * code. */
int host_tcp_run(const struct session *session, const struct host_tcp_options *options,
                 int (*on_joined)(void *user, const struct host_tcp *host), void *user,
                 struct session_result *ret_result, struct diag *diag);

/* "127.0.0.1:4711" where server m takes tasks, or of the process that plays device n. Valid inside on_joined. */
const char *host_tcp_address(const struct host_tcp *host, bool is_server, uint32_t number);

#endif
