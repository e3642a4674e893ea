/* run: trains or drives one policy and records every task. */
#include "orchestrator/command/commands.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/quality/meter.h"
#include "orchestrator/run/budget.h"
#include "orchestrator/run/resume.h"
#include "orchestrator/run/run_policy.h"
#include "orchestrator/run/trained_run.h"
#include "orchestrator/setup/linalg_setup.h"
#include "orchestrator/setup/stop_signal.h"
#include "orchestrator/setup/world_setup.h"

struct run {
    const struct cli *cli;
    struct host_options host;
    const struct world *world;
    struct run_record record;
    struct run_record_row row;
    const struct run_record_resumed *resumed; /* NULL: the run is new */
    struct session session;
    struct meter *meter; /* NULL: nothing is measured beside the session */
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
    int rc = run->resumed != NULL ? run_record_resume(&run->record, &run->row, run->resumed, run->diag)
                                  : run_record_open(&run->record, run->world, &run->row,
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
    bool over =
        run->session.first_episode >= run->session.episodes; /* it was killed behind its last episode */
    return over ? open_record(run, NULL)
                : host_run(&run->host, &run->session, on_joined, run, result, run->diag);
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
                      external_settings_of(run->session.policy)->external.fallback,
                      (unsigned long long) result->missed);
    if (result->messages > 0)
        (void) printf("%llu messages in and out of the orchestrator\n",
                      (unsigned long long) result->messages);
    if (stats->waits > 0)
        (void) printf("the recorder was waited for %llu times, %.2f s in all\n",
                      (unsigned long long) stats->waits, stats->waited_s);
}

/* Where layers were computed, people want to see what became of them. */
static bool shows_seconds(const struct run *run)
{
    return run->world->scenario.compute.kind == COMPUTE_MODEL &&
           run->world->scenario.run.record != RECORD_EPISODES;
}

static int print_seconds(const struct run *run)
{
    (void) printf("\nwhere each second went: means of finished tasks, by split\n");
    int rc = command_print_query(run->cli, "task_seconds", run->record.run_id, run->diag);
    (void) printf("\nwhat was asked and answered: show answers --run %lld --db %s\n",
                  (long long) run->record.run_id, run->row.path);
    return rc;
}

/* And what a bad channel did to it. */
static bool shows_quality(const struct run *run)
{
    const struct scenario *scenario = &run->world->scenario;
    return (scenario->compute.nll == SWITCH_ON || scenario->quality.source != QUALITY_NONE) &&
           scenario->run.record != RECORD_EPISODES;
}

static int print_quality(const struct run *run)
{
    (void) printf("\nwhat the channel cost: means of finished tasks, by split\n");
    return command_print_query(run->cli, "task_quality", run->record.run_id, run->diag);
}

/* After the session: closes the record whatever happened, and prints the outcome. */
static int conclude(struct run *run, int rc, const struct session_result *result)
{
    progress_stop(&run->progress, result->slots);
    bool opened = run->record.recorder != NULL;
    bool complete = rc == 0 && !result->stopped && !result->abandoned;
    struct recorder_stats stats = {0};
    run_record_judge(&run->record, result);
    int close_rc = run_record_close(&run->record, complete ? DB_FINISHED : DB_ABORTED, &stats, run->diag);
    rc = rc != 0 ? rc : close_rc;
    if (rc == 0 && result->abandoned)
        rc = diag_fail(run->diag, ERR_LOST, "every device was lost; what was recorded is in %s",
                       run->row.path);
    if (rc != 0 || !opened)
        return command_status(rc, run->diag);
    if (run->cli->json)
        rc = command_print_query(run->cli, "run_summary", run->record.run_id, run->diag);
    else
        print_summary(run, result, &stats);
    if (rc == 0 && !run->cli->json && shows_seconds(run))
        rc = print_seconds(run);
    if (rc == 0 && !run->cli->json && shows_quality(run))
        rc = print_quality(run);
    return rc != 0 ? command_status(rc, run->diag) : (result->stopped ? PROCESS_SIGNAL : PROCESS_OK);
}

/* Where a run begins: anew, with another run's weights, or where it was stopped. */
struct beginning {
    enum host_kind host;
    const struct resume *resume; /* the run that goes on; NULL: a new one */
    int64_t from;                /* the run whose weights it begins with; 0: none */
    int64_t checkpoint;          /* which of them; -1: none */
};

/* ---- quality measured beside the run ---- */

static int keep_surrogate(void *user, const char *table, const struct surrogate_error *error)
{
    struct run *run = user;
    if (!run->cli->quiet)
        (void) fprintf(
            stderr,
            "a surrogate takes over: %zu records; on records not seen the mean squared error is %.3g, the "
            "mean absolute error %.3g nats; what was measured has a range of %.3g nats, R^2 is %.3f\n",
            error->records, error->mean_squared, error->mean_absolute, error->range, error->explained);
    return recorder_surrogate(run->record.recorder, table);
}

/* What a run that goes on had measured until then. */
static int remember(struct run *run, const struct resume *resume)
{
    bool learns_from_it =
        run->meter != NULL && resume != NULL && run->world->scenario.quality.surrogate_after > 0;
    return learns_from_it ? resume_measured(resume, run->row.path, run->meter, run->diag) : 0;
}

static int open_meter(struct run *run, const struct resume *resume)
{
    const struct meter_options options = {
        .world = run->world,
        .is_training = true,
        .slots = run->row.slots,
        .surrogate = resume != NULL ? resume->recorded.run.surrogate : NULL,
        .fitted = keep_surrogate,
        .user = run,
        .quiet = run->cli->quiet,
    };
    int rc = meter_open(&run->meter, &options, run->diag);
    return rc == 0 ? remember(run, resume) : rc;
}

/* What it will take, before it is begun. */
static void tell_estimate(const struct run *run)
{
    uint64_t slots = (uint64_t) (run->session.episodes - run->session.first_episode) * run->session.slots;
    uint64_t until = run->world->scenario.quality.surrogate_after,
             before = (uint64_t) run->session.first_episode * run->session.slots;
    uint64_t measured = until == 0 ? slots : until > before ? until - before : 0;
    if (run->meter == NULL || run->cli->quiet || !(meter_seconds(run->meter) > 0.0))
        return;
    measured = (measured < slots ? measured : slots) * run->world->devices;
    (void) fprintf(stderr, "quality is measured: %llu times, about %.0f ms each, %.0f s in all\n",
                   (unsigned long long) measured, 1e3 * meter_seconds(run->meter),
                   (double) measured * meter_seconds(run->meter));
}

static int run_policy(const struct cli *cli, const struct beginning *beginning, struct policy *policy,
                      struct diag *diag)
{
    const struct resume *resume = beginning->resume;
    const struct world *world = policy->world;
    const struct scenario *scenario = &world->scenario;
    struct run run = {
        .cli = cli,
        .host = cli_host_options(cli),
        .world = world,
        .resumed = resume != NULL ? &resume->record : NULL,
        .diag = diag,
        .row =
            {
                .path = cli->db,
                .kind = DB_RUN_TRAIN,
                .policy = policy->kind->name,
                .settings = settings_of(policy),
                .parent_run_id = beginning->from,
                .checkpoint_episode = beginning->checkpoint,
                .host = host_kind_name(beginning->host),
                .phase = RNG_TRAIN,
                .episodes = resume != NULL ? resume->episodes : (uint32_t) scenario->run.episodes,
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
        .record_tasks = scenario->run.record != RECORD_EPISODES,
        .stop = stop_signal_flag(),
        .progress = &run.progress,
    };
    session_sinks_add(&run.session.sinks, run_record_sink(&run.record));
    struct session_result result = {0};
    run.host.kind = beginning->host;
    stop_signal_catch();
    int rc = open_meter(&run, resume);
    run.session.meter = meter_hook(run.meter);
    tell_estimate(&run);
    if (rc == 0)
        rc = drive(&run, &result);
    if (rc != 0)
        meter_explain(run.meter, diag);
    int status = conclude(&run, rc, &result);
    meter_close(run.meter);
    return status;
}

static int check_host(enum host_kind host, const struct scenario *scenario, struct diag *diag)
{
    if (host == HOST_MEMORY && scenario->run.clock == CLOCK_REAL)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "run.clock: 'real' needs node processes and --over tcp: memory has no wall clock to keep");
    return 0;
}

static int go_on(const struct cli *cli, struct diag *diag)
{
    struct resume resume = {0};
    const struct resume_options options = cli_resume(cli);
    int rc = resume_read(&resume, &options, diag);
    int status = command_status(rc, diag);
    if (rc == 0 && resume.finished && cli->json) {
        status =
            command_status(command_print_query(cli, "run_summary", resume.recorded.run.run_id, diag), diag);
    } else if (rc == 0 && resume.finished) {
        (void) printf(
            "run %lld is finished: there is nothing to resume; --episodes E with E above %u goes on\n",
            (long long) resume.recorded.run.run_id, resume.episodes);
    } else if (rc == 0) {
        rc = check_host(resume.host, &resume.recorded.world.scenario, diag);
        const struct beginning beginning = {.host = resume.host, .resume = &resume, .checkpoint = -1};
        status = rc == 0 ? run_policy(cli, &beginning, &resume.policy, diag) : command_status(rc, diag);
    }
    resume_finish(&resume);
    return status;
}

/* It is played all the same: also a policy that has learned nothing decides. */
static void warn_of_budget(const struct policy_kind *kind, const struct full_scenario *full)
{
    struct diag why = {0};
    if (!budget_suffices(kind, full, &why))
        log_warn("run", "%s", why.text);
}

/* The policy of a new run, with the weights of `trained` (NULL: its own). */
static int make_policy(struct policy *ret_policy, const struct world *world, const struct full_scenario *full,
                       struct trained_run *trained, struct beginning *beginning, struct diag *diag)
{
    const struct policy_kind *kind = NULL;
    const struct policy_options options = {
        .world = world, .settings = settings_values(&full->settings), .training = true};
    int rc = catalog_find(full->scenario.run.policy, &kind, diag);
    if (rc == 0 && policy_is_trained(kind) && !policy_learns(kind))
        rc =
            diag_fail(diag, ERR_UNSUPPORTED,
                      "%s takes its weights from training %s: `run --policy %s`, then `evaluate --policy %s`",
                      kind->name, kind->weights_of, kind->weights_of, kind->name);
    if (rc == 0)
        rc = policy_create(ret_policy, kind, &options, diag);
    return rc == 0 && trained != NULL ? trained_run_begin(trained, ret_policy, &beginning->checkpoint) : rc;
}

/* `trained`: opened, the run whose weights it begins with; NULL: none. */
static int run_anew(const struct cli *cli, struct trained_run *trained, struct diag *diag)
{
    struct full_scenario full, recorded;
    struct world world = {0};
    struct policy policy = {0};
    struct beginning beginning = {.host = cli->host, .from = cli->from, .checkpoint = -1};
    struct scenario_source source = cli_scenario_source(cli);
    if (trained != NULL) {
        recorded = (struct full_scenario){trained->world.scenario, trained->settings};
        source.recorded = &recorded;
    }
    int rc = scenario_source_load(&source, &full, diag);
    if (rc == 0)
        rc = check_host(cli->host, &full.scenario, diag);
    if (rc == 0)
        rc = linalg_setup(&full.scenario, diag);
    if (rc == 0)
        rc = world_setup_draw(&world, &full.scenario, full.scenario.run.seed, diag);
    if (rc == 0)
        rc = make_policy(&policy, &world, &full, trained, &beginning, diag);
    if (rc == 0)
        warn_of_budget(policy.kind, &full);
    int status = rc == 0 ? run_policy(cli, &beginning, &policy, diag) : command_status(rc, diag);
    policy_destroy(&policy);
    world_finish(&world);
    return status;
}

static int run_from(const struct cli *cli, struct diag *diag)
{
    struct trained_run trained;
    struct trained_run_options options = cli_trained_run(cli);
    options.host.kind = HOST_MEMORY; /* for checkpoints that are still to be validated */
    int rc = trained_run_open(&trained, &options, diag);
    int status = rc == 0 ? run_anew(cli, &trained, diag) : command_status(rc, diag);
    trained_run_finish(&trained);
    return status;
}

int command_run(const struct cli *cli, struct diag *diag)
{
    return cli->resume ? go_on(cli, diag) : cli->from > 0 ? run_from(cli, diag) : run_anew(cli, NULL, diag);
}
