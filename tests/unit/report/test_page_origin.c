/* Where a page's numbers come from: programs and machines, how cells ended, seeds, sweeps and scenarios. */
#include "tests/unit/report/made.h"

static void expect(struct made *made, const char *lines)
{
    struct buf text = {0};
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text, lines);
    buf_finish(&text);
}

static void programs_and_machines_stand_with_how_many_runs_they_made_and_when(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0, 2.0, 3.0);
    made_sql(made, "UPDATE run SET started_utc = '2026-01-02T00:00:00Z' WHERE run_id = 2;"
                   "UPDATE run SET version = '0.2 <b>', cpu = 'a & b', started_utc = '2026-03-01T00:00:00Z'"
                   " WHERE run_id = 3;");
    expect(made, "Scenarios, seeds and machines\n"
                 "Who made the runs\n"
                 "handoff | machine | runs | first | last\n"
                 "0.1 | a CPU | 2 | 2026-01-01T00:00:00Z | 2026-01-02T00:00:00Z\n"
                 "0.2 &lt;b&gt; | a &amp; b | 1 | 2026-03-01T00:00:00Z | 2026-03-01T00:00:00Z\n"
                 "Cells of sweeps\n");
}

static void cells_stand_with_how_they_ended_and_why(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0, 2.0, 3.0, 4.0);
    made_sql(made, "UPDATE job SET status = 'failed', error = 'the <disk> is full', test_run_id = NULL WHERE "
                   "number > 2;");
    expect(made, "Cells of sweeps\n"
                 "sweep | ended as | cells | why\n"
                 "made | done | 2 |\n"
                 "made | failed | 2 | the &lt;disk&gt; is full\n"
                 "made: users: seeds 1 2\n");
}

static void seeds_are_told_once_for_each_experiment_in_the_order_of_its_tests(void **state)
{
    struct made *made = *state;
    const char *const users[] = {"local", "random"};
    for (uint64_t seed = 4; seed <= 6; seed++)
        for (size_t p = 0; p < 2; p++)
            (void) made_result(made, &(struct made_result){.axis = "devices.count",
                                                           .value = seed > 5 ? "9" : "3",
                                                           .policy = users[p],
                                                           .seed = seed - p,
                                                           .cost = 1.0});
    MADE_RESULTS(made, ((struct made_result){.experiment = "links", .policy = "local"}), 1.0);
    expect(made, "made: users: seeds 4 5 3 6\nmade: links: seeds 1\nSweep made\n");
}

static void sweeps_stand_with_their_texts_oldest_first(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0);
    made_sql(made, "INSERT INTO sweep (sweep_id, name, text, version, created_utc)"
                   " VALUES (2, '<new>', 'name: new & x', '0.2', '2026-01-03T00:00:00Z');");
    expect(made, "made: users: seeds 1\n"
                 "Sweep made\n"
                 "Begun 2026-01-01T00:00:00Z by handoff 0.1.\n"
                 "name: made\n"
                 "Sweep &lt;new&gt;\n"
                 "Begun 2026-01-03T00:00:00Z by handoff 0.2.\n"
                 "name: new &amp; x");
}

static void of_evaluations_the_scenario_is_told_and_of_sweeps_none(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, ((struct made_result){.policy = "local", .scenario = "devices:\n  count: 5\n"}), 1.0);
    int64_t run = made_run(
        made, &(struct made_run){
                  .policy = "local", .seed = 2, .updates = -1, .scenario = "devices:\n  count: 7\n"});
    made_episode(made, run, 0, 10, -1.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text, "made: users: seeds 1\ndapo: seeds 2\nSweep made\n");
    made_expect_lines(&text, "name: made\nScenario of dapo\nrun: ");
    assert_non_null(strstr((const char *) text.data, " devices: count: 7 "));
    made_expect_nothing_of(&text, "Scenario of made");
    buf_finish(&text);
}

static void different_arithmetic_is_said(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0, 2.0);
    made_sql(made, "UPDATE run SET linalg = 'portable', arithmetic = 1 WHERE run_id = 1;");
    expect(made,
           "made | done | 2 |\n"
           "Results of different arithmetic stand together, so the same seed is not the same run: 1 with "
           "portable, arithmetic 1; 1 with an older arithmetic.\n"
           "made: users: seeds 1 2\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(programs_and_machines_stand_with_how_many_runs_they_made_and_when),
        TEST(cells_stand_with_how_they_ended_and_why),
        TEST(seeds_are_told_once_for_each_experiment_in_the_order_of_its_tests),
        TEST(sweeps_stand_with_their_texts_oldest_first),
        TEST(of_evaluations_the_scenario_is_told_and_of_sweeps_none),
        TEST(different_arithmetic_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
