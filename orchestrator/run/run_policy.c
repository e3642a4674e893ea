#include "orchestrator/run/run_policy.h"

#include <assert.h>
#include <errno.h>

#include "orchestrator/quality/meter.h"
#include "orchestrator/setup/linalg_setup.h"
#include "orchestrator/setup/stop_signal.h"

struct recording {
    const struct run_policy *play;
    struct run_record record;
    struct diag *diag;
};

static int open_record(void *user, const struct host_tcp *host)
{
    struct recording *own = user;
    struct run_record_row row = own->play->row;
    (void) host; /* where nodes are is recorded with the run that this one is about */
    row.policy = own->play->kind->name;
    row.host = host_kind_name(own->play->host.kind);
    return run_record_open(&own->record, own->play->world, &row, NULL, NULL, own->diag);
}

static int prepare(const struct run_policy *play, struct policy *policy, struct diag *diag)
{
    bool learns = play->learn_every > 0;
    assert(play->instead == NULL || (!learns && play->weights == NULL)); /* it is set up already */
    assert(play->weights == NULL || policy_is_trained(play->kind));
    const struct policy_options options = {
        .world = play->world, .settings = settings_values(play->row.settings), .training = learns};
    int rc = linalg_setup(&play->world->scenario, diag);
    if (rc == 0 && play->instead == NULL)
        rc = policy_create(policy, play->kind, &options, diag);
    if (rc == 0 && play->instead == NULL && play->weights != NULL)
        rc = play->kind->load(policy, play->weights->data, play->weights->size, diag);
    return rc;
}

int run_policy_record(const struct run_policy *play, struct session_result *ret_result, int64_t *ret_run_id,
                      struct diag *diag)
{
    struct policy policy = {0};
    struct recording own = {.play = play, .diag = diag};
    struct session_result result = {0};
    struct meter *meter = NULL;
    struct progress progress;
    const struct meter_options metering = {
        .world = play->world, .slots = play->row.slots, .quiet = play->host.quiet};
    progress_start(&progress, play->kind->name, (uint64_t) play->row.episodes * play->row.slots,
                   play->host.quiet);
    int rc = prepare(play, &policy, diag);
    if (rc == 0)
        rc = meter_open(&meter, &metering, diag);
    struct session session = {
        .world = play->world,
        .policy = play->instead != NULL ? play->instead : &policy,
        .phase = play->row.phase,
        .episodes = play->row.episodes,
        .slots = play->row.slots,
        .checkpoint_every = play->learn_every,
        .record_tasks = play->record_tasks,
        .fault = play->fault,
        .fault_count = play->fault_count,
        .guests_task = play->guests_task,
        .guests_tasks = play->guests_tasks,
        .meter = meter_hook(meter),
        .stop = stop_signal_flag(),
        .progress = &progress,
    };
    session_sinks_add(&session.sinks, run_record_sink(&own.record));
    if (rc == 0)
        rc = host_run(&play->host, &session, open_record, &own, &result, diag);
    progress_stop(&progress, result.slots);
    assert(rc != 0 || own.record.run_id > 0); /* a session that was played has been recorded */
    struct recorder_stats stats;
    run_record_judge(&own.record, &result);
    int close_rc =
        run_record_close(&own.record, rc == 0 && !result.stopped ? DB_FINISHED : DB_ABORTED, &stats, diag);
    if (rc != 0)
        meter_explain(meter, diag);
    meter_close(meter);
    policy_destroy(&policy);
    if (rc == 0 && result.stopped)
        rc = diag_fail(diag, -EINTR, "interrupted");
    *ret_result = result;
    *ret_run_id = own.record.run_id;
    return rc != 0 ? rc : close_rc;
}
