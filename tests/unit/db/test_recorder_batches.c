/* When the recorder writes, with a clock that stands still: only how much waits makes a batch due. */
#include "db/recorder.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "tests/lib/scratch.h"

/* In this program's place of the C library's: a deadline is never reached. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
    (void) deadline;
    return pthread_cond_wait(condition, mutex);
}

static struct recorder *start(const struct scratch *s)
{
    struct recorder *recorder = NULL;
    const struct db_run run = scratch_run();
    struct diag diag = {0};
    int64_t run_id = 0;
    if (recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, &diag) != 0)
        fail_msg("%s", diag.text);
    return recorder;
}

static void finish(struct recorder *recorder, uint64_t batches)
{
    struct recorder_stats stats;
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, &stats, NULL), 0);
    assert_int_equal(stats.batches, batches);
}

/* Rows of one slot, from device `first` on. */
static void push(struct recorder *recorder, uint32_t first, uint32_t count)
{
    struct db_task *task = calloc(count, sizeof *task);
    assert_non_null(task);
    for (uint32_t i = 0; i < count; i++)
        task[i] = scratch_task(0, 0, first + i);
    assert_int_equal(recorder_tasks(recorder, task, count), 0);
    free(task);
}

/* Asks until the answer is the expected one: for what the thread will do soon. */
static void expect_soon(const struct scratch *s, const char *sql, const char *expected)
{
    uint64_t give_up_ns = clock_monotonic_ns() + 20 * UNITS_NS_PER_S;
    char text[256] = "";
    while (clock_monotonic_ns() < give_up_ns) {
        scratch_query(s->file, sql, text, sizeof text);
        if (strcmp(text, expected) == 0)
            return;
        (void) sched_yield();
    }
    fail_msg("%s\nstill gives %s", sql, text);
}

/* Somebody holds the file while slots of ten rows pile up: what is written then, batch by batch, ends with a slot. */
static void no_batch_ends_within_a_slot(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    struct db_task task[10];
    sqlite3 *holder = NULL;
    assert_int_equal(sqlite3_open(s->file, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (uint32_t slot = 0; slot < 1200; slot++) {
        for (uint32_t i = 0; i < 10; i++)
            task[i] = scratch_task(0, slot, i);
        assert_int_equal(recorder_tasks(recorder, task, 10), 0);
    }
    assert_int_equal(sqlite3_exec(holder, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(holder), SQLITE_OK);
    expect_soon(s, "SELECT count(*) >= 4090 FROM task", "1");
    scratch_expect(s->file,
                   "SELECT count(*) FROM (SELECT slot FROM task GROUP BY slot HAVING count(*) <> 10)", "0");
    struct recorder_stats stats;
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, &stats, NULL), 0);
    assert_true(stats.batches >= 3);
    scratch_expect(s->file, "SELECT count(*) FROM task", "12000");
}

static void a_whole_batch_of_tasks_is_written_at_once(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    push(recorder, 0, RECORDER_BATCH_ROWS - 1);
    push(recorder, RECORDER_BATCH_ROWS - 1, 1);
    expect_soon(s, "SELECT count(*) FROM task", "4096");
    push(recorder, RECORDER_BATCH_ROWS, RECORDER_BATCH_ROWS - 1); /* this is less than one */
    finish(recorder, 2);
    scratch_expect(s->file, "SELECT count(*), max(device) FROM task", "8191|8190");
}

static void half_a_queue_of_events_is_written_at_once(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    struct db_event event = scratch_event(DB_EVENT_REJOIN);
    for (event.slot = 0; event.slot < RECORDER_QUEUE_ITEMS / 2; event.slot++)
        assert_int_equal(recorder_event(recorder, &event), 0);
    expect_soon(s, "SELECT count(*) FROM event", "128");
    assert_int_equal(recorder_event(recorder, &event), 0);
    finish(recorder, 2);
    scratch_expect(s->file, "SELECT count(*) FROM event", "129");
}

static void an_episodes_end_is_written_at_once(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    const struct db_episode episode = scratch_episode(0);
    push(recorder, 0, 3);
    assert_int_equal(recorder_episode(recorder, &episode, NULL, NULL), 0);
    expect_soon(s, "SELECT (SELECT count(*) FROM episode), (SELECT count(*) FROM task)", "1|3");
    finish(recorder, 1);
}

/* Every second device has an answer, and somebody holds the file: batches divide slots of 5000 rows. */
static void an_answer_is_committed_with_its_task(void **state)
{
    enum { DEVICES = 5000, SLOTS = 3 };
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    struct db_task *task = calloc(DEVICES, sizeof *task);
    struct db_answer *answer = calloc(DEVICES / 2, sizeof *answer);
    struct recorder_stats stats;
    sqlite3 *holder = NULL;
    assert_true(task != NULL && answer != NULL);
    push(recorder, 0, 1); /* before the first answer */
    assert_int_equal(sqlite3_open(s->file, &holder), SQLITE_OK);
    assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        for (uint32_t i = 0; i < DEVICES; i++)
            task[i] = scratch_task(7, slot, i);
        for (uint32_t i = 0; i < DEVICES / 2; i++)
            answer[i] = scratch_answer(7, slot, 2 * i + 1);
        assert_int_equal(recorder_answered_tasks(recorder, task, DEVICES, answer, DEVICES / 2), 0);
    }
    assert_int_equal(sqlite3_exec(holder, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(holder), SQLITE_OK);
    for (uint32_t i = 0; i < DEVICES; i++)
        task[i] = scratch_task(7, SLOTS + 1, i);
    assert_int_equal(recorder_tasks(recorder, task, DEVICES), 0); /* none of these */
    expect_soon(s, "SELECT count(*) >= 4000 FROM task", "1");
    static const char unpaired[] =
        "SELECT count(*) FROM task AS t LEFT JOIN answer AS a USING (run_id, episode, slot, device)"
        " WHERE (a.tokens IS NOT NULL) <> (t.episode = 7 AND t.slot <= 3 AND t.device % 2 = 1)";
    scratch_expect(s->file, unpaired, "0");
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, &stats, NULL), 0);
    assert_true(stats.task_rows > DEVICES * SLOTS);
    scratch_expect(s->file, unpaired, "0");
    scratch_expect(s->file, "SELECT count(*), count(DISTINCT answer) FROM answer", "7500|2600");
    free(task);
    free(answer);
}

/* A row each millisecond, for less than a batch's time unless this machine is busy. */
static void rows_that_come_one_by_one_wait_for_a_batch_s_time(void **state)
{
    struct scratch *s = *state;
    struct recorder *recorder = start(s);
    struct recorder_stats stats;
    uint64_t start_ns = clock_monotonic_ns(), now_ns = start_ns;
    for (uint32_t rows = 0; now_ns - start_ns < RECORDER_BATCH_NS / 2; now_ns = clock_monotonic_ns())
        if (now_ns - start_ns >= rows * UINT64_C(1000000))
            push(recorder, rows++, 1);
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, &stats, NULL), 0);
    assert_in_range(stats.batches, 1, 1 + (clock_monotonic_ns() - start_ns) / RECORDER_BATCH_NS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(no_batch_ends_within_a_slot),
        TEST(a_whole_batch_of_tasks_is_written_at_once),
        TEST(half_a_queue_of_events_is_written_at_once),
        TEST(an_episodes_end_is_written_at_once),
        TEST(an_answer_is_committed_with_its_task),
        TEST(rows_that_come_one_by_one_wait_for_a_batch_s_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
