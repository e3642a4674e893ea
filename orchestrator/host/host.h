/* Plays a session in one of the two hosts, with an agent to ask where the policy asks one. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_HOST_H
#define HANDOFF_ORCHESTRATOR_HOST_HOST_H

#include "orchestrator/host/host_tcp.h"
#include "orchestrator/session/session.h"

enum host_kind { HOST_TCP, HOST_MEMORY };

/* The memory host needs `kind` alone, unless the policy asks an agent. */
struct host_options {
    enum host_kind kind;
    const char *listen_host; /* where nodes connect; borrowed */
    uint16_t listen_port;    /* 0: any free one */
    const char *agent_host;  /* where an external agent connects; borrowed */
    uint16_t agent_port;
    uint32_t wait_s;  /* how long to wait for nodes, and for the agent */
    uint32_t stall_s; /* a node that owes something for this long is taken for lost */
    bool quiet;       /* no progress while nodes join */
};

/* "memory" or "tcp", as the run row has it. */
const char *host_kind_name(enum host_kind kind);

/* `on_joined` (may be NULL) is called once, before the first slot, and may refuse by returning a code; its `host` is
 * NULL in the memory host. */
int host_run(const struct host_options *options, const struct session *session,
             int (*on_joined)(void *user, const struct host_tcp *host), void *user,
             struct session_result *ret_result, struct diag *diag);

#endif
