#include "orchestrator/host/host.h"

#include <assert.h>

#include "orchestrator/host/external_agent.h"
#include "orchestrator/host/host_memory.h"

const char *host_kind_name(enum host_kind kind)
{
    assert(kind == HOST_MEMORY || kind == HOST_TCP);
    return kind == HOST_MEMORY ? "memory" : "tcp";
}

static int run(const struct host_options *options, const struct session *session,
               int (*on_joined)(void *user, const struct host_tcp *host), void *user,
               struct session_result *ret_result, struct diag *diag)
{
    if (options->kind == HOST_MEMORY) {
        int rc = on_joined != NULL ? on_joined(user, NULL) : 0;
        return rc != 0 ? rc : host_memory_run(session, ret_result, diag);
    }
    struct host_tcp_options tcp = {
        .host = options->listen_host,
        .port = options->listen_port,
        .wait_s = options->wait_s,
        .stall_s = options->stall_s,
        .announce = true,
        .quiet = options->quiet,
    };
    return host_tcp_run(session, &tcp, on_joined, user, ret_result, diag);
}

int host_run(const struct host_options *options, const struct session *session,
             int (*on_joined)(void *user, const struct host_tcp *host), void *user,
             struct session_result *ret_result, struct diag *diag)
{
    struct policy *policy = session->policy;
    if (!policy->kind->asks)
        return run(options, session, on_joined, user, ret_result, diag);
    assert(policy->remote == NULL); /* one session at a time asks an agent for the policy */
    const struct external_agent_options listening = {
        .host = options->agent_host, .port = options->agent_port, .wait_s = options->wait_s};
    struct external_agent *agent = NULL;
    int rc = external_agent_open(&agent, session, &listening, diag);
    if (rc != 0)
        return rc;
    policy->remote = external_agent_remote(agent);
    rc = run(options, session, on_joined, user, ret_result, diag);
    policy->remote = NULL;
    if (rc == 0)
        ret_result->missed = external_agent_missed(agent);
    external_agent_close(agent, rc != 0 || ret_result->stopped || ret_result->abandoned ? 1 : 0);
    return rc;
}
