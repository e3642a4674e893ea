/* A run that was killed: what an episode needs is there whole or not at all, and the file can be put back to
 * it. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "db/claim.h"
#include "db/recorder.h"
#include "db/store.h"
#include "tests/lib/scratch.h"

#define SLOTS 10u
#define LEARNER_BYTES 200000u

static struct recorder *start(const struct scratch *s, int64_t *ret_run_id)
{
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    struct diag diag = {0};
    if (recorder_create(&recorder, s->file, &run, NULL, 0, ret_run_id, &diag) != 0)
        fail_msg("%s", diag.text);
    return recorder;
}

/* An episode of ten slots and two devices, with an event, a checkpoint and ten transitions, of which the
 * learner still needs the last 25. */
static int push_episode(struct recorder *recorder, uint32_t episode)
{
    static char learner[LEARNER_BYTES];
    struct db_event event = scratch_event(DB_EVENT_REJOIN);
    event.episode = episode;
    struct db_episode row = scratch_episode(episode);
    uint64_t end = 10u * (episode + 1);
    struct db_checkpoint checkpoint = {.episode = episode,
                                       .weights = "w",
                                       .weights_size = 1,
                                       .learner = learner,
                                       .learner_size = sizeof learner,
                                       .validation_cost = NAN};
    struct db_experience experience = {.episode = episode,
                                       .first = end - 10,
                                       .count = 10,
                                       .oldest = end > 25 ? end - 25 : 0,
                                       .bytes = "transitions",
                                       .size = 11};
    row.slots = SLOTS;
    int rc = recorder_event(recorder, &event);
    for (uint32_t slot = 0; slot < SLOTS && rc == 0; slot++) {
        struct db_task task[2] = {scratch_task(episode, slot, 0), scratch_task(episode, slot, 1)};
        rc = recorder_tasks(recorder, task, 2);
    }
    return rc == 0 ? recorder_episode(recorder, &row, &checkpoint, &experience) : rc;
}

static void close_as(struct recorder *recorder, enum db_run_status status)
{
    struct diag diag = {0};
    if (recorder_close(recorder, status, true, NULL, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
}

static int resume(const struct scratch *s, int64_t run_id, int64_t after, struct recorder **ret,
                  struct diag *diag)
{
    const struct db_rewind resumed = {
        .run_id = run_id, .after_episode = after, .config_json = "{\"resumed\":1}"};
    return recorder_resume(ret, s->file, &resumed, diag);
}

/* ---- killed ---- */

static void record_until_killed(const struct scratch *s, int progress)
{
    int64_t run_id;
    struct recorder *recorder = NULL;
    struct db_run run = scratch_run();
    int rc = recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, NULL);
    for (uint32_t episode = 0; rc == 0; episode++) {
        rc = push_episode(recorder, episode);
        if (write(progress, "", 1) != 1)
            rc = -EPIPE;
    }
    _exit(1);
}

static void record_and_kill(const struct scratch *s, size_t episodes)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        record_until_killed(s, ends[1]);
    assert_int_equal(close(ends[1]), 0);
    char byte;
    for (size_t i = 0; i < episodes; i++)
        assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(close(ends[0]), 0);
}

static void an_episode_its_checkpoint_and_its_experience_are_there_together_or_not_at_all(void **state)
{
    static const size_t moments[] = {1, 2, 3, 5, 9, 17, 33, 65, 129, 200};
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        record_and_kill(s, moments[i]);
        scratch_expect(s->file, "PRAGMA integrity_check", "ok");
        scratch_expect(
            s->file,
            "SELECT count(*) FROM (SELECT run_id, episode FROM episode EXCEPT SELECT run_id, episode FROM "
            "checkpoint UNION ALL SELECT run_id, episode FROM checkpoint EXCEPT SELECT run_id, episode FROM "
            "episode)",
            "0");
        /* The learner's state is that of the last episode, and what it needs of its experience is there. */
        scratch_expect(
            s->file,
            "SELECT count(*) FROM run AS r WHERE (SELECT max(episode) FROM episode AS e WHERE e.run_id = "
            "r.run_id) IS NOT (SELECT max(episode) FROM checkpoint AS c WHERE c.run_id = r.run_id AND "
            "length(learner) = 200000) OR (SELECT count(*) FROM checkpoint AS c WHERE c.run_id = r.run_id "
            "AND learner IS NOT NULL) > 1",
            "0");
        scratch_expect(
            s->file,
            "SELECT count(*) FROM run AS r JOIN (SELECT run_id, 10 * max(episode) + 10 AS end FROM episode "
            "GROUP BY run_id) USING (run_id) WHERE (SELECT group_concat(first_transition) FROM experience "
            "AS x WHERE x.run_id = r.run_id) IS NOT CASE end WHEN 10 THEN '0' WHEN 20 THEN '0,10' ELSE "
            "printf('%d,%d,%d', end - 30, end - 20, end - 10) END",
            "0");
        /* And it can go on. */
        char text[32];
        scratch_query(s->file, "SELECT max(run_id) FROM run", text, sizeof text);
        int64_t run_id = atoll(text);
        scratch_query(
            s->file,
            "SELECT coalesce(max(episode), -1) FROM episode WHERE run_id = (SELECT max(run_id) FROM run)",
            text, sizeof text);
        int64_t after = atoll(text);
        struct recorder *recorder = NULL;
        assert_int_equal(resume(s, run_id, after, &recorder, NULL), 0);
        assert_int_equal(push_episode(recorder, (uint32_t) (after + 1)), 0);
        close_as(recorder, DB_ABORTED);
    }
}

/* ---- put back ---- */

static void a_resumed_run_has_forgotten_what_is_later_and_nothing_else(void **state)
{
    struct scratch *s = *state;
    int64_t other_id, run_id;
    struct recorder *other = start(s, &other_id), *recorder = start(s, &run_id);
    for (uint32_t episode = 0; episode < 6; episode++) {
        assert_int_equal(push_episode(other, episode), 0);
        assert_int_equal(push_episode(recorder, episode), 0);
    }
    const struct db_link_sample windows[] = {{.start_s = 1.0, .duration_s = 0.1},
                                             {.start_s = 9.9, .duration_s = 0.1}};
    const struct db_process_sample interval = {
        .role = "orchestrator", .number = -1, .start_s = 9.0, .duration_s = 1.0};
    assert_int_equal(recorder_link_samples(recorder, windows, 2), 0);
    const struct db_compute_sample layers[] = {{.role = "server", .start_s = 1.0},
                                               {.role = "server", .start_s = 8.0}};
    const struct db_task task[] = {scratch_task(3, 99, 0), scratch_task(5, 99, 0)};
    const struct db_answer answer[] = {scratch_answer(3, 99, 0), scratch_answer(5, 99, 0)};
    assert_int_equal(recorder_process_sample(recorder, &interval), 0);
    assert_int_equal(recorder_compute_sample(recorder, &layers[0]), 0);
    assert_int_equal(recorder_compute_sample(recorder, &layers[1]), 0);
    assert_int_equal(recorder_answered_tasks(recorder, task, 2, answer, 2), 0);
    close_as(other, DB_ABORTED);
    close_as(recorder, DB_ABORTED);
    scratch_exec(s->file, "UPDATE episode SET wall_s = 1.5");
    assert_int_equal(resume(s, run_id, 3, &recorder, NULL), 0);
    scratch_expect(s->file, "SELECT status, config_json FROM run",
                   "aborted|{\"host\":\"memory\"}\nrunning|{\"resumed\":1}");
    close_as(recorder, DB_ABORTED);
    scratch_expect(s->file, "SELECT run_id, count(*), max(episode) FROM task GROUP BY run_id",
                   "1|120|5\n2|81|3");
    scratch_expect(s->file, "SELECT run_id, episode, slot FROM answer", "2|3|99");
    scratch_expect(s->file, "SELECT start_s FROM compute_sample", "1.0");
    scratch_expect(s->file, "SELECT run_id, count(*), max(episode) FROM episode GROUP BY run_id",
                   "1|6|5\n2|4|3");
    scratch_expect(s->file, "SELECT run_id, count(*), max(episode) FROM event GROUP BY run_id",
                   "1|6|5\n2|4|3");
    scratch_expect(s->file, "SELECT run_id, count(*), max(episode) FROM checkpoint GROUP BY run_id",
                   "1|6|5\n2|4|3");
    scratch_expect(s->file, "SELECT run_id, max(episode) FROM experience GROUP BY run_id", "1|5\n2|3");
    scratch_expect(s->file, "SELECT start_s FROM link_sample", "1.0");
    scratch_expect(s->file, "SELECT count(*) FROM process_sample", "0");
    assert_int_equal(resume(s, run_id, -1, &recorder, NULL), 0);
    close_as(recorder, DB_ABORTED);
    scratch_expect(s->file,
                   "SELECT (SELECT count(*) FROM task WHERE run_id = 2), (SELECT count(*) FROM episode WHERE "
                   "run_id = 2),"
                   " (SELECT count(*) FROM checkpoint WHERE run_id = 2)",
                   "0|0|0");
}

static void a_finished_run_goes_on_only_where_that_was_meant(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    for (uint32_t episode = 0; episode < 4; episode++)
        assert_int_equal(push_episode(recorder, episode), 0);
    close_as(recorder, DB_FINISHED);
    scratch_expect(s->file, "SELECT max(episode) FROM experience", "3");
    struct diag diag = {0};
    assert_int_equal(resume(s, run_id, 3, &recorder, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "finished"));
    assert_int_equal(resume(s, run_id + 1, -1, &recorder, NULL), ERR_STATE);
    scratch_expect(s->file, "SELECT status, config_json, (SELECT count(*) FROM task) FROM run",
                   "finished|{\"host\":\"memory\"}|80");
    const struct db_rewind rewind = {
        .run_id = run_id, .after_episode = 3, .config_json = "{\"more\":1}", .was_finished = true};
    assert_int_equal(recorder_resume(&recorder, s->file, &rewind, NULL), 0);
    assert_int_equal(push_episode(recorder, 4), 0);
    close_as(recorder, DB_FINISHED);
    scratch_expect(s->file, "SELECT status, config_json, (SELECT count(*) FROM task) FROM run",
                   "finished|{\"more\":1}|100");
}

static void an_episode_that_is_not_there_is_no_place_to_go_on_from(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_episode(recorder, 0), 0);
    close_as(recorder, DB_ABORTED);
    assert_int_equal(resume(s, run_id, 1, &recorder, NULL), ERR_STATE);
    scratch_expect(s->file, "SELECT status, (SELECT count(*) FROM task) FROM run", "aborted|20");
}

static void a_checkpoint_without_the_full_state_leaves_the_earlier_one_its_own(void **state)
{
    struct scratch *s = *state;
    int64_t run_id;
    struct recorder *recorder = start(s, &run_id);
    assert_int_equal(push_episode(recorder, 0), 0);
    struct db_episode row = scratch_episode(1);
    struct db_checkpoint checkpoint = {
        .episode = 1, .weights = "w", .weights_size = 1, .validation_cost = NAN};
    row.slots = SLOTS - 1;
    assert_int_equal(recorder_episode(recorder, &row, &checkpoint, NULL), 0);
    close_as(recorder, DB_ABORTED);
    scratch_expect(s->file, "SELECT episode, learner IS NOT NULL FROM checkpoint", "0|1\n1|0");
    struct db db;
    struct store *store;
    struct db_progress progress;
    double elapsed_s = 0.0;
    assert_int_equal(db_open(&db, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_create(&store, &db, NULL), 0);
    assert_int_equal(store_read_progress(store, run_id, SLOTS, &progress, NULL), 0);
    assert_int_equal(progress.last_episode, 0);
    assert_int_equal(progress.last_learner, 0);
    assert_int_equal(store_read_progress(store, run_id, SLOTS + 5, &progress, NULL), 0);
    assert_int_equal(progress.last_episode, -1);
    assert_int_equal(store_read_progress(store, 77, SLOTS, &progress, NULL), 0);
    assert_int_equal(progress.last_learner, -1);
    assert_int_equal(store_read_elapsed(store, run_id, -1, &elapsed_s, NULL), 0);
    assert_true(elapsed_s == 0.0);
    store_destroy(store);
    assert_int_equal(db_close(&db, NULL), 0);
}

/* ---- alive ---- */

/* Another process's answer to whether it may have the run. */
static int ask_elsewhere(const struct scratch *s, int64_t run_id)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct claim claim = claim_none;
        int rc = claim_take(&claim, s->file, run_id, NULL);
        claim_release(&claim);
        _exit(rc == 0 ? 0 : rc == ERR_STATE ? 1 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_run_that_is_being_recorded_is_nobody_elses(void **state)
{
    struct scratch *s = *state;
    int64_t first_id, second_id;
    struct recorder *first = start(s, &first_id), *second = start(s, &second_id), *third = NULL;
    struct diag diag = {0};
    assert_int_equal(ask_elsewhere(s, first_id), 1);
    assert_int_equal(resume(s, first_id, -1, &third, &diag), ERR_STATE);
    assert_non_null(strstr(diag.text, "being recorded"));
    assert_int_equal(push_episode(second, 0), 0);
    close_as(second, DB_ABORTED);
    assert_int_equal(ask_elsewhere(s, second_id), 0);
    assert_int_equal(ask_elsewhere(s, first_id), 1); /* closing the other's connection has not freed it */
    assert_int_equal(push_episode(first, 0), 0);
    close_as(first, DB_ABORTED);
    assert_int_equal(ask_elsewhere(s, first_id), 0);
}

static void whoever_is_killed_claims_nothing(void **state)
{
    struct scratch *s = *state;
    record_and_kill(s, 3);
    assert_int_equal(ask_elsewhere(s, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(an_episode_its_checkpoint_and_its_experience_are_there_together_or_not_at_all),
        TEST(a_resumed_run_has_forgotten_what_is_later_and_nothing_else),
        TEST(a_finished_run_goes_on_only_where_that_was_meant),
        TEST(an_episode_that_is_not_there_is_no_place_to_go_on_from),
        TEST(a_checkpoint_without_the_full_state_leaves_the_earlier_one_its_own),
        TEST(a_run_that_is_being_recorded_is_nobody_elses),
        TEST(whoever_is_killed_claims_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
