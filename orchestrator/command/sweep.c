/* sweep: plays a grid of policies, seeds and scenario keys, several cells at a time, each in a worker
 * process, and gathers them in one file. Whatever ends it, the same command goes on with the cells that are
 * missing. */
#include "orchestrator/command/commands.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "core/base/units.h"
#include "orchestrator/command/cli_options.h"
#include "orchestrator/run/budget.h"
#include "orchestrator/setup/stop_signal.h"
#include "orchestrator/sweep/sweep_eta.h"
#include "orchestrator/sweep/sweep_jobs.h"
#include "orchestrator/sweep/sweep_workers.h"

#define TICK_MS 200 /* how often the bar moves, and the longest that Ctrl-C goes unnoticed */
#define JOB_STATUSES (DB_JOB_SKIPPED + 1)

/* A cell in the order of playing. */
struct ordered_cell {
    size_t index;
    double work;
};

struct sweep {
    const struct cli *cli;
    struct sweep_file file;
    struct sweep_grid grid;
    struct buf text;            /* the sweep's, as it is recorded */
    double *work;               /* [grid.count] what each cell has to do */
    struct ordered_cell *order; /* [grid.count] the longest first */
    struct sweep_jobs jobs;
    struct sweep_workers workers;
    struct progress progress;
    struct sweep_eta pace;
    double spent_s; /* by workers that have ended */
    size_t played;  /* cells */
    double wall_s;
    struct diag *diag;
};

/* ---- the grid ---- */

/* "# ..." before each line: the scenario in effect belongs to what the sweep is, but not to its file. */
static int push_comment(struct buf *text, const struct buf *lines)
{
    int rc = buf_printf(text, "# the scenario in effect:\n");
    const char *at = (const char *) lines->data, *end = at + lines->size;
    while (rc == 0 && at < end) {
        int length = (int) strcspn(at, "\n");
        rc = buf_printf(text, "# %.*s\n", length, at);
        at += length + 1;
    }
    return rc;
}

static int print_text(struct sweep *sweep)
{
    const struct scenario_source source = {.name = sweep->file.scenario};
    struct full_scenario full;
    struct buf lines = {0};
    int rc = scenario_source_load(&source, &full, sweep->diag);
    if (rc == 0)
        rc = sweep_file_print(&sweep->file, &sweep->text);
    if (rc == 0)
        rc = full_scenario_print(&full, &lines);
    if (rc == 0)
        rc = push_comment(&sweep->text, &lines);
    buf_finish(&lines);
    return rc;
}

static int fail_cell(struct sweep *sweep, const struct sweep_cell *cell, int rc)
{
    if (cell->at_base)
        diag_prefix(sweep->diag, "%s: experiment %s", sweep->file.yaml.name, cell->experiment->name);
    else
        diag_prefix(sweep->diag, "%s: experiment %s, %s = %s", sweep->file.yaml.name, cell->experiment->name,
                    cell->axis, cell->value);
    return rc;
}

static int load_place(struct sweep *sweep, const struct sweep_cell *cell, struct full_scenario *train,
                      struct full_scenario *test)
{
    int rc = sweep_cell_play_scenario(sweep->cli->data, &sweep->grid, cell, false, train, sweep->diag);
    if (rc == 0)
        rc = sweep_cell_play_scenario(sweep->cli->data, &sweep->grid, cell, true, test, sweep->diag);
    if (rc == 0 && (train->scenario.run.clock == CLOCK_REAL || test->scenario.run.clock == CLOCK_REAL))
        rc = diag_fail(sweep->diag, ERR_UNSUPPORTED,
                       "run.clock: a sweep is played in memory, allowed virtual");
    return rc != 0 ? fail_cell(sweep, cell, rc) : 0;
}

/* Once for all seeds of a policy at a place. */
static void warn_of_budget(const struct sweep *sweep, size_t i, const struct full_scenario *train)
{
    const struct sweep_cell *cell = &sweep->grid.cell[i];
    struct diag why = {0};
    bool said = i > 0 && cell[-1].kind == cell->kind && sweep_grid_same_place(cell, cell - 1);
    if (!cell->trains || said || budget_suffices(cell->kind, train, &why))
        return;
    log_warn("sweep", "experiment %s%s%s%s%s: %s", cell->experiment->name, cell->at_base ? "" : ", ",
             cell->at_base ? "" : cell->axis, cell->at_base ? "" : " = ", cell->at_base ? "" : cell->value,
             why.text);
}

/* What must hold between a cell's keys is known before the first one is played. */
static int weigh_cells(struct sweep *sweep)
{
    struct full_scenario train, test;
    int rc = 0;
    for (size_t i = 0; i < sweep->grid.count && rc == 0; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[i];
        if (i == 0 || !sweep_grid_same_place(cell, cell - 1))
            rc = load_place(sweep, cell, &train, &test);
        if (rc == 0)
            warn_of_budget(sweep, i, &train);
        if (rc == 0)
            sweep->work[i] = sweep_grid_work(cell, &train.scenario, &test.scenario);
    }
    return rc;
}

static int compare_places(const void *a, const void *b)
{
    const struct ordered_cell *x = a, *y = b;
    if (x->work != y->work)
        return x->work > y->work ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Longest first, so that no long cell is left alone at the end. */
static void sort_cells(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->grid.count; i++)
        sweep->order[i] = (struct ordered_cell){.index = i, .work = sweep->work[i]};
    qsort(sweep->order, sweep->grid.count, sizeof *sweep->order, compare_places);
}

static int read_sweep(struct sweep *sweep)
{
    const char *path = sweep->cli->word[0];
    struct buf text = {0};
    int rc = path == NULL
                 ? diag_fail(sweep->diag, ERR_SYNTAX, "sweep what? a FILE is needed, see handoff-sweep(5)")
                 : file_read(path, SWEEP_FILE_TEXT_MAX, &text, sweep->diag);
    if (rc == 0)
        rc = sweep_file_read(&sweep->file, (const char *) text.data, text.size, path, sweep->diag);
    buf_finish(&text); /* libyaml has copied it */
    if (rc == 0 && sweep->cli->name != NULL && !sweep_file_is_name(sweep->cli->name))
        rc = diag_fail(sweep->diag, ERR_SYNTAX,
                       "--name: '%.80s' is no name, allowed 1 to %u letters, digits, '-', "
                       "'_' and '.'",
                       sweep->cli->name, SWEEP_FILE_NAME_MAX);
    if (rc == 0 && sweep->cli->name != NULL)
        sweep->file.name = sweep->cli->name;
    if (rc == 0)
        rc = sweep_grid_make(&sweep->grid, &sweep->file, sweep->diag);
    if (rc != 0)
        return rc;
    sweep->work = calloc(sweep->grid.count, sizeof *sweep->work);
    sweep->order = calloc(sweep->grid.count, sizeof *sweep->order);
    if (sweep->work == NULL || sweep->order == NULL)
        return diag_fail(sweep->diag, -ENOMEM, "out of memory");
    rc = print_text(sweep);
    return rc == 0 ? weigh_cells(sweep) : rc;
}

static void finish(struct sweep *sweep)
{
    sweep_workers_finish(&sweep->workers);
    sweep_grid_finish(&sweep->grid);
    sweep_file_finish(&sweep->file);
    buf_finish(&sweep->text);
    free(sweep->work);
    free(sweep->order);
}

/* ---- how long it takes ---- */

static double guess_s(const struct sweep *sweep, size_t cell)
{
    return sweep_eta_guess_s(&sweep->pace, sweep->grid.cell[cell].kind, sweep->work[cell]);
}

static void note_pace(struct sweep *sweep, size_t cell)
{
    const struct sweep_job *job = &sweep->jobs.job[cell];
    if (job->status == DB_JOB_DONE && !isnan(job->wall_s))
        sweep_eta_note(&sweep->pace, sweep->grid.cell[cell].kind, sweep->work[cell], job->wall_s);
}

static uint32_t jobs_at_a_time(const struct cli *cli)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cli->jobs > 0 ? cli->jobs : cores > 0 ? (uint32_t) cores : 1;
}

/* ---- --dry-run ---- */

static int list_json(const struct sweep *sweep)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < sweep->grid.count; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[i];
        json_t *row = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:s}", "number",
                                (json_int_t) cell->number, "experiment", cell->experiment->name, "axis",
                                cell->axis, "value", cell->value, "policy", cell->kind->name, "sees",
                                policy_sees_name(cell->kind->sees), "seed", (json_int_t) cell->seed, "trains",
                                cell->trains, "tests", cell->tests, "status",
                                store_job_status_text(sweep->jobs.job[i].status));
        command_append_json(&rows, row);
    }
    return command_print_json(rows, sweep->diag);
}

static void list_cells(struct sweep *sweep)
{
    size_t waiting = 0;
    double left_s = 0.0;
    for (size_t i = 0; i < sweep->grid.count; i++)
        note_pace(sweep, i);
    (void) printf("%6s %-16s %-28s %-18s %20s  %s\n", "cell", "experiment", "value", "policy", "seed",
                  "status");
    for (size_t i = 0; i < sweep->grid.count; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[i];
        bool ended = sweep->jobs.job[i].status == DB_JOB_DONE || sweep->jobs.job[i].status == DB_JOB_SKIPPED;
        (void) printf("%6u %-16s %-28s %-18s %20llu  %s%s\n", cell->number, cell->experiment->name,
                      cell->at_base ? "-" : cell->value, cell->kind->name, (unsigned long long) cell->seed,
                      store_job_status_text(sweep->jobs.job[i].status),
                      cell->tests ? "" : " (trains for others)");
        waiting += ended ? 0 : 1;
        left_s += ended ? 0.0 : guess_s(sweep, i);
    }
    (void) printf("%zu cells, %zu to play", sweep->grid.count, waiting);
    if (waiting > 0 && !isnan(left_s))
        (void) printf(": about %.0f s with %u workers, going by those that are done\n",
                      left_s / jobs_at_a_time(sweep->cli), jobs_at_a_time(sweep->cli));
    else
        (void) printf(
            "%s\n", waiting > 0 ? "; none is done yet from which it could be told how long that takes" : "");
}

static int dry_run(struct sweep *sweep)
{
    int rc = sweep_jobs_look(&sweep->jobs, sweep->cli->db, &sweep->grid, (const char *) sweep->text.data,
                             sweep->diag);
    if (rc == 0 && sweep->cli->json)
        rc = list_json(sweep);
    else if (rc == 0)
        list_cells(sweep);
    (void) sweep_jobs_close(&sweep->jobs, NULL); /* only read */
    return rc;
}

/* ---- playing ---- */

/* A cell whose learner will never be there cannot be played. */
static int give_up(struct sweep *sweep, const struct sweep_cell *cell, const struct sweep_job *trainer)
{
    char error[DIAG_TEXT_MAX];
    (void) snprintf(error, sizeof error, "its training, job %u, %s: %.900s", cell->trained_by,
                    trainer->status == DB_JOB_SKIPPED ? "was skipped" : "failed", trainer->error);
    return sweep_jobs_end(&sweep->jobs, cell, trainer->status, error, NULL);
}

/* The longest cell that can be played now; NULL: there is none. */
static int pick(struct sweep *sweep, const struct sweep_cell **ret_cell)
{
    *ret_cell = NULL;
    for (size_t i = 0; i < sweep->grid.count; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[sweep->order[i].index];
        if (sweep->jobs.job[sweep->order[i].index].status != DB_JOB_WAITING)
            continue;
        assert(cell->trained_by <= sweep->grid.count);
        const struct sweep_job *trainer =
            cell->trained_by > 0 ? &sweep->jobs.job[cell->trained_by - 1] : NULL;
        bool hopeless =
            trainer != NULL && (trainer->status == DB_JOB_FAILED || trainer->status == DB_JOB_SKIPPED);
        int rc = hopeless ? give_up(sweep, cell, trainer) : 0;
        if (rc != 0)
            return rc;
        if (!hopeless && (trainer == NULL || trainer->status == DB_JOB_DONE)) {
            *ret_cell = cell;
            return 0;
        }
    }
    return 0;
}

static int start(struct sweep *sweep, const struct sweep_cell *cell)
{
    struct buf weights = {0};
    struct sweep_cell_play what = {
        .data = sweep->cli->data, .grid = &sweep->grid, .cell = cell, .checkpoint = -1, .updates = -1};
    char *part = NULL;
    int rc = 0;
    if (cell->trained_by > 0) {
        rc = sweep_jobs_weights(&sweep->jobs, &sweep->grid.cell[cell->trained_by - 1], &weights,
                                &what.checkpoint, &what.updates);
        what.weights = &weights;
    }
    if (rc == 0)
        rc = sweep_jobs_start(&sweep->jobs, cell, &part);
    if (rc == 0)
        rc = sweep_workers_start(&sweep->workers, &what, part, sweep->jobs.claim.file, sweep->diag);
    buf_finish(&weights); /* the worker has its own copy */
    return rc;
}

static int fill_pool(struct sweep *sweep)
{
    const struct sweep_cell *cell = NULL;
    int rc = 0;
    assert(sweep->workers.count <= sweep->workers.size);
    while (rc == 0 && sweep->workers.count < sweep->workers.size && !stop_signal_raised()) {
        rc = pick(sweep, &cell);
        if (rc == 0 && cell == NULL)
            break;
        if (rc == 0)
            rc = start(sweep, cell);
    }
    return rc;
}

static int conclude(struct sweep *sweep, struct sweep_end *end)
{
    assert(end->cell->number > 0 && end->cell->number <= sweep->grid.count);
    struct sweep_job *job = &sweep->jobs.job[end->cell->number - 1];
    job->wall_s = end->wall_s;
    job->cpu_s = end->cpu_s;
    sweep->spent_s += end->wall_s;
    sweep->played++;
    int rc = end->rc == 0 ? sweep_jobs_merge(&sweep->jobs, end->cell, end->part)
                          : sweep_jobs_end(&sweep->jobs, end->cell,
                                           end->rc == ERR_UNSUPPORTED ? DB_JOB_SKIPPED : DB_JOB_FAILED,
                                           diag_text(&end->diag, end->rc), end->part);
    free(end->part);
    note_pace(sweep, end->cell->number - 1);
    return rc;
}

/* Workers' time so far, and what is left of it as far as one can tell; NAN: not yet. */
static double left_s(const struct sweep *sweep, double *ret_spent_s)
{
    double left = 0.0, spent = sweep->spent_s;
    uint64_t now_ns = clock_monotonic_ns();
    for (size_t i = 0; i < sweep->grid.count; i++)
        left += sweep->jobs.job[i].status == DB_JOB_WAITING ? guess_s(sweep, i) : 0.0;
    for (size_t i = 0; i < sweep->workers.count; i++) {
        const struct sweep_worker *worker = &sweep->workers.worker[i];
        double elapsed = units_ns_to_s(now_ns - worker->start_ns);
        double more = guess_s(sweep, worker->cell->number - 1) - elapsed;
        left += more < 0.0 ? 0.0 : more;
        spent += elapsed;
    }
    *ret_spent_s = spent;
    return left;
}

static void show_progress(struct sweep *sweep)
{
    char note[64];
    double spent = 0.0, left = left_s(sweep, &spent);
    const struct sweep_eta_part part = sweep_eta_part(spent, left, sweep->workers.count > 0);
    sweep->progress.total = part.total; /* guesses change as cells end */
    (void) snprintf(note, sizeof note, "%zu cells played, %zu running", sweep->played, sweep->workers.count);
    progress_update(&sweep->progress, part.done, note);
}

/* Cells that are broken off wait for the sweep to go on. */
static int break_off(struct sweep *sweep)
{
    struct sweep_end end;
    int rc = 0;
    while (sweep_workers_stop_one(&sweep->workers, &end) == 1) {
        int end_rc = sweep_jobs_end(&sweep->jobs, end.cell, DB_JOB_WAITING, NULL, end.part);
        free(end.part);
        rc = rc != 0 ? rc : end_rc;
    }
    return rc;
}

static int play_all(struct sweep *sweep)
{
    int rc = fill_pool(sweep);
    while (rc == 0 && !stop_signal_raised() && sweep->workers.count > 0) {
        struct sweep_end end;
        int ended = sweep_workers_wait(&sweep->workers, TICK_MS, &end, sweep->diag);
        rc = ended == 1 ? conclude(sweep, &end) : ended;
        if (rc == 0)
            rc = fill_pool(sweep);
        show_progress(sweep);
    }
    int stop_rc = break_off(sweep);
    return rc != 0 ? rc : stop_rc;
}

static int play(struct sweep *sweep)
{
    sort_cells(sweep);
    for (size_t i = 0; i < sweep->grid.count; i++)
        note_pace(sweep, i);
    int rc = sweep_workers_init(&sweep->workers, jobs_at_a_time(sweep->cli), sweep->diag);
    progress_start(&sweep->progress, sweep->file.name, 1, sweep->cli->quiet);
    uint64_t start_ns = clock_monotonic_ns();
    if (rc == 0)
        rc = play_all(sweep);
    sweep->wall_s = units_ns_to_s(clock_monotonic_ns() - start_ns);
    show_progress(sweep);
    progress_stop(&sweep->progress, (uint64_t) (1e3 * sweep->spent_s));
    return rc;
}

/* ---- the outcome ---- */

static void count_jobs(const struct sweep *sweep, size_t count[static JOB_STATUSES])
{
    memset(count, 0, JOB_STATUSES * sizeof *count);
    for (size_t i = 0; i < sweep->grid.count; i++)
        count[sweep->jobs.job[i].status]++;
}

static double cores_busy(const struct sweep *sweep)
{
    return sweep->wall_s > 0.0 ? sweep->workers.cpu_s / sweep->wall_s : 0.0;
}

static json_t *problems_json(const struct sweep *sweep)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < sweep->grid.count; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[i];
        const struct sweep_job *job = &sweep->jobs.job[i];
        if (job->error != NULL)
            command_append_json(&rows,
                                json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "number",
                                          (json_int_t) cell->number, "experiment", cell->experiment->name,
                                          "axis", cell->axis, "value", cell->value, "policy",
                                          cell->kind->name, "seed", (json_int_t) cell->seed, "status",
                                          store_job_status_text(job->status), "error", job->error));
    }
    return rows;
}

static int tell_json(const struct sweep *sweep)
{
    size_t count[JOB_STATUSES];
    count_jobs(sweep, count);
    json_t *row = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}", "sweep", sweep->file.name, "cells",
        (json_int_t) sweep->grid.count, "done", (json_int_t) count[DB_JOB_DONE], "skipped",
        (json_int_t) count[DB_JOB_SKIPPED], "failed", (json_int_t) count[DB_JOB_FAILED], "waiting",
        (json_int_t) count[DB_JOB_WAITING], "played", (json_int_t) sweep->played, "wall_s", sweep->wall_s,
        "cpu_s", sweep->workers.cpu_s, "cores_busy", cores_busy(sweep), "problems", problems_json(sweep));
    return command_print_json(row, sweep->diag);
}

static int tell(const struct sweep *sweep)
{
    size_t count[JOB_STATUSES];
    count_jobs(sweep, count);
    for (size_t i = 0; i < sweep->grid.count; i++) {
        const struct sweep_cell *cell = &sweep->grid.cell[i];
        const struct sweep_job *job = &sweep->jobs.job[i];
        if (job->error != NULL)
            (void) printf("%s: job %u, %s %s, %s, seed %llu: %s\n", store_job_status_text(job->status),
                          cell->number, cell->experiment->name, cell->at_base ? "-" : cell->value,
                          cell->kind->name, (unsigned long long) cell->seed, job->error);
    }
    (void) printf("sweep %s in %s: %zu of %zu cells done", sweep->file.name, sweep->cli->db,
                  count[DB_JOB_DONE], sweep->grid.count);
    if (count[DB_JOB_SKIPPED] > 0)
        (void) printf(", %zu skipped", count[DB_JOB_SKIPPED]);
    if (count[DB_JOB_FAILED] > 0)
        (void) printf(", %zu failed", count[DB_JOB_FAILED]);
    if (count[DB_JOB_WAITING] > 0)
        (void) printf(", %zu waiting: the same command goes on", count[DB_JOB_WAITING]);
    (void) printf("; %zu played in %.1f s, %.2f cores busy\n", sweep->played, sweep->wall_s,
                  cores_busy(sweep));
    return 0;
}

static int status_of(const struct sweep *sweep)
{
    size_t count[JOB_STATUSES];
    count_jobs(sweep, count);
    return stop_signal_raised() ? PROCESS_SIGNAL : count[DB_JOB_FAILED] > 0 ? PROCESS_FAILED : PROCESS_OK;
}

static int play_sweep(struct sweep *sweep)
{
    stop_signal_catch();
    int rc = sweep_jobs_open(&sweep->jobs, sweep->cli->db, &sweep->grid, (const char *) sweep->text.data,
                             sweep->diag);
    if (rc == 0)
        rc = play(sweep);
    if (rc == 0)
        rc = sweep->cli->json ? tell_json(sweep) : tell(sweep);
    int status = rc == 0 ? status_of(sweep) : command_status(rc, sweep->diag);
    int close_rc = sweep_jobs_close(&sweep->jobs, sweep->diag);
    return status == PROCESS_OK && close_rc != 0 ? command_status(close_rc, sweep->diag) : status;
}

int command_sweep(const struct cli *cli, struct diag *diag)
{
    struct sweep sweep = {.cli = cli, .diag = diag, .jobs = {.claim = claim_none}};
    int rc = read_sweep(&sweep);
    int status = command_status(rc, diag);
    if (rc == 0)
        status = cli->dry_run ? command_status(dry_run(&sweep), diag) : play_sweep(&sweep);
    finish(&sweep);
    return status;
}
