/* Guests: places that nobody is waited for, and splits that are no policy's. The last of three devices is a guest. */
#include <math.h>

#include "core/base/err.h"
#include "tests/unit/session/script.h"

static struct script script;
static uint32_t heard[4]; /* a guest's prompt, */
static uint32_t heard_tokens, answers;
static bool overridden;

static int on_answers(void *user, const struct db_answer *answer, size_t count)
{
    (void) user;
    for (size_t i = 0; i < count; i++) {
        answers++;
        if (answer[i].device != 2)
            continue;
        heard_tokens = answer[i].prompt_tokens;
        overridden = answer[i].overridden;
        assert_true(heard_tokens <= 4);
        if (heard_tokens > 0)
            memcpy(heard, answer[i].prompt, heard_tokens * sizeof *heard);
    }
    return 0;
}

static void begin_as(uint32_t first_episode)
{
    script_open(&script, false, 2, 3);
    session_core_destroy(script.core);
    heard_tokens = answers = 0;
    script.world.scenario.devices.guests = 1;
    script.world.scenario.compute.kind = COMPUTE_MODEL;
    script.world.scenario.run.record = RECORD_ANSWERS;
    script.session.first_episode = first_episode;
    session_sinks_add(&script.session.sinks, (struct session_sink){.answers = on_answers});
    assert_int_equal(session_core_create(&script.core, &script.session), 0);
}

static int begin(void **state)
{
    (void) state;
    begin_as(0);
    return 0;
}

static int end(void **state)
{
    (void) state;
    script_close(&script);
    return 0;
}

static void observe(uint32_t tokens, uint32_t wish)
{
    struct proto_message message = script_observation(&script, 2, script.round);
    message.observation.tokens = tokens;
    message.observation.wish = wish;
    assert_int_equal(script_message(&script, &message), 0);
}

/* ---- who is there ---- */

static void nobody_waits_for_a_guest_and_a_free_place_is_no_loss(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1", "grant(0.0) allot0[0] allot1[1] decision0 decision1");
    script_run(&script, "r0 r1 a0 a1", "tasks grant(0.1)");
    const struct session_result *result = session_core_result(script.core);
    assert_int_equal(result->tasks, 2);
    assert_int_equal(result->lost_tasks + result->lost_nodes, 0);
    assert_int_equal(script.row[2].status, DB_TASK_DEVICE_LOST);
    assert_true(isnan(script.row[2].x_m));
}

static void a_guest_takes_part_from_the_slot_after_it_came_until_it_leaves(void **state)
{
    (void) state;
    script_run(&script, "start D2", "grant(0.0) event(device2,observe)");
    assert_int_equal(script.event[0].kind, DB_EVENT_REJOIN);
    script_run(&script, "o0 o1 r0 r1 a0 a1", "allot0[0] allot1[1] decision0 decision1 tasks grant(0.1)");
    assert_true(session_core_waits_for(script.core, false, 2));
    script_run(&script, "o2 o0 o1", "allot0[0] allot1[1] decision0 decision1 decision2");
    script_run(&script, "r2 r0 r1 a0 a1", "tasks grant(0.2)");
    script_run(&script, "o0 d2 o1", "event(device2,observe) allot0[0] allot1[1] decision0 decision1");
    assert_int_equal(script.event[1].kind, DB_EVENT_NODE_LOST);
    assert_int_equal(session_core_result(script.core)->lost_nodes, 0);
    assert_int_equal(session_core_result(script.core)->tasks, 5);
}

static void a_guest_that_is_lost_with_its_task_loses_it_and_the_run_goes_on(void **state)
{
    (void) state;
    script_run(&script, "start D2 o0 o1 r0 r1 a0 a1",
               "grant(0.0) event(device2,observe) allot0[0] allot1[1] decision0 decision1 tasks grant(0.1)");
    script_run(&script, "o0 o1 o2 d2",
               "allot0[0] allot1[1] decision0 decision1 decision2 event(device2,execute)");
    script_run(&script, "r0 r1 a0 a1", "tasks grant(0.2)");
    assert_int_equal(session_core_result(script.core)->lost_tasks, 1);
}

static void a_session_that_goes_on_with_a_later_episode_has_no_guests_yet(void **state)
{
    (void) state;
    script_close(&script);
    begin_as(1);
    script_run(&script, "start o0 o1", "grant(1.0) allot0[0] allot1[1] decision0 decision1");
}

/* ---- what it wishes ---- */

/* To the first slot with the guest. */
static void bring_guest(void)
{
    script_run(&script, "start D2 o0 o1 r0 r1 a0 a1",
               "grant(0.0) event(device2,observe) allot0[0] allot1[1] decision0 decision1 tasks grant(0.1)");
}

static void a_wish_takes_the_place_of_the_policys_split(void **state)
{
    (void) state;
    static const uint32_t prompt[] = {5, 6, 7};
    bring_guest();
    observe(3, 8 + 1); /* the policy keeps device 2 at home; server 1 has the better channel */
    script_run(&script, "o0 o1", "allot0[0] allot1[1,2] decision0 decision1 decision2");
    struct proto_message message = script_report(2, script.round);
    message.report.served_by = 1;
    message.report.overridden = 1;
    message.report.prompt = (struct proto_u32s){prompt, 3};
    assert_int_equal(script_message(&script, &message), 0);
    script_run(&script, "r0 r1 a0 a1", "tasks grant(0.2)");
    const struct db_task *row = &script.row[script.rows - 1];
    assert_int_equal(row->split, 8);
    assert_int_equal(row->server, 1);
    assert_false(row->repaired);
    assert_true(overridden);
    assert_int_equal(heard_tokens, 3);
    assert_memory_equal(heard, prompt, sizeof prompt);
}

static void a_wish_that_is_not_possible_is_mended_and_others_stay_as_they_were(void **state)
{
    (void) state;
    script.world.scenario.model.min_split = 4;
    bring_guest();
    observe(3, 1 + 1);
    script_run(&script, "o0 o1", "allot0[0] allot1[1,2] decision0 decision1 decision2");
    script.place[2] = 1;
    script_run(&script, "r0 r1 r2 a0 a1", "tasks grant(0.2)");
    assert_int_equal(script.row[script.rows - 1].split, 4);
    assert_true(script.row[script.rows - 1].repaired);
    assert_int_equal(script.row[script.rows - 2].split, 16);
    assert_false(script.row[script.rows - 2].repaired);
}

static void a_wish_for_all_layers_is_local(void **state)
{
    (void) state;
    bring_guest();
    observe(3, script.world.llm->layers + 1);
    script_run(&script, "o0 o1 r2 r0 r1 a0 a1",
               "allot0[0] allot1[1] decision0 decision1 decision2 tasks grant(0.2)");
    assert_int_equal(script.row[script.rows - 1].server, DB_SERVER_NULL);
}

static void a_guest_without_a_task_has_no_wish(void **state)
{
    (void) state;
    bring_guest();
    observe(0, 8 + 1);
    script_run(&script, "o0 o1", "allot0[0] allot1[1] decision0 decision1 decision2");
}

static void who_is_no_guest_has_neither_a_wish_nor_a_prompt(void **state)
{
    (void) state;
    static const uint32_t prompt[64] = {0};
    script_run(&script, "start", "grant(0.0)");
    struct proto_message message = script_observation(&script, 0, script.round);
    message.observation.wish = 3;
    assert_int_equal(script_message(&script, &message), ERR_RANGE);
    script_run(&script, "o0 o1", "allot0[0] allot1[1] decision0 decision1");
    message = script_report(0, script.round);
    message.report.prompt = (struct proto_u32s){prompt, 64};
    assert_int_equal(script_message(&script, &message), ERR_RANGE);
    script_run(&script, "r0", ""); /* it is still awaited */
}

static void a_guests_prompt_is_as_long_as_it_said(void **state)
{
    (void) state;
    static const uint32_t prompt[] = {5, 6};
    bring_guest();
    observe(3, 0);
    script_run(&script, "o0 o1", "allot0[0] allot1[1] decision0 decision1 decision2");
    struct proto_message message = script_report(2, script.round);
    message.report.prompt = (struct proto_u32s){prompt, 2};
    assert_int_equal(script_message(&script, &message), ERR_RANGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(nobody_waits_for_a_guest_and_a_free_place_is_no_loss),
        TEST(a_guest_takes_part_from_the_slot_after_it_came_until_it_leaves),
        TEST(a_guest_that_is_lost_with_its_task_loses_it_and_the_run_goes_on),
        TEST(a_session_that_goes_on_with_a_later_episode_has_no_guests_yet),
        TEST(a_wish_takes_the_place_of_the_policys_split),
        TEST(a_wish_that_is_not_possible_is_mended_and_others_stay_as_they_were),
        TEST(a_wish_for_all_layers_is_local),
        TEST(a_guest_without_a_task_has_no_wish),
        TEST(who_is_no_guest_has_neither_a_wish_nor_a_prompt),
        TEST(a_guests_prompt_is_as_long_as_it_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
