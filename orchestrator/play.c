#include "orchestrator/play.h"

#include <errno.h>

#include "orchestrator/host_memory.h"
#include "orchestrator/lab.h"

int play_host(const struct cli *cli, const struct session *session,
              int (*on_joined)(void *user, const struct host_tcp *host), void *user,
              struct session_result *ret_result, struct diag *diag)
{
    if (cli->host == CLI_MEMORY)
        return host_memory_run(session, ret_result, diag);
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

static int prepare(const struct play *play, struct policy *policy, struct record *record, struct diag *diag)
{
    struct record_run row = play->row;
    row.policy = play->kind->name;
    row.host = play->cli->host == CLI_MEMORY ? "memory" : "tcp";
    bool learns = play->learn_every > 0;
    int rc = play->instead == NULL ? policy_create(policy, play->kind, play->world, learns, diag) : 0;
    if (rc == 0 && play->instead == NULL && play->weights != NULL)
        rc = play->kind->load(policy, play->weights->data, play->weights->size, diag);
    return rc != 0 ? rc : record_open(record, play->world, &row, NULL, NULL, diag);
}

int play_record(const struct play *play, struct session_result *ret_result, int64_t *ret_run_id,
                struct diag *diag)
{
    struct policy policy = {0};
    struct record record = {0};
    struct session_result result = {0};
    struct progress progress;
    progress_start(&progress, play->kind->name, (uint64_t) play->row.episodes * play->row.slots,
                   play->cli->quiet);
    int rc = prepare(play, &policy, &record, diag);
    struct session session = {
        .world = play->world,
        .policy = play->instead != NULL ? play->instead : &policy,
        .phase = play->row.phase,
        .episodes = play->row.episodes,
        .slots = play->row.slots,
        .checkpoint_every = play->learn_every,
        .record_tasks = play->record_tasks,
        .sink = record_sink(&record),
        .fault = play->fault,
        .fault_count = play->fault_count,
        .stop = &lab_stop,
        .progress = &progress,
    };
    if (rc == 0)
        rc = play_host(play->cli, &session, NULL, NULL, &result, diag);
    progress_stop(&progress, result.slots);
    struct recorder_stats stats;
    record_judge(&record, &result);
    int close_rc = record_close(&record, rc == 0 && !result.stopped ? DB_FINISHED : DB_ABORTED, &stats, diag);
    policy_destroy(&policy);
    if (rc == 0 && result.stopped)
        rc = diag_fail(diag, -EINTR, "interrupted");
    *ret_result = result;
    *ret_run_id = record.run_id;
    return rc != 0 ? rc : close_rc;
}
