/* Whichever allocation fails: a sweep is read, has its cells and is in the file as a whole, or it is said that memory ran
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "orchestrator/sweep/sweep_jobs.h"
#include "tests/lib/scarce.h"
#include "tests/lib/scratch.h"

static const char text[] = "name: paper\n"
                           "scenario: dapo-quick\n"
                           "set: {run.episodes: 20, run.name: \"a \\\"name\\\"\"}\n"
                           "seeds: 1..2\n"
                           "record_tasks: [1]\n"
                           "experiments:\n"
                           "- name: users\n"
                           "  policies: [dapo, greedy]\n"
                           "  vary: {devices.count: [5, 10], radio.bandwidth_mhz: [5]}\n"
                           "- name: drift\n"
                           "  policies: [dapo]\n"
                           "  train_set: {run.slots: 7}\n"
                           "  test_set: {run.slots: 8}\n"
                           "  vary: {task.tokens: [64]}\n"
                           "  train: once\n";

struct fixture {
    struct scratch *scratch;
    struct sweep_file file;
    struct sweep_grid grid;
    struct sweep_jobs jobs;
};

static int set_up(void **state)
{
    static struct fixture f;
    void *scratch = NULL;
    if (scratch_setup(&scratch) != 0)
        return -1;
    f = (struct fixture){.scratch = scratch};
    *state = &f;
    int rc = sweep_file_read(&f.file, text, strlen(text), "x.yaml", NULL);
    return rc == 0 ? sweep_grid_make(&f.grid, &f.file, NULL) : rc;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    sweep_grid_finish(&f->grid);
    sweep_file_finish(&f->file);
    return scratch_teardown(&scratch);
}

/* ---- in memory ---- */

static int read_and_print(void *user, struct scarce_text *given, struct diag *diag)
{
    struct sweep_file file;
    struct buf canonical = {0};
    (void) user;
    int rc = sweep_file_read(&file, text, strlen(text), "x.yaml", diag);
    if (rc == 0)
        rc = sweep_file_print(&file, &canonical);
    if (rc == 0)
        scarce_tell(given, "%s", (const char *) canonical.data);
    buf_finish(&canonical);
    sweep_file_finish(&file);
    return rc;
}

static int make_cells(void *user, struct scarce_text *given, struct diag *diag)
{
    const struct fixture *f = user;
    struct sweep_grid grid;
    int rc = sweep_grid_make(&grid, &f->file, diag);
    for (size_t i = 0; i < grid.count && rc == 0; i++)
        scarce_tell(given, "%u %s %s %s\n", grid.cell[i].number, grid.cell[i].axis, grid.cell[i].value,
                    grid.cell[i].settings_json);
    sweep_grid_finish(&grid);
    return rc;
}

/* libyaml loses a node that it had no place for. */
static void a_sweep_is_read_and_has_its_cells_or_says_that_memory_ran_out(void **state)
{
    const struct scarce_work reading = {
        .name = "a file", .run = read_and_print, .each = 2000, .least = 20, .lost = 1};
    const struct scarce_work making = {
        .name = "cells", .run = make_cells, .user = *state, .each = 2000, .least = 100};
    scarce_try(&reading);
    scarce_try(&making);
}

/* ---- in the file ---- */

static void make_file(void *user)
{
    struct fixture *f = user;
    struct experiment_file file;
    if (scratch_exists(f->scratch->file))
        scratch_exec(f->scratch->file, "DELETE FROM job; DELETE FROM sweep");
    assert_int_equal(experiment_file_open(&file, f->scratch->file, DB_CREATE, NULL), 0);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
}

/* A second time it finds what the first has left. */
static int open_jobs(void *user, struct scarce_text *given, struct diag *diag)
{
    struct fixture *f = user;
    int rc = sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, text, diag);
    for (size_t i = 0; i < f->grid.count && rc == 0; i++)
        scarce_tell(given, "%d %u\n", (int) f->jobs.job[i].status, f->jobs.job[i].attempts);
    return rc;
}

static void close_jobs(void *user, int rc, struct scarce_text *given)
{
    struct fixture *f = user;
    char rows[4096];
    assert_int_equal(sweep_jobs_close(&f->jobs, NULL), 0);
    scratch_query(f->scratch->file,
                  "SELECT name, text, (SELECT group_concat(number || settings_json || status || policy || "
                  "axis || value)"
                  " FROM job) FROM sweep",
                  rows, sizeof rows);
    if (rc == 0)
        scarce_tell(given, "%s", rows);
    else if (rows[0] != '\0')
        assert_non_null(strstr(rows, "waiting")); /* it has begun, and is found again */
}

static void a_sweep_has_begun_or_it_is_said_why_not(void **state)
{
    const struct scarce_work opening = {.name = "jobs",
                                        .prepare = make_file,
                                        .run = open_jobs,
                                        .end = close_jobs,
                                        .user = *state,
                                        .also = ERR_DATABASE,
                                        .each = 16,
                                        .least = 50};
    scarce_try(&opening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_is_read_and_has_its_cells_or_says_that_memory_ran_out),
        cmocka_unit_test(a_sweep_has_begun_or_it_is_said_why_not),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
