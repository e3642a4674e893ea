/* The orchestrator's core, played by a script: the order of what it says, the fixed delay of learning, rows,
 * refusals. */
#include "tests/unit/session/script.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/model/cost.h"

#define SLOT_ENDS "r0 r1 r2 a0 a1"
#define DECIDED "allot0[0] allot1[1] decision0 decision1 decision2"

static struct script script;

static int teardown(void **state)
{
    (void) state;
    script_close(&script);
    return 0;
}

static int plain(void **state)
{
    (void) state;
    script_open(&script, false, 2, 2);
    return 0;
}

static int learner(void **state)
{
    (void) state;
    script_open(&script, true, 2, 3);
    return 0;
}

/* ---- the order of things ---- */

static void a_session_grants_decides_gathers_and_ends(void **state)
{
    (void) state;
    script_run(&script, "start", "grant(0.0)");
    script_run(&script, "o0 o1", "");
    script_run(&script, "o2", DECIDED);
    script_run(&script, "r0 r1 r2 a0", "");
    script_run(&script, "a1", "tasks grant(0.1)");
    script_run(&script, "o2 o1 o0", DECIDED);
    script_run(&script, "a1 r2 a0 r1 r0", "tasks episode0 grant(1.0)");
    script_run(&script, "o0 o1 o2 " SLOT_ENDS, DECIDED " tasks grant(1.1)");
    script_run(&script, "o0 o1 o2 " SLOT_ENDS, DECIDED " tasks episode1 finish");
    assert_int_equal(session_core_state(script.core), SESSION_DONE);
    assert_int_equal(script.rows, 2 * 2 * SCRIPT_DEVICES);
    const struct session_result *result = session_core_result(script.core);
    assert_int_equal(result->slots, 4);
    assert_int_equal(result->tasks, 12);
    assert_int_equal(result->lost_nodes, 0);
    assert_false(result->stopped || result->abandoned);
}

static void the_task_of_a_round_is_there_while_it_is_in_progress(void **state)
{
    (void) state;
    script_run(&script, "start", "grant(0.0)");
    assert_null(session_core_task(script.core, 1, script.round));
    script_run(&script, "o0 o1 o2", DECIDED);
    for (uint32_t n = 0; n < SCRIPT_DEVICES; n++) {
        const struct db_task *task = session_core_task(script.core, n, script.round);
        assert_non_null(task);
        assert_int_equal(task->device, n);
        assert_int_equal(task->episode, 0);
        assert_int_equal(task->slot, 0);
        assert_int_equal(task->tokens, 64 + n);
        assert_int_equal(task->split, n == 2 ? 32 : 16);
    }
    assert_null(session_core_task(script.core, 1, script.round + 1));
    assert_null(session_core_task(script.core, SCRIPT_DEVICES, script.round));
    script_run(&script, SLOT_ENDS, "tasks grant(0.1)");
    assert_null(session_core_task(script.core, 1, script.round));
}

static void a_learner_closes_each_episode_with_one_more_observation(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    script_run(&script, "o0 o1 o2", DECIDED " learn");
    script_run(&script, SLOT_ENDS " l", "tasks grant(0.2)");
    script_run(&script, "o0 o1 o2 l", DECIDED " learn");
    script_run(&script, SLOT_ENDS, "tasks close(0.3)");
    script_run(&script, "o0 o1 o2", "episode0 grant(1.0) learn");
    assert_string_equal(script.log,
                        "decide(0.0):0 learn(0.1) decide(0.1):0 update:1 learn(0.2) decide(0.2):1 update:2 "
                        "learn(0.3,end) ");
    script.log[0] = '\0';
    script_run(&script, "l o0 o1 o2 " SLOT_ENDS, DECIDED " tasks grant(1.1)");
    script_run(&script, "o0 o1 o2 l " SLOT_ENDS, DECIDED " learn tasks grant(1.2)");
    script_run(&script, "o0 o1 o2 l " SLOT_ENDS, DECIDED " learn tasks close(1.3)");
    script_run(&script, "o0 o1 o2", "checkpoint1 episode1 finish");
    assert_string_equal(script.log, "update:3 decide(1.0):3 learn(1.1) decide(1.1):3 update:4 learn(1.2) "
                                    "decide(1.2):4 update:5 learn(1.3,end) save(1):5 ");
    assert_int_equal(script.rows, 2 * 3 * SCRIPT_DEVICES); /* the closing observations make none */
    assert_int_equal(script.episode[1].slots, 3);
    assert_int_equal(session_core_result(script.core)->slots, 6);
}

static void deciding_waits_for_the_update_however_late_it_comes(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    script_run(&script, "o0 o1 o2 " SLOT_ENDS, DECIDED " learn tasks grant(0.2)");
    script_run(&script, "o0 o1 o2", "");
    assert_int_equal(session_core_state(script.core), SESSION_LEARNING);
    script_run(&script, "l", DECIDED " learn");
    script_run(&script, SLOT_ENDS, "tasks close(0.3)");
    script_run(&script, "o0 o1 o2", "");
    script_run(&script, "l", "episode0 grant(1.0) learn");
}

/* decide(t+1) uses the weights after the update from transitions up to t-1, whenever that update is done. */
static void the_delay_of_learning_does_not_depend_on_when_the_update_is_done(void **state)
{
    (void) state;
    static const char *const slot[] = {"l o0 o1 o2 " SLOT_ENDS, "o0 o1 l o2 " SLOT_ENDS,
                                       "o0 o1 o2 l " SLOT_ENDS};
    static char logs[3][sizeof script.log];
    for (int when = 0; when < 3; when++) {
        script_close(&script);
        script_open(&script, true, 1, 6);
        script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS,
                   "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " learn tasks grant(0.2)");
        for (int t = 2; t < 6; t++) {
            char expected[128];
            (void) snprintf(expected, sizeof expected, DECIDED " learn tasks %s(0.%d)",
                            t == 5 ? "close" : "grant", t + 1);
            script_run(&script, slot[when], expected);
        }
        memcpy(logs[when], script.log, sizeof script.log);
    }
    assert_non_null(strstr(logs[0], "decide(0.5):4 ")); /* transitions 0 to 3 */
    for (int when = 1; when < 3;
         when++) { /* the updates stand elsewhere in the log, the decisions saw the same */
        const char *a = logs[0], *b = logs[when];
        while ((a = strstr(a, "decide")) != NULL && (b = strstr(b, "decide")) != NULL) {
            assert_memory_equal(a, b, strlen("decide(0.5):4 "));
            a++;
            b++;
        }
        assert_null(a);
    }
}

static void the_checkpoint_is_saved_before_the_update_starts(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, true, 4, 1);
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               "grant(0.0) " DECIDED " tasks close(0.1) episode0 grant(1.0) learn");
    script_run(&script, "l o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               DECIDED " tasks close(1.1) checkpoint1 episode1 grant(2.0) learn");
    script_run(&script, "o0 o1 o2 l " SLOT_ENDS " o0 o1 o2",
               DECIDED " tasks close(2.1) episode2 grant(3.0) learn");
    script_run(&script, "o0 o1 o2 l " SLOT_ENDS " o0 o1 o2",
               DECIDED " tasks close(3.1) checkpoint3 episode3 finish");
    assert_non_null(strstr(script.log, "learn(1.1,end) save(1):1 update:2 "));
    assert_non_null(strstr(script.log, "learn(3.1,end) save(3):3 "));
}

static void the_last_episode_is_saved_whatever_the_interval_and_none_when_there_is_none(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, true, 1, 1);
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               "grant(0.0) " DECIDED " tasks close(0.1) checkpoint0 episode0 finish");
    script_close(&script);
    script_open(&script, true, 1, 1);
    session_core_destroy(script.core);
    script.session.checkpoint_every = 0;
    assert_int_equal(session_core_create(&script.core, &script.session), 0);
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               "grant(0.0) " DECIDED " tasks close(0.1) episode0 finish");
}

static void a_session_of_no_episodes_ends_as_it_begins(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, false, 0, 5);
    script_run(&script, "start", "finish");
    assert_true(isnan(session_core_result(script.core)->mean_cost));
}

static void the_stop_flag_ends_the_session_after_the_slot(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 r0", "grant(0.0) " DECIDED);
    script.stop = 1;
    script_run(&script, "r1 r2 a0 a1", "tasks episode0 finish");
    assert_true(session_core_result(script.core)->stopped);
    assert_int_equal(script.episode[0].slots, 1);
    assert_int_equal(script.episode[0].tasks, SCRIPT_DEVICES);
}

static void a_stopped_learner_still_observes_its_end_and_saves(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    script.stop = 1;
    script_run(&script, "o0 o1 o2 " SLOT_ENDS, DECIDED " learn tasks close(0.2)");
    script_run(&script, "o0 o1 o2", "");
    script_run(&script, "l", "checkpoint0 episode0 finish");
    assert_int_equal(script.episode[0].slots, 2);
    assert_true(session_core_result(script.core)->stopped);
}

/* ---- rows ---- */

static void a_row_says_what_was_decided_and_what_came_of_it(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    assert_int_equal(script.rows, SCRIPT_DEVICES);
    for (uint32_t n = 0; n < SCRIPT_DEVICES; n++) {
        const struct db_task *row = &script.row[n];
        struct msg_report report = script_report(n, 0).report;
        assert_int_equal(row->device, n);
        assert_int_equal(row->tokens, 64 + n);
        assert_int_equal(row->split, n < 2 ? 16 : 32);
        assert_int_equal(row->server, n < 2 ? (int) n : DB_SERVER_NULL);
        assert_int_equal(row->served_by, n < 2 ? (int) n : DB_SERVER_NULL);
        assert_same(row->bandwidth_share, 0.25); /* as reported */
        assert_same(row->compute_share, 0.5);
        assert_same(row->x_m, 100.0 + n);
        assert_same(row->y_m, 200.0 + n);
        assert_same(row->latency_s, report.latency_s);
        assert_same(row->energy_j, report.energy_j);
        assert_same(row->payload_bytes, 10.0);
        assert_same(row->cost, cost_task(&script.world, &script.world.device[n], row->tokens,
                                         report.latency_s, report.energy_j, false, NULL));
        assert_int_equal(row->deadline_missed, report.latency_s > 1.2);
        assert_false(row->repaired);
        assert_int_equal(row->status, DB_TASK_DONE);
    }
}

static void the_result_and_the_episode_average_over_all_tasks(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS,
               "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " tasks episode0 grant(1.0)");
    double cost = 0.0, latency_s = 0.0, total_return = 0.0;
    for (size_t i = 0; i < 6; i++) {
        cost += script.row[i].cost;
        latency_s += script.row[i].latency_s;
    }
    for (size_t t = 0; t < 2; t++)
        total_return -=
            (script.row[3 * t].cost + script.row[3 * t + 1].cost + script.row[3 * t + 2].cost) / 3.0;
    assert_same(script.episode[0].mean_cost, cost / 6.0);
    assert_same(script.episode[0].mean_latency_s, latency_s / 6.0);
    assert_near(script.episode[0].episode_return, total_return, 1e-12);
    assert_int_equal(script.episode[0].tasks, 6);
    assert_int_equal(script.episode[0].failures, 0);
    assert_same(script.episode[0].wall_s, 0.5);
    assert_true(isnan(script.episode[0].optimum_cost));
    script_run(&script, "o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS,
               DECIDED " tasks grant(1.1) " DECIDED " tasks episode1 finish");
    for (size_t i = 6; i < 12; i++)
        cost += script.row[i].cost;
    assert_near(session_core_result(script.core)->mean_cost, cost / 12.0, 1e-12);
}

static void a_decision_sees_the_load_of_the_slot_before_and_none_at_the_start(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, false, 2, 3);
    static const uint32_t none[SCRIPT_SERVERS] = {0, 0}, both[SCRIPT_SERVERS] = {1, 1},
                          one[SCRIPT_SERVERS] = {2, 0};
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    assert_memory_equal(script.previous_load, none, sizeof none);
    script_run(&script, "e1 o0 o1 o2 r0 r1 r2 a0",
               "event(server1,observe) allot0[0,1] decision0 decision1 decision2 tasks grant(0.2)");
    assert_memory_equal(script.previous_load, both, sizeof both);
    script_run(&script, "o0 o1 o2 r0 r1 r2 a0",
               "allot0[0,1] decision0 decision1 decision2 tasks episode0 grant(1.0)");
    assert_memory_equal(script.previous_load, one, sizeof one);
    script_run(&script, "o0 o1 o2", "allot0[0,1] decision0 decision1 decision2");
    assert_memory_equal(script.previous_load, none, sizeof none);
}

static void without_rows_of_tasks_everything_else_is_the_same(void **state)
{
    (void) state;
    session_core_destroy(script.core);
    script.session.record_tasks = false;
    script.session.sinks.sink[0].episode = NULL;
    assert_int_equal(session_core_create(&script.core, &script.session), 0);
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS,
               "grant(0.0) " DECIDED " grant(0.1) " DECIDED " episode0 grant(1.0)");
    assert_int_equal(script.rows, 0);
    assert_int_equal(script.episodes, 0);
    assert_int_equal(session_core_result(script.core)->tasks, 6);
}

/* ---- refusals ---- */

static void assert_refused(const struct proto_message *message, int code)
{
    enum session_state before = session_core_state(script.core);
    assert_int_equal(script_message(&script, message), code);
    assert_int_equal(session_core_state(script.core), before);
}

static void assert_all_refused(const char *words)
{
    char word[3] = "";
    for (; *words != '\0'; words += words[2] == ' ' ? 3 : 2) {
        memcpy(word, words, 2);
        enum session_state before = session_core_state(script.core);
        if (script_word(&script, word) != ERR_STATE)
            fail_msg("%s was taken", word);
        assert_int_equal(session_core_state(script.core), before);
    }
}

static void nothing_is_taken_before_the_start_nor_a_second_start(void **state)
{
    (void) state;
    assert_all_refused("o0 r0 a0 l0");
    script_run(&script, "d0 e0", "");
    script_run(&script, "start", "grant(0.0)");
    assert_int_equal(script_word(&script, "start"), ERR_STATE);
}

static void messages_out_of_state_are_refused_and_the_slot_goes_on(void **state)
{
    (void) state;
    script_run(&script, "start", "grant(0.0)");
    assert_all_refused("r0 r1 a0 a1 l0"); /* a report in the very first slot, before there is any row */
    script_run(&script, "o0", "");
    assert_all_refused("o0 r0 a0 l0");
    script_run(&script, "o1 o2", DECIDED);
    assert_all_refused("o0 o1 o2 l0");
    script_run(&script, "r0 a0", "");
    assert_all_refused("r0 a0 o0");
    script_run(&script, "r1 r2 a1", "tasks grant(0.1)");
    assert_all_refused("r0 r1 r2 a0 a1");
}

static void a_learners_core_refuses_reports_while_it_waits_for_the_update(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    assert_all_refused("l0");
    script_run(&script, "o0 o1 o2 " SLOT_ENDS " o0 o1 o2", DECIDED " learn tasks grant(0.2)");
    assert_all_refused("o0 r0 a0");
    script_run(&script, "l", DECIDED " learn");
}

static void messages_of_another_round_are_refused_but_late_reports_are_ignored(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks grant(0.1)");
    struct proto_message message = script_observation(&script, 0, 0);
    assert_refused(&message, ERR_STATE);
    message = script_observation(&script, 0, 2);
    assert_refused(&message, ERR_STATE);
    message = script_report(0, 0);
    assert_int_equal(script_message(&script, &message), 0); /* its slot is closed */
    assert_int_equal(script.actions.count, 0);
    script_run(&script, "o0 o1 o2", DECIDED);
    message = script_report(0, 2);
    assert_refused(&message, ERR_STATE);
    message = script_advanced(0, 0);
    assert_refused(&message, ERR_STATE);
    message = script_report(0, 0);
    assert_int_equal(script_message(&script, &message), 0);
    script_run(&script, SLOT_ENDS, "tasks episode0 grant(1.0)");
    assert_same(script.row[3].latency_s, script_report(0, 1).report.latency_s); /* not the late one's */
}

static void messages_of_nodes_that_do_not_exist_or_of_other_kinds_are_refused(void **state)
{
    (void) state;
    script_run(&script, "start", "grant(0.0)");
    struct proto_message message = script_observation(&script, SCRIPT_DEVICES, 0);
    assert_refused(&message, ERR_STATE);
    message = script_report(SCRIPT_DEVICES, 0);
    assert_refused(&message, ERR_STATE);
    message = script_advanced(SCRIPT_SERVERS, 0);
    assert_refused(&message, ERR_STATE);
    message = (struct proto_message){.id = PROTO_READY};
    assert_refused(&message, ERR_STATE);
    message = (struct proto_message){.id = (enum proto_id) 99};
    assert_refused(&message, ERR_STATE);
    message = script_observation(&script, 0, 0);
    message.observation.gain.count = SCRIPT_SERVERS - 1;
    assert_refused(&message, ERR_RANGE);
    script_run(&script, "o0 o1 o2", DECIDED);
}

static void after_the_end_everything_is_refused_but_a_loss_which_is_no_news(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, false, 1, 1);
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS, "grant(0.0) " DECIDED " tasks episode0 finish");
    script.round++;
    assert_all_refused("o0 r0 a0 l0");
    script_run(&script, "d0 e0", "");
    assert_int_equal(session_core_result(script.core)->lost_nodes, 0);
}

static void a_shell_can_ask_whom_the_slot_still_waits_for(void **state)
{
    (void) state;
    script_run(&script, "start o1", "grant(0.0)");
    assert_true(session_core_waits_for(script.core, false, 0));
    assert_false(session_core_waits_for(script.core, false, 1));
    assert_false(session_core_waits_for(script.core, true, 0));
    script_run(&script, "o0 o2 r0 a1", DECIDED);
    assert_false(session_core_waits_for(script.core, false, 0));
    assert_true(session_core_waits_for(script.core, false, 2));
    assert_true(session_core_waits_for(script.core, true, 0));
    assert_false(session_core_waits_for(script.core, true, 1));
    struct slot_id id = session_core_slot(script.core);
    assert_int_equal(id.phase, RNG_TRAIN);
    assert_int_equal(id.episode, 0);
    assert_int_equal(id.slot, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, plain, teardown)
#define LEARNER(name) cmocka_unit_test_setup_teardown(name, learner, teardown)
        PLAIN(a_session_grants_decides_gathers_and_ends),
        PLAIN(the_task_of_a_round_is_there_while_it_is_in_progress),
        LEARNER(a_learner_closes_each_episode_with_one_more_observation),
        LEARNER(deciding_waits_for_the_update_however_late_it_comes),
        LEARNER(the_delay_of_learning_does_not_depend_on_when_the_update_is_done),
        LEARNER(the_checkpoint_is_saved_before_the_update_starts),
        LEARNER(the_last_episode_is_saved_whatever_the_interval_and_none_when_there_is_none),
        PLAIN(a_session_of_no_episodes_ends_as_it_begins),
        PLAIN(the_stop_flag_ends_the_session_after_the_slot),
        LEARNER(a_stopped_learner_still_observes_its_end_and_saves),
        PLAIN(a_row_says_what_was_decided_and_what_came_of_it),
        PLAIN(the_result_and_the_episode_average_over_all_tasks),
        PLAIN(a_decision_sees_the_load_of_the_slot_before_and_none_at_the_start),
        PLAIN(without_rows_of_tasks_everything_else_is_the_same),
        PLAIN(nothing_is_taken_before_the_start_nor_a_second_start),
        PLAIN(messages_out_of_state_are_refused_and_the_slot_goes_on),
        LEARNER(a_learners_core_refuses_reports_while_it_waits_for_the_update),
        PLAIN(messages_of_another_round_are_refused_but_late_reports_are_ignored),
        PLAIN(messages_of_nodes_that_do_not_exist_or_of_other_kinds_are_refused),
        PLAIN(after_the_end_everything_is_refused_but_a_loss_which_is_no_news),
        PLAIN(a_shell_can_ask_whom_the_slot_still_waits_for),
#undef PLAIN
#undef LEARNER
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
