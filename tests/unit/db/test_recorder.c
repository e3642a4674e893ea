/* The recorder: order, batches, back pressure, errors from its thread, and what a kill leaves behind. */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "db/db.h"
#include "db/recorder.h"
#include "tests/lib/scratch.h"

#define DEVICES 10
#define SLOTS 10

static struct recorder *start(const struct scratch *s, int64_t *ret_run_id)
{
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    struct db_node node = {
        .number = 0, .flops = 1e12, .transmit_power_w = 0.2, .x_m = NAN, .y_m = NAN, .memory_bytes = NAN};
    struct diag diag = {0};
    if (recorder_create(&recorder, s->file, &run, &node, 1, ret_run_id, &diag) != 0)
        fail_msg("%s", diag.text);
    return recorder;
}

static void finish(struct recorder *recorder, struct recorder_stats *ret_stats)
{
    struct diag diag = {0};
    if (recorder_close(recorder, DB_FINISHED, true, NULL, ret_stats, &diag) != 0)
        fail_msg("%s", diag.text);
}

static int push_slot(struct recorder *recorder, uint32_t episode, uint32_t slot)
{
    struct db_task task[DEVICES];
    for (uint32_t device = 0; device < DEVICES; device++)
        task[device] = scratch_task(episode, slot, device);
    return recorder_tasks(recorder, task, DEVICES);
}

static int push_episode(struct recorder *recorder, uint32_t episode)
{
    int rc = 0;
    for (uint32_t slot = 0; rc == 0 && slot < SLOTS; slot++)
        rc = push_slot(recorder, episode, slot);
    struct db_episode row = scratch_episode(episode);
    return rc == 0 ? recorder_episode(recorder, &row, NULL, NULL) : rc;
}

/* Asks until the answer is the expected one: for what another thread will do soon. */
static void expect_soon(const char *path, const char *sql, const char *expected)
{
    uint64_t give_up_ns = clock_monotonic_ns() + 20 * UNITS_NS_PER_S;
    char text[256] = "";
    while (clock_monotonic_ns() < give_up_ns) {
        scratch_query(path, sql, text, sizeof text);
        if (strcmp(text, expected) == 0)
            return;
        (void) sched_yield();
    }
    fail_msg("%s\nstill gives %s", sql, text);
}

static void everything_handed_over_is_in_the_closed_file(void **state)
{
    struct scratch *s = *state;
    int64_t run_id = 0;
    struct recorder *recorder = start(s, &run_id);
    for (uint32_t episode = 0; episode < 7; episode++)
        assert_int_equal(push_episode(recorder, episode), 0);
    struct recorder_stats stats;
    finish(recorder, &stats);
    assert_int_equal(stats.task_rows, 700);
    assert_true(stats.batches >= 1);
    assert_int_equal(run_id, 1);
    scratch_expect(s->file, "SELECT count(*), count(DISTINCT episode), min(run_id), max(run_id) FROM task",
                   "700|7|1|1");
    scratch_expect(s->file, "SELECT count(*), min(run_id) FROM episode", "7|1");
    scratch_expect(s->file, "SELECT run_id, role FROM node", "1|device");
    scratch_expect(s->file, "SELECT status, trusted FROM run", "finished|1");
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
    scratch_expect(s->file, "PRAGMA integrity_check", "ok");
}

static void rows_of_all_kinds_keep_their_order(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    /* A trigger notes the order in which rows really arrive. */
    scratch_exec(
        s->file,
        "CREATE TABLE arrival (number INTEGER PRIMARY KEY, what TEXT);"
        "CREATE TRIGGER a AFTER INSERT ON task WHEN NEW.device = 9 BEGIN"
        " INSERT INTO arrival (what) VALUES ('t' || NEW.slot); END;"
        "CREATE TRIGGER b AFTER INSERT ON event BEGIN INSERT INTO arrival (what) VALUES ('v'); END;"
        "CREATE TRIGGER c AFTER INSERT ON episode BEGIN INSERT INTO arrival (what) VALUES ('e'); END;"
        "CREATE TRIGGER d AFTER INSERT ON checkpoint BEGIN INSERT INTO arrival (what) VALUES ('c'); END;");
    struct db_event event = scratch_event(DB_EVENT_NODE_LOST);
    struct db_checkpoint checkpoint = {.weights = "w", .weights_size = 1, .validation_cost = NAN};
    struct db_episode episode = scratch_episode(0);
    assert_int_equal(recorder_event(recorder, &event), 0);
    assert_int_equal(push_slot(recorder, 0, 0), 0);
    assert_int_equal(recorder_event(recorder, &event), 0);
    assert_int_equal(push_slot(recorder, 0, 1), 0);
    assert_int_equal(push_slot(recorder, 0, 2), 0);
    assert_int_equal(recorder_event(recorder, &event), 0);
    assert_int_equal(recorder_event(recorder, &event), 0);
    assert_int_equal(recorder_episode(recorder, &episode, &checkpoint, NULL), 0);
    assert_int_equal(push_slot(recorder, 1, 0), 0);
    finish(recorder, NULL);
    scratch_expect(s->file, "SELECT group_concat(what, ' ') FROM (SELECT what FROM arrival ORDER BY number)",
                   "v t0 v t1 t2 v v c e t0");
}

static void texts_and_blobs_are_copied(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    char detail[] = "gone since slot 3";
    char weights[] = "weights";
    char learner[] = "learner";
    struct db_event event = scratch_event(DB_EVENT_NODE_LOST);
    event.phase = DB_PHASE_EXECUTE;
    event.role = DB_ROLE_SERVER;
    event.number = 2;
    event.detail = detail;
    struct db_checkpoint checkpoint = {.episode = 4,
                                       .weights = weights,
                                       .weights_size = 7,
                                       .learner = learner,
                                       .learner_size = 7,
                                       .validation_cost = 1.5};
    assert_int_equal(recorder_event(recorder, &event), 0);
    struct db_episode episode = scratch_episode(4);
    assert_int_equal(recorder_episode(recorder, &episode, &checkpoint, NULL), 0);
    memset(detail, '!', sizeof detail - 1);
    memset(weights, '!', sizeof weights - 1);
    memset(learner, '!', sizeof learner - 1);
    finish(recorder, NULL);
    scratch_expect(s->file, "SELECT phase, kind, role, number, detail FROM event",
                   "execute|node_lost|server|2|gone since slot 3");
    scratch_expect(s->file,
                   "SELECT CAST(weights AS TEXT), CAST(learner AS TEXT), validation_cost FROM checkpoint",
                   "weights|learner|1.5");
}

static void an_episode_is_readable_while_the_run_goes_on(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_episode(recorder, 0), 0);
    expect_soon(s->file,
                "SELECT (SELECT count(*) FROM episode), (SELECT count(*) FROM task), status FROM run",
                "1|100|running");
    finish(recorder, NULL);
}

static void a_trickle_is_written_before_long(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    for (uint32_t slot = 0; slot < 3; slot++) {
        char expected[16];
        assert_int_equal(push_slot(recorder, 0, slot), 0);
        (void) snprintf(expected, sizeof expected, "%u", (slot + 1) * DEVICES);
        expect_soon(s->file, "SELECT count(*) FROM task", expected);
    }
    finish(recorder, NULL);
}

static void a_full_queue_makes_the_caller_wait_and_drops_nothing(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    for (uint32_t slot = 0; slot < 8 * RECORDER_QUEUE_ROWS / DEVICES; slot++)
        assert_int_equal(push_slot(recorder, 0, slot), 0);
    struct recorder_stats stats;
    finish(recorder, &stats);
    assert_true(stats.waits > 0);
    assert_true(stats.waited_s > 0);
    assert_true(stats.batches > 8);
    char expected[64];
    (void) snprintf(expected, sizeof expected, "%llu|%d", (unsigned long long) stats.task_rows,
                    8 * RECORDER_QUEUE_ROWS / DEVICES - 1);
    scratch_expect(s->file, "SELECT count(*), max(slot) FROM task", expected);
}

static void more_rows_than_the_queue_holds_go_in_one_call(void **state)
{
    enum { COUNT = RECORDER_QUEUE_ROWS * 2 + 7 };
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    struct db_task *task = calloc(COUNT, sizeof *task);
    assert_non_null(task);
    for (uint32_t i = 0; i < COUNT; i++)
        task[i] = scratch_task(0, 0, i);
    assert_int_equal(recorder_tasks(recorder, task, COUNT), 0);
    assert_int_equal(recorder_tasks(recorder, task, 0), 0);
    free(task);
    finish(recorder, NULL);
    scratch_expect(s->file, "SELECT count(*), max(device) FROM task", "32775|32774");
}

static void many_items_without_tasks_pass_through(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    struct db_event event = scratch_event(DB_EVENT_REJOIN);
    event.detail = "again";
    for (uint32_t slot = 0; slot < 5 * RECORDER_QUEUE_ITEMS; slot++) {
        event.slot = slot;
        assert_int_equal(recorder_event(recorder, &event), 0);
    }
    finish(recorder, NULL);
    scratch_expect(s->file, "SELECT count(*), max(slot) FROM event", "1280|1279");
}

static void an_error_of_the_thread_comes_back_from_push_and_close(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_episode(recorder, 0), 0);
    assert_int_equal(push_slot(recorder, 0, 5), 0); /* recorded before */
    uint64_t give_up_ns = clock_monotonic_ns() + 20 * UNITS_NS_PER_S;
    int rc = 0;
    for (uint32_t slot = 0; rc == 0 && clock_monotonic_ns() < give_up_ns; slot++)
        rc = push_slot(recorder, 1, slot);
    assert_int_equal(rc, ERR_DATABASE);
    struct db_episode episode = scratch_episode(1);
    assert_int_equal(recorder_episode(recorder, &episode, NULL, NULL), ERR_DATABASE);
    struct diag diag = {0};
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, NULL, &diag), ERR_DATABASE);
    assert_non_null(strstr(diag.text, "UNIQUE"));
    assert_non_null(strstr(diag.text, s->file));
    scratch_expect(s->file, "SELECT status, trusted, untrusted_reason FROM run",
                   "aborted|0|recording failed");
    scratch_expect(s->file, "SELECT count(*) FROM episode", "1");
}

static void a_run_that_cannot_be_recorded_starts_nothing(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = NULL;
    int64_t run_id = -1;
    struct db_run run = scratch_run();
    run.host = "breakfast";
    struct diag diag = {0};
    assert_int_equal(recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, &diag), ERR_DATABASE);
    assert_non_null(strstr(diag.text, "host"));
    assert_null(recorder);
    assert_int_equal(run_id, -1);
    scratch_expect(s->file, "SELECT count(*) FROM run", "0");
    run = scratch_run();
    assert_int_equal(recorder_create(&recorder, s->directory, &run, NULL, 0, &run_id, NULL), -EISDIR);
    assert_int_equal(recorder_close(NULL, DB_FINISHED, true, NULL, NULL, NULL), 0);
}

static void an_aborted_run_says_so(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_slot(recorder, 0, 0), 0);
    assert_int_equal(recorder_close(recorder, DB_ABORTED, false, "interrupted", NULL, NULL), 0);
    scratch_expect(s->file, "SELECT status, untrusted_reason FROM run", "aborted|interrupted");
    scratch_expect(s->file, "SELECT count(*) FROM task", "10");
}

static void two_recorders_take_turns_on_one_file(void **state)
{
    struct scratch *s = *state;
    int64_t first_id, second_id;
    struct recorder *first = start(s, &first_id);
    struct recorder *second = start(s, &second_id);
    for (uint32_t episode = 0; episode < 20; episode++) {
        assert_int_equal(push_episode(first, episode), 0);
        assert_int_equal(push_episode(second, episode), 0);
    }
    finish(first, NULL);
    assert_int_equal(push_episode(second, 20), 0);
    finish(second, NULL);
    scratch_expect(s->file, "SELECT run_id, count(*) FROM task GROUP BY run_id", "1|2000\n2|2100");
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
}

/* Records for ever, and tells the parent of every slot. */
static void record_until_killed(const struct scratch *s, int progress)
{
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    int64_t run_id;
    int rc = recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, NULL);
    for (uint32_t episode = 0; rc == 0; episode++) {
        for (uint32_t slot = 0; rc == 0 && slot < SLOTS; slot++) {
            rc = push_slot(recorder, episode, slot);
            if (write(progress, "", 1) != 1)
                rc = -EPIPE;
        }
        struct db_episode row = scratch_episode(episode);
        if (rc == 0)
            rc = recorder_episode(recorder, &row, NULL, NULL);
    }
    _exit(1);
}

/* Kills a recording child once it has handed over so many slots. */
static void record_and_kill(const struct scratch *s, size_t slots)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void) close(ends[0]);
        record_until_killed(s, ends[1]);
    }
    assert_int_equal(close(ends[1]), 0);
    char byte;
    for (size_t i = 0; i < slots; i++)
        assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(close(ends[0]), 0);
}

static void kill_9_loses_at_most_the_open_batch_and_never_the_file(void **state)
{
    static const size_t moments[] = {1, 2, 11, 137, 1009, 3001, 9973, 20011};
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        record_and_kill(s, moments[i]);
        scratch_expect(s->file, "PRAGMA integrity_check", "ok");
        scratch_expect(s->file, "PRAGMA foreign_key_check", "");
        scratch_expect(s->file, "SELECT DISTINCT status FROM run", "running");
        /* What is there is a prefix of what was handed over: no row is missing before the last one. */
        scratch_expect(s->file,
                       "SELECT count(*) - coalesce(1 + max((episode * 10 + slot) * 10 + device), 0) FROM task"
                       " WHERE run_id = (SELECT max(run_id) FROM run)",
                       "0");
        /* An episode's row never comes without all of its tasks, and none is missing before the last task's
         * episode. */
        scratch_expect(s->file,
                       "SELECT count(*) - coalesce(1 + max(episode), 0),"
                       " coalesce(100 * (1 + max(episode)) > (SELECT count(*) FROM task AS t WHERE t.run_id "
                       "= e.run_id), 0)"
                       " FROM episode AS e WHERE e.run_id = (SELECT max(run_id) FROM run)",
                       "0|0");
        struct db db;
        assert_int_equal(db_open(&db, s->file, DB_READ, NULL), 0);
        assert_int_equal(db_close(&db, NULL), 0);
    }
    /* The queue is bounded, so a late kill cannot have lost the early rows. */
    scratch_expect(s->file, "SELECT count(*) > 20011 * 10 - 2 * 16384 FROM task WHERE run_id = 8", "1");
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_episode(recorder, 0), 0);
    finish(recorder, NULL);
    scratch_expect(s->file, "PRAGMA journal_mode", "delete");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(everything_handed_over_is_in_the_closed_file),
        TEST(rows_of_all_kinds_keep_their_order),
        TEST(texts_and_blobs_are_copied),
        TEST(an_episode_is_readable_while_the_run_goes_on),
        TEST(a_trickle_is_written_before_long),
        TEST(a_full_queue_makes_the_caller_wait_and_drops_nothing),
        TEST(more_rows_than_the_queue_holds_go_in_one_call),
        TEST(many_items_without_tasks_pass_through),
        TEST(an_error_of_the_thread_comes_back_from_push_and_close),
        TEST(a_run_that_cannot_be_recorded_starts_nothing),
        TEST(an_aborted_run_says_so),
        TEST(two_recorders_take_turns_on_one_file),
        TEST(kill_9_loses_at_most_the_open_batch_and_never_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
