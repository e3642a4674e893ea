/* A metric against what an experiment varies: every policy's mean and interval at every value, as data and labels. */
#include "orchestrator/report/plots.h"

#include "tests/unit/report/made.h"

static void plot(struct made *made, enum evidence_metric metric)
{
    assert_int_equal(plots_axis(&made->report, made_experiment(made, 0), metric, NULL), 0);
}

static void means_stand_at_their_values_with_the_ends_of_two_seeds(void **state)
{
    struct made *made = *state;
    const char axis[] = "devices.count";
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "10", .policy = "dapo"}), 6.0);
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "2", .policy = "dapo"}), 1.0, 3.0);
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "2", .policy = "local"}), 4.0, 5.0);
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "10", .policy = "local"}), NAN);
    made_read(made);
    plot(made, EVIDENCE_COST);
    made_expect_csv(made, "cost-made-users",
                    "policy,value,x,mean,low,high,seeds\n"
                    "dapo,2,2,2,1,3,2\n"
                    "dapo,10,10,6,,,1\n"
                    "local,2,2,4.5,4,5,2\n"); /* at 10 it has finished nothing */
    made_expect_head(made, "cost-made-users", "x_label = 'mobile devices N'");
    made_expect_head(made, "cost-made-users", "y_label = 'mean cost'");
    made_expect_head(made, "cost-made-users", "array value[2] = ['2', '10']");
    made_expect_head(made, "cost-made-users", "array place[2] = [2, 10]");
    made_expect_head(made, "cost-made-users", "numeric = 1");
    made_expect_head(made, "cost-made-users", "array policy[2] = ['dapo', 'local']");
    made_expect_head(made, "cost-made-users", "array learns[2] = [1, 0]");
    made_expect_gap(made, NULL);
    const struct figure *figure = made_figure(made, "cost-made-users");
    assert_string_equal((const char *) figure->title.data, "mean cost against devices.count");
    assert_string_equal((const char *) figure->caption.data,
                        "Mean over seeds; bars: 95 % interval by bootstrap over seeds.");
    assert_string_equal(figure->template, "axis.gp");
}

static void values_that_are_no_numbers_stand_side_by_side_in_their_order(void **state)
{
    struct made *made = *state;
    const char axis[] = "radio.fading";
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "rayleigh", .policy = "local"}), 1.0);
    MADE_RESULTS(made, ((struct made_result){.axis = axis, .value = "none", .policy = "local"}), 2.0);
    made_read(made);
    plot(made, EVIDENCE_P95);
    made_expect_csv(made, "p95-made-users",
                    "policy,value,x,mean,low,high,seeds\n"
                    "local,rayleigh,1,0.5,,,1\n"
                    "local,none,2,1,,,1\n");
    made_expect_head(made, "p95-made-users", "array value[2] = ['rayleigh', 'none']");
    made_expect_head(made, "p95-made-users", "array place[2] = [1, 2]");
    made_expect_head(made, "p95-made-users", "numeric = 0");
    made_expect_head(made, "p95-made-users", "y_label = '95th percentile of latency (s)'");
}

static void one_value_has_no_figure(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.axis = "devices.count", .value = "2", .policy = "local"}), 1.0);
    made_read(made);
    plot(made, EVIDENCE_COST);
    assert_int_equal(made->report.figures, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(means_stand_at_their_values_with_the_ends_of_two_seeds),
        TEST(values_that_are_no_numbers_stand_side_by_side_in_their_order),
        TEST(one_value_has_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
