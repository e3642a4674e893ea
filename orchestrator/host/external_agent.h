/* An agent: a program in any language that decides in the name of the policy `external`
 * (docs/external-policies.md). A shell with a loop of its own, which runs only while something is waited for:
 * to whoever drives the session, asking is one call that returns in external.timeout_s at the latest.
 *
 * One agent at a time. One that is lost leaves the run to the fallback, and another may come in its place at
 * any time. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_EXTERNAL_AGENT_H
#define HANDOFF_ORCHESTRATOR_HOST_EXTERNAL_AGENT_H

#include <signal.h>

#include "orchestrator/session/session.h"

struct external_agent;

struct external_agent_options {
    const char *host; /* to listen on */
    uint16_t port;    /* 0: any free one */
    uint32_t wait_s;  /* how long to wait for the first one */
};

/* Listens, prints AGENT port=N on stdout, and waits until an agent is there. What the session is about is
 * told to each agent that comes: the world and the stop flag must outlive this. ERR_LOST: none came in time;
 * -EINTR: the stop flag was raised. */
int external_agent_open(struct external_agent **ret_agent, const struct session *session,
                        const struct external_agent_options *options, struct diag *diag);
/* For policy->remote; lives as long as the agent. */
const struct policy_remote *external_agent_remote(const struct external_agent *agent);
/* Slots so far that no agent has decided. */
uint64_t external_agent_missed(const struct external_agent *agent);
/* Says goodbye, with 0 when the session was finished. NULL-safe. */
void external_agent_close(struct external_agent *agent, int status);

#endif
