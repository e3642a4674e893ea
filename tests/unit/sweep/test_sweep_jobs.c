/* A sweep's jobs in the experiment's file: how they begin, go on after a kill, and end, what becomes of the workers'
 * parts, and who is kept out. */
#include "orchestrator/sweep/sweep_jobs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/recorder.h"
#include "tests/lib/scratch.h"

/* Cells 1 to 3: greedy, dapo-plus, and dapo-plus-actor with the weights of the second. */
#define FILE_TEXT                                                                                            \
    "name: paper\nscenario: dapo-quick\nseeds: [4]\nrecord_tasks: all\nexperiments:\n"                       \
    "- {name: users, policies: [greedy, dapo-plus, dapo-plus-actor], vary: {devices.count: [5]}}\n"
#define TEXT "name: paper\nseeds: 4\n" /* as it is recorded; what it is does not matter here */

struct fixture {
    struct scratch *scratch;
    struct sweep_file file;
    struct sweep_grid grid;
    struct sweep_jobs jobs;
    struct diag diag;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *scratch = NULL;
    if (f == NULL || scratch_setup(&scratch) != 0)
        return -1;
    f->scratch = scratch;
    *state = f;
    int rc = sweep_file_read(&f->file, FILE_TEXT, strlen(FILE_TEXT), "x.yaml", NULL);
    return rc == 0 ? sweep_grid_make(&f->grid, &f->file, NULL) : rc;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *scratch = f->scratch;
    sweep_grid_finish(&f->grid);
    sweep_file_finish(&f->file);
    free(f);
    return scratch_teardown(&scratch);
}

static void open_jobs(struct fixture *f)
{
    f->diag = (struct diag){{0}};
    if (sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, TEXT, &f->diag) != 0)
        fail_msg("%s", f->diag.text);
}

/* In order, or as a kill leaves it: nothing more is written either way. */
static void close_jobs(struct fixture *f)
{
    assert_int_equal(sweep_jobs_close(&f->jobs, NULL), 0);
}

static const struct sweep_cell *cell(const struct fixture *f, uint32_t number)
{
    return &f->grid.cell[number - 1];
}

/* The name of the part; freed with free. */
static char *start(struct fixture *f, uint32_t number)
{
    char *part = NULL;
    if (sweep_jobs_start(&f->jobs, cell(f, number), &part) != 0)
        fail_msg("%s", f->diag.text);
    return part;
}

static void end(struct fixture *f, uint32_t number, enum db_job_status status, const char *error)
{
    assert_int_equal(sweep_jobs_end(&f->jobs, cell(f, number), status, error, NULL), 0);
}

static void expect(const struct fixture *f, const char *sql, const char *expected)
{
    scratch_expect(f->scratch->file, sql, expected);
}

static int part_exists(const struct fixture *f, const char *name)
{
    char inner[64], path[SCRATCH_PATH];
    (void) snprintf(inner, sizeof inner, "results.db.parts%s%s", name[0] != '\0' ? "/" : "", name);
    scratch_path(f->scratch, inner, path);
    return scratch_exists(path);
}

static void leave_part(const struct fixture *f, const char *name)
{
    char inner[64], path[SCRATCH_PATH];
    scratch_path(f->scratch, "results.db.parts", path);
    (void) mkdir(path, 0777); /* it may be there */
    (void) snprintf(inner, sizeof inner, "results.db.parts/%s", name);
    scratch_path(f->scratch, inner, path);
    scratch_write(path, "x", 1);
}

/* ---- beginning and going on ---- */

static void a_new_sweep_has_a_waiting_job_for_each_cell(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    expect(f, "SELECT name, text FROM sweep", "paper|" TEXT);
    expect(
        f,
        "SELECT number, experiment, axis, value, policy, sees, seed, trained_by, status, attempts FROM job",
        "1|users|devices.count|5|greedy|model|4|NULL|waiting|0\n"
        "2|users|devices.count|5|dapo-plus|observations|4|NULL|waiting|0\n"
        "3|users|devices.count|5|dapo-plus-actor|observations|4|2|waiting|0");
    expect(
        f,
        "SELECT count(DISTINCT settings_json) FROM job WHERE settings_json ->> '$.\"devices.count\"' = '5'",
        "1");
    for (size_t i = 0; i < 3; i++) {
        const struct sweep_job *job = &f->jobs.job[i];
        assert_int_equal(job->status, DB_JOB_WAITING);
        assert_int_equal(job->attempts, 0);
        assert_int_equal(job->train_run_id, 0);
        assert_true(isnan(job->wall_s) && isnan(job->cpu_s));
        assert_null(job->error);
    }
    close_jobs(f);
}

/* SQLite refuses the second job, as a full disk might: the sweep is not there by half. */
static void a_job_that_cannot_be_recorded_leaves_no_sweep(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    close_jobs(f);
    scratch_exec(f->scratch->file, "DELETE FROM job; DELETE FROM sweep;"
                                   "CREATE TRIGGER full BEFORE INSERT ON job WHEN NEW.number = 2 BEGIN"
                                   " SELECT RAISE(ABORT, 'no room for it'); END;");
    f->diag = (struct diag){{0}};
    assert_int_equal(sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, TEXT, &f->diag), ERR_DATABASE);
    assert_non_null(strstr(f->diag.text, "no room for it"));
    close_jobs(f);
    expect(f, "SELECT (SELECT count(*) FROM sweep), (SELECT count(*) FROM job)", "0|0");
    scratch_exec(f->scratch->file, "DROP TRIGGER full;");
    open_jobs(f);
    expect(f, "SELECT count(*) FROM job", "3");
    close_jobs(f);
}

static void what_ran_when_it_was_killed_waits_again_and_so_does_what_failed(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    free(start(f, 1));
    free(start(f, 2));
    assert_int_equal(f->jobs.job[0].status, DB_JOB_RUNNING);
    f->jobs.job[1].wall_s = 2.0;
    f->jobs.job[1].cpu_s = 1.5;
    end(f, 2, DB_JOB_FAILED, "it fell over");
    end(f, 3, DB_JOB_SKIPPED, "too many devices");
    assert_string_equal(f->jobs.job[1].error, "it fell over");
    expect(f, "SELECT status, attempts, wall_s, cpu_s, error FROM job",
           "running|1|NULL|NULL|NULL\nfailed|1|2.0|1.5|it fell over\nskipped|0|NULL|NULL|too many devices");
    close_jobs(f); /* the first is still running */
    open_jobs(f);
    const struct sweep_job *job = f->jobs.job;
    assert_int_equal(job[0].status, DB_JOB_WAITING);
    assert_int_equal(job[0].attempts, 1);
    assert_int_equal(job[1].status, DB_JOB_WAITING);
    assert_int_equal(job[1].attempts, 1);
    assert_null(job[1].error);
    assert_int_equal(job[2].status, DB_JOB_SKIPPED);
    assert_string_equal(job[2].error, "too many devices");
    expect(f, "SELECT count(*) FROM sweep", "1");
    expect(f, "SELECT count(*) FROM job", "3");
    close_jobs(f);
}

static void another_text_under_the_same_name_is_refused_with_the_first_line_that_differs(void **state)
{
    static const struct {
        const char *text, *said;
    } others[] = {
        {"name: paper\nseeds: 5\n", "line 2 of its text was 'seeds: 4', now it is 'seeds: 5'"},
        {"name: paper\nseeds: 4\nmore: 1\n", "line 3 of its text was '', now it is 'more: 1'"},
        {"name: paper\n", "line 2 of its text was 'seeds: 4', now it is ''"},
        {"Name: paper\nseeds: 4\n", "line 1 of its text was 'name: paper', now it is 'Name: paper'"},
    };
    struct fixture *f = *state;
    open_jobs(f);
    free(start(f, 1));
    close_jobs(f);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct diag diag = {{0}}, again = {{0}};
        assert_int_equal(sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, others[i].text, &diag),
                         ERR_STATE);
        close_jobs(f);
        assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, others[i].text, &again),
                         ERR_STATE);
        close_jobs(f);
        if (strstr(diag.text, others[i].said) == NULL || strstr(diag.text, "sweep 'paper'") == NULL)
            fail_msg("'%s' says nothing of '%s'", diag.text, others[i].said);
        assert_string_equal(again.text, diag.text);
    }
    expect(f, "SELECT text FROM sweep", TEXT);
    expect(f, "SELECT group_concat(status) FROM job", "running,waiting,waiting"); /* nothing was renewed */
}

static void sweeps_of_other_names_share_the_file(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    close_jobs(f);
    f->file.name = "other";
    open_jobs(f);
    char *part = start(f, 2);
    assert_non_null(strstr(part, "results.db.parts/2-2-1.db"));
    free(part);
    close_jobs(f);
    expect(f, "SELECT sweep_id, group_concat(status) FROM job GROUP BY sweep_id",
           "1|waiting,waiting,waiting\n2|waiting,running,waiting");
}

static void jobs_that_another_version_would_number_otherwise_are_refused(void **state)
{
    static const char *const changes[] = {"policy = 'random'", "seed = 5", "experiment = 'places'",
                                          "settings_json = '{}'"};
    struct fixture *f = *state;
    open_jobs(f);
    close_jobs(f);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char sql[128];
        struct diag diag = {{0}};
        (void) snprintf(sql, sizeof sql, "UPDATE job SET %s WHERE number = 2", changes[i]);
        scratch_exec(f->scratch->file, "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM job");
        scratch_exec(f->scratch->file, sql);
        assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, TEXT, &diag), ERR_MISMATCH);
        assert_non_null(strstr(diag.text, "job 2 is another one than this program would make"));
        close_jobs(f);
        scratch_exec(f->scratch->file, "DELETE FROM job; INSERT INTO job SELECT * FROM kept");
    }
    struct diag diag = {{0}};
    scratch_exec(f->scratch->file, "UPDATE job SET number = 9 WHERE number = 1");
    assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, TEXT, &diag), ERR_MISMATCH);
    assert_non_null(strstr(diag.text, "job 9 is another one"));
    close_jobs(f);
}

/* ---- looking ---- */

static void looking_at_what_is_not_there_finds_all_waiting_and_makes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, TEXT, NULL), 0);
    assert_int_equal(f->jobs.job[2].status, DB_JOB_WAITING);
    assert_true(isnan(f->jobs.job[2].wall_s));
    close_jobs(f);
    assert_false(scratch_exists(f->scratch->file));
    open_jobs(f);
    close_jobs(f);
    f->file.name = "other";
    assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, "name: other\n", NULL), 0);
    assert_int_equal(f->jobs.job[0].status, DB_JOB_WAITING);
    close_jobs(f);
    expect(f, "SELECT count(*) FROM sweep", "1");
}

static void looking_changes_nothing(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    free(start(f, 1));
    end(f, 2, DB_JOB_FAILED, "it fell over");
    close_jobs(f);
    leave_part(f, "1-1-1.db");
    assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, TEXT, NULL), 0);
    assert_int_equal(f->jobs.job[0].status, DB_JOB_RUNNING);
    assert_int_equal(f->jobs.job[1].status, DB_JOB_FAILED);
    assert_string_equal(f->jobs.job[1].error, "it fell over");
    close_jobs(f);
    assert_true(part_exists(f, "1-1-1.db"));
    expect(f, "SELECT group_concat(status) FROM job", "running,failed,waiting");
}

/* ---- one process at a time ---- */

/* Another process that plays the sweep until it is told to end; forked before this one has opened the file. */
static pid_t play_elsewhere(struct fixture *f, int *ret_end)
{
    int ready[2], over[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(over), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) close(over[1]);
        int rc = sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, TEXT, NULL);
        if (rc != 0 || write(ready[1], "x", 1) != 1 || read(over[0], &byte, 1) != 0)
            _exit(1);
        _exit(sweep_jobs_close(&f->jobs, NULL) == 0 ? 0 : 1);
    }
    (void) close(ready[1]);
    (void) close(over[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void) close(ready[0]);
    *ret_end = over[1];
    return pid;
}

static void a_second_process_is_refused_and_leaves_the_first_one_alone(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {{0}};
    int over = -1, status = 0;
    pid_t pid = play_elsewhere(f, &over);
    scratch_exec(f->scratch->file, "UPDATE job SET status = 'running' WHERE number = 1");
    assert_int_equal(sweep_jobs_open(&f->jobs, f->scratch->file, &f->grid, TEXT, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "a running process plays this sweep"));
    close_jobs(f);
    assert_true(part_exists(f, "")); /* the first one's next worker records there */
    expect(f, "SELECT group_concat(status) FROM job", "running,waiting,waiting");
    assert_int_equal(sweep_jobs_look(&f->jobs, f->scratch->file, &f->grid, TEXT, NULL),
                     0); /* who only looks may */
    assert_int_equal(f->jobs.job[0].status, DB_JOB_RUNNING);
    close_jobs(f);
    (void) close(over);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(part_exists(f, ""));
    open_jobs(f);
    close_jobs(f);
}

/* ---- parts ---- */

static void each_attempt_has_a_part_of_its_own_in_a_folder_that_goes(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    assert_true(part_exists(f, ""));
    char *first = start(f, 2);
    end(f, 2, DB_JOB_WAITING, NULL);
    char *second = start(f, 2);
    assert_non_null(strstr(first, "/results.db.parts/1-2-1.db"));
    assert_non_null(strstr(second, "/results.db.parts/1-2-2.db"));
    assert_int_equal(f->jobs.job[1].attempts, 2);
    expect(f, "SELECT attempts, worker LIKE '%:%', started_utc IS NOT NULL FROM job WHERE number = 2",
           "2|1|1");
    free(first);
    free(second);
    close_jobs(f);
    assert_false(part_exists(f, ""));
}

static void parts_that_a_kill_left_go_and_another_sweeps_stay(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    close_jobs(f);
    leave_part(f, "1-1-1.db");
    leave_part(f, "1-1-1.db-wal");
    leave_part(f, "11-1-1.db");
    leave_part(f, "2-1-1.db");
    open_jobs(f);
    assert_false(part_exists(f, "1-1-1.db"));
    assert_false(part_exists(f, "1-1-1.db-wal"));
    close_jobs(f);
    assert_true(part_exists(f, "11-1-1.db"));
    assert_true(part_exists(f, "2-1-1.db"));
}

static int64_t record_run(const char *path, enum db_run_kind kind, const char *policy, int64_t parent)
{
    static const double costs[] = {3.0, 1.0, 2.0}; /* of the checkpoints after episodes 0 to 2 */
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    int64_t run_id = 0;
    run.kind = kind;
    run.policy = policy;
    run.phase = kind == DB_RUN_TRAIN ? RNG_TRAIN : RNG_TEST;
    run.parent_run_id = parent;
    assert_int_equal(recorder_create(&recorder, path, &run, NULL, 0, &run_id, NULL), 0);
    for (uint32_t e = 0; e < (kind == DB_RUN_TRAIN ? 3u : 1u); e++) {
        const struct db_episode episode = scratch_episode(e);
        const struct db_task task = scratch_task(e, 0, 0);
        const struct db_checkpoint checkpoint = {
            .episode = e, .weights = &"abc"[e], .weights_size = 1, .validation_cost = costs[e]};
        if (kind == DB_RUN_TEST)
            assert_int_equal(recorder_tasks(recorder, &task, 1), 0);
        assert_int_equal(
            recorder_episode(recorder, &episode, kind == DB_RUN_TRAIN ? &checkpoint : NULL, NULL), 0);
    }
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, NULL, NULL), 0);
    return run_id;
}

/* What the worker of cell 2 leaves: a training of three episodes and a test. */
static void play_learner(struct fixture *f)
{
    char *part = start(f, 2);
    int64_t train = record_run(part, DB_RUN_TRAIN, "dapo-plus", 0);
    (void) record_run(part, DB_RUN_TEST, "dapo-plus", train);
    f->jobs.job[1].wall_s = 4.0;
    f->jobs.job[1].cpu_s = 3.0;
    if (sweep_jobs_merge(&f->jobs, cell(f, 2), part) != 0)
        fail_msg("%s", f->diag.text);
    assert_false(scratch_exists(part));
    free(part);
}

static void what_a_worker_left_comes_in_and_its_part_goes(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    play_learner(f);
    assert_int_equal(f->jobs.job[1].status, DB_JOB_DONE);
    assert_int_equal(f->jobs.job[1].train_run_id, 1);
    expect(f, "SELECT status, train_run_id, test_run_id, wall_s, cpu_s FROM job WHERE number = 2",
           "done|1|2|4.0|3.0");
    expect(f, "SELECT kind, parent_run_id FROM run", "train|NULL\ntest|1");
    expect(f, "SELECT count(*) FROM task", "1"); /* record_tasks: all */
    close_jobs(f);
    open_jobs(f); /* what is done stays done */
    assert_int_equal(f->jobs.job[1].status, DB_JOB_DONE);
    assert_int_equal(f->jobs.job[1].train_run_id, 1);
    close_jobs(f);
}

static void who_tests_anothers_weights_gets_the_best_ones_and_names_their_training(void **state)
{
    struct fixture *f = *state;
    struct buf weights = {0};
    int64_t checkpoint = -5, updates = -5;
    open_jobs(f);
    play_learner(f);
    assert_int_equal(sweep_jobs_weights(&f->jobs, cell(f, 2), &weights, &checkpoint, &updates), 0);
    assert_int_equal(checkpoint, 1);
    assert_int_equal(updates, -1);
    assert_int_equal(weights.size, 1);
    assert_int_equal(weights.data[0], 'b');
    buf_finish(&weights);
    char *part = start(f, 3);
    (void) record_run(part, DB_RUN_TEST, "dapo-plus-actor", 0);
    assert_int_equal(sweep_jobs_merge(&f->jobs, cell(f, 3), part), 0);
    free(part);
    expect(f, "SELECT status, train_run_id, test_run_id FROM job WHERE number = 3", "done|1|3");
    expect(f, "SELECT parent_run_id FROM run WHERE run_id = 3", "1");
    close_jobs(f);
}

static void a_part_that_cannot_be_read_is_no_result(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    char *part = start(f, 1);
    leave_part(f, "1-1-1.db");
    leave_part(f, "1-1-1.db-journal");
    assert_int_not_equal(sweep_jobs_merge(&f->jobs, cell(f, 1), part), 0);
    assert_true(strlen(f->diag.text) > 0);
    assert_int_equal(f->jobs.job[0].status, DB_JOB_RUNNING);
    assert_false(scratch_exists(part));
    assert_false(part_exists(f, "1-1-1.db-journal"));
    free(part);
    expect(f, "SELECT status, test_run_id FROM job WHERE number = 1", "running|NULL");
    expect(f, "SELECT count(*) FROM run", "0");
    close_jobs(f);
}

static void a_job_that_ends_otherwise_takes_its_part_along(void **state)
{
    struct fixture *f = *state;
    open_jobs(f);
    char *part = start(f, 1);
    leave_part(f, "1-1-1.db");
    leave_part(f, "1-2-1.db");
    assert_int_equal(sweep_jobs_end(&f->jobs, cell(f, 1), DB_JOB_FAILED, "no luck", part), 0);
    assert_false(part_exists(f, "1-1-1.db"));
    assert_true(part_exists(f, "1-2-1.db")); /* somebody else's */
    expect(f, "SELECT status, error, finished_utc IS NOT NULL FROM job WHERE number = 1", "failed|no luck|1");
    free(part);
    part = start(f, 2);
    end(f, 2, DB_JOB_WAITING, NULL);
    assert_null(f->jobs.job[1].error);
    expect(f, "SELECT status, error FROM job WHERE number = 2", "waiting|NULL");
    free(part);
    close_jobs(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_new_sweep_has_a_waiting_job_for_each_cell),
        TEST(a_job_that_cannot_be_recorded_leaves_no_sweep),
        TEST(what_ran_when_it_was_killed_waits_again_and_so_does_what_failed),
        TEST(another_text_under_the_same_name_is_refused_with_the_first_line_that_differs),
        TEST(sweeps_of_other_names_share_the_file),
        TEST(jobs_that_another_version_would_number_otherwise_are_refused),
        TEST(looking_at_what_is_not_there_finds_all_waiting_and_makes_nothing),
        TEST(looking_changes_nothing),
        TEST(a_second_process_is_refused_and_leaves_the_first_one_alone),
        TEST(each_attempt_has_a_part_of_its_own_in_a_folder_that_goes),
        TEST(parts_that_a_kill_left_go_and_another_sweeps_stay),
        TEST(what_a_worker_left_comes_in_and_its_part_goes),
        TEST(who_tests_anothers_weights_gets_the_best_ones_and_names_their_training),
        TEST(a_part_that_cannot_be_read_is_no_result),
        TEST(a_job_that_ends_otherwise_takes_its_part_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
