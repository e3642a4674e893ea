/* Nodes that are lost: in every state of the orchestrator's core, twice, the last one, all of them. However a
 * session is torn, it ends, and every slot has a row for every device. */
#include "tests/unit/session/script.h"

#include "core/base/err.h"
#include "core/base/rng.h"

#define SLOT_ENDS "r0 r1 r2 a0 a1"
#define DECIDED "allot0[0] allot1[1] decision0 decision1 decision2"

static struct script script;

static int plain(void **state)
{
    (void) state;
    script_open(&script, false, 1, 2);
    return 0;
}

static int learner(void **state)
{
    (void) state;
    script_open(&script, true, 2, 2);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    script_close(&script);
    return 0;
}

static void assert_row(size_t row, enum db_task_status status, uint32_t tokens)
{
    const struct db_task *task = &script.row[row];
    bool done = status == DB_TASK_DONE;
    assert_int_equal(task->status, status);
    assert_int_equal(task->tokens, tokens);
    assert_int_equal(isnan(task->cost), !done);
    assert_int_equal(isnan(task->latency_s), !done);
    assert_int_equal(isnan(task->energy_j), !done);
    assert_int_equal(isnan(task->payload_bytes), !done);
    assert_int_equal(isnan(task->x_m), tokens == 0);
    if (!done)
        assert_false(task->deadline_missed);
}

/* ---- a device ---- */

static void a_device_lost_while_observing_takes_no_part(void **state)
{
    (void) state;
    script_run(&script, "start o0 d1 o2",
               "grant(0.0) event(device1,observe) allot0[0] allot1[] decision0 decision2");
    assert_int_equal(script.event[0].kind, DB_EVENT_NODE_LOST);
    assert_string_equal(script.event[0].detail, "scripted");
    script_run(&script, "r0 r2 a0 a1 o0 o2", "tasks grant(0.1) allot0[0] allot1[] decision0 decision2");
    assert_row(0, DB_TASK_DONE, 64);
    assert_row(1, DB_TASK_DEVICE_LOST, 0);
    assert_int_equal(script.row[1].split, 32);
    assert_int_equal(script.row[1].server, DB_SERVER_NULL);
    assert_row(2, DB_TASK_DONE, 66);
}

static void a_device_that_has_observed_and_is_lost_takes_no_part_either(void **state)
{
    (void) state;
    script_run(&script, "start o1 o0 d1 o2",
               "grant(0.0) event(device1,observe) allot0[0] allot1[] decision0 decision2");
    script_run(&script, "r0 r2 a0 a1", "tasks grant(0.1)");
    assert_row(1, DB_TASK_DEVICE_LOST, 0);
}

static void the_last_device_to_be_observed_may_be_the_lost_one(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 d2",
               "grant(0.0) event(device2,observe) allot0[0] allot1[1] decision0 decision1");
}

static void a_device_lost_while_executing_is_revoked_at_its_server(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d1", "grant(0.0) " DECIDED " event(device1,execute) revoke1[1]");
    script_run(&script, "r0 r2 a0 a1", "tasks grant(0.1)");
    assert_row(1, DB_TASK_DEVICE_LOST, 65);
    assert_int_equal(script.row[1].split, 16);
    assert_int_equal(script.row[1].server, 1);
    assert_int_equal(session_core_result(script.core)->lost_nodes, 1);
}

static void nothing_is_revoked_of_a_local_task_or_at_a_server_that_is_done(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d2", "grant(0.0) " DECIDED " event(device2,execute)");
    script_run(&script, "a1 d1", "event(device1,execute)");
    script_run(&script, "r0 a0", "tasks grant(0.1)");
    assert_row(1, DB_TASK_DEVICE_LOST, 65);
    assert_row(2, DB_TASK_DEVICE_LOST, 66);
}

static void a_device_lost_after_its_report_loses_the_task_all_the_same(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 r0 d0", "grant(0.0) " DECIDED " event(device0,execute) revoke0[0]");
    script_run(&script, "r1 r2 a0 a1", "tasks grant(0.1)");
    assert_row(0, DB_TASK_DEVICE_LOST, 64);
}

static void the_last_thing_a_slot_waits_for_may_be_a_lost_device(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 r0 r1 a0 a1 d2",
               "grant(0.0) " DECIDED " event(device2,execute) tasks grant(0.1)");
    assert_int_equal(script.event[0].phase, DB_PHASE_EXECUTE);
    assert_int_equal(script.event[0].slot, 0);
}

static void a_device_lost_while_the_update_runs_takes_no_part(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS,
               "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " learn tasks close(0.2)");
    script_run(&script, "o0 o1 o2 d1", "event(device1,observe)");
    script_run(&script, "l o0 o2 l", "episode0 grant(1.0) learn allot0[0] allot1[] decision0 decision2");
}

static void what_a_lost_device_still_says_is_refused(void **state)
{
    (void) state;
    script_run(&script, "start d1", "grant(0.0) event(device1,observe)");
    assert_int_equal(script_word(&script, "o1"), ERR_STATE);
    script_run(&script, "o0 o2 d2", "allot0[0] allot1[] decision0 decision2 event(device2,execute)");
    assert_int_equal(script_word(&script, "r2"), ERR_STATE);
    script_run(&script, "r0 a0 a1", "tasks grant(0.1)");
    assert_row(2, DB_TASK_DEVICE_LOST, 66);
    assert_int_equal(script_word(&script, "o1"), ERR_STATE); /* in the slots that follow, too */
    assert_int_equal(script_word(&script, "o2"), ERR_STATE);
    assert_false(session_core_waits_for(script.core, false, 1));
    script_run(&script, "o0", "allot0[0] allot1[] decision0");
}

static void a_task_that_was_lost_with_its_device_is_not_lost_again_with_its_server(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d1 e1",
               "grant(0.0) " DECIDED " event(device1,execute) revoke1[1] "
               "event(server1,execute)");
    script_run(&script, "r0 r2 a0", "tasks grant(0.1)");
    assert_row(1, DB_TASK_DEVICE_LOST, 65);
}

static void lost_tasks_do_not_count_in_any_mean(void **state)
{
    (void) state;
    script_close(&script);
    script_open(&script, false, 1, 1);
    script_run(&script, "start o0 o1 o2 d1 r0 r2 a0 a1",
               "grant(0.0) " DECIDED " event(device1,execute) revoke1[1] tasks episode0 finish");
    double mean = (script.row[0].cost + script.row[2].cost) / 2.0;
    assert_same(session_core_result(script.core)->mean_cost, mean);
    assert_same(script.episode[0].mean_cost, mean);
    assert_same(script.episode[0].episode_return, -mean);
    assert_int_equal(session_core_result(script.core)->tasks, SCRIPT_DEVICES);
}

/* ---- a server ---- */

static void a_server_lost_while_observing_covers_nobody(void **state)
{
    (void) state;
    script_run(&script, "start o0 e1 o1 o2",
               "grant(0.0) event(server1,observe) allot0[0,1] decision0 decision1 decision2");
    script_run(&script, "r0 r1 r2 a0", "tasks grant(0.1)");
    assert_int_equal(script.row[1].server, 0);
    assert_true(script.row[1].repaired); /* the script wished for server 1 */
    script_run(&script, "o0 o1 o2", "allot0[0,1] decision0 decision1 decision2");
}

static void a_server_lost_after_the_observations_covers_nobody_either(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 e0 o2",
               "grant(0.0) event(server0,observe) allot1[0,1] decision0 decision1 decision2");
    script_run(&script, "r0 r1 r2 a1", "tasks grant(0.1)");
    assert_int_equal(script.row[0].server, 1);
}

static void a_server_lost_while_executing_takes_its_tasks_with_it(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 e1", "grant(0.0) " DECIDED " event(server1,execute)");
    script_run(&script, "r1", ""); /* its report was on the way: too late */
    script_run(&script, "r0 r2 a0", "tasks grant(0.1)");
    assert_row(0, DB_TASK_DONE, 64);
    assert_row(1, DB_TASK_SERVER_LOST, 65);
    assert_int_equal(script.row[1].server, 1);
    assert_row(2, DB_TASK_DONE, 66);
    script_run(&script, "o0 o1 o2",
               "allot0[0,1] decision0 decision1 decision2"); /* device 1 is still there */
}

static void a_server_lost_after_the_reports_takes_them_back(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 r0 r1 r2 a0 e1",
               "grant(0.0) " DECIDED " event(server1,execute) tasks grant(0.1)");
    assert_row(1, DB_TASK_SERVER_LOST, 65);
}

static void a_server_lost_after_its_advanced_takes_its_tasks_too(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 a1 e1", "grant(0.0) " DECIDED " event(server1,execute)");
    script_run(&script, "r0 r2 a0", "tasks grant(0.1)");
    assert_row(1, DB_TASK_SERVER_LOST, 65);
}

static void a_report_given_up_in_one_slot_is_not_given_up_in_the_next(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 e1 r0 r2 a0",
               "grant(0.0) " DECIDED " event(server1,execute) tasks grant(0.1)");
    assert_int_equal(script_word(&script, "r1"), ERR_STATE); /* of the new round: nothing was decided yet */
    script_run(&script, "o0 o1 o2 r1 r0 r2 a0",
               "allot0[0,1] decision0 decision1 decision2 tasks episode0 finish");
    assert_row(4, DB_TASK_DONE, 65);
}

static void without_any_server_everyone_computes_at_home(void **state)
{
    (void) state;
    script_run(&script, "start e0 e1 o0 o1 o2",
               "grant(0.0) event(server0,observe) event(server1,observe) decision0 decision1 decision2");
    script_run(&script, "r0 r1 r2", "tasks grant(0.1)");
    for (size_t n = 0; n < SCRIPT_DEVICES; n++) {
        assert_int_equal(script.row[n].server, DB_SERVER_NULL);
        assert_false(script.row[n].repaired);
        assert_int_equal(script.row[n].status, DB_TASK_DONE);
    }
}

static void a_node_is_lost_once(void **state)
{
    (void) state;
    script_run(&script, "start d1 d1 e0 e0", "grant(0.0) event(device1,observe) event(server0,observe)");
    script_run(&script, "o0 o2 d1 e0", "allot1[0] decision0 decision2");
    script_run(&script, "d0 d0 e1 e1", "event(device0,execute) revoke1[0] event(server1,execute)");
    script_run(&script, "d2 d2", "event(device2,execute) tasks episode0 finish");
    assert_int_equal(session_core_result(script.core)->lost_nodes, 5);
    assert_int_equal(script.events, 5);
}

static void a_loss_of_a_node_that_does_not_exist_is_no_news(void **state)
{
    (void) state;
    script_run(&script, "start d3 e2 d9 e9", "grant(0.0)");
    assert_int_equal(session_core_result(script.core)->lost_nodes, 0);
}

/* ---- a server whose tasks go on without it ---- */

static void recover_by(enum scenario_recovery recovery)
{
    script.world.scenario.faults.recovery = recovery; /* read when something is lost */
}

static void a_task_goes_on_at_its_device_when_its_server_is_lost(void **state)
{
    (void) state;
    recover_by(RECOVERY_LOCAL);
    script_run(&script, "start o0 o1 o2 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>-1] recover1");
    script_run(&script, "r0 r2 a0", "");
    assert_true(session_core_waits_for(script.core, false, 1));
    script_run(&script, "r1", "tasks grant(0.1)");
    assert_row(0, DB_TASK_DONE, 64);
    assert_int_equal(script.row[1].status, DB_TASK_RECOVERED);
    assert_true(!isnan(script.row[1].cost));
    assert_int_equal(script.row[1].server, 1); /* as decided */
    assert_int_equal(script.row[1].served_by, DB_SERVER_NULL);
    assert_int_equal(script.event[1].kind, DB_EVENT_RECOVERED);
    assert_int_equal(session_core_result(script.core)->recovered, 1);
    assert_int_equal(session_core_result(script.core)->lost_tasks, 0);
}

static void what_was_reported_before_the_loss_is_taken_back_in_virtual_time(void **state)
{
    (void) state;
    recover_by(RECOVERY_LOCAL);
    script_run(&script, "start o0 o1 o2 r0 r1 r2 a0 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>-1] recover1");
    assert_true(session_core_waits_for(script.core, false, 1));
    script_run(&script, "r1", "tasks grant(0.1)");
    assert_int_equal(script.row[1].status, DB_TASK_RECOVERED);
}

static void a_report_that_was_on_its_way_is_not_the_recovered_ones(void **state)
{
    (void) state;
    recover_by(RECOVERY_LOCAL);
    script_run(&script, "start o0 o1 o2 r1 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>-1] recover1");
    struct proto_message first = script_report(1, script.round);
    assert_int_equal(script_message(&script, &first), 0); /* attempt 0, late */
    assert_true(session_core_waits_for(script.core, false, 1));
    first.report.attempt = 2; /* of a RECOVER that was never told */
    assert_int_equal(script_message(&script, &first), ERR_STATE);
    first.report.attempt = 1;
    first.report.served_by = 1; /* which is lost */
    assert_int_equal(script_message(&script, &first), ERR_STATE);
    first.report.served_by = 2; /* which there is not */
    assert_int_equal(script_message(&script, &first), ERR_RANGE);
    script_run(&script, "r0 r2 a0 r1", "tasks grant(0.1)");
    assert_int_equal(script.row[1].status, DB_TASK_RECOVERED);
}

static void in_real_time_what_was_reported_stays_done(void **state)
{
    (void) state;
    recover_by(RECOVERY_LOCAL);
    script_run(&script, "start o0 o1 o2 r1 k1", "grant(0.0) " DECIDED " event(server1,execute)");
    script_run(&script, "k0", "event(server0,execute) move0[0>-1] recover0");
    script_run(&script, "r2 r0", "tasks grant(0.1)");
    assert_int_equal(script.row[0].status, DB_TASK_RECOVERED);
    assert_row(1, DB_TASK_DONE, 65);
}

static void a_task_goes_on_at_another_server_and_at_home_when_that_is_lost_too(void **state)
{
    (void) state;
    recover_by(RECOVERY_REOFFLOAD);
    script_run(&script, "start o0 o1 o2 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>0] sendon1[0]");
    script_run(&script, "r1 a0 e0", "event(server0,execute) move0[0>-1] recover0 move1[0>-1] recover1");
    script_run(&script, "r2 r1 r0", "tasks grant(0.1)");
    assert_int_equal(script.row[0].status, DB_TASK_RECOVERED);
    assert_int_equal(script.row[1].status, DB_TASK_RECOVERED);
}

static void a_task_that_was_sent_on_is_its_new_servers(void **state)
{
    (void) state;
    recover_by(RECOVERY_REOFFLOAD);
    script_run(&script, "start o0 o1 o2 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>0] sendon1[0]");
    assert_int_equal(script.event[1].kind, DB_EVENT_RECOVERED);
    assert_int_equal(script.event[1].action, DB_ACTION_REOFFLOAD);
    assert_int_equal(script.event[1].task_slot, 0);
    script_run(&script, "a0 r0 r1 r2", "tasks grant(0.1)");
    assert_int_equal(script.row[1].status, DB_TASK_REOFFLOADED);
    assert_int_equal(script.row[1].server, 1);
    assert_int_equal(script.row[1].served_by, 0);
}

static void a_task_that_was_sent_on_belongs_to_nobodys_allotment(void **state)
{
    (void) state;
    recover_by(RECOVERY_REOFFLOAD);
    script_run(&script, "start o0 o1 o2 e1",
               "grant(0.0) " DECIDED " event(server1,execute) move1[1>0] sendon1[0]");
    script_run(&script, "d1", "event(device1,execute)"); /* and nothing to revoke */
    script_run(&script, "r0 r2 a0", "tasks grant(0.1)");
    assert_int_equal(script.row[1].status, DB_TASK_DEVICE_LOST);
    assert_int_equal(session_core_result(script.core)->lost_tasks, 1);
}

/* ---- who comes back ---- */

static void a_server_that_comes_back_covers_from_the_next_slot(void **state)
{
    (void) state;
    script_run(&script, "start e1 o0 E1 E1", "grant(0.0) event(server1,observe) event(server1,observe)");
    assert_int_equal(script.event[1].kind, DB_EVENT_REJOIN);
    script_run(&script, "o1 o2", "allot0[0,1] decision0 decision1 decision2");
    script_run(&script, "r0 r1 r2 a0", "tasks grant(0.1)");
    script_run(&script, "o0 o1 o2", DECIDED);
}

static void a_device_that_comes_back_is_granted_the_next_slot(void **state)
{
    (void) state;
    script_run(&script, "start d1 o0 D1", "grant(0.0) event(device1,observe) event(device1,observe)");
    assert_int_equal(script_word(&script, "o1"), ERR_STATE); /* not this one */
    script_run(&script, "o2 r0 r2 a0 a1", "allot0[0] allot1[] decision0 decision2 tasks grant(0.1)");
    script_run(&script, "o0 o1 o2", DECIDED);
}

static void who_never_left_cannot_come_back_and_who_is_lost_again_stays_away(void **state)
{
    (void) state;
    script_run(&script, "start D0 E0", "grant(0.0)");
    script_run(&script, "d1 D1 d1", "event(device1,observe) event(device1,observe) event(device1,observe)");
    script_run(&script, "o0 o2 r0 r2 a0 a1", "allot0[0] allot1[] decision0 decision2 tasks grant(0.1)");
    assert_false(session_core_waits_for(script.core, false, 1));
}

static void a_session_whose_last_device_is_back_in_time_goes_on(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d0 d1 D1 d2",
               "grant(0.0) " DECIDED " event(device0,execute) revoke0[0] event(device1,execute) revoke1[1] "
               "event(device1,execute) event(device2,execute)");
    script_run(&script, "a0 a1", "tasks grant(0.1)");
    script_run(&script, "o1", "allot0[] allot1[1] decision1");
    assert_false(session_core_result(script.core)->abandoned);
}

/* ---- all of them ---- */

static void a_session_without_devices_is_abandoned_with_every_row_of_the_slot(void **state)
{
    (void) state;
    script_run(
        &script, "start o0 d0 d1 d2",
        "grant(0.0) event(device0,observe) event(device1,observe) event(device2,observe) allot0[] allot1[]");
    script_run(&script, "a0 a1", "tasks episode0 finish");
    assert_true(session_core_result(script.core)->abandoned);
    assert_int_equal(script.rows, SCRIPT_DEVICES);
    for (size_t n = 0; n < SCRIPT_DEVICES; n++)
        assert_row(n, DB_TASK_DEVICE_LOST, 0);
    assert_int_equal(script.episode[0].failures, SCRIPT_DEVICES);
    assert_true(isnan(script.episode[0].mean_cost));
    assert_same(script.episode[0].episode_return, 0.0);
    assert_true(isnan(session_core_result(script.core)->mean_cost));
}

static void losing_everything_while_executing_ends_the_session(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d0 e0 d1 d2 e1",
               "grant(0.0) " DECIDED
               " event(device0,execute) revoke0[0] event(server0,execute) event(device1,execute) "
               "revoke1[1] event(device2,execute) event(server1,execute) tasks episode0 finish");
    assert_true(session_core_result(script.core)->abandoned);
}

static void losing_everything_while_observing_ends_the_session(void **state)
{
    (void) state;
    script_run(&script, "start e0 e1 d0 d1",
               "grant(0.0) event(server0,observe) event(server1,observe) "
               "event(device0,observe) event(device1,observe)");
    script_run(&script, "d2", "event(device2,observe) tasks episode0 finish");
    assert_int_equal(script.rows, SCRIPT_DEVICES);
}

static void a_learner_whose_devices_are_all_lost_while_executing_saves_and_ends(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 d0 d1 d2 a0",
               "grant(0.0) " DECIDED " event(device0,execute) revoke0[0] "
               "event(device1,execute) revoke1[1] event(device2,execute)");
    script_run(&script, "a1", "tasks close(0.1) checkpoint0 episode0 finish");
    assert_true(session_core_result(script.core)->abandoned);
    assert_string_equal(script.log,
                        "decide(0.0):0 save(0):0 "); /* and learns nothing from a view of nobody */
}

static void an_abandoned_learner_waits_for_its_update_before_it_saves(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " learn");
    script_run(&script, "d0 d1 d2 a0 a1",
               "event(device0,execute) revoke0[0] event(device1,execute) revoke1[1] event(device2,execute) "
               "tasks close(0.2)");
    assert_int_equal(session_core_state(script.core), SESSION_LEARNING);
    script_run(&script, "l", "checkpoint0 episode0 finish");
}

/* Otherwise a slot in which everything went wrong would have the best reward there can be, 0. */
static void a_slot_that_lost_every_task_teaches_nothing(void **state)
{
    (void) state;
    script_run(&script, "start d2 o0 o1 e0 e1",
               "grant(0.0) event(device2,observe) allot0[0] allot1[1] decision0 decision1 "
               "event(server0,execute) event(server1,execute) tasks grant(0.1)");
    script_run(&script, "o0 o1 r0 r1", "decision0 decision1 tasks close(0.2)");
    script_run(&script, "o0 o1", "episode0 grant(1.0) learn");
    assert_string_equal(script.log, "decide(0.0):0 decide(0.1):0 learn(0.2,end) ");
}

static void a_learner_whose_devices_are_all_lost_at_the_closing_observation_ends(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 l " SLOT_ENDS,
               "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " learn tasks close(0.2)");
    script_run(&script, "d0 d1", "event(device0,observe) event(device1,observe)");
    script_run(&script, "d2", "event(device2,observe) checkpoint0 episode0 finish");
    assert_true(session_core_result(script.core)->abandoned);
    assert_int_equal(script.rows, 2 * SCRIPT_DEVICES);
}

static void a_learner_whose_devices_are_all_lost_while_the_update_runs_ends(void **state)
{
    (void) state;
    script_run(&script, "start o0 o1 o2 " SLOT_ENDS " o0 o1 o2 " SLOT_ENDS " o0 o1 o2",
               "grant(0.0) " DECIDED " tasks grant(0.1) " DECIDED " learn tasks close(0.2)");
    script_run(&script, "d0 d1 d2", "event(device0,observe) event(device1,observe) event(device2,observe)");
    script_run(&script, "l", "checkpoint0 episode0 finish");
}

/* ---- any of it, in any order ---- */

static void mess(const struct rng_at *at, uint32_t index)
{
    static const char words[] = "oooorrrraaaalldex";
    struct rng_block draw = rng_block(at, index);
    uint32_t number = draw.v[1] % 4;
    char word[3] = {words[draw.v[0] % (sizeof words - 1)], (char) ('0' + number), '\0'};
    bool rare = word[0] == 'd' || word[0] == 'e';
    if (rare && draw.v[2] % 8 != 0)
        return;
    script.round = script.granted;
    script.round += draw.v[3] % 16 == 0 ? 1 : 0;
    script.round -= draw.v[3] % 16 == 1 && script.round > 0 ? 1 : 0;
    script.text[0] = script.log[0] = '\0';
    bool postponed = word[0] == 'l' && script.updating && draw.v[2] % 4 != 0;
    bool is_lost = false;
    for (size_t i = 0; i < script.events; i++)
        is_lost = is_lost || (script.event[i].number == number &&
                              (script.event[i].role == DB_ROLE_SERVER) == (word[0] == 'a' || word[0] == 'e'));
    enum session_state before = session_core_state(script.core);
    int rc = word[0] == 'x' || postponed ? 0 : script_word(&script, word); /* may well be refused */
    script.round = script.granted;
    if (is_lost && rare) {
        assert_int_equal(script.actions.count, 0); /* nobody is lost twice */
        assert_int_equal(session_core_state(script.core), before);
    }
    if (is_lost && (word[0] == 'o' || word[0] == 'r' || word[0] == 'a')) {
        assert_int_equal(script.actions.count,
                         0); /* the dead move nothing; a report of theirs may just be late */
        assert_true(rc != 0 || word[0] == 'r');
        assert_int_equal(session_core_state(script.core), before);
    }
}

/* From whatever was made of it, orderly to the end. */
static void play_to_the_end(void)
{
    for (int step = 0; step < 1000 && session_core_state(script.core) != SESSION_DONE; step++) {
        script.text[0] = script.log[0] = '\0';
        bool observing = session_core_state(script.core) == SESSION_OBSERVING;
        if (script.updating)
            assert_int_equal(script_word(&script, "l"), 0);
        for (uint32_t n = 0; n < SCRIPT_DEVICES; n++) {
            char word[3] = {observing ? 'o' : 'r', (char) ('0' + n), '\0'};
            if (session_core_state(script.core) == (observing ? SESSION_OBSERVING : SESSION_EXECUTING) &&
                session_core_waits_for(script.core, false, n))
                assert_int_equal(script_word(&script, word), 0);
        }
        for (uint32_t m = 0; m < SCRIPT_SERVERS; m++) {
            char word[3] = {'a', (char) ('0' + m), '\0'};
            if (session_core_waits_for(script.core, true, m))
                assert_int_equal(script_word(&script, word), 0);
        }
    }
    assert_int_equal(session_core_state(script.core), SESSION_DONE);
}

static void however_a_session_is_torn_it_ends_with_a_row_for_every_task(void **state)
{
    (void) state;
    for (uint32_t round = 0; round < 3000; round++) {
        struct rng_at at = {.seed = 5, .stream = RNG_SAMPLING, .entity = round};
        script_close(&script);
        script_open(&script, round % 2 == 0, 2, 3);
        assert_int_equal(script_word(&script, "start"), 0);
        uint32_t length = rng_below(&at, 1000000, 120);
        for (uint32_t i = 0; i < length; i++)
            mess(&at, i);
        play_to_the_end();
        const struct session_result *result = session_core_result(script.core);
        assert_int_equal(script.rows, result->slots * SCRIPT_DEVICES);
        if (!result->abandoned)
            assert_int_equal(result->slots, 2 * 3);
        for (size_t i = 0; i < script.rows; i++) {
            const struct db_task *row = &script.row[i];
            assert_int_equal(row->device, i % SCRIPT_DEVICES);
            assert_int_equal(row->slot, i / SCRIPT_DEVICES % 3);
            assert_int_equal(row->status == DB_TASK_DONE, !isnan(row->cost));
        }
        assert_int_equal(script.events, result->lost_nodes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, plain, teardown)
#define LEARNER(name) cmocka_unit_test_setup_teardown(name, learner, teardown)
        PLAIN(a_device_lost_while_observing_takes_no_part),
        PLAIN(a_device_that_has_observed_and_is_lost_takes_no_part_either),
        PLAIN(the_last_device_to_be_observed_may_be_the_lost_one),
        PLAIN(a_device_lost_while_executing_is_revoked_at_its_server),
        PLAIN(nothing_is_revoked_of_a_local_task_or_at_a_server_that_is_done),
        PLAIN(a_device_lost_after_its_report_loses_the_task_all_the_same),
        PLAIN(the_last_thing_a_slot_waits_for_may_be_a_lost_device),
        LEARNER(a_device_lost_while_the_update_runs_takes_no_part),
        PLAIN(what_a_lost_device_still_says_is_refused),
        PLAIN(a_task_that_was_lost_with_its_device_is_not_lost_again_with_its_server),
        PLAIN(lost_tasks_do_not_count_in_any_mean),
        PLAIN(a_server_lost_while_observing_covers_nobody),
        PLAIN(a_server_lost_after_the_observations_covers_nobody_either),
        PLAIN(a_server_lost_while_executing_takes_its_tasks_with_it),
        PLAIN(a_server_lost_after_the_reports_takes_them_back),
        PLAIN(a_server_lost_after_its_advanced_takes_its_tasks_too),
        PLAIN(a_report_given_up_in_one_slot_is_not_given_up_in_the_next),
        PLAIN(without_any_server_everyone_computes_at_home),
        PLAIN(a_node_is_lost_once),
        PLAIN(a_loss_of_a_node_that_does_not_exist_is_no_news),
        PLAIN(a_task_goes_on_at_its_device_when_its_server_is_lost),
        PLAIN(what_was_reported_before_the_loss_is_taken_back_in_virtual_time),
        PLAIN(a_report_that_was_on_its_way_is_not_the_recovered_ones),
        PLAIN(in_real_time_what_was_reported_stays_done),
        PLAIN(a_task_goes_on_at_another_server_and_at_home_when_that_is_lost_too),
        PLAIN(a_task_that_was_sent_on_is_its_new_servers),
        PLAIN(a_task_that_was_sent_on_belongs_to_nobodys_allotment),
        PLAIN(a_server_that_comes_back_covers_from_the_next_slot),
        PLAIN(a_device_that_comes_back_is_granted_the_next_slot),
        PLAIN(who_never_left_cannot_come_back_and_who_is_lost_again_stays_away),
        PLAIN(a_session_whose_last_device_is_back_in_time_goes_on),
        PLAIN(a_session_without_devices_is_abandoned_with_every_row_of_the_slot),
        PLAIN(losing_everything_while_executing_ends_the_session),
        PLAIN(losing_everything_while_observing_ends_the_session),
        LEARNER(a_learner_whose_devices_are_all_lost_while_executing_saves_and_ends),
        LEARNER(an_abandoned_learner_waits_for_its_update_before_it_saves),
        LEARNER(a_slot_that_lost_every_task_teaches_nothing),
        LEARNER(a_learner_whose_devices_are_all_lost_at_the_closing_observation_ends),
        LEARNER(a_learner_whose_devices_are_all_lost_while_the_update_runs_ends),
        PLAIN(however_a_session_is_torn_it_ends_with_a_row_for_every_task),
#undef PLAIN
#undef LEARNER
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
