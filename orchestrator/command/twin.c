/* twin: plays one scenario in both clocks, first in virtual time in this process, then in real time over
 * real nodes, records both, and says part by part how far they are apart. In mode round the policy decides
 * anew in real time; in queueing mode its decisions are repeated, unless --live is given. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "db/experiment_file.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/policy/catalog/full_scenario.h"
#include "orchestrator/replay/recorded_decisions.h"
#include "orchestrator/run/run_policy.h"
#include "orchestrator/run/trained_run.h"
#include "orchestrator/setup/stop_signal.h"
#include "orchestrator/setup/world_setup.h"

/* What the two clocks may differ by. */
#define LATENCY_MAPE_PCT 3.0
#define ENERGY_MAPE_PCT 2.0

#define SLOTS_DEFAULT 20u
#define PARTS_MAX 16u
#define PART_NAME 32

struct part {
    char name[PART_NAME];
    struct db_twin_part row; /* its name points to `name` */
};

struct twin {
    const struct cli *cli;
    struct world world;         /* without --run; owned */
    struct settings settings;   /* likewise */
    struct trained_run trained; /* with --run */
    const struct policy_kind *kind;
    int64_t checkpoint; /* -1: none */
    struct buf weights;
    struct recorded_decisions decisions; /* queueing mode: what virtual time has decided */
    int64_t run_id[2];                   /* virtual, real */
    struct session_result result[2];
    struct part part[PARTS_MAX];
    size_t parts;
    struct diag *diag;
};

/* ---- what to play ---- */

static struct world *world_of(struct twin *twin)
{
    return twin->cli->run_given ? &twin->trained.world : &twin->world;
}

static int set_scale(struct twin *twin)
{
    struct scenario *scenario = &world_of(twin)->scenario;
    char assignment[96];
    scenario->run.clock = CLOCK_REAL;
    if (twin->cli->time_scale == NULL)
        return scenario_check(scenario, twin->diag);
    int size = snprintf(assignment, sizeof assignment, "run.time_scale=%s", twin->cli->time_scale);
    if (size < 0 || (size_t) size >= sizeof assignment)
        return diag_fail(twin->diag, ERR_SYNTAX, "--time-scale: '%.32s...' is no number",
                         twin->cli->time_scale);
    int rc = scenario_set(scenario, assignment, twin->diag);
    return rc != 0 ? rc : scenario_check(scenario, twin->diag);
}

static int take_run(struct twin *twin)
{
    const struct cli *cli = twin->cli;
    const struct trained_run_options options = cli_trained_run(cli);
    if (cli->scenario != NULL || cli->set_count > 0)
        return diag_fail(twin->diag, ERR_STATE,
                         "a recorded run has its own scenario: --scenario and --set do not go with --run");
    int rc = trained_run_open(&twin->trained, &options, twin->diag);
    if (rc == 0)
        rc = catalog_find(cli->policy != NULL ? cli->policy : twin->trained.run.policy, &twin->kind,
                          twin->diag);
    if (rc == 0)
        rc = trained_run_checkpoint(&twin->trained, twin->kind, &twin->checkpoint);
    if (rc == 0 && twin->checkpoint >= 0)
        rc = trained_run_weights(&twin->trained, twin->checkpoint, &twin->weights);
    return rc;
}

static int take_scenario(struct twin *twin)
{
    struct full_scenario full;
    const struct scenario *scenario = &full.scenario;
    const struct scenario_source source = cli_scenario_source(twin->cli);
    int rc = scenario_source_load(&source, &full, twin->diag);
    if (rc == 0 && twin->cli->policy != NULL)
        rc = catalog_find(twin->cli->policy, &twin->kind, twin->diag);
    else if (rc == 0)
        rc = catalog_find(scenario->run.policy, &twin->kind, twin->diag);
    if (rc == 0 && policy_is_trained(twin->kind))
        rc = diag_fail(
            twin->diag, ERR_STATE,
            "%s has to be trained first: `run` it, then `twin --run R` with that run; or name another "
            "--policy, e.g. greedy",
            twin->kind->name);
    if (rc != 0)
        return rc;
    twin->settings = full.settings;
    return world_setup_draw(&twin->world, scenario, scenario->run.seed, twin->diag);
}

/* ---- playing ---- */

/* In queueing mode what is decided depends on what is left over, and one task that was decided otherwise
 * changes the waiting of all that follow: part by part, tasks can be compared after the same decisions only. */
static bool repeats_decisions(struct twin *twin)
{
    return env_is_queue(world_of(twin)) && !twin->cli->live;
}

static int load_decisions(struct twin *twin)
{
    struct experiment_file file = {0};
    int rc = experiment_file_open(&file, twin->cli->db, DB_READ, twin->diag);
    if (rc == 0)
        rc = recorded_decisions_load(&twin->decisions, world_of(twin), file.store, twin->run_id[0],
                                     twin->diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

/* Clock 0 is virtual, clock 1 real. */
static int play(struct twin *twin, int clock)
{
    const struct cli *cli = twin->cli;
    struct host_options host = cli_host_options(cli);
    host.kind = clock == 0 ? HOST_MEMORY : HOST_TCP;
    world_of(twin)->scenario.run.clock = clock == 0 ? CLOCK_VIRTUAL : CLOCK_REAL;
    bool repeats = clock == 1 && repeats_decisions(twin);
    int rc = repeats ? load_decisions(twin) : 0;
    struct run_policy play = {
        .host = host,
        .world = world_of(twin),
        .instead = repeats ? &twin->decisions.policy : NULL,
        .kind = twin->kind,
        .weights = twin->checkpoint >= 0 ? &twin->weights : NULL,
        .row =
            {
                .path = cli->db,
                .kind = DB_RUN_TWIN,
                .settings = cli->run_given ? &twin->trained.settings : &twin->settings,
                .parent_run_id = clock == 1 ? twin->run_id[0] : twin->trained.run.run_id,
                .checkpoint_episode = twin->checkpoint,
                .phase = RNG_TEST,
                .episodes = cli->episodes > 0 ? cli->episodes : 1,
                .slots = cli->slots > 0 ? cli->slots : SLOTS_DEFAULT,
            },
        .record_tasks = true,
    };
    return rc != 0 ? rc : run_policy_record(&play, &twin->result[clock], &twin->run_id[clock], twin->diag);
}

/* ---- comparing ---- */

static int take_part(void *user, const struct db_twin_part *row)
{
    struct twin *twin = user;
    if (twin->parts == PARTS_MAX)
        return ERR_TOO_BIG;
    struct part *part = &twin->part[twin->parts++];
    (void) snprintf(part->name, sizeof part->name, "%s", row->part); /* the view's own short names */
    part->row = *row;
    part->row.part = part->name;
    return 0;
}

static int compare(struct twin *twin)
{
    struct experiment_file file = {0};
    int rc = experiment_file_open(&file, twin->cli->db, DB_READ, twin->diag);
    if (rc == 0)
        rc = store_each_twin_part(file.store, twin->run_id[1], take_part, twin, twin->diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    if (rc == 0 && twin->parts == 0)
        rc = diag_fail(twin->diag, ERR_MISMATCH,
                       "no task was finished after the same decision in both clocks");
    return rc;
}

static const struct db_twin_part *find_part(const struct twin *twin, const char *name)
{
    for (size_t i = 0; i < twin->parts; i++)
        if (strcmp(twin->part[i].name, name) == 0)
            return &twin->part[i].row;
    return NULL;
}

static double mape_of(const struct twin *twin, const char *name)
{
    const struct db_twin_part *part = find_part(twin, name);
    return part != NULL && !isnan(part->mape_pct) ? part->mape_pct : 0.0;
}

/* The part of latency, or of energy, that lies furthest apart. */
static const struct db_twin_part *worst_part(const struct twin *twin, const char *unit)
{
    const struct world *world = twin->cli->run_given ? &twin->trained.world : &twin->world;
    bool server_counts = world->scenario.objective.server_energy > 0.0;
    const struct db_twin_part *worst = NULL;
    for (size_t i = 0; i < twin->parts; i++) {
        const struct db_twin_part *part = &twin->part[i].row;
        size_t length = strlen(part->part), tail = strlen(unit);
        bool is_whole = strcmp(part->part, "latency_s") == 0 || strcmp(part->part, "energy_j") == 0;
        bool is_apart = strcmp(part->part, "server_j") == 0 && !server_counts;
        if (is_whole || is_apart || length < tail || strcmp(part->part + length - tail, unit) != 0)
            continue;
        worst = worst == NULL || part->off_pct > worst->off_pct ? part : worst;
    }
    return worst;
}

struct verdict {
    double latency_pct, energy_pct, cost_pct;
    bool agrees;
    const struct db_twin_part *off; /* NULL when the clocks agree */
};

static struct verdict judge(const struct twin *twin)
{
    struct verdict verdict = {.latency_pct = mape_of(twin, "latency_s"),
                              .energy_pct = mape_of(twin, "energy_j")};
    bool late = verdict.latency_pct > LATENCY_MAPE_PCT, costly = verdict.energy_pct > ENERGY_MAPE_PCT;
    double virtual_cost = twin->result[0].mean_cost;
    verdict.cost_pct = 100.0 * (twin->result[1].mean_cost - virtual_cost) / fabs(virtual_cost);
    verdict.agrees = !late && !costly;
    if (!verdict.agrees)
        verdict.off = worst_part(twin, late ? "_s" : "_j");
    return verdict;
}

/* ---- telling ---- */

static json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_parts(const struct twin *twin)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < twin->parts; i++) {
        const struct db_twin_part *row = &twin->part[i].row;
        command_append_json(&parts,
                            json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "part", row->part, "tasks",
                                      (json_int_t) row->tasks, "virtual_mean", json_number(row->virtual_mean),
                                      "real_mean", json_number(row->real_mean), "mape_pct",
                                      json_number(row->mape_pct), "off_pct", json_number(row->off_pct)));
    }
    return parts;
}

static int print_json(const struct twin *twin, const struct verdict *verdict)
{
    const struct session_result *real = &twin->result[1];
    return command_print_json(
        json_pack("{s:I, s:I, s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o?, s:o}", "virtual_run",
                  (json_int_t) twin->run_id[0], "real_run", (json_int_t) twin->run_id[1], "policy",
                  twin->kind->name, "tasks", (json_int_t) real->tasks, "agrees", verdict->agrees, "trusted",
                  !real->untrusted, "latency_mape_pct", json_number(verdict->latency_pct), "energy_mape_pct",
                  json_number(verdict->energy_pct), "virtual_cost", json_number(twin->result[0].mean_cost),
                  "real_cost", json_number(real->mean_cost), "cost_difference_pct",
                  json_number(verdict->cost_pct), "part_off",
                  verdict->off != NULL ? json_string(verdict->off->part) : NULL, "parts", json_parts(twin)),
        twin->diag);
}

static void print_number(double value)
{
    if (isnan(value))
        (void) printf("  %12s", "-");
    else
        (void) printf("  %12.4f", value);
}

static void print_table(const struct twin *twin)
{
    (void) printf("%-11s  %12s  %12s  %12s  %12s\n", "part", "virtual mean", "real mean", "MAPE %",
                  "of whole %");
    for (size_t i = 0; i < twin->parts; i++) {
        const struct db_twin_part *row = &twin->part[i].row;
        (void) printf("%-11s", row->part);
        print_number(row->virtual_mean);
        print_number(row->real_mean);
        print_number(row->mape_pct);
        print_number(row->off_pct);
        (void) putchar('\n');
    }
}

static void print_text(const struct twin *twin, const struct verdict *verdict)
{
    const struct session_result *real = &twin->result[1];
    print_table(twin);
    (void) printf(
        "\n%s on %s, runs %lld (virtual) and %lld (real, scale %g) in %s: %llu tasks, %llu of them "
        "finished after the same decision in both\n",
        twin->kind->name,
        twin->cli->run_given ? twin->trained.world.scenario.run.name : twin->world.scenario.run.name,
        (long long) twin->run_id[0], (long long) twin->run_id[1],
        twin->cli->run_given ? twin->trained.world.scenario.run.time_scale
                             : twin->world.scenario.run.time_scale,
        twin->cli->db, (unsigned long long) real->tasks, (unsigned long long) twin->part[0].row.tasks);
    (void) printf("mean cost %.4f in virtual time, %.4f in real time: %+.2f %%\n", twin->result[0].mean_cost,
                  real->mean_cost, verdict->cost_pct);
    (void) printf("latency differs by %.2f %% (at most %g %%), energy by %.2f %% (at most %g %%): ",
                  verdict->latency_pct, LATENCY_MAPE_PCT, verdict->energy_pct, ENERGY_MAPE_PCT);
    if (verdict->off != NULL)
        (void) printf("the clocks do not agree; %s is off, %.4f and %.4f\n", verdict->off->part,
                      verdict->off->virtual_mean, verdict->off->real_mean);
    else
        (void) printf("the clocks agree\n");
    if (real->untrusted)
        (void) printf("but this machine could not keep up: %s\n", real->untrusted_reason);
}

static int tell(const struct twin *twin, int *ret_status)
{
    struct verdict verdict = judge(twin);
    *ret_status = verdict.agrees ? PROCESS_OK : PROCESS_MISMATCH;
    if (twin->cli->json)
        return print_json(twin, &verdict);
    print_text(twin, &verdict);
    return 0;
}

int command_twin(const struct cli *cli, struct diag *diag)
{
    struct twin twin = {.cli = cli, .checkpoint = -1, .diag = diag};
    int status = PROCESS_OK;
    stop_signal_catch();
    int rc = cli->run_given ? take_run(&twin) : take_scenario(&twin);
    if (rc == 0)
        rc = set_scale(&twin);
    for (int clock = 0; clock < 2 && rc == 0; clock++)
        rc = play(&twin, clock);
    if (rc == 0)
        rc = compare(&twin);
    if (rc == 0)
        rc = tell(&twin, &status);
    world_finish(&twin.world);
    trained_run_finish(&twin.trained);
    buf_finish(&twin.weights);
    recorded_decisions_finish(&twin.decisions);
    if (stop_signal_raised())
        return PROCESS_SIGNAL;
    return rc != 0 ? command_status(rc, diag) : status;
}
