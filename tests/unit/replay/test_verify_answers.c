/* Answers of a recorded run against those of a source that a test makes up. */
#include "orchestrator/replay/verify_answers.h"

#include <stdio.h>

#include "core/base/err.h"
#include "db/recorder.h"
#include "tests/lib/scratch.h"
#include "tests/unit/model/check.h"

#define DEVICES 4u
#define SLOTS 3u

static struct world world;

static int begin(void **state)
{
    static const char *const keys[] = {"devices.count=4", "servers.count=2", NULL};
    world = check_world(keys);
    world.scenario.compute.nll = SWITCH_ON;
    return scratch_setup(state);
}

static int end(void **state)
{
    world_finish(&world);
    return scratch_teardown(state);
}

/* One token, which the task's key and what is asked of the model determine. */
static int make_answer(void *user, const struct compute_task *task, struct compute_answer *ret_answer,
                       struct diag *diag)
{
    unsigned *asked = user;
    (void) diag;
    (*asked)++;
    assert_int_equal(task->id.phase, RNG_TEST);
    *ret_answer = (struct compute_answer){
        .count = 1,
        .token = {1000 * task->split + 100 * task->id.slot + 10 * task->device + task->tokens % 10}};
    if (task->id.slot == 2) /* it was scored */
        ret_answer->score =
            (struct likelihood){.nats = 2.5 * task->device + task->channel, .tokens = 7, .bytes = 20};
    if (task->prompt != NULL) /* a guest's own */
        ret_answer->token[0] = task->prompt[0] + task->prompt[task->tokens - 1];
    return 0;
}

static struct db_task task_of(uint32_t slot, uint32_t device)
{
    struct db_task task = scratch_task(0, slot, device);
    if (device == 1) { /* all at the device: whatever stands in `split` */
        task.server = task.served_by = DB_SERVER_NULL;
        task.split = 0;
    }
    task.nll = task.nll_tokens = task.nll_bytes = (double) NAN;
    if (slot == 2) {
        task.channel = 0.25;
        task.nll = 2.5 * device + 0.25;
        task.nll_tokens = 7.0;
        task.nll_bytes = 20.0;
    }
    if (slot == 1 && device == 2) {
        task.latency_s = task.energy_j = task.cost = (double) NAN;
        task.status = DB_TASK_DEVICE_LOST;
    }
    return task;
}

/* All but the lost one's; slot 2 kept no tokens. */
static void record(const struct scratch *s)
{
    struct recorder *recorder = NULL;
    const struct db_run run = scratch_run();
    int64_t run_id = 0;
    assert_int_equal(recorder_create(&recorder, s->file, &run, NULL, 0, &run_id, NULL), 0);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct db_task task[DEVICES];
        struct db_answer answer[DEVICES];
        size_t answers = 0;
        for (uint32_t n = 0; n < DEVICES; n++) {
            task[n] = task_of(slot, n);
            uint32_t split = task[n].server == DB_SERVER_NULL ? world.llm->layers : task[n].split;
            if (task[n].status == DB_TASK_DEVICE_LOST)
                continue;
            answer[answers] = scratch_answer(0, slot, n);
            answer[answers].tokens = 1;
            answer[answers].token[0] = 1000 * split + 100 * slot + 10 * n + 8;
            answer[answers++].is_kept = slot != 2;
        }
        assert_int_equal(recorder_answered_tasks(recorder, task, DEVICES, answer, answers), 0);
    }
    assert_int_equal(recorder_close(recorder, DB_FINISHED, true, NULL, NULL, NULL), 0);
}

static struct answer_verification verify(const struct scratch *s, unsigned *asked, int code,
                                         struct diag *diag)
{
    struct db db;
    struct store *store = NULL;
    *asked = 0;
    assert_int_equal(db_open(&db, s->file, DB_READ, NULL), 0);
    assert_int_equal(store_create(&store, &db, NULL), 0);
    struct answer_verification verification = {
        .world = &world, .store = store, .run_id = 1, .phase = RNG_TEST, .source = {make_answer, asked}};
    assert_int_equal(verify_answers(&verification, diag), code);
    store_destroy(store);
    assert_int_equal(db_close(&db, NULL), 0);
    return verification;
}

static void every_finished_task_is_computed_again(void **state)
{
    const struct scratch *s = *state;
    unsigned asked = 0;
    record(s);
    struct answer_verification found = verify(s, &asked, 0, NULL);
    assert_string_equal(found.first_difference, "");
    assert_int_equal(asked, 11);
    assert_int_equal(found.compared, 11);
    assert_int_equal(found.identical, 11);
    assert_int_equal(found.counted, 4);
    assert_int_equal(found.different + found.unknown, 0);
}

/* What one statement does to the file, and what is said of it. */
static const struct {
    const char *statement, *said;
} damages[] = {
    {"UPDATE answer SET answer = x'07000000' WHERE slot = 1 AND device = 3",
     "episode 0, slot 1, device 3: token 0 of the answer was recorded as 7 and is 8138"},
    {"UPDATE answer SET tokens = 2, answer = NULL WHERE slot = 0 AND device = 0",
     "episode 0, slot 0, device 0: the answer was recorded with 2 tokens and has 1"},
    {"UPDATE answer SET tokens = 0, answer = x'' WHERE slot = 0 AND device = 0",
     "episode 0, slot 0, device 0: the answer was recorded with 0 tokens and has 1"},
    {"DELETE FROM answer WHERE slot = 0 AND device = 2",
     "episode 0, slot 0, device 2: the task was finished, and no answer was recorded"},
    {"UPDATE answer SET device = 2 WHERE slot = 1 AND device = 3",
     "episode 0, slot 1, device 2: an answer was recorded, and no task that was finished"},
    {"DELETE FROM task WHERE slot = 2 AND device = 3",
     "episode 0, slot 2, device 3: an answer was recorded, and no task that was finished"},
    {"UPDATE task SET nll = 5 WHERE slot = 2 AND device = 3",
     "episode 0, slot 2, device 3: nll was recorded as 5 and is 7.75, of 7 tokens and 20 bytes"},
    {"UPDATE task SET nll_bytes = 21 WHERE slot = 2 AND device = 3",
     "episode 0, slot 2, device 3: nll was recorded as 7.75 and is 7.75, of 7 tokens and 20 bytes"},
    {"UPDATE task SET nll_tokens = NULL WHERE slot = 2 AND device = 3",
     "episode 0, slot 2, device 3: nll was recorded as 7.75 and is 7.75, of 7 tokens and 20 bytes"},
    {"UPDATE task SET nll = 0.5 WHERE slot = 0 AND device = 0",
     "episode 0, slot 0, device 0: nll was recorded as 0.5 and is nan, of 0 tokens and 0 bytes"},
    {"UPDATE task SET channel = 0.5 WHERE slot = 2 AND device = 0",
     "episode 0, slot 2, device 0: nll was recorded as 0.25 and is 0.5, of 7 tokens and 20 bytes"},
    {"UPDATE task SET split = 9 WHERE slot = 0 AND device = 0",
     "episode 0, slot 0, device 0: token 0 of the answer was recorded as 8008 and is 9008"},
};

static void what_was_changed_in_the_file_is_found(void **state)
{
    const struct scratch *s = *state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        unsigned asked = 0;
        record(s);
        scratch_exec(s->file, damages[i].statement);
        struct answer_verification found = verify(s, &asked, 0, NULL);
        assert_string_equal(found.first_difference, damages[i].said);
        assert_true(found.different >= 1);
        assert_int_equal(found.identical + found.different, found.compared);
        (void) remove(s->file);
    }
}

/* The last place is a guest's. */
static void a_guests_answer_is_compared_with_that_to_its_own_prompt(void **state)
{
    const struct scratch *s = *state;
    unsigned asked = 0;
    world.scenario.devices.guests = 1;
    record(s);
    scratch_exec(s->file, "UPDATE task SET tokens = 2 WHERE slot = 1 AND device = 3;"
                          "UPDATE answer SET prompt = x'0400000005000000', answer = x'09000000'"
                          " WHERE slot = 1 AND device = 3");
    struct answer_verification found = verify(s, &asked, 0, NULL);
    assert_string_equal(found.first_difference, "");
    assert_int_equal(found.unknown, SLOTS - 1); /* prompts that were not kept */
    assert_int_equal(found.compared, 11 - found.unknown);
    assert_int_equal(found.identical, found.compared);
    assert_int_equal(asked, found.compared);
    scratch_exec(s->file, "UPDATE answer SET answer = x'08000000' WHERE slot = 1 AND device = 3");
    found = verify(s, &asked, 0, NULL);
    assert_string_equal(found.first_difference,
                        "episode 0, slot 1, device 3: token 0 of the answer was recorded as 8 and is 9");
}

static void a_prompt_of_another_length_than_its_tasks_is_refused(void **state)
{
    const struct scratch *s = *state;
    struct diag diag = {{0}};
    unsigned asked = 0;
    record(s);
    scratch_exec(s->file, "UPDATE answer SET prompt = x'0400000005000000' WHERE slot = 1 AND device = 3");
    (void) verify(s, &asked, ERR_CORRUPT, &diag);
    assert_non_null(strstr(diag.text, "has a prompt of 2"));
}

static void a_task_that_no_model_has_is_refused(void **state)
{
    static const char *const statements[] = {
        "UPDATE task SET tokens = 0 WHERE slot = 0 AND device = 0",
        "UPDATE task SET split = 1000000 WHERE slot = 0 AND device = 0",
        "UPDATE task SET device = 77 WHERE slot = 0 AND device = 3;"
        "UPDATE answer SET device = 77 WHERE slot = 0 AND device = 3",
    };
    const struct scratch *s = *state;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct diag diag = {{0}};
        unsigned asked = 0;
        record(s);
        scratch_exec(s->file, statements[i]);
        (void) verify(s, &asked, ERR_CORRUPT, &diag);
        assert_non_null(strstr(diag.text, "cannot be computed"));
        (void) remove(s->file);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(every_finished_task_is_computed_again),
        TEST(what_was_changed_in_the_file_is_found),
        TEST(a_guests_answer_is_compared_with_that_to_its_own_prompt),
        TEST(a_prompt_of_another_length_than_its_tasks_is_refused),
        TEST(a_task_that_no_model_has_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
