#include "orchestrator/play.h"

#include <errno.h>

#include "orchestrator/agent.h"
#include "orchestrator/host_memory.h"
#include "orchestrator/lab.h"

/* ---- in a host ---- */

static int run_in_host(const struct cli *cli, const struct session *session,
                       int (*on_joined)(void *user, const struct host_tcp *host), void *user,
                       struct session_result *ret_result, struct diag *diag)
{
    if (cli->host == CLI_MEMORY) {
        int rc = on_joined != NULL ? on_joined(user, NULL) : 0;
        return rc != 0 ? rc : host_memory_run(session, ret_result, diag);
    }
    struct host_tcp_options options = {
        .host = cli->listen_host,
        .port = cli->listen_port,
        .wait_s = cli->wait_s,
        .stall_s = cli->stall_s,
        .announce = true,
        .quiet = cli->quiet,
    };
    return host_tcp_run(session, &options, on_joined, user, ret_result, diag);
}

int play_host(const struct cli *cli, const struct session *session,
              int (*on_joined)(void *user, const struct host_tcp *host), void *user,
              struct session_result *ret_result, struct diag *diag)
{
    struct policy *policy = session->policy;
    if (!policy->kind->asks)
        return run_in_host(cli, session, on_joined, user, ret_result, diag);
    const struct agent_options options = {
        .host = cli->agent_host, .port = cli->agent_port, .wait_s = cli->wait_s};
    struct agent *agent = NULL;
    int rc = agent_open(&agent, session, &options, diag);
    if (rc != 0)
        return rc;
    policy->remote = agent_remote(agent);
    rc = run_in_host(cli, session, on_joined, user, ret_result, diag);
    policy->remote = NULL;
    if (rc == 0)
        ret_result->missed = agent_missed(agent);
    agent_close(agent, rc != 0 || ret_result->stopped || ret_result->abandoned ? 1 : 0);
    return rc;
}

/* ---- and recorded ---- */

struct recording {
    const struct play *play;
    struct record record;
    struct diag *diag;
};

static int open_record(void *user, const struct host_tcp *host)
{
    struct recording *own = user;
    struct record_run row = own->play->row;
    (void) host; /* where nodes are is recorded with the run that this one is about */
    row.policy = own->play->kind->name;
    row.host = own->play->cli->host == CLI_MEMORY ? "memory" : "tcp";
    return record_open(&own->record, own->play->world, &row, NULL, NULL, own->diag);
}

static int prepare(const struct play *play, struct policy *policy, struct diag *diag)
{
    bool learns = play->learn_every > 0;
    int rc = play->instead == NULL ? policy_create(policy, play->kind, play->world, learns, diag) : 0;
    if (rc == 0 && play->instead == NULL && play->weights != NULL)
        rc = play->kind->load(policy, play->weights->data, play->weights->size, diag);
    return rc;
}

int play_record(const struct play *play, struct session_result *ret_result, int64_t *ret_run_id,
                struct diag *diag)
{
    struct policy policy = {0};
    struct recording own = {.play = play, .diag = diag};
    struct session_result result = {0};
    struct progress progress;
    progress_start(&progress, play->kind->name, (uint64_t) play->row.episodes * play->row.slots,
                   play->cli->quiet);
    int rc = prepare(play, &policy, diag);
    struct session session = {
        .world = play->world,
        .policy = play->instead != NULL ? play->instead : &policy,
        .phase = play->row.phase,
        .episodes = play->row.episodes,
        .slots = play->row.slots,
        .checkpoint_every = play->learn_every,
        .record_tasks = play->record_tasks,
        .sink = record_sink(&own.record),
        .fault = play->fault,
        .fault_count = play->fault_count,
        .stop = &lab_stop,
        .progress = &progress,
    };
    if (rc == 0)
        rc = play_host(play->cli, &session, open_record, &own, &result, diag);
    progress_stop(&progress, result.slots);
    struct recorder_stats stats;
    record_judge(&own.record, &result);
    int close_rc =
        record_close(&own.record, rc == 0 && !result.stopped ? DB_FINISHED : DB_ABORTED, &stats, diag);
    policy_destroy(&policy);
    if (rc == 0 && result.stopped)
        rc = diag_fail(diag, -EINTR, "interrupted");
    *ret_result = result;
    *ret_run_id = own.record.run_id;
    return rc != 0 ? rc : close_rc;
}
