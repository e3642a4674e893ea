#include "orchestrator/survey.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/host_memory.h"
#include "orchestrator/lab.h"
#include "orchestrator/policy_list.h"
#include "orchestrator/trained.h"
#include "orchestrator/verbs.h"
#include "proto/wire/process.h"

/* What one policy came to, over all draws. */
struct line {
    double cost_sum, cost_square_sum; /* of the draws' mean costs */
    double latency_sum, energy_sum;
    uint64_t tasks, done, misses, local, full, interior; /* done: finished, of the tasks */
    uint32_t layers, min_split;
};

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct line *line = user;
    for (size_t i = 0; i < count; i++) {
        line->tasks++;
        if (!isnan(task[i].latency_s)) {
            line->done++;
            line->latency_sum += task[i].latency_s;
            line->energy_sum += task[i].energy_j;
        }
        line->misses += task[i].deadline_missed ? 1 : 0;
        line->local += task[i].split == line->layers ? 1 : 0;
        line->full += task[i].split == line->min_split ? 1 : 0;
        line->interior += task[i].split != line->layers && task[i].split != line->min_split ? 1 : 0;
    }
    return 0;
}

static int drive(const struct policy_kind *kind, const struct buf *weights, const struct world *world,
                 struct line *line, struct diag *diag)
{
    struct policy policy = {0};
    struct session_result result = {0};
    int rc = kind->asks ? diag_fail(diag, ERR_UNSUPPORTED, "--draws: %s has no agent there", kind->name)
                        : policy_create(&policy, kind, world, false, diag);
    if (rc == 0 && policy_is_trained(kind))
        rc = kind->load(&policy, weights->data, weights->size, diag);
    line->layers = world->llm->layers;
    line->min_split = (uint32_t) world->scenario.model.min_split;
    struct session session = {
        .world = world,
        .policy = &policy,
        .phase = RNG_TEST,
        .episodes = (uint32_t) world->scenario.evaluation.test_episodes,
        .slots = (uint32_t) world->scenario.evaluation.test_slots,
        .record_tasks = true,
        .sink = {.tasks = on_tasks, .user = line},
        .stop = &lab_stop,
    };
    if (rc == 0)
        rc = host_memory_run(&session, &result, diag);
    policy_destroy(&policy);
    line->cost_sum += result.mean_cost;
    line->cost_square_sum += result.mean_cost * result.mean_cost;
    return rc;
}

static double standard_error(const struct line *line, uint32_t draws)
{
    double n = (double) draws;
    double variance =
        (line->cost_square_sum - line->cost_sum * line->cost_sum / n) / (n > 1.0 ? n - 1.0 : 1.0);
    return sqrt(variance > 0.0 ? variance / n : 0.0);
}

static void print_table(const struct policy_list *list, const struct line *line, uint32_t draws)
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
}

static int print_json(const struct policy_list *list, const struct line *line, uint32_t draws)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < list->count; i++) {
        double tasks = (double) line[i].tasks, done = (double) line[i].done;
        json_t *row = json_pack(
            "{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "policy", list->kind[i]->name, "sees",
            policy_sees_name(list->kind[i]->sees), "mean_cost", line[i].cost_sum / (double) draws,
            "standard_error", standard_error(&line[i], draws), "mean_latency_s", line[i].latency_sum / done,
            "mean_energy_j", line[i].energy_sum / done, "deadline_miss_share",
            (double) line[i].misses / tasks, "local_share", (double) line[i].local / tasks, "interior_share",
            (double) line[i].interior / tasks, "tasks", (json_int_t) line[i].tasks, "draws",
            (json_int_t) draws);
        if (row == NULL || json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return -ENOMEM;
        }
    }
    int rc = json_dumpf(rows, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF ? 0 : -EIO;
    json_decref(rows);
    return rc;
}

/* The weights of the policies that take any, from the run that `cli` names. */
static int read_weights(const struct cli *cli, const struct policy_list *list, struct buf *weights,
                        struct diag *diag)
{
    struct trained trained = {0};
    bool opened = false;
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++) {
        int64_t checkpoint = -1;
        if (!policy_is_trained(list->kind[i]))
            continue;
        rc = opened ? 0 : trained_open(&trained, cli, diag);
        opened = true;
        if (rc == 0)
            rc = trained_checkpoint(&trained, list->kind[i], &checkpoint);
        if (rc == 0)
            rc = trained_weights(&trained, checkpoint, &weights[i]);
    }
    if (opened)
        trained_finish(&trained);
    return rc;
}

int survey(const struct cli *cli, struct diag *diag)
{
    struct scenario scenario;
    struct policy_list list = {0};
    struct line line[POLICY_LIST_MAX] = {0};
    struct buf weights[POLICY_LIST_MAX] = {{0}};
    struct progress progress = {0};
    int rc = lab_scenario_load(cli, &scenario, diag);
    if (rc == 0)
        rc = policy_list_parse(&list, cli->policy, NULL, scenario.run.mode, diag);
    if (rc == 0)
        rc = read_weights(cli, &list, weights, diag);
    if (rc == 0)
        progress_start(&progress, "draws", cli->draws, cli->quiet);
    for (uint32_t d = 0; d < cli->draws && rc == 0 && lab_stop == 0; d++) {
        struct world world = {0};
        rc = lab_world(&world, &scenario, scenario.run.seed + d, diag);
        for (size_t i = 0; i < list.count && rc == 0; i++)
            rc = drive(list.kind[i], &weights[i], &world, &line[i], diag);
        world_finish(&world);
        progress_update(&progress, d + 1, NULL);
    }
    progress_stop(&progress, cli->draws);
    for (size_t i = 0; i < list.count; i++)
        buf_finish(&weights[i]);
    if (lab_stop != 0)
        return PROCESS_SIGNAL;
    if (rc == 0 && cli->json)
        rc = print_json(&list, line, cli->draws);
    else if (rc == 0)
        print_table(&list, line, cli->draws);
    return verb_status(rc);
}
