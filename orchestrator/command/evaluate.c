/* evaluate: drives policies over held-out streams of a recorded run, records one linked run each, and compares
 * them. With --draws and no run: the same over many draws of node parameters, nothing recorded. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/policy/catalog/policy_names.h"
#include "orchestrator/run/evaluate_draws.h"
#include "orchestrator/run/evaluation.h"
#include "orchestrator/setup/scenario_source.h"
#include "orchestrator/setup/stop_signal.h"

/* ---- over draws of node parameters ---- */

static double standard_error(const struct evaluate_draws_line *line, uint32_t draws)
{
    double n = (double) draws;
    double variance =
        (line->cost_square_sum - line->cost_sum * line->cost_sum / n) / (n > 1.0 ? n - 1.0 : 1.0);
    return sqrt(variance > 0.0 ? variance / n : 0.0);
}

static void print_table(const struct policy_names *list, const struct evaluate_draws_line *line,
                        uint32_t draws)
{
    (void) printf("%-18s %9s %7s %10s %9s %8s %7s %9s %7s\n", "policy", "mean_cost", "+-", "latency_s",
                  "energy_j", "missed", "local", "interior", "full");
    for (size_t i = 0; i < list->count; i++) {
        double tasks = (double) line[i].tasks, done = (double) line[i].done;
        (void) printf("%-18s %9.4f %7.4f %10.4f %9.3f %7.1f%% %6.1f%% %8.1f%% %6.1f%%\n", list->kind[i]->name,
                      line[i].cost_sum / (double) draws, standard_error(&line[i], draws),
                      line[i].latency_sum / done, line[i].energy_sum / done,
                      100.0 * (double) line[i].misses / tasks, 100.0 * (double) line[i].local / tasks,
                      100.0 * (double) line[i].interior / tasks, 100.0 * (double) line[i].full / tasks);
    }
    for (size_t i = 0; i < list->count; i++)
        if (line[i].never_learned)
            (void) printf("%s never learned: it has the weights that its training began with\n",
                          list->kind[i]->name);
}

static int print_json(const struct policy_names *list, const struct evaluate_draws_line *line, uint32_t draws,
                      struct diag *diag)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < list->count; i++) {
        double tasks = (double) line[i].tasks, done = (double) line[i].done;
        json_t *row = json_pack(
            "{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b}", "policy", list->kind[i]->name,
            "sees", policy_sees_name(list->kind[i]->sees), "mean_cost", line[i].cost_sum / (double) draws,
            "standard_error", standard_error(&line[i], draws), "mean_latency_s", line[i].latency_sum / done,
            "mean_energy_j", line[i].energy_sum / done, "deadline_miss_share",
            (double) line[i].misses / tasks, "local_share", (double) line[i].local / tasks, "interior_share",
            (double) line[i].interior / tasks, "tasks", (json_int_t) line[i].tasks, "draws",
            (json_int_t) draws, "never_learned", line[i].never_learned);
        command_append_json(&rows, row);
    }
    return command_print_json(rows, diag);
}

static int evaluate_many_draws(const struct cli *cli, struct diag *diag)
{
    struct full_scenario full;
    struct policy_names list = {0};
    struct evaluate_draws_line line[POLICY_NAMES_MAX];
    const struct scenario_source source = cli_scenario_source(cli);
    const struct evaluate_draws_options options = {
        .full = &full, .policies = &list, .draws = cli->draws, .trained = cli_trained_run(cli)};
    int rc = scenario_source_load(&source, &full, diag);
    if (rc == 0)
        rc = policy_names_parse(&list, cli->policy, NULL, policy_mode_of(&full.scenario), diag);
    if (rc == 0)
        rc = evaluate_draws(&options, line, diag);
    if (rc == 0 && cli->json)
        rc = print_json(&list, line, cli->draws, diag);
    else if (rc == 0)
        print_table(&list, line, cli->draws);
    return rc;
}

/* ---- over a recorded run's held-out streams ---- */

static void say_who_is_left_out(const struct evaluation *evaluation)
{
    const char *line = (const char *) evaluation->left_out.data;
    for (size_t i = 0; i < evaluation->left_out_count; i++, line += strlen(line) + 1)
        log_warn("evaluate", "left out: %s", line);
}

static void say_who_never_learned(const struct evaluation *evaluation)
{
    for (size_t i = 0; i < evaluation->entries; i++)
        if (evaluation->entry[i].never_learned)
            log_warn("evaluate",
                     "%s never learned: it has the weights that its training, run %lld, began with",
                     evaluation->entry[i].kind->name,
                     (long long) evaluation->training[evaluation->entry[i].training].run.run_id);
}

static int play_all(const struct cli *cli, struct evaluation *evaluation, struct diag *diag)
{
    const struct evaluation_options options = {.run = cli_trained_run(cli), .policies = cli->policy};
    int rc = evaluation_open(evaluation, &options, diag);
    if (rc == 0)
        say_who_is_left_out(evaluation);
    if (rc == 0)
        rc = evaluation_play(evaluation, cli->validate ? RNG_VALIDATE : RNG_TEST);
    if (rc == 0)
        say_who_never_learned(evaluation);
    if (rc == 0)
        rc = command_print_query(cli, cli->validate ? "validations" : "policy_comparison",
                                 evaluation->training[0].run.run_id, diag);
    evaluation_finish(evaluation);
    return rc;
}

static int evaluate_run(const struct cli *cli, struct diag *diag)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    int rc = evaluation != NULL ? play_all(cli, evaluation, diag) : diag_fail(diag, -ENOMEM, "out of memory");
    free(evaluation);
    return rc;
}

int command_evaluate(const struct cli *cli, struct diag *diag)
{
    int rc = 0;
    stop_signal_catch();
    if (cli->draws > 0)
        rc = evaluate_many_draws(cli, diag);
    else if ((cli->scenario != NULL || cli->set_count > 0))
        rc = diag_fail(diag, ERR_STATE,
                       "a recorded run has its own scenario: --scenario and --set go with --draws");
    else if (rc == 0)
        rc = evaluate_run(cli, diag);
    return stop_signal_raised() ? PROCESS_SIGNAL : command_status(rc, diag);
}
