/* run: trains or drives one policy and records every task. */
#include "orchestrator/verbs.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/rl/blas_check.h"
#include "orchestrator/lab.h"
#include "orchestrator/play.h"
#include "orchestrator/resume.h"
#include "proto/wire/process.h"

struct run {
    const struct cli *cli;
    const struct world *world;
    struct record record;
    struct record_run row;
    const struct record_past *past; /* NULL: the run is new */
    struct session session;
    struct progress progress;
    struct diag *diag;
};

static const char *node_address(const void *user, bool is_server, uint32_t number)
{
    return host_tcp_address(user, is_server, number);
}

/* The nodes are known: the record can begin, and the clock of the progress bar. */
static int open_record(struct run *run, const struct host_tcp *host)
{
    uint64_t episodes = run->session.episodes - run->session.first_episode;
    int rc = run->past != NULL ? record_resume(&run->record, &run->row, run->past, run->diag)
                               : record_open(&run->record, run->world, &run->row,
                                             host != NULL ? node_address : NULL, host, run->diag);
    progress_start(&run->progress, run->row.policy, episodes * run->session.slots, run->cli->quiet);
    return rc;
}

static int on_joined(void *user, const struct host_tcp *host)
{
    return open_record(user, host);
}

static int drive(struct run *run, struct session_result *result)
{
    const struct cli *cli = run->cli;
    bool over =
        run->session.first_episode >= run->session.episodes; /* it was killed behind its last episode */
    return over ? open_record(run, NULL) : play_host(cli, &run->session, on_joined, run, result, run->diag);
}

static void print_summary(const struct run *run, const struct session_result *result,
                          const struct recorder_stats *stats)
{
    (void) printf(
        "run %lld in %s: %s on %s, %llu slots, %llu tasks in %.1f s (%.0f slots/s), mean cost %.3f\n",
        (long long) run->record.run_id, run->row.path, run->row.policy, run->world->scenario.run.name,
        (unsigned long long) result->slots, (unsigned long long) result->tasks, result->wall_s,
        result->wall_s > 0.0 ? (double) result->slots / result->wall_s : 0.0, result->mean_cost);
    if (result->lost_nodes > 0)
        (void) printf("%u nodes were lost on the way: see the event table\n", result->lost_nodes);
    if (result->faults > 0)
        (void) printf("the scenario killed or paused nodes %u times\n", result->faults);
    if (result->recovered + result->reoffloaded + result->lost_tasks > 0)
        (void) printf("%llu tasks outlived their servers: %llu at their devices, %llu at other servers; %llu "
                      "were lost\n",
                      (unsigned long long) (result->recovered + result->reoffloaded),
                      (unsigned long long) result->recovered, (unsigned long long) result->reoffloaded,
                      (unsigned long long) result->lost_tasks);
    if (result->missed > 0)
        (void) printf("%s decided %llu slots in the agent's place: see the event table\n",
                      run->world->scenario.external.fallback, (unsigned long long) result->missed);
    if (result->messages > 0)
        (void) printf("%llu messages in and out of the orchestrator\n",
                      (unsigned long long) result->messages);
    if (stats->waits > 0)
        (void) printf("the recorder was waited for %llu times, %.2f s in all\n",
                      (unsigned long long) stats->waits, stats->waited_s);
}

/* After the session: closes the record whatever happened, and tells what came of it. */
static int conclude(struct run *run, int rc, const struct session_result *result)
{
    progress_stop(&run->progress, result->slots);
    bool opened = run->record.recorder != NULL;
    bool complete = rc == 0 && !result->stopped && !result->abandoned;
    struct recorder_stats stats = {0};
    record_judge(&run->record, result);
    int close_rc = record_close(&run->record, complete ? DB_FINISHED : DB_ABORTED, &stats, run->diag);
    rc = rc != 0 ? rc : close_rc;
    if (rc == 0 && result->abandoned)
        rc = diag_fail(run->diag, ERR_LOST, "every device was lost; what was recorded is in %s",
                       run->row.path);
    if (rc != 0 || !opened)
        return verb_status(rc);
    if (run->cli->json)
        rc = verb_print_query(run->cli, "run_summary", run->record.run_id, run->diag);
    else
        print_summary(run, result, &stats);
    return rc != 0 ? verb_status(rc) : (result->stopped ? PROCESS_SIGNAL : PROCESS_OK);
}

/* `resume`: the run that goes on; NULL: a new one. */
static int run_policy(const struct cli *cli, const struct world *world, struct policy *policy,
                      const struct resume *resume, struct diag *diag)
{
    const struct scenario *scenario = &world->scenario;
    struct run run = {
        .cli = cli,
        .world = world,
        .past = resume != NULL ? &resume->record : NULL,
        .diag = diag,
        .row =
            {
                .path = cli->db,
                .kind = DB_RUN_TRAIN,
                .policy = policy->kind->name,
                .checkpoint_episode = -1,
                .host = cli->host == CLI_MEMORY ? "memory" : "tcp",
                .phase = RNG_TRAIN,
                .episodes = (uint32_t) scenario->run.episodes,
                .slots = (uint32_t) scenario->run.slots,
                .checkpoint_every = (uint32_t) scenario->run.checkpoint_every,
            },
    };
    run.session = (struct session){
        .world = world,
        .policy = policy,
        .phase = RNG_TRAIN,
        .episodes = run.row.episodes,
        .slots = run.row.slots,
        .first_episode = resume != NULL ? (uint32_t) (resume->after_episode + 1) : 0,
        .checkpoint_every = run.row.checkpoint_every,
        .record_tasks = scenario->run.record == RECORD_TASKS,
        .sink = record_sink(&run.record),
        .stop = &lab_stop,
        .progress = &run.progress,
    };
    struct session_result result = {0};
    lab_catch_signals();
    return conclude(&run, drive(&run, &result), &result);
}

static int check_host(const struct cli *cli, const struct scenario *scenario, struct diag *diag)
{
    if (cli->host == CLI_MEMORY && scenario->run.clock == CLOCK_REAL)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "run.clock: 'real' needs node processes and --over tcp: memory has no wall clock to keep");
    return 0;
}

static int go_on(const struct cli *cli, struct diag *diag)
{
    struct resume resume = {0};
    int rc = blas_self_test(diag);
    if (rc == 0)
        rc = resume_read(&resume, cli, diag);
    int status = verb_status(rc);
    if (rc == 0 && resume.finished && cli->json) {
        status = verb_status(verb_print_query(cli, "run_summary", resume.past.run.run_id, diag));
    } else if (rc == 0 && resume.finished) {
        (void) printf("run %lld is finished: there is nothing to resume\n",
                      (long long) resume.past.run.run_id);
    } else if (rc == 0) {
        struct cli own = *cli;
        own.host = resume.host;
        rc = check_host(&own, &resume.past.world.scenario, diag);
        status =
            rc == 0 ? run_policy(&own, &resume.past.world, &resume.policy, &resume, diag) : verb_status(rc);
    }
    resume_finish(&resume);
    return status;
}

static int run_anew(const struct cli *cli, struct diag *diag)
{
    struct scenario scenario;
    struct world world = {0};
    struct policy policy = {0};
    const struct policy_kind *kind = NULL;
    int rc = lab_scenario_load(cli, &scenario, diag);
    if (rc == 0)
        rc = check_host(cli, &scenario, diag);
    if (rc == 0)
        rc = policy_find(scenario.run.policy, &kind, diag);
    if (rc == 0 && policy_is_trained(kind) && !policy_learns(kind))
        rc =
            diag_fail(diag, ERR_UNSUPPORTED,
                      "%s takes its weights from training %s: `run --policy %s`, then `evaluate --policy %s`",
                      kind->name, kind->weights_of, kind->weights_of, kind->name);
    if (rc == 0)
        rc = blas_self_test(diag);
    if (rc == 0)
        rc = lab_world(&world, &scenario, scenario.run.seed, diag);
    if (rc == 0)
        rc = policy_create(&policy, kind, &world, true, diag);
    int status = rc == 0 ? run_policy(cli, &world, &policy, NULL, diag) : verb_status(rc);
    policy_destroy(&policy);
    world_finish(&world);
    return status;
}

int verb_run(const struct cli *cli, struct diag *diag)
{
    return cli->resume ? go_on(cli, diag) : run_anew(cli, diag);
}
