/* What is drawn from task rows: latencies, splits, devices of each server, and where devices went. */
#include "orchestrator/report/plots.h"

#include "core/base/err.h"
#include "tests/unit/report/made.h"

static int plot(struct made *made)
{
    made_read(made);
    return plots_tasks(&made->report, made_experiment(made, 0), NULL);
}

static int64_t result(struct made *made, const char *policy, uint64_t seed)
{
    return made_result(made, &(struct made_result){.policy = policy, .seed = seed, .cost = 1.0});
}

static void add_server(struct made *made, int64_t run, unsigned server, const char *x_m)
{
    made_sql(made,
             "INSERT INTO node (run_id, role, number, flops, power_w, x_m, y_m)"
             " VALUES (%lld, 'server', %u, 1, 1, %s, 7);",
             (long long) run, server, x_m);
}

/* Tasks of slots 0, 1 and so on of device 0, with the split 8. */
static void add_tasks(struct made *made, int64_t run, unsigned first, unsigned count, int server)
{
    for (unsigned i = 0; i < count; i++)
        made_task(made, run,
                  &(struct made_task){
                      .slot = first + i, .split = 8, .server = server, .latency_s = 1.0 + first + i});
}

static void latencies_are_those_of_all_tests_without_the_lost(void **state)
{
    struct made *made = *state;
    int64_t first = result(made, "local", 1), second = result(made, "local", 2);
    (void) result(made, "random", 1); /* recorded no task */
    add_tasks(made, first, 0, 3, -1);
    add_tasks(made, second, 3, 2, -1);
    made_task(made, second, &(struct made_task){.slot = 9, .split = 8, .server = -1, .latency_s = NAN});
    assert_int_equal(plot(made), 0);
    made_expect_csv(made, "boxes-made-users",
                    "value,policy,tasks,min,p5,q1,median,q3,p95,max,mean\n-,local,5,1,1.2,2,3,4,4.8,5,3\n");
    made_expect_head(made, "boxes-made-users", "y_label = 'latency of a task (s)'");
    made_expect_head(made, "boxes-made-users", "axis = ''");
    made_expect_head(made, "boxes-made-users", "array value[1] = ['-']");
    made_expect_head(made, "boxes-made-users", "array policy[2] = ['local', 'random']");
    assert_string_equal((const char *) made_figure(made, "boxes-made-users")->title.data,
                        "Latency of single tasks");
    made_expect_gap(made, NULL);
}

static void a_histogram_counts_every_split_and_of_equal_bars_the_first_is_the_highest(void **state)
{
    struct made *made = *state;
    static const unsigned splits[] = {0, 32, 8, 8, 32, 1023, 0, 8, 32, 0};
    int64_t runs[] = {result(made, "local", 1), result(made, "local", 2)};
    for (unsigned i = 0; i < 10; i++)
        made_task(made, runs[i % 2],
                  &(struct made_task){.slot = i, .split = splits[i], .server = -1, .latency_s = 1.0});
    assert_int_equal(plot(made), 0);
    made_expect_csv(made, "splits-made-users",
                    "value,policy,split,tasks,share,height,highest\n"
                    "-,local,0,3,0.3,1,1\n"
                    "-,local,8,3,0.3,1,0\n"
                    "-,local,32,3,0.3,1,0\n"
                    "-,local,1023,1,0.1,0.3333333333,0\n");
    made_expect_head(made, "splits-made-users", "x_label = 'layers on the device'");
    made_expect_head(made, "splits-made-users", "array value[1] = ['-']");
    made_expect_head(made, "splits-made-users", "array policy[1] = ['local']");
}

static void the_highest_bar_need_not_be_the_first(void **state)
{
    struct made *made = *state;
    int64_t run = result(made, "local", 1);
    static const unsigned splits[] = {1, 4, 4, 2};
    for (unsigned i = 0; i < 4; i++)
        made_task(made, run,
                  &(struct made_task){.slot = i, .split = splits[i], .server = -1, .latency_s = 1.0});
    assert_int_equal(plot(made), 0);
    made_expect_csv(made, "splits-made-users",
                    "value,policy,split,tasks,share,height,highest\n"
                    "-,local,1,1,0.25,0.5,0\n"
                    "-,local,2,1,0.25,0.5,0\n"
                    "-,local,4,2,0.5,1,1\n");
}

static void a_split_that_no_model_has_is_refused(void **state)
{
    struct made *made = *state;
    int64_t run = result(made, "local", 1);
    made_task(made, run, &(struct made_task){.split = 1024, .server = -1, .latency_s = 1.0});
    assert_int_equal(plot(made), ERR_RANGE);
}

static void devices_of_a_server_are_the_mean_over_recorded_tests(void **state)
{
    struct made *made = *state;
    int64_t runs[] = {result(made, "greedy", 1), result(made, "greedy", 2), result(made, "greedy", 3)};
    for (size_t i = 0; i < 3; i++) {
        add_server(made, runs[i], 0, "1");
        add_server(made, runs[i], 255, "2");
    }
    add_tasks(made, runs[0], 0, 2, -1); /* of ten slots */
    add_tasks(made, runs[0], 2, 4, 0);
    add_tasks(made, runs[2], 0, 4, -1);
    add_tasks(made, runs[2], 4, 2, 255);
    assert_int_equal(plot(made), 0);
    made_expect_csv(made, "servers-made-users",
                    "value,policy,server,devices,low,high\n"
                    "-,greedy,-1,0.3,0,0.3\n"
                    "-,greedy,0,0.2,0.3,0.5\n"
                    "-,greedy,255,0.1,0.5,0.6\n");
    made_expect_head(made, "servers-made-users", "y_label = 'devices in a slot'");
    made_expect_head(made, "servers-made-users", "array value[1] = ['-']");
    made_expect_head(made, "servers-made-users", "array policy[1] = ['greedy']");
}

static void a_server_number_that_no_scenario_has_is_refused(void **state)
{
    struct made *made = *state;
    int64_t run = result(made, "greedy", 1);
    add_server(made, run, 256, "1");
    add_tasks(made, run, 0, 1, -1);
    assert_int_equal(plot(made), ERR_RANGE);
}

/* ---- tracks ---- */

static void tracks_part_devices_by_an_empty_line_and_end_with_the_servers(void **state)
{
    struct made *made = *state;
    int64_t empty = result(made, "local", 3), run = result(made, "local", 4);
    (void) empty;
    add_server(made, run, 0, "1.5");
    add_server(made, run, 1, "NULL"); /* stands nowhere */
    made_task(made, run, &(struct made_task){.slot = 0, .split = 8, .server = 1, .latency_s = 1.0});
    made_task(made, run, &(struct made_task){.slot = 2, .split = 8, .server = -1, .latency_s = 1.0});
    made_task(made, run,
              &(struct made_task){.slot = 1, .device = 1, .split = 8, .server = 0, .latency_s = NAN});
    made_task(made, run, &(struct made_task){.episode = 1, .split = 8, .server = 0, .latency_s = 1.0});
    assert_int_equal(plot(made), 0);
    made_expect_csv(made, "tracks-made-users",
                    "node,number,slot,x_m,y_m,server\n"
                    "device,0,0,0,0,1\n"
                    "device,0,2,0,2,-1\n"
                    "\n"
                    "device,1,1,10,1,0\n"
                    "\n"
                    "server,0,,1.5,7,0\n");
    const struct figure *figure = made_figure(made, "tracks-made-users");
    assert_string_equal((const char *) figure->title.data, "Device tracks, coloured by server");
    assert_string_equal((const char *) figure->caption.data,
                        "Where the devices went in 3 slots of the first test episode, and which server "
                        "local chose for them (seed 4); squares: servers.");
}

static void expect_tracks_of(const struct made *made, const char *whose)
{
    const char *caption = (const char *) made_figure(made, "tracks-made-users")->caption.data;
    if (strstr(caption, whose) == NULL)
        fail_msg("not of %s: %s", whose, caption);
}

static int64_t result_at(struct made *made, const char *value, const char *policy)
{
    const struct made_result one = {
        .axis = "devices.count", .value = value, .policy = policy, .seed = 1, .cost = 1.0};
    return made_result(made, &one);
}

static void tracks_are_the_newest_learners_at_the_middle_value(void **state)
{
    struct made *made = *state;
    static const char *const values[] = {"1", "2", "3"}, *const policies[] = {"dapo", "ppo", "local",
                                                                              "greedy"};
    for (size_t v = 0; v < 3; v++)
        for (size_t p = 0; p < 4; p++)
            add_tasks(made, result_at(made, values[v], policies[p]), 0, 1, -1);
    assert_int_equal(plot(made), 0);
    expect_tracks_of(made, "ppo chose for them (seed 1, devices.count = 2)");
}

static void where_no_learner_recorded_tasks_the_tracks_are_a_rules(void **state)
{
    struct made *made = *state;
    (void) result_at(made, "1", "ppo");
    (void) result_at(made, "2", "ppo");
    add_tasks(made, result_at(made, "1", "local"), 0, 1, -1);
    add_tasks(made, result_at(made, "2", "local"), 0, 1, -1);
    assert_int_equal(plot(made), 0);
    expect_tracks_of(made, "local chose for them (seed 1, devices.count = 2)");
}

static void where_the_middle_value_has_no_tasks_others_are_asked(void **state)
{
    struct made *made = *state;
    add_tasks(made, result_at(made, "1", "local"), 0, 1, -1);
    (void) result_at(made, "2", "local");
    (void) result_at(made, "3", "local");
    assert_int_equal(plot(made), 0);
    expect_tracks_of(made, "local chose for them (seed 1, devices.count = 1)");
}

static void without_task_rows_nothing_is_drawn_and_it_is_said_what_would_give_them(void **state)
{
    struct made *made = *state;
    (void) result(made, "local", 1);
    assert_int_equal(plot(made), 0);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(
        made, "made: users: no latencies of single tasks, split histograms, server load and device tracks, "
              "because no test kept its task rows. `record_tasks` in the sweep's file would (of "
              "an evaluation: `run --record tasks`).");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(latencies_are_those_of_all_tests_without_the_lost),
        TEST(a_histogram_counts_every_split_and_of_equal_bars_the_first_is_the_highest),
        TEST(the_highest_bar_need_not_be_the_first),
        TEST(a_split_that_no_model_has_is_refused),
        TEST(devices_of_a_server_are_the_mean_over_recorded_tests),
        TEST(a_server_number_that_no_scenario_has_is_refused),
        TEST(tracks_part_devices_by_an_empty_line_and_end_with_the_servers),
        TEST(tracks_are_the_newest_learners_at_the_middle_value),
        TEST(where_no_learner_recorded_tasks_the_tracks_are_a_rules),
        TEST(where_the_middle_value_has_no_tasks_others_are_asked),
        TEST(without_task_rows_nothing_is_drawn_and_it_is_said_what_would_give_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
