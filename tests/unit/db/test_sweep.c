/* Sweeps: their jobs, how a worker's part comes into the experiment's file, and what the two views make of
 * it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/claim.h"
#include "db/recorder.h"
#include "db/results.h"
#include "db/store.h"
#include "tests/lib/scratch.h"

struct fixture {
    struct scratch *scratch;
    struct db db;
    struct store *store;
    int64_t sweep_id;
};

/* Jobs 1 to 4: dapo, optimum, greedy and random of experiment users at 5 devices. */
static const char *const policies[] = {"dapo", "optimum", "greedy", "random"};

static struct db_job make_job(const struct fixture *f, uint32_t number)
{
    return (struct db_job){
        .sweep_id = f->sweep_id,
        .number = number,
        .experiment = "users",
        .axis = "devices.count",
        .value = "5",
        .policy = policies[number - 1],
        .sees = "observations",
        .seed = 7,
        .settings_json = "{\"devices.count\":\"5\"}",
        .wall_s = 2.0,
        .cpu_s = 1.5,
    };
}

static int open_sweep(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *scratch = NULL;
    if (f == NULL || scratch_setup(&scratch) != 0)
        return -1;
    f->scratch = scratch;
    *state = f;
    const struct db_sweep sweep = {
        .name = "paper", .text = "name: paper\n", .version = "1", .created_utc = "now"};
    int rc = db_open(&f->db, f->scratch->file, DB_CREATE, NULL);
    if (rc == 0)
        rc = store_create(&f->store, &f->db, NULL);
    if (rc == 0)
        rc = store_insert_sweep(f->store, &sweep, &f->sweep_id, NULL);
    for (uint32_t i = 1; i <= 4 && rc == 0; i++) {
        struct db_job job = make_job(f, i);
        rc = store_insert_job(f->store, &job, NULL);
    }
    return rc;
}

static int close_sweep(void **state)
{
    struct fixture *f = *state;
    store_destroy(f->store);
    int rc = db_close(&f->db, NULL);
    void *scratch = f->scratch;
    free(f);
    return scratch_teardown(&scratch) != 0 ? -1 : rc;
}

/* ---- jobs ---- */

static void a_sweep_is_found_by_its_name(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    struct diag diag = {0};
    int64_t id = -5;
    assert_int_equal(store_find_sweep(f->store, "quick", &id, &text, &diag), ERR_NOT_FOUND);
    assert_non_null(strstr(diag.text, "'quick'"));
    assert_int_equal(id, -5);
    assert_int_equal(store_find_sweep(f->store, "paper", &id, &text, NULL), 0);
    assert_int_equal(id, f->sweep_id);
    assert_string_equal((const char *) text.data, "name: paper\n");
    buf_finish(&text);
}

static int check_first(void *user, const struct db_job *job)
{
    struct fixture *f = user;
    struct db_job in = make_job(f, 1);
    assert_int_equal(job->number, 1);
    assert_string_equal(job->experiment, in.experiment);
    assert_string_equal(job->axis, in.axis);
    assert_string_equal(job->value, in.value);
    assert_string_equal(job->policy, in.policy);
    assert_string_equal(job->sees, in.sees);
    assert_true(job->seed == in.seed);
    assert_string_equal(job->settings_json, in.settings_json);
    assert_int_equal(job->status, DB_JOB_WAITING);
    assert_int_equal(job->trained_by + job->attempts, 0);
    assert_true(isnan(job->wall_s) && isnan(job->cpu_s));
    assert_null(job->error);
    return 77;
}

static void a_job_comes_back_as_it_went_in(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_each_job(f->store, f->sweep_id, check_first, f, NULL), 77);
}

static void jobs_that_ran_or_failed_wait_again_and_others_do_not(void **state)
{
    struct fixture *f = *state;
    struct db_job job = make_job(f, 1);
    assert_int_equal(store_start_job(f->store, &job, "host:1", "now", NULL), 0);
    job = make_job(f, 2);
    job.status = DB_JOB_FAILED;
    job.error = "it fell over";
    assert_int_equal(store_start_job(f->store, &job, "host:2", "now", NULL), 0);
    assert_int_equal(store_end_job(f->store, &job, "later", NULL), 0);
    job = make_job(f, 3);
    job.status = DB_JOB_SKIPPED;
    job.error = "too many devices";
    assert_int_equal(store_end_job(f->store, &job, "later", NULL), 0);
    scratch_expect(f->scratch->file, "SELECT group_concat(status || attempts) FROM job",
                   "running1,failed1,skipped0,waiting0");
    scratch_expect(f->scratch->file,
                   "SELECT worker, finished_utc, wall_s, cpu_s, error FROM job WHERE number = 2",
                   "host:2|later|2.0|1.5|it fell over");
    assert_int_equal(store_renew_jobs(f->store, f->sweep_id, NULL), 0);
    scratch_expect(f->scratch->file, "SELECT group_concat(status || attempts || ifnull(error, '-')) FROM job",
                   "waiting1-,waiting1-,skipped0too many devices,waiting0-");
}

static void a_job_with_an_unknown_status_is_refused_when_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {0};
    scratch_exec(f->scratch->file,
                 "PRAGMA ignore_check_constraints = ON; UPDATE job SET status = 'asleep' WHERE number = 1");
    assert_int_equal(store_each_job(f->store, f->sweep_id, check_first, f, &diag), ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "job.status is 'asleep'"));
}

static void a_sweep_is_claimed_by_one_process_beside_its_runs(void **state)
{
    struct fixture *f = *state;
    struct claim first = claim_none, second = claim_none, run = claim_none;
    struct diag diag = {0};
    assert_int_equal(claim_take_sweep(&first, f->scratch->file, f->sweep_id, NULL), 0);
    assert_int_equal(claim_take_sweep(&second, f->scratch->file, f->sweep_id, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "a running process plays this sweep"));
    assert_int_equal(claim_take(&run, f->scratch->file, f->sweep_id, NULL), 0);
    claim_release(&run);
    claim_release(&second);
    claim_release(&first);
}

/* ---- parts ---- */

static int64_t record_run(const char *path, struct db_run run, uint32_t episodes, double cost, bool learns)
{
    struct recorder *recorder = NULL;
    const struct db_node node[] = {
        {.number = 0,
         .flops = 1e12,
         .power_w = 5,
         .transmit_power_w = 0.5,
         .x_m = NAN,
         .y_m = NAN,
         .max_split = -1,
         .memory_bytes = NAN},
    };
    int64_t run_id = 0;
    static const uint32_t text[] = {5, 6};
    run.scenario_name = "part";
    run.prompt = text;
    run.prompt_tokens = 2;
    assert_int_equal(recorder_create(&recorder, path, &run, node, 1, &run_id, NULL), 0);
    for (uint32_t e = 0; e < episodes; e++) {
        struct db_episode episode = scratch_episode(e);
        /* Costs of checkpoints after episodes 0, 1, 2, 3: 3, 2, 2, 4. */
        static const double costs[] = {3, 2, 2, 4};
        struct db_checkpoint checkpoint = {.episode = e,
                                           .weights = "w",
                                           .weights_size = 1,
                                           .learner = "ll",
                                           .learner_size = 2,
                                           .validation_cost = costs[e % 4]};
        episode.mean_cost = cost;
        for (uint32_t slot = 0; run.kind == DB_RUN_TEST && slot < 10; slot++) {
            struct db_task task = scratch_task(e, slot, 0);
            task.latency_s = 10.0 - slot;
            const struct db_answer answer = scratch_answer(e, slot, 0);
            assert_int_equal(recorder_answered_tasks(recorder, &task, 1, &answer, 1), 0);
        }
        struct db_event event = scratch_event(DB_EVENT_FAULT);
        event.episode = e;
        assert_int_equal(recorder_event(recorder, &event), 0);
        assert_int_equal(recorder_episode(recorder, &episode, learns ? &checkpoint : NULL, NULL), 0);
    }
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, NULL, NULL), 0);
    return run_id;
}

static struct db_run run_of(enum db_run_kind kind, const char *policy, int64_t parent, int64_t checkpoint)
{
    struct db_run run = scratch_run();
    run.kind = kind;
    run.policy = policy;
    run.policy_sees = "observations";
    run.phase = kind == DB_RUN_TRAIN ? RNG_TRAIN : kind == DB_RUN_VALIDATE ? RNG_VALIDATE : RNG_TEST;
    run.parent_run_id = parent;
    run.checkpoint_episode = checkpoint;
    return run;
}

/* What the worker of job 1 leaves: a training of four episodes, two validations, a test. */
static void make_learners_part(const char *path)
{
    int64_t train = record_run(path, run_of(DB_RUN_TRAIN, "dapo", 0, -1), 4, 5.0, true);
    (void) record_run(path, run_of(DB_RUN_VALIDATE, "dapo", train, 0), 1, 3.0, false);
    (void) record_run(path, run_of(DB_RUN_VALIDATE, "dapo", train, 1), 1, 2.0, false);
    (void) record_run(path, run_of(DB_RUN_TEST, "dapo", train, 1), 1, 2.5, false);
}

static void make_optimums_part(const char *path)
{
    (void) record_run(path, run_of(DB_RUN_VALIDATE, "optimum", 0, -1), 1, 1.0, false);
    (void) record_run(path, run_of(DB_RUN_TEST, "optimum", 0, -1), 1, 2.0, false);
}

static int merge(struct fixture *f, const struct db_job *job, const char *path, bool tasks, struct diag *diag)
{
    const struct store_part part = {.path = path, .tasks = tasks, .validation = true};
    return store_merge_part(f->store, job, &part, "later", diag);
}

static void a_part_comes_in_under_new_numbers(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    scratch_path(f->scratch, "part.db", path);
    make_learners_part(path);
    struct db_run other = scratch_run();
    int64_t other_id = 0;
    assert_int_equal(store_insert_run(f->store, &other, &other_id, NULL), 0);
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, true, NULL), 0);
    const char *file = f->scratch->file;
    scratch_expect(file, "SELECT group_concat(run_id || kind || ifnull(parent_run_id, '-')) FROM run",
                   "1train-,2train-,3validate2,4validate2,5test2");
    scratch_expect(file,
                   "SELECT group_concat(run_id || ':' || n) FROM (SELECT run_id, count(*) AS n FROM episode"
                   " GROUP BY run_id)",
                   "2:4,3:1,4:1,5:1");
    scratch_expect(file, "SELECT run_id, count(*) FROM task", "5|10");
    scratch_expect(file, "SELECT run_id, count(*), hex(min(answer)), max(first_token_s) FROM answer",
                   "5|10|0000000007000000|0.5");
    scratch_expect(file, "SELECT DISTINCT hex(prompt_tokens) FROM run WHERE run_id > 1", "0500000006000000");
    scratch_expect(file, "SELECT count(*) FROM node", "4");
    scratch_expect(file, "SELECT count(*) FROM event", "7");
    scratch_expect(file,
                   "SELECT status, train_run_id, test_run_id, validate_run_id, p95_latency_s, error FROM job"
                   " WHERE number = 1",
                   "done|2|5|NULL|10.0|NULL");
    scratch_expect(file, "PRAGMA foreign_key_check", "");
}

static void a_part_whose_name_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    struct diag diag = {{0}};
    char path[9000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, true, &diag), ERR_TOO_BIG);
    assert_int_equal(diag.text[0], 'a'); /* it is named as far as there is room */
    scratch_expect(f->scratch->file, "SELECT status FROM job WHERE number = 1", "waiting");
}

static void of_checkpoints_the_best_and_the_last_come_along_without_the_learner(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    scratch_path(f->scratch, "part.db", path);
    make_learners_part(path);
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(f->scratch->file, "SELECT episode, learner, validation_cost FROM checkpoint",
                   "1|NULL|2.0\n3|NULL|4.0");
}

static void task_rows_and_validations_stay_behind_when_nobody_wants_them(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    scratch_path(f->scratch, "part.db", path);
    make_learners_part(path);
    struct db_job job = make_job(f, 1);
    const struct store_part part = {.path = path};
    assert_int_equal(store_merge_part(f->store, &job, &part, "later", NULL), 0);
    const char *file = f->scratch->file;
    scratch_expect(file, "SELECT group_concat(run_id || kind) FROM run", "1train,4test");
    scratch_expect(file, "SELECT group_concat(DISTINCT run_id) FROM episode", "1,4");
    scratch_expect(file, "SELECT group_concat(DISTINCT run_id) FROM node", "1,4");
    scratch_expect(file, "SELECT group_concat(DISTINCT run_id) FROM event", "1,4");
    scratch_expect(file, "SELECT (SELECT count(*) FROM task), (SELECT count(*) FROM answer)", "0|0");
    /* The tasks' percentile is known all the same. */
    scratch_expect(file, "SELECT p95_latency_s FROM job WHERE number = 1", "10.0");
}

static void a_test_of_another_jobs_learner_belongs_to_that_training(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    scratch_path(f->scratch, "part.db", path);
    (void) record_run(path, run_of(DB_RUN_TEST, "dapo", 0, 3), 1, 2.5, false);
    struct db_run train = scratch_run();
    struct db_job job = make_job(f, 1);
    assert_int_equal(store_insert_run(f->store, &train, &job.train_run_id, NULL), 0);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(f->scratch->file, "SELECT parent_run_id, checkpoint_episode FROM run WHERE run_id = 2",
                   "1|3");
    scratch_expect(f->scratch->file, "SELECT train_run_id, test_run_id FROM job WHERE number = 1", "1|2");
}

static void a_part_that_does_not_fit_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH], missing[SCRATCH_PATH];
    struct diag diag = {0};
    scratch_path(f->scratch, "part.db", path);
    scratch_path(f->scratch, "no/part.db", missing);
    make_optimums_part(path);
    struct db_job job = make_job(f, 2);
    job.train_run_id = 99; /* there is no such run */
    assert_int_equal(merge(f, &job, path, true, &diag), ERR_DATABASE);
    assert_int_equal(merge(f, &job, missing, true, NULL), ERR_DATABASE);
    scratch_expect(f->scratch->file, "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM task)", "0|0");
    scratch_expect(f->scratch->file, "SELECT status FROM job WHERE number = 2", "waiting");
    job.train_run_id = 0;
    assert_int_equal(merge(f, &job, path, true, NULL), 0);
    scratch_expect(f->scratch->file, "SELECT status, validate_run_id, test_run_id FROM job WHERE number = 2",
                   "done|1|2");
}

/* ---- views ---- */

static void results_relate_each_policy_to_the_optimum_of_its_cell(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    const char *file = f->scratch->file;
    scratch_path(f->scratch, "learner.db", path);
    make_learners_part(path);
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(file, "SELECT policy, train_slots, mean_cost, regret_pct FROM sweep_result",
                   "dapo|40|2.5|NULL");
    scratch_path(f->scratch, "optimum.db", path);
    make_optimums_part(path);
    job = make_job(f, 2);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(
        file,
        "SELECT sweep, experiment, axis, value, policy, sees, seed, train_slots, mean_cost,"
        " mean_latency_s, p95_latency_s, mean_energy_j, deadline_miss_share, regret_pct, wall_s,"
        " train_run_id, test_run_id FROM sweep_result",
        "paper|users|devices.count|5|dapo|observations|7|40|2.5|0.5|10.0|2.5|0.03|25.0|2.0|1|4\n"
        "paper|users|devices.count|5|optimum|observations|7|0|2.0|0.5|10.0|2.5|0.03|0.0|2.0|NULL|6");
    scratch_exec(file, "UPDATE job SET value = '6' WHERE number = 2");
    scratch_expect(file, "SELECT policy, regret_pct FROM sweep_result", "dapo|NULL\noptimum|0.0");
}

static void curves_count_the_training_slots_before_each_checkpoint(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    const char *file = f->scratch->file;
    scratch_path(f->scratch, "learner.db", path);
    make_learners_part(path);
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(file, "SELECT slots, mean_cost, regret_pct FROM sweep_curve", "10|3.0|NULL\n20|2.0|NULL");
    scratch_path(f->scratch, "optimum.db", path);
    make_optimums_part(path);
    job = make_job(f, 2);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_expect(file,
                   "SELECT sweep, experiment, axis, value, policy, seed, slots, mean_cost, mean_latency_s,"
                   " mean_energy_j, regret_pct FROM sweep_curve",
                   "paper|users|devices.count|5|dapo|7|10|3.0|0.5|2.5|200.0\n"
                   "paper|users|devices.count|5|dapo|7|20|2.0|0.5|2.5|100.0");
}

/* ---- results ---- */

struct told {
    char text[4096];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void tell(struct told *told, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    told->size += (size_t) vsnprintf(told->text + told->size, sizeof told->text - told->size, format, list);
    va_end(list);
    assert_true(told->size < sizeof told->text);
}

static void tell_real(struct told *told, double value)
{
    if (isnan(value))
        tell(told, "|NULL");
    else
        tell(told, "|%.15g", value);
}

static int tell_outcome(void *user, const struct db_outcome *outcome)
{
    struct told *told = user;
    const double real[] = {outcome->train_slots,   outcome->mean_cost,     outcome->mean_latency_s,
                           outcome->p95_latency_s, outcome->mean_energy_j, outcome->deadline_miss_share,
                           outcome->regret_pct,    outcome->mean_return};
    tell(told, "%s%s|%s|%s|%s|%s|%s|%llu", told->size > 0 ? "\n" : "", outcome->sweep, outcome->experiment,
         outcome->axis, outcome->value, outcome->policy, outcome->sees, (unsigned long long) outcome->seed);
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        tell_real(told, real[i]);
    tell(told, "|%lld|%lld|%lld", (long long) outcome->train_run_id, (long long) outcome->test_run_id,
         (long long) outcome->updates);
    return 0;
}

static int tell_point(void *user, const struct db_curve_point *point)
{
    struct told *told = user;
    const double real[] = {point->slots, point->mean_cost, point->regret_pct, point->mean_return};
    tell(told, "%s%s|%s|%s|%s|%s|%llu", told->size > 0 ? "\n" : "", point->sweep, point->experiment,
         point->axis, point->value, point->policy, (unsigned long long) point->seed);
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        tell_real(told, real[i]);
    return 0;
}

/* Results are read by a column's place; here the views are asked by its name. */
static void a_result_has_each_column_in_its_place(void **state)
{
#define REAL(name) "coalesce(format('%.15g', " name "), 'NULL')"
    struct fixture *f = *state;
    char path[SCRATCH_PATH];
    const char *file = f->scratch->file;
    struct told told = {.size = 0};
    scratch_path(f->scratch, "learner.db", path);
    make_learners_part(path);
    struct db_job job = make_job(f, 1);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    scratch_path(f->scratch, "optimum.db", path);
    make_optimums_part(path);
    job = make_job(f, 2);
    assert_int_equal(merge(f, &job, path, false, NULL), 0);
    assert_int_equal(results_each_outcome(f->store, tell_outcome, &told, NULL), 0);
    scratch_expect(
        file,
        "SELECT sweep, experiment, axis, value, policy, sees, seed, " REAL("train_slots") ", " REAL(
            "mean_"
            "cost") ", " REAL("mean_latency_s") ", " REAL("p95_latency_s") ", " REAL("mean_energy_j") ","
                                                                                                      " " REAL("deadline_miss_share") ", " REAL(
                                                                                                          "re"
                                                                                                          "gr"
                                                                                                          "et"
                                                                                                          "_"
                                                                                                          "pc"
                                                                                                          "t") ","
                                                                                                               " " REAL(
                                                                                                                   "mean_episode_return") ", coalesce(train_run_id, 0), test_run_id, coalesce(updates, -1) FROM sweep_result",
        told.text);
    assert_non_null(strstr(told.text, "|optimum|"));
    told.size = 0;
    assert_int_equal(results_each_curve_point(f->store, tell_point, &told, NULL), 0);
    told.text[strcspn(told.text, "\n")] = '\0'; /* what does not learn stands behind, without slots */
    scratch_expect(
        file,
        "SELECT sweep, experiment, axis, value, policy, seed, " REAL("slots") ", " REAL(
            "mean_cost") ", " REAL("regret_pct") ", " REAL("mean_episode_return") " FROM sweep_curve ORDER "
                                                                                  "BY slots LIMIT 1",
        told.text);
    assert_non_null(strstr(told.text, "|10|3|200|"));
#undef REAL
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_sweep, close_sweep)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_sweep_is_found_by_its_name),
        TEST(a_job_comes_back_as_it_went_in),
        TEST(a_job_with_an_unknown_status_is_refused_when_it_is_read),
        TEST(jobs_that_ran_or_failed_wait_again_and_others_do_not),
        TEST(a_sweep_is_claimed_by_one_process_beside_its_runs),
        TEST(a_part_comes_in_under_new_numbers),
        TEST(a_part_whose_name_is_too_long_is_refused),
        TEST(of_checkpoints_the_best_and_the_last_come_along_without_the_learner),
        TEST(task_rows_and_validations_stay_behind_when_nobody_wants_them),
        TEST(a_test_of_another_jobs_learner_belongs_to_that_training),
        TEST(a_part_that_does_not_fit_leaves_nothing_behind),
        TEST(results_relate_each_policy_to_the_optimum_of_its_cell),
        TEST(curves_count_the_training_slots_before_each_checkpoint),
        TEST(a_result_has_each_column_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
