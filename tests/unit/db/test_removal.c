/* Runs are removed with all that is theirs, and nothing else is. */
#include "db/removal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/experiment_file.h"
#include "db/recorder.h"
#include "tests/lib/scratch.h"

/* Every table that has rows of a run: what is new in the schema is here by itself. */
#define OWN_TABLES                                                                                           \
    "SELECT group_concat(name) FROM (SELECT DISTINCT m.name FROM sqlite_schema AS m,"                        \
    " pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND f.\"table\" = 'run'"                   \
    " AND f.\"from\" = 'run_id' ORDER BY m.name)"

#define TASKS 12

/* A run with at least one row in every table. */
static int64_t record(const struct scratch *s, int64_t parent)
{
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    const struct db_node node = {.flops = 1.0, .max_split = -1, .memory_bytes = (double) NAN};
    const struct db_link_sample link = {.duration_s = 0.1, .set_bps = 1.0, .achieved_bps = 1.0};
    const struct db_process_sample process = {.role = "orchestrator", .number = -1, .duration_s = 1.0};
    const struct db_compute_sample layers = {.role = "device", .duration_s = 1.0, .jobs = 1};
    const struct db_event event = scratch_event(DB_EVENT_FAULT);
    int64_t run_id = 0;
    run.parent_run_id = parent;
    assert_int_equal(recorder_create(&recorder, s->file, &run, &node, 1, &run_id, NULL), 0);
    assert_int_equal(recorder_event(recorder, &event), 0);
    assert_int_equal(recorder_link_samples(recorder, &link, 1), 0);
    assert_int_equal(recorder_process_sample(recorder, &process), 0);
    assert_int_equal(recorder_compute_sample(recorder, &layers), 0);
    for (uint32_t i = 0; i < TASKS; i++) {
        struct db_task task = scratch_task(i / 4, i % 4, 0);
        const struct db_answer answer = scratch_answer(i / 4, i % 4, 0);
        assert_int_equal(recorder_answered_tasks(recorder, &task, 1, &answer, 1), 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct db_episode episode = scratch_episode(i);
        const struct db_checkpoint checkpoint = {
            .episode = i, .weights = "w", .weights_size = 1, .learner = "l", .learner_size = 1};
        const struct db_experience experience = {
            .episode = i, .first = i, .count = 1, .bytes = "e", .size = 1};
        assert_int_equal(recorder_episode(recorder, &episode, &checkpoint, &experience), 0);
    }
    assert_int_equal(recorder_close(recorder, DB_ABORTED, true, NULL, NULL, NULL), 0);
    return run_id;
}

/* Removes in one transaction, as the program does. */
static int remove_runs(const struct scratch *s, const int64_t *run_id, size_t count, bool with_dependents,
                       struct diag *diag)
{
    struct db db = {0};
    struct removal removal = {0};
    uint64_t rows = 0;
    assert_int_equal(db_open(&db, s->file, DB_READWRITE, NULL), 0);
    assert_int_equal(db_begin(&db, NULL), 0);
    int rc = removal_plan(&removal, &db, run_id, count, diag);
    if (rc == 0)
        rc = removal_check(&removal, with_dependents, "--flag", diag);
    if (rc == 0)
        rc = removal_carry_out(&removal, NULL, NULL, &rows, diag);
    if (rc == 0)
        assert_int_equal(db_commit(&db, NULL), 0);
    else
        db_rollback(&db);
    assert_int_equal(db_close(&db, NULL), 0);
    removal_finish(&removal);
    return rc;
}

static long count_rows(const struct scratch *s, const char *table, int64_t run_id)
{
    char sql[128], text[64];
    (void) snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE run_id = %lld", table,
                    (long long) run_id);
    scratch_query(s->file, sql, text, sizeof text);
    return strtol(text, NULL, 10);
}

/* Calls `check` for each table that has rows of a run. */
static void for_own_tables(const struct scratch *s, int64_t run_id, bool wanted)
{
    char names[512], *at = NULL;
    int tables = 0;
    scratch_query(s->file, OWN_TABLES, names, sizeof names);
    for (char *name = strtok_r(names, ",\n", &at); name != NULL; name = strtok_r(NULL, ",\n", &at), tables++)
        if ((count_rows(s, name, run_id) > 0) != wanted)
            fail_msg("table %s has %ld rows of run %lld", name, count_rows(s, name, run_id),
                     (long long) run_id);
    assert_true(tables >= 8);
}

static void no_table_has_a_row_of_a_run_that_was_removed(void **state)
{
    const struct scratch *s = *state;
    int64_t first = record(s, 0), second = record(s, 0);
    for_own_tables(s, first, true);
    assert_int_equal(remove_runs(s, &first, 1, false, NULL), 0);
    for_own_tables(s, first, false);
    assert_int_equal(count_rows(s, "run", first), 0);
    for_own_tables(s, second, true);
    assert_int_equal(count_rows(s, "task", second), TASKS);
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
    scratch_expect(s->file, "PRAGMA foreign_key_check", "");
}

static void a_run_that_others_were_built_on_is_refused_and_they_are_named(void **state)
{
    const struct scratch *s = *state;
    int64_t first = record(s, 0), child = record(s, first), grandchild = record(s, child),
            other = record(s, 0);
    struct diag diag = {0};
    assert_int_equal(remove_runs(s, &first, 1, false, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "depend on what is to be removed: run 2, run 3; --flag"));
    for_own_tables(s, first, true);
    const int64_t both[] = {child, grandchild};
    assert_int_equal(remove_runs(s, both, 2, false, NULL), 0); /* whoever is named depends on nobody */
    for_own_tables(s, child, false);
    for_own_tables(s, first, true);
    (void) record(s, first);
    assert_int_equal(remove_runs(s, &first, 1, true, NULL), 0);
    scratch_expect(s->file, "SELECT group_concat(run_id) FROM run", "4");
    for_own_tables(s, other, true);
    scratch_expect(s->file, "PRAGMA foreign_key_check", "");
}

static const char jobs[] =
    "INSERT INTO sweep VALUES (1, 'grid', 'name: grid', '0', '2026');"
    "INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed, settings_json, status,"
    " worker, attempts, wall_s, train_run_id, test_run_id) VALUES"
    " (1, 1, 'e', '', '', 'dapo', 'observations', 1, '{}', 'done', 'w', 1, 2.0, 1, 2),"
    " (1, 2, 'e', '', '', 'local', 'observations', 1, '{}', 'done', 'w', 1, 2.0, NULL, 3)";

static void a_job_that_names_a_run_is_named_and_waits_again_when_told(void **state)
{
    const struct scratch *s = *state;
    int64_t train = record(s, 0), test = record(s, train);
    struct diag diag = {0};
    (void) record(s, 0);
    scratch_exec(s->file, jobs);
    assert_int_equal(remove_runs(s, &test, 1, false, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "job 1 of sweep 'grid'"));
    assert_null(strstr(diag.text, "job 2"));
    assert_int_equal(remove_runs(s, &test, 1, true, NULL), 0);
    scratch_expect(s->file,
                   "SELECT number, status, ifnull(train_run_id, '-'), ifnull(test_run_id, '-'),"
                   " ifnull(wall_s, '-'), attempts FROM job ORDER BY number",
                   "1|waiting|-|-|-|1\n2|done|-|3|2.0|1");
    scratch_expect(s->file, "PRAGMA foreign_key_check", "");
}

static void what_is_in_use_is_refused(void **state)
{
    const struct scratch *s = *state;
    int64_t run_id = record(s, 0);
    struct claim of_run = claim_none, of_sweep = claim_none;
    struct diag diag = {0}, another = {0};
    (void) record(s, 0);
    (void) record(s, 0);
    scratch_exec(s->file, jobs);
    assert_int_equal(claim_take_sweep(&of_sweep, s->file, 1, NULL), 0);
    assert_int_equal(remove_runs(s, &run_id, 1, true, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "a running process plays this sweep"));
    claim_release(&of_sweep);
    assert_int_equal(claim_take(&of_run, s->file, run_id, NULL), 0);
    assert_int_equal(remove_runs(s, &run_id, 1, true, &another), ERR_STATE);
    assert_non_null(strstr(another.text, "run 1 is being recorded by a running process"));
    for_own_tables(s, run_id, true);
    claim_release(&of_run);
    assert_int_equal(remove_runs(s, &run_id, 1, true, NULL), 0);
}

static void what_a_deletion_by_hand_has_left_can_be_removed(void **state)
{
    const struct scratch *s = *state;
    int64_t run_id = record(s, 0), nobody = 77;
    struct diag diag = {0};
    scratch_exec(s->file, "DELETE FROM run; DELETE FROM task; DELETE FROM episode");
    assert_int_equal(remove_runs(s, &run_id, 1, false, NULL), 0);
    for_own_tables(s, run_id, false);
    assert_int_equal(remove_runs(s, &run_id, 1, false, NULL), ERR_NOT_FOUND);
    assert_int_equal(remove_runs(s, &nobody, 1, false, &diag), ERR_NOT_FOUND);
    assert_non_null(strstr(diag.text, "holds no run 77"));
}

static int stop_at_8(void *user, uint64_t tasks)
{
    uint64_t *told = user;
    *told = tasks;
    return tasks >= 8 ? ERR_LOST : 0;
}

static void a_removal_that_is_stopped_has_removed_nothing(void **state)
{
    const struct scratch *s = *state;
    int64_t run_id = record(s, 0);
    struct db db = {0};
    struct removal removal = {0};
    uint64_t rows = 0, told = 0;
    assert_int_equal(db_open(&db, s->file, DB_READWRITE, NULL), 0);
    assert_int_equal(db_begin(&db, NULL), 0);
    assert_int_equal(removal_plan(&removal, &db, &run_id, 1, NULL), 0);
    assert_int_equal(removal.run[0].tasks, TASKS);
    assert_int_equal(removal_check(&removal, false, "--flag", NULL), 0);
    assert_int_equal(removal_carry_out(&removal, stop_at_8, &told, &rows, NULL), ERR_LOST);
    assert_int_equal(told, 8); /* episode by episode */
    db_rollback(&db);
    assert_int_equal(db_close(&db, NULL), 0);
    removal_finish(&removal);
    for_own_tables(s, run_id, true);
    assert_int_equal(count_rows(s, "task", run_id), TASKS);
}

static void a_run_that_is_recorded_is_refused_although_the_file_is_held(void **state)
{
    const struct scratch *s = *state;
    int64_t run_id = record(s, 0);
    struct db db = {0};
    struct claim claim = claim_none;
    struct diag diag = {{0}};
    assert_int_equal(removal_look(s->file, &run_id, 1, &diag), 0);
    assert_int_equal(db_open(&db, s->file, DB_READWRITE, NULL), 0);
    assert_int_equal(db_begin(&db, NULL), 0); /* as a recorder does */
    assert_int_equal(claim_take(&claim, s->file, run_id, NULL), 0);
    const int64_t asked[] = {run_id + 1, run_id};
    assert_int_equal(removal_look(s->file, asked, 1, &diag), 0);
    assert_int_equal(removal_look(s->file, asked, 2, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "is being recorded by a running process"));
    db_rollback(&db);
    assert_int_equal(db_close(&db, NULL), 0);
    claim_release(&claim);
    assert_int_equal(removal_look(s->file, asked, 2, &diag), 0);
}

static int stop_at_once(void *user, uint64_t steps)
{
    (void) user;
    (void) steps;
    return ERR_LOST;
}

static void space_is_given_back_on_request(void **state)
{
    const struct scratch *s = *state;
    int64_t run_id = record(s, 0);
    (void) record(s, 0);
    scratch_exec(s->file,
                 "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
                 " INSERT INTO link_sample (run_id, device, server, direction, start_s, duration_s, set_bps,"
                 " achieved_bps) SELECT 2, 0, 0, 'up', i, 1, 1, 1 FROM n");
    struct db db = {0};
    uint64_t bytes = 0, unused = 0, before = 0;
    scratch_exec(s->file, "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
                          " INSERT INTO checkpoint SELECT 1, i, zeroblob(10000), NULL, NULL FROM n");
    assert_int_equal(remove_runs(s, &run_id, 1, false, NULL), 0);
    assert_int_equal(db_open(&db, s->file, DB_READWRITE, NULL), 0);
    assert_int_equal(db_size(&db, &bytes, &unused, NULL), 0);
    assert_true(unused > 2900000 && bytes - unused < 500000);
    assert_int_equal(db_compact(&db, stop_at_once, NULL, NULL), ERR_LOST);
    assert_int_equal(db_size(&db, &before, &unused, NULL), 0);
    assert_int_equal(before, bytes);
    assert_int_equal(db_compact(&db, NULL, NULL, NULL), 0);
    assert_int_equal(db_size(&db, &before, &unused, NULL), 0);
    assert_int_equal(unused, 0);
    assert_int_equal(db_close(&db, NULL), 0);
    assert_int_equal(scratch_size(s->file), before);
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(no_table_has_a_row_of_a_run_that_was_removed),
        TEST(a_run_that_others_were_built_on_is_refused_and_they_are_named),
        TEST(a_job_that_names_a_run_is_named_and_waits_again_when_told),
        TEST(what_is_in_use_is_refused),
        TEST(what_a_deletion_by_hand_has_left_can_be_removed),
        TEST(a_removal_that_is_stopped_has_removed_nothing),
        TEST(a_run_that_is_recorded_is_refused_although_the_file_is_held),
        TEST(space_is_given_back_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
