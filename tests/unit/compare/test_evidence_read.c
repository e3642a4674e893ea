/* Evidence out of an experiment's file: sweeps first, then evaluations of their own, and what is said when a filter
 * leaves nothing. */
#include "orchestrator/compare/evidence_read.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "db/experiment_file.h"
#include "db/recorder.h"
#include "tests/lib/scarce.h"
#include "tests/lib/scratch.h"
#include "tests/unit/model/check.h"

/* A finished test run with one task. */
static int64_t record_test(const struct scratch *s, const char *scenario, const char *policy)
{
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    const struct db_episode episode = scratch_episode(0);
    const struct db_task task = scratch_task(0, 0, 0);
    int64_t run_id = 0;
    run.kind = DB_RUN_TEST;
    run.scenario_name = scenario;
    run.scenario = scenario;
    run.policy = policy;
    run.phase = RNG_TEST;
    assert_int_equal(recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, NULL), 0);
    assert_int_equal(recorder_tasks(recorder, &task, 1), 0);
    assert_int_equal(recorder_episode(recorder, &episode, NULL, NULL), 0);
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, NULL, NULL), 0);
    return run_id;
}

/* Run 1 is the result of sweep a's experiment users, run 2 that of its experiment places; runs 3 and 4 are evaluations
 * in the scenarios users and links. */
static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    const struct scratch *s = *state;
    (void) record_test(s, "x", "greedy");
    (void) record_test(s, "x", "local");
    (void) record_test(s, "users", "random");
    (void) record_test(s, "links", "random");
    scratch_exec(
        s->file,
        "INSERT INTO sweep (sweep_id, name, text, version, created_utc) VALUES (1, 'a', '', '', '');"
        "INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed, settings_json,"
        " status, attempts, test_run_id) VALUES"
        " (1, 1, 'users', 'devices.count', '5', 'greedy', 'model', 3, '{}', 'done', 1, 1),"
        " (1, 2, 'places', '', '', 'local', 'observations', 3, '{}', 'done', 1, 2)");
    return 0;
}

static int read_evidence(const struct scratch *s, const char *sweep, const char *experiment,
                         struct evidence *ret_evidence, struct diag *diag)
{
    const struct evidence_filter filter = {.sweep = sweep, .experiment = experiment};
    struct experiment_file file;
    assert_int_equal(experiment_file_open(&file, s->file, DB_CREATE, NULL), 0);
    int rc = evidence_read(ret_evidence, file.store, &filter, diag);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    return rc;
}

/* The experiments' names, with commas between. */
static void expect(const struct scratch *s, const char *sweep, const char *experiment, const char *names)
{
    struct evidence evidence;
    struct buf text = {0};
    struct diag diag = {{0}};
    if (read_evidence(s, sweep, experiment, &evidence, &diag) != 0)
        fail_msg("%s", diag.text);
    for (size_t i = 0; i < evidence.experiments; i++) {
        assert_int_equal(buf_printf(&text, "%s", i > 0 ? ", " : ""), 0);
        assert_int_equal(evidence_print_name(&evidence.experiment[i], NULL, &text), 0);
        assert_int_equal(evidence.experiment[i].policies, 1); /* sorted */
    }
    assert_string_equal((const char *) text.data, names);
    buf_finish(&text);
    evidence_finish(&evidence);
}

static void expect_nothing(const struct scratch *s, const char *sweep, const char *experiment,
                           const char *said)
{
    struct evidence evidence;
    struct diag diag = {{0}};
    assert_int_equal(read_evidence(s, sweep, experiment, &evidence, &diag), ERR_NOT_FOUND);
    assert_string_equal(diag.text, said);
}

static void everything_counts_and_sweeps_come_first(void **state)
{
    const struct scratch *s = *state;
    expect(s, NULL, NULL, "a: users, a: places, users, links");
}

static void a_result_is_the_one_of_its_job(void **state)
{
    const struct scratch *s = *state;
    struct evidence evidence;
    assert_int_equal(read_evidence(s, "a", "users", &evidence, NULL), 0);
    const struct evidence_value *value = &evidence.experiment[0].value[0];
    assert_string_equal(value->text, "5");
    assert_string_equal(value->policy[0].name, "greedy");
    assert_int_equal(value->policy[0].test[0].seed, 3);
    assert_int_equal(value->policy[0].test[0].test_run_id, 1);
    assert_near(value->policy[0].test[0].metric[EVIDENCE_COST], 1.25, 1e-12);
    evidence_finish(&evidence);
}

static void a_named_sweep_leaves_evaluations_out(void **state)
{
    const struct scratch *s = *state;
    expect(s, "a", NULL, "a: users, a: places");
    expect(s, "a", "places", "a: places");
}

static void a_named_experiment_is_found_in_sweeps_and_among_evaluations(void **state)
{
    const struct scratch *s = *state;
    expect(s, NULL, "users", "a: users, users");
    expect(s, NULL, "links", "links");
}

static void a_filter_that_leaves_nothing_is_answered_with_what_there_is(void **state)
{
    const struct scratch *s = *state;
    (void) record_test(s, "links", "greedy"); /* named once */
    expect_nothing(s, NULL, "drift", "no such results: there are those of a: users, a: places, users, links");
    expect_nothing(s, "b", NULL, "no such results: there are those of a: users, a: places");
}

static void an_empty_file_is_answered_with_what_makes_results(void **state)
{
    const struct scratch *s = *state;
    expect_nothing(s, NULL, NULL, "no results to compare: `sweep`, or `run` and then `evaluate`, make some");
}

/* ---- without memory ---- */

/* An evaluation with a channel that damages and a reward. */
static void record_readable(const struct scratch *s)
{
    char sql[512];
    (void) snprintf(
        sql, sizeof sql,
        "UPDATE run SET scenario = 'channel:\n  mode: erasure\nquality:\n  source: table\n  table: "
        "\"0.01,0.3 | 0:1,1 | 32:1,1\"\nobjective:\n  reward: paper\n' WHERE run_id = %lld",
        (long long) record_test(s, "moves", "local"));
    scratch_exec(s->file, sql);
}

struct reading {
    const struct scratch *scratch;
    struct experiment_file file;
};

static void open_file(void *user)
{
    struct reading *reading = user;
    assert_int_equal(experiment_file_open(&reading->file, reading->scratch->file, DB_READ, NULL), 0);
}

static int read_all(void *user, struct scarce_text *given, struct diag *diag)
{
    struct reading *reading = user;
    struct evidence evidence = {0};
    int rc = evidence_read(&evidence, reading->file.store, &(struct evidence_filter){NULL, "moves"}, diag);
    for (size_t e = 0; e < evidence.experiments && rc == 0; e++) {
        const struct evidence_value *value = &evidence.experiment[e].value[0];
        bool is_read = value->reward == REWARD_PAPER && value->channel == CHANNEL_ERASURE;
        scarce_tell(given, "%s %s\n%s", evidence.experiment[e].name, is_read ? "read" : "not read",
                    evidence.experiment[e].identity);
    }
    evidence_finish(&evidence);
    return rc;
}

static void close_file(void *user, int rc, struct scarce_text *given)
{
    struct reading *reading = user;
    assert_int_equal(experiment_file_close(&reading->file, NULL), 0);
    assert_true(rc != 0 || strncmp(given->text, "moves read\nrun:\n", 16) == 0);
}

static void evidence_is_read_whole_or_it_is_said_that_memory_ran_out(void **state)
{
    struct reading reading = {.scratch = *state};
    const struct scarce_work work = {.name = "evidence",
                                     .prepare = open_file,
                                     .run = read_all,
                                     .end = close_file,
                                     .user = &reading,
                                     .also = ERR_DATABASE,
                                     .each = 1000,
                                     .least = 100};
    record_readable(*state);
    scarce_try(&work);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
        TEST(everything_counts_and_sweeps_come_first),
        TEST(a_result_is_the_one_of_its_job),
        TEST(a_named_sweep_leaves_evaluations_out),
        TEST(a_named_experiment_is_found_in_sweeps_and_among_evaluations),
        TEST(a_filter_that_leaves_nothing_is_answered_with_what_there_is),
        cmocka_unit_test_setup_teardown(evidence_is_read_whole_or_it_is_said_that_memory_ran_out,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(an_empty_file_is_answered_with_what_makes_results, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
