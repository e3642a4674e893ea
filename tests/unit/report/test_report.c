/* A report in the making: what is read, which names figures get, what is left out, panels and labels. */
#include "orchestrator/report/report.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/report/made.h"

static struct figure *add(struct made *made, const char *kind, size_t experiment)
{
    struct figure *figure =
        report_add_figure(&made->report, kind, "axis.gp", made_experiment(made, experiment));
    assert_non_null(figure);
    return figure;
}

static void figures_have_names_of_their_own(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.experiment = "a b", .policy = "local"}), 1.0);
    MADE_RESULTS(made, ((struct made_result){.experiment = "A-B", .policy = "local"}), 1.0);
    MADE_RESULTS(made, ((struct made_result){.experiment = "", .policy = "local"}), 1.0);
    made_read(made);
    assert_string_equal(add(made, "cost", 0)->stem, "cost-made-a-b");
    assert_string_equal(add(made, "cost", 1)->stem, "cost-made-a-b-2");
    assert_string_equal(add(made, "cost", 0)->stem, "cost-made-a-b-3");
    assert_string_equal(add(made, "p95", 1)->stem, "p95-made-a-b");
    const struct figure *figure = add(made, "cost", 2);
    assert_string_equal(figure->stem, "cost-made");
    assert_ptr_equal(figure->experiment, made_experiment(made, 2));
    assert_string_equal(figure->template, "axis.gp");
    assert_int_equal(made->report.figures, 5);
}

static void an_evaluation_has_no_sweep_in_its_name(void **state)
{
    struct made *made = *state;
    int64_t run = made_run(made, &(struct made_run){.policy = "local", .seed = 1, .updates = -1});
    made_episode(made, run, 0, 10, -1.0);
    made_read(made);
    assert_string_equal(add(made, "cost", 0)->stem, "cost-dapo");
}

static void a_figure_without_rows_is_taken_back_and_said_to_be_missing(void **state)
{
    struct made *made = *state;
    struct diag diag = {{0}};
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0);
    made_read(made);
    struct figure *figure = add(made, "cost", 0);
    assert_int_equal(buf_printf(&figure->csv, "a,b\n"), 0);
    assert_int_equal(report_end_figure(&made->report, "costs, because", "Do it.", 0, NULL), 0);
    made_expect_gap(made, "made: users: no costs, because. Do it.");
    (void) add(made, "cost", 0);
    assert_int_equal(report_end_figure(&made->report, NULL, NULL, 0, NULL), 0); /* not even a head */
    assert_int_equal(made->report.figures, 0);
    assert_int_equal(made->report.gaps, 1);
    figure = add(made, "cost", 0);
    assert_int_equal(buf_printf(&figure->csv, "a,b\n1"), 0);
    assert_int_equal(report_end_figure(&made->report, "costs, because", "Do it.", 0, NULL), 0);
    assert_int_equal(made->report.figures, 1);
    assert_int_equal(made->report.gaps, 1);
    assert_int_equal(report_end_figure(&made->report, NULL, NULL, -EIO, &diag), -EIO);
    assert_string_equal(diag.text, "cost-made-users: Input/output error");
    figure->code = -ENOMEM;
    diag = (struct diag){{0}};
    assert_int_equal(report_end_figure(&made->report, NULL, NULL, 0, &diag), -ENOMEM);
    assert_string_equal(diag.text, "cost-made-users: Cannot allocate memory");
}

static void a_sentence_that_is_too_long_is_cut(void **state)
{
    static char sentence[1000];
    struct made *made = *state;
    memset(sentence, 'x', sizeof sentence - 1);
    assert_int_equal(report_leave_out(&made->report, "%s", sentence), 0);
    assert_int_equal(report_leave_out(&made->report, "%d", 3), 0);
    assert_int_equal(made->report.gaps, 2);
    assert_int_equal(strlen(made->report.gap[0]), 511);
    assert_string_equal(made->report.gap[1], "3");
}

static void tests_that_are_not_finished_are_left_out_and_said(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0);
    int64_t run = made_run(made, &(struct made_run){.policy = "greedy", .seed = 1, .updates = -1});
    made_sql(made, "UPDATE run SET status = 'running' WHERE run_id = %lld;", (long long) run);
    made_read(made);
    made_expect_gap(made, "Run 2, a test that is not finished.");
    report_finish(&made->report);
    assert_int_equal(report_read(&made->report, made->file.store, "made", NULL, NULL), 0);
    made_expect_gap(made, NULL); /* a named sweep has nothing to do with it */
}

/* A training of dapo in an experiment, with a checkpoint on the validation streams. */
static void train(struct made *made, const char *experiment, uint64_t seed, double cost)
{
    int64_t run =
        made_run(made, &(struct made_run){.kind = "train", .policy = "dapo", .seed = seed, .updates = 1});
    made_episode(made, run, 0, 20, -1.0);
    int64_t validation = made_run(made, &(struct made_run){.kind = "validate",
                                                           .policy = "dapo",
                                                           .seed = seed,
                                                           .parent = run,
                                                           .checkpoint = 1,
                                                           .updates = -1});
    made_episode(made, validation, 0, 5, -7.0);
    made_sql(made, "UPDATE episode SET mean_cost = %.17g WHERE run_id = %lld;", cost, (long long) validation);
    (void) made_result(made, &(struct made_result){.experiment = experiment,
                                                   .axis = "devices.count",
                                                   .value = "4",
                                                   .policy = "dapo",
                                                   .seed = seed,
                                                   .cost = 1.0,
                                                   .train = run});
}

static void checkpoints_are_read_of_what_has_a_result_alone(void **state)
{
    struct made *made = *state;
    train(made, "users", 3, 4.0);
    train(made, "links", 5, 6.0);
    made_read(made);
    assert_int_equal(made->report.curve_points, 2);
    report_finish(&made->report);
    assert_int_equal(report_read(&made->report, made->file.store, NULL, "links", NULL), 0);
    assert_int_equal(made->report.curve_points, 1);
    const struct report_curve_point *point = &made->report.curve[0];
    assert_ptr_equal(point->experiment, made_experiment(made, 0));
    assert_ptr_equal(point->value, &made_experiment(made, 0)->value[0]);
    assert_ptr_equal(point->policy, &made_experiment(made, 0)->value[0].policy[0]);
    assert_int_equal(point->seed, 5);
    assert_true(point->slots == 20.0 && point->cost == 6.0 && point->episode_return == -7.0);
    assert_true(isnan(point->regret_pct));
    assert_string_equal(made_experiment(made, 0)->name, "links");
}

static void an_experiment_is_told_by_sweep_name_and_axis(void **state)
{
    struct made *made = *state;
    train(made, "users", 3, 4.0);
    train(made, "users", 5, 6.0);
    made_sql(made, "UPDATE job SET axis = 'servers.count' WHERE number = 2;");
    made_read(made);
    assert_int_equal(made->report.evidence.experiments, 2);
    assert_int_equal(made->report.curve_points, 2);
    for (size_t e = 0; e < 2; e++)
        assert_ptr_equal(made->report.curve[e].experiment, made_experiment(made, e));
}

static void the_wide_bootstrap_is_made_once(void **state)
{
    struct made *made = *state;
    struct bootstrap *first = NULL, *second = NULL;
    assert_int_equal(report_wide_bootstrap(&made->report, 3, &first), 0);
    const uint32_t *word = first->word;
    assert_int_equal(report_wide_bootstrap(&made->report, 3, &second), 0);
    assert_ptr_equal(first, second);
    assert_ptr_equal(second->word, word);
}

static void panels_are_all_values_or_nine_from_the_first_to_the_last(void **state)
{
    static const size_t of_ten[] = {0, 1, 2, 3, 4, 5, 6, 7, 9},
                        of_eighteen[] = {0, 2, 4, 6, 8, 10, 12, 14, 17};
    (void) state;
    for (size_t values = 0; values <= 18; values++) {
        const struct evidence_experiment experiment = {.values = values};
        const struct report_panels panels = report_panels(&experiment);
        assert_int_equal(panels.count, values < 9 ? values : 9);
        for (size_t i = 0; i < panels.count; i++)
            if (values <= 9 || values == 10 || values == 18)
                assert_int_equal(panels.index[i], values <= 9    ? i
                                                  : values == 10 ? of_ten[i]
                                                                 : of_eighteen[i]);
    }
}

static void an_axis_is_labelled_by_its_meaning_up_to_the_details_and_its_unit(void **state)
{
    static const struct {
        const char *axis, *label;
    } cases[] = {
        {"devices.count", "mobile devices N"},
        {"mobility.speed_mean", "mean speed (m/s)"},
        {"radio.bandwidth_mhz", "bandwidth B of each server (MHz)"},
        {"run.slot_s", "slot length (s)"},
        {"objective.deadline_s", "deadline T_max (s)"},
        {"radio.min_distance_m", "distances are not taken below this d_min (m)"},
        {"servers.sharing", "how a server divides its speed"},
        {"ddpg.batch", "mini-batch (transitions)"},
        {"run.name", "the scenario's name"}, /* the first key that there is */
        {"nobody.knows", "nobody.knows"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf text = {0};
        assert_int_equal(report_axis_label(cases[i].axis, &text), 0);
        assert_string_equal((const char *) text.data, cases[i].label);
        buf_finish(&text);
    }
}

static void an_axis_sets_policies_where_no_world_has_it(void **state)
{
    static const struct {
        const char *axis;
        bool varies;
    } cases[] = {{"ddpg.batch", true}, {"devices.count", false}, {"nobody.knows", false}, {"", false}};
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(report_varies_policies(&(struct evidence_experiment){.axis = cases[i].axis}),
                         cases[i].varies);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(figures_have_names_of_their_own),
        TEST(an_evaluation_has_no_sweep_in_its_name),
        TEST(a_figure_without_rows_is_taken_back_and_said_to_be_missing),
        TEST(a_sentence_that_is_too_long_is_cut),
        TEST(tests_that_are_not_finished_are_left_out_and_said),
        TEST(checkpoints_are_read_of_what_has_a_result_alone),
        TEST(an_experiment_is_told_by_sweep_name_and_axis),
        TEST(the_wide_bootstrap_is_made_once),
        cmocka_unit_test(panels_are_all_values_or_nine_from_the_first_to_the_last),
        cmocka_unit_test(an_axis_is_labelled_by_its_meaning_up_to_the_details_and_its_unit),
        cmocka_unit_test(an_axis_sets_policies_where_no_world_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
