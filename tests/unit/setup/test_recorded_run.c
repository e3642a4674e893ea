/* A recorded run, as playing it again needs it: its streams, its length, and who was lost and came back, also where the
 * run was resumed. */
#include "orchestrator/setup/recorded_run.h"

#include <stdio.h>

#include "core/base/err.h"
#include "tests/unit/setup/written_run.h"

/* The run of written_run has four episodes of ten slots. */
static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    written_run(*state);
    return 0;
}

static int read_run(const struct scratch *s, int64_t run_id, struct recorded_run *recorded, struct diag *diag)
{
    struct experiment_file file;
    assert_int_equal(experiment_file_open(&file, s->file, DB_READ, NULL), 0);
    int rc = recorded_run_read(recorded, file.store, run_id, diag);
    assert_int_equal(experiment_file_close(&file, NULL), 0);
    return rc;
}

static void take(const struct scratch *s, struct recorded_run *recorded)
{
    struct diag diag = {{0}};
    if (read_run(s, 0, recorded, &diag) != 0)
        fail_msg("%s", diag.text);
}

/* An event of node "d0" or "s1". */
static void event(const struct scratch *s, const char *kind, const char *node, const char *where)
{
    char sql[512];
    unsigned episode = 0, slot = 0;
    char phase[16] = "";
    assert_int_equal(sscanf(where, "%u.%u %15s", &episode, &slot, phase), 3);
    (void) snprintf(sql, sizeof sql,
                    "INSERT INTO event (run_id, episode, slot, phase, kind, role, number, detail)"
                    " VALUES (1, %u, %u, '%s', '%s', '%s', %s, '')",
                    episode, slot, phase, kind, node[0] == 's' ? "server" : "device", node + 1);
    scratch_exec(s->file, sql);
}

static void resumed(const struct scratch *s, const char *list)
{
    char sql[512];
    (void) snprintf(sql, sizeof sql,
                    "UPDATE run SET config_json = json_set(config_json, '$.resumed', json('%s'))", list);
    scratch_exec(s->file, sql);
}

/* The faults, a line each: "0.3 execute d1 lost". */
static void expect_faults(const struct scratch *s, const char *expected)
{
    static const char *const phases[] = {
        [SESSION_OBSERVE] = "observe", [SESSION_EXECUTE] = "execute", [SESSION_SERVE] = "serve"};
    struct recorded_run recorded;
    struct buf text = {0};
    take(s, &recorded);
    assert_int_equal(buf_printf(&text, "%s", ""), 0);
    for (size_t i = 0; i < recorded.fault_count; i++) {
        const struct session_fault *fault = &recorded.fault[i];
        assert_int_equal(buf_printf(&text, "%u.%u %s %s%u %s\n", fault->episode, fault->slot,
                                    phases[fault->phase], fault->is_server ? "s" : "d", fault->number,
                                    fault->is_back ? "back" : "lost"),
                         0);
    }
    assert_string_equal((const char *) text.data, expected);
    buf_finish(&text);
    recorded_run_finish(&recorded);
}

/* ---- the run ---- */

static void a_run_is_as_long_as_its_configuration_says(void **state)
{
    struct recorded_run recorded;
    take(*state, &recorded);
    assert_int_equal(recorded.run.run_id, 1);
    assert_int_equal(recorded.episodes, 4);
    assert_int_equal(recorded.slots, 10);
    assert_int_equal(recorded.phase, RNG_TRAIN);
    assert_int_equal(recorded.world.devices, WRITTEN_DEVICES);
    assert_int_equal(recorded.world.seed, 5);
    assert_int_equal(recorded.settings.learned.ddpg.batch, WRITTEN_BATCH);
    assert_int_equal(recorded.fault_count, 0);
    recorded_run_finish(&recorded);
}

static void a_run_was_on_the_streams_that_its_phase_names(void **state)
{
    const struct scratch *s = *state;
    struct recorded_run recorded;
    scratch_exec(s->file, "UPDATE run SET phase = 'test'");
    take(s, &recorded);
    assert_int_equal(recorded.phase, RNG_TEST);
    recorded_run_finish(&recorded);
    scratch_exec(s->file, "UPDATE run SET phase = 'validate'");
    take(s, &recorded);
    assert_int_equal(recorded.phase, RNG_VALIDATE);
    recorded_run_finish(&recorded);
}

static void a_configuration_without_a_length_is_refused(void **state)
{
    static const char *const bad[] = {"{}",
                                      "[]",
                                      "{\"episodes\":4}",
                                      "{\"episodes\":0,\"slots\":10}",
                                      "{\"episodes\":4,\"slots\":-1}",
                                      "{\"episodes\":4294967296,\"slots\":10}",
                                      "{\"episodes\":4,\"slots\":4294967296}",
                                      "{\"episodes\":\"4\",\"slots\":10}"};
    const struct scratch *s = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct recorded_run recorded;
        struct diag diag = {{0}};
        char sql[256];
        (void) snprintf(sql, sizeof sql, "UPDATE run SET config_json = '%s'", bad[i]);
        scratch_exec(s->file, sql);
        assert_int_equal(read_run(s, 1, &recorded, &diag), ERR_CORRUPT);
        assert_non_null(strstr(diag.text, "run 1: its configuration names no episodes and slots"));
        recorded_run_finish(&recorded);
    }
}

static void a_run_that_is_not_there_and_one_without_its_nodes_are_refused(void **state)
{
    const struct scratch *s = *state;
    struct recorded_run recorded;
    struct diag diag = {{0}};
    assert_int_equal(read_run(s, 7, &recorded, &diag), ERR_NOT_FOUND);
    recorded_run_finish(&recorded);
    scratch_exec(s->file, "DELETE FROM node");
    diag = (struct diag){{0}};
    assert_int_equal(read_run(s, 1, &recorded, &diag), ERR_CORRUPT);
    assert_non_null(strstr(diag.text, "run 1: 0 of 3 devices"));
    recorded_run_finish(&recorded);
}

/* ---- who was lost, and came back ---- */

static void nodes_are_lost_and_back_where_the_events_say(void **state)
{
    const struct scratch *s = *state;
    event(s, "node_lost", "d1", "0.3 observe");
    event(s, "node_lost", "s0", "0.3 execute");
    event(s, "rejoin", "d1", "1.4 execute");
    event(s, "node_lost", "d0", "1.5 serve");
    expect_faults(s, "0.3 observe d1 lost\n0.3 execute s0 lost\n1.4 execute d1 back\n1.5 serve d0 lost\n");
}

static void other_events_are_no_faults(void **state)
{
    const struct scratch *s = *state;
    event(s, "fault", "d1", "0.3 observe"); /* the scenario's: it happens again by itself */
    event(s, "recovered", "d1", "0.3 observe");
    event(s, "node_lost", "d3", "0.3 observe"); /* nobody has these numbers */
    event(s, "node_lost", "s2", "0.3 observe");
    scratch_exec(s->file, "INSERT INTO event (run_id, episode, slot, phase, kind, role, number, detail)"
                          " VALUES (1, 0, 0, '', 'node_lost', '', NULL, '')");
    expect_faults(s, "");
}

/* ---- resumed: everybody joins anew ---- */

static void who_was_lost_is_back_after_the_episode_behind_which_the_run_was_resumed(void **state)
{
    const struct scratch *s = *state;
    event(s, "node_lost", "d1", "0.3 execute");
    event(s, "node_lost", "s1", "1.2 execute");
    event(s, "node_lost", "d0", "1.4 execute");
    event(s, "rejoin", "d0", "1.6 execute");    /* nobody to bring back */
    event(s, "node_lost", "d2", "2.0 observe"); /* later */
    resumed(s, "[{\"after_episode\":1}]");
    expect_faults(s, "0.3 execute d1 lost\n1.2 execute s1 lost\n1.4 execute d0 lost\n1.6 execute d0 back\n"
                     "1.9 execute s1 back\n1.9 execute d1 back\n2.0 observe d2 lost\n");
}

static void who_was_lost_in_the_closing_observation_was_never_missed(void **state)
{
    const struct scratch *s = *state;
    event(s, "node_lost", "d1", "0.10 observe"); /* of an episode behind which it was not resumed */
    event(s, "rejoin", "d1", "1.2 execute");
    event(s, "node_lost", "d0", "1.9 execute");
    event(s, "node_lost", "d2", "1.10 observe");
    resumed(s, "[{\"after_episode\":1}]");
    expect_faults(s, "0.10 observe d1 lost\n1.2 execute d1 back\n1.9 execute d0 lost\n1.9 execute d0 back\n");
}

static void a_run_may_be_resumed_more_than_once(void **state)
{
    const struct scratch *s = *state;
    event(s, "node_lost", "d1", "0.3 execute");
    event(s, "node_lost", "d1", "1.3 execute");
    event(s, "node_lost", "d1", "3.3 execute");
    resumed(s, "[{\"after_episode\":0},{\"after_episode\":2}]");
    expect_faults(s, "0.3 execute d1 lost\n0.9 execute d1 back\n1.3 execute d1 lost\n2.9 execute d1 back\n"
                     "3.3 execute d1 lost\n");
}

static void resumptions_that_leave_nothing_behind_change_nothing(void **state)
{
    const struct scratch *s = *state;
    event(s, "node_lost", "d1", "0.3 execute");
    resumed(s, "[{\"after_episode\":-1},{\"after_episode\":4},{\"after_episode\":99999999999}]");
    expect_faults(s, "0.3 execute d1 lost\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)
        TEST(a_run_is_as_long_as_its_configuration_says),
        TEST(a_run_was_on_the_streams_that_its_phase_names),
        TEST(a_configuration_without_a_length_is_refused),
        TEST(a_run_that_is_not_there_and_one_without_its_nodes_are_refused),
        TEST(nodes_are_lost_and_back_where_the_events_say),
        TEST(other_events_are_no_faults),
        TEST(who_was_lost_is_back_after_the_episode_behind_which_the_run_was_resumed),
        TEST(who_was_lost_in_the_closing_observation_was_never_missed),
        TEST(a_run_may_be_resumed_more_than_once),
        TEST(resumptions_that_leave_nothing_behind_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
