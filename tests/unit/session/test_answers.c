/* What devices really computed: from their REPORTs to the sinks. */
#include "core/base/err.h"
#include "tests/unit/session/script.h"

#define ANSWERS_MAX 8u

static struct script script;
static struct db_answer heard[ANSWERS_MAX];
static size_t answers, rows_before; /* heard; and rows when the last came */

static int on_answers(void *user, const struct db_answer *answer, size_t count)
{
    (void) user;
    assert_true(answers + count <= ANSWERS_MAX && count > 0);
    memcpy(heard + answers, answer, count * sizeof *answer);
    answers += count;
    rows_before = script.rows;
    return 0;
}

/* A session of one episode of two slots, whose layers are real. */
static void open_session(enum scenario_compute_kind kind, enum scenario_record record)
{
    script_open(&script, false, 1, 2);
    session_core_destroy(script.core);
    answers = rows_before = 0;
    script.world.scenario.compute.kind = kind;
    script.world.scenario.run.record = record;
    session_sinks_add(&script.session.sinks, (struct session_sink){.answers = on_answers});
    assert_int_equal(session_core_create(&script.core, &script.session), 0);
    script_run(&script, "start o0 o1 o2", "grant(0.0) allot0[0] allot1[1] decision0 decision1 decision2");
}

static int end(void **state)
{
    (void) state;
    script_close(&script);
    return 0;
}

static void report(uint32_t device, const uint32_t *token, size_t tokens, double server_s)
{
    struct proto_message message = script_report(device, script.round);
    message.report.answer.data = token;
    message.report.answer.count = tokens;
    message.report.activation_bytes = 1000 + device;
    message.report.device_compute_s = 0.32;
    message.report.server_compute_s = server_s;
    message.report.first_token_s = 0.75;
    message.report.overridden = device == 0;
    assert_int_equal(script_message(&script, &message), 0);
}

static void answers_come_in_order_of_device_ahead_of_their_rows(void **state)
{
    (void) state;
    static const uint32_t token[] = {7, 8, 9};
    open_session(COMPUTE_MODEL, RECORD_ANSWERS);
    report(2, token, 3, 0.0); /* all at the device */
    report(0, token + 1, 1, 0.16);
    script_run(&script, "r1", ""); /* without an answer */
    script_run(&script, "a0 a1", "tasks grant(0.1)");
    assert_int_equal(answers, 3);
    assert_int_equal(rows_before, 0);
    for (uint32_t n = 0; n < 3; n++) {
        assert_int_equal(heard[n].device, n);
        assert_int_equal(heard[n].episode, 0);
        assert_int_equal(heard[n].slot, 0);
        assert_true(heard[n].is_kept);
        assert_int_equal(heard[n].overridden, n == 0);
    }
    assert_int_equal(heard[0].tokens, 1);
    assert_int_equal(heard[0].token[0], 8);
    assert_same(heard[0].device_layer_s, 0.32 / 16);
    assert_same(heard[0].server_layer_s, 0.16 / 16);
    assert_int_equal(heard[0].activation_bytes, 1000);
    assert_same(heard[0].first_token_s, 0.75);
    assert_int_equal(heard[1].tokens, 0);
    assert_true(isnan(heard[1].device_layer_s) && isnan(heard[1].server_layer_s));
    assert_int_equal(heard[2].tokens, 3);
    assert_memory_equal(heard[2].token, token, sizeof token);
    assert_same(heard[2].device_layer_s, 0.32 / 32);
    assert_true(isnan(heard[2].server_layer_s));
}

static void a_task_that_is_lost_has_no_answer(void **state)
{
    (void) state;
    static const uint32_t token[] = {7};
    open_session(COMPUTE_MODEL, RECORD_TASKS);
    report(0, token, 1, 0.16);
    report(1, token, 1, 0.16);
    script_run(&script, "e1", "event(server1,execute)"); /* takes the answer of device 1 back */
    report(2, token, 1, 0.0);
    script_run(&script, "a0", "tasks grant(0.1)");
    assert_int_equal(answers, 2);
    assert_int_equal(heard[0].device, 0);
    assert_int_equal(heard[1].device, 2);
    assert_false(heard[0].is_kept); /* their number is */
    assert_int_equal(heard[0].tokens, 1);
}

static void an_emulated_session_has_no_answers_whatever_is_reported(void **state)
{
    (void) state;
    static const uint32_t token[] = {7};
    open_session(COMPUTE_EMULATED, RECORD_ANSWERS);
    for (uint32_t n = 0; n < SCRIPT_DEVICES; n++)
        report(n, token, 1, 0.16);
    script_run(&script, "a0 a1", "tasks grant(0.1)");
    assert_int_equal(answers, 0);
    assert_int_equal(script.rows, SCRIPT_DEVICES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(answers_come_in_order_of_device_ahead_of_their_rows, end),
        cmocka_unit_test_teardown(a_task_that_is_lost_has_no_answer, end),
        cmocka_unit_test_teardown(an_emulated_session_has_no_answers_whatever_is_reported, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
