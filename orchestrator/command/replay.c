/* replay: reruns recorded runs from the file. --verify compares every number; --policy asks what another
 * policy would have done with the same phones, channels and tasks. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/base/process.h"
#include "core/linalg/product.h"
#include "db/experiment_file.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/replay/verify.h"
#include "orchestrator/replay/verify_answers.h"
#include "orchestrator/run/run_policy.h"
#include "orchestrator/setup/recorded_run.h"
#include "orchestrator/setup/stop_signal.h"

struct run_ids {
    int64_t *id;
    size_t count, capacity;
    int64_t only; /* 0: all */
};

static int take_run(void *user, const struct db_run *run)
{
    struct run_ids *ids = user;
    if (ids->only != 0 && run->run_id != ids->only)
        return 0;
    int rc = array_reserve(&ids->id, &ids->capacity, ids->count + 1);
    if (rc != 0)
        return rc;
    ids->id[ids->count++] = run->run_id;
    return 0;
}

/* ---- verify ---- */

/* What was measured in real time, as `parts` of the run's JSON. */
static json_t *gap_json(struct verification *verification)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < CLOCK_GAP_PARTS; i++) {
        struct clock_gap_part row = clock_gap_part(&verification->gap, i);
        if (row.tasks > 0)
            command_append_json(&parts,
                                json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "part", row.part, "tasks",
                                          (json_int_t) row.tasks, "mean_s", row.mean_s, "p5_s", row.p5_s,
                                          "p50_s", row.p50_s, "p95_s", row.p95_s, "max_s", row.max_s));
    }
    return parts;
}

static void print_gap(struct verification *verification)
{
    (void) printf(
        "  checked: decisions, tokens and positions of every task, payload sizes of those done as planned\n");
    if (verification->otherwise > 0)
        (void) printf(
            "  %llu tasks were touched by lost nodes, or not finished: their decisions and positions alone "
            "were checked\n",
            (unsigned long long) verification->otherwise);
    (void) printf("  measured minus modelled, ms%10s%10s%10s%10s%10s%10s\n", "tasks", "mean", "p5", "p50",
                  "p95", "max");
    for (size_t i = 0; i < CLOCK_GAP_PARTS; i++) {
        struct clock_gap_part row = clock_gap_part(&verification->gap, i);
        if (row.tasks > 0)
            (void) printf("  %-27s%10zu%10.3f%10.3f%10.3f%10.3f%10.3f\n", row.part, row.tasks,
                          1e3 * row.mean_s, 1e3 * row.p5_s, 1e3 * row.p50_s, 1e3 * row.p95_s,
                          1e3 * row.max_s);
    }
}

static void tell_json(const struct recorded_run *recorded, struct verification *verification, json_t **rows)
{
    json_t *row = json_pack(
        "{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "run_id", (json_int_t) recorded->run.run_id,
        "kind", store_kind_text((int) recorded->run.kind), "policy", recorded->run.policy, "clock",
        verification->in_real_time ? "real" : "virtual", "tasks", (json_int_t) verification->compared,
        "identical", (json_int_t) verification->identical, "rounded", (json_int_t) verification->rounded,
        "different", (json_int_t) verification->different, "arithmetic",
        (json_int_t) recorded->run.arithmetic, "first_difference", verification->first_difference);
    bool whole = true;
    if (env_is_queue(&recorded->world))
        whole =
            json_object_set_new(row, "unsettled", json_integer((json_int_t) verification->unsettled)) == 0;
    if (verification->in_real_time) {
        whole = json_object_set_new(row, "touched_by_losses",
                                    json_integer((json_int_t) verification->otherwise)) == 0 &&
                whole;
        whole = json_object_set_new(row, "measured_minus_modelled", gap_json(verification)) == 0 && whole;
    }
    if (!whole) {
        json_decref(row);
        row = NULL;
    }
    command_append_json(rows, row);
}

/* Why numbers may differ that no other decision explains. */
static void tell_rounding(const struct recorded_run *recorded, const struct verification *verification)
{
    char why[160];
    long long arithmetic = (long long) recorded->run.arithmetic;
    if (arithmetic == LINALG_ARITHMETIC)
        (void) snprintf(why, sizeof why, "it was recorded with this program's arithmetic, on %s",
                        recorded->run.cpu);
    else if (arithmetic == 0)
        (void) snprintf(why, sizeof why,
                        "it was recorded before the arithmetic was the same on every processor");
    else
        (void) snprintf(why, sizeof why, "it was recorded with arithmetic %lld, and this program has %d",
                        arithmetic, LINALG_ARITHMETIC);
    (void) printf(
        "  %llu more differ by rounding alone, by less than a billionth, with the same decisions: %s\n",
        (unsigned long long) verification->rounded, why);
}

/* ---- answers ---- */

static int open_model(const struct cli *cli, const struct world *world, struct compute **ret_compute,
                      struct diag *diag)
{
    int rc = compute_open(ret_compute, world, cli->model, diag);
    if (rc == 0)
        return 0;
    diag_add(diag, "; --model names the run's model where it lies now");
    return rc == ERR_MISMATCH ? ERR_NOT_FOUND : rc; /* no row differs: the run's file is not there */
}

/* Rows that another program's arithmetic recorded need not have its answers. */
static void print_answers(const struct recorded_run *recorded, const struct answer_verification *answers)
{
    (void) printf("  %llu of %llu answers identical", (unsigned long long) answers->identical,
                  (unsigned long long) answers->compared);
    if (answers->counted > 0)
        (void) printf(", %llu of them compared by their number of tokens alone",
                      (unsigned long long) answers->counted);
    (void) printf("\n");
    if (answers->unknown > 0)
        (void) printf("  %llu more were of guests, whose prompts were not kept: not compared\n",
                      (unsigned long long) answers->unknown);
    if (answers->first_difference[0] != '\0')
        (void) printf("  first difference: %s\n", answers->first_difference);
    if (answers->different > 0 && recorded->run.arithmetic != LINALG_ARITHMETIC)
        (void) printf("  the run was recorded with arithmetic %lld, and this program has %d\n",
                      (long long) recorded->run.arithmetic, LINALG_ARITHMETIC);
}

static json_t *answers_json(const struct answer_verification *answers)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "compared", (json_int_t) answers->compared,
                     "identical", (json_int_t) answers->identical, "different",
                     (json_int_t) answers->different, "counted", (json_int_t) answers->counted, "unknown",
                     (json_int_t) answers->unknown, "first_difference", answers->first_difference);
}

/* Computes the answers of a run with real layers again, and adds what it finds to what was told of its rows. */
static int verify_run_answers(const struct cli *cli, const struct recorded_run *recorded, struct store *store,
                              uint64_t tasks, json_t *rows, enum process_exit *status, struct diag *diag)
{
    struct compute *compute = NULL;
    struct progress progress;
    struct answer_verification answers = {
        .world = &recorded->world,
        .store = store,
        .run_id = recorded->run.run_id,
        .phase = recorded->phase,
        .progress = &progress,
        .stop = stop_signal_flag(),
    };
    int rc = open_model(cli, &recorded->world, &compute, diag);
    if (rc != 0)
        return rc;
    answers.source = (struct answer_source){verify_answers_compute, compute};
    progress_start(&progress, "answers", tasks, cli->quiet);
    rc = verify_answers(&answers, diag);
    progress_stop(&progress, tasks);
    compute_close(compute);
    if (rc != 0)
        return rc;
    json_t *row = json_array_get(rows, json_array_size(rows) - 1);
    if (!cli->json)
        print_answers(recorded, &answers);
    else if (json_object_set_new(row, "answers", answers_json(&answers)) != 0)
        return diag_fail(diag, -ENOMEM, "out of memory");
    if (answers.different > 0)
        *status = PROCESS_MISMATCH;
    return 0;
}

static void tell(const struct cli *cli, const struct recorded_run *recorded,
                 struct verification *verification, json_t **rows)
{
    if (cli->json) {
        tell_json(recorded, verification, rows);
        return;
    }
    (void) printf("run %lld (%s, %s): ", (long long) recorded->run.run_id,
                  store_kind_text((int) recorded->run.kind), recorded->run.policy);
    if (verification->compared == 0)
        (void) printf("no tasks were recorded\n");
    else
        (void) printf(
            "%llu of %llu tasks identical%s\n", (unsigned long long) verification->identical,
            (unsigned long long) verification->compared,
            verification->in_real_time ? " in what a run in real time has in common with virtual time" : "");
    if (verification->rounded > 0)
        tell_rounding(recorded, verification);
    if (verification->unsettled > 0)
        (void) printf("  %llu more were under way when the run broke off\n",
                      (unsigned long long) verification->unsettled);
    if (verification->first_difference[0] != '\0')
        (void) printf("  first difference: %s\n", verification->first_difference);
    if (verification->in_real_time && verification->compared > 0)
        print_gap(verification);
}

/* Over TCP a run in real time would be measured again, not compared with the model. And a node cannot be
 * made to fail on demand. */
static int check_memory(const struct cli *cli, const struct recorded_run *recorded, struct diag *diag)
{
    if (cli->host == HOST_MEMORY || (recorded->fault_count == 0 && !recorded->run.real_clock))
        return 0;
    return diag_fail(diag, ERR_UNSUPPORTED, "run %lld %s: it can be verified with --over memory",
                     (long long) recorded->run.run_id,
                     recorded->run.real_clock
                         ? "was played in real time, and is compared with virtual time"
                         : "lost nodes by real failures, and they are lost again in memory only");
}

static int verify_run(const struct cli *cli, struct store *store, int64_t run_id, json_t **rows,
                      enum process_exit *ret_status, struct diag *diag)
{
    struct recorded_run recorded;
    struct verification verification = {0};
    struct session_result result;
    struct progress progress;
    const struct host_options host = cli_host_options(cli);
    int rc = recorded_run_read(&recorded, store, run_id, diag);
    enum scenario_compute_kind kind = recorded.world.scenario.compute.kind;
    /* Answers are computed afterwards, by themselves. What compute.nll told may be part of rows and rewards. */
    bool scores = recorded.world.scenario.compute.nll == SWITCH_ON && !recorded.run.real_clock;
    if (!scores)
        recorded.world.scenario.compute.kind = COMPUTE_EMULATED;
    const struct meter_options metering = {
        .world = &recorded.world,
        .model = cli->model,
        .is_training = recorded.phase == RNG_TRAIN,
        .slots = recorded.slots,
        .surrogate = recorded.run.surrogate,
        .quiet = cli->quiet,
    };
    struct meter *meter = NULL;
    if (rc == 0)
        rc = meter_open(&meter, &metering, diag);
    if (rc == 0)
        rc = check_memory(cli, &recorded, diag);
    if (rc == 0)
        rc = verify_init(&verification, &recorded.world, store, recorded.run.run_id, diag);
    verification.complete = recorded.run.status == DB_FINISHED;
    verification.in_real_time = recorded.run.real_clock;
    struct session session = {
        .world = &recorded.world,
        .policy = &verification.policy,
        .phase = recorded.phase,
        .episodes = recorded.episodes,
        .slots = recorded.slots,
        .record_tasks = true,
        .fault = recorded.fault,
        .fault_count = recorded.fault_count,
        .model = cli->model,
        .guests_task = recorded.guests_task,
        .guests_tasks = recorded.guests_tasks,
        .meter = meter_hook(meter),
        .stop = &verification.over,
        .progress = &progress,
    };
    session_sinks_add(&session.sinks, verify_sink(&verification));
    progress_start(&progress, "replay", (uint64_t) recorded.episodes * recorded.slots, cli->quiet);
    if (rc == 0)
        rc = host_run(&host, &session, NULL, NULL, &result, diag);
    if (rc != 0)
        meter_explain(meter, diag);
    meter_close(meter);
    if (rc == 0)
        rc = verify_end(&verification);
    progress_stop(&progress, (uint64_t) recorded.episodes * recorded.slots);
    if (rc == 0)
        tell(cli, &recorded, &verification, rows);
    *ret_status = verification.different > 0 ? PROCESS_MISMATCH
                  : verification.rounded > 0 ? PROCESS_ROUNDED
                                             : PROCESS_OK;
    recorded.world.scenario.compute.kind = kind;
    if (rc == 0 && kind == COMPUTE_MODEL)
        rc = verify_run_answers(cli, &recorded, store, verification.compared, *rows, ret_status, diag);
    verify_finish(&verification);
    recorded_run_finish(&recorded);
    return rc;
}

static int verify(const struct cli *cli, struct store *store, struct diag *diag)
{
    struct run_ids ids = {.only = cli->run};
    json_t *rows = json_array();
    enum process_exit worst = PROCESS_OK;
    int rc = store_each_run(store, take_run, &ids, diag);
    if (rc == 0 && ids.count == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "there is no such run");
    for (size_t i = 0; i < ids.count && rc == 0 && !stop_signal_raised(); i++) {
        enum process_exit status = PROCESS_OK;
        rc = verify_run(cli, store, ids.id[i], &rows, &status, diag);
        if (worst != PROCESS_MISMATCH && status != PROCESS_OK)
            worst = status;
    }
    if (rc == 0 && cli->json)
        rc = command_print_json(rows, diag);
    else
        json_decref(rows);
    free(ids.id);
    if (rc == ERR_MISMATCH)
        return PROCESS_MISMATCH;
    return rc != 0 ? command_status(rc, diag) : (int) worst;
}

/* ---- what if ---- */

static int what_if(const struct cli *cli, struct recorded_run *recorded, struct diag *diag)
{
    const struct policy_kind *kind = NULL;
    int64_t run_id = 0;
    int rc = catalog_find(cli->policy, &kind, diag);
    if (rc == 0 && policy_is_trained(kind))
        rc = diag_fail(diag, ERR_UNSUPPORTED,
                       "%s needs trained weights: `evaluate` drives it from a checkpoint", kind->name);
    struct session_result result;
    struct run_policy play = {
        .host = cli_host_options(cli),
        .world = &recorded->world,
        .kind = kind,
        .row =
            {
                .path = cli->db,
                .kind = DB_RUN_COUNTERFACTUAL,
                .settings = &recorded->settings,
                .parent_run_id = recorded->run.run_id,
                .checkpoint_episode = -1,
                .phase = recorded->phase,
                .episodes = recorded->episodes,
                .slots = recorded->slots,
            },
        .record_tasks = true,
        .fault = recorded->fault,
        .fault_count = recorded->fault_count,
        .guests_task = recorded->guests_task,
        .guests_tasks = recorded->guests_tasks,
    };
    if (rc == 0)
        rc = run_policy_record(&play, &result, &run_id, diag);
    return rc != 0 ? rc : command_print_query(cli, "run_summary", run_id, diag);
}

int command_replay(const struct cli *cli, struct diag *diag)
{
    struct experiment_file file = {0};
    struct recorded_run recorded = {0};
    if (cli->verify == (cli->policy != NULL))
        return command_status(diag_fail(diag, ERR_SYNTAX, "replay wants --verify, or --policy NAME"), diag);
    stop_signal_catch();
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0 && cli->verify) {
        int status = verify(cli, file.store, diag);
        (void) experiment_file_close(&file, NULL); /* only read */
        return stop_signal_raised() ? PROCESS_SIGNAL : status;
    }
    if (rc == 0)
        rc = recorded_run_read(&recorded, file.store, cli->run, diag);
    (void) experiment_file_close(&file, NULL); /* only read; recording needs the file for itself */
    if (rc == 0)
        rc = what_if(cli, &recorded, diag);
    recorded_run_finish(&recorded);
    return stop_signal_raised() ? PROCESS_SIGNAL : command_status(rc, diag);
}
