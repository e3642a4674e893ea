/* The page: its tables of results, headlines and verdicts, its figures, what is left out, and where it all comes from. */
#include "orchestrator/report/page.h"

#include "tests/unit/report/made.h"

#define AXIS "devices.count"

/* A training of 40 slots. */
static int64_t train(struct made *made, const char *policy)
{
    int64_t run =
        made_run(made, &(struct made_run){.kind = "train", .policy = policy, .seed = 1, .updates = 5});
    made_episode(made, run, 0, 40, -1.0);
    return run;
}

static struct made_result at(const char *value, const char *policy)
{
    return (struct made_result){.axis = AXIS, .value = value, .policy = policy};
}

/* Two values at which a learner, a rule, what knows the model and what sees the world were tested, five seeds each. */
static void make_users(struct made *made)
{
    static const char *const values[] = {"2", "10"};
    for (size_t v = 0; v < 2; v++) {
        struct made_result dapo = at(values[v], "dapo");
        dapo.train = train(made, "dapo");
        MADE_RESULTS(made, dapo, 1.0, 3.0, 2.0, 2.0, 2.0);
        MADE_RESULTS(made, at(values[v], "local"), 4.0, 4.0, 4.0, v > 0 ? 1.0 : 4.0, 4.0);
        MADE_RESULTS(made, at(values[v], "greedy"), 1.0, 1.0, 1.0, 1.0, 1.0);
        MADE_RESULTS(made, at(values[v], "optimum"), 0.5, 0.5, 0.5, 0.5, 0.5);
    }
}

static void a_page_begins_with_what_it_is_made_of_and_its_contents(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    make_users(made);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text,
                      "handoff report\nMade of &lt;some&gt;.db on 2026-02-03T04:05:06Z by handoff 0.3.");
    made_expect_lines(&text, "Headline\n"
                             "Where learning pays\n"
                             "made: users\n"
                             "What is left out\n"
                             "Scenarios, seeds and machines\n"
                             "Headline\n");
    made_expect_lines(&text, "What is left out\nNothing.\nScenarios, seeds and machines\n");
    made_expect_nothing_of(&text, "Where the objective is a reward");
    buf_finish(&text);
}

static void results_stand_in_groups_from_the_best_with_their_distance_to_it(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    make_users(made);
    made_sql(made, "UPDATE episode SET deadline_misses = 4 WHERE run_id = 2;"); /* one of dapo's five tests */
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(
        &text,
        "made: users, devices.count = 2\n"
        "policy | seeds | trained (slots) | cost | cost above the group's best | more runs | latency (s) | "
        "p95 (s) | "
        "energy (J) | regret (%) | missed (%)\n"
        "observations: what a deployment could know\n"
        "dapo | 5 | 40.00 | 2.000 [1.400, 2.600] | best | | 0.200 [0.140, 0.260] | 1.000 [0.700, 1.300] | "
        "4.000 [2.800, 5.200] | 300.0 [180.0, 420.0] | 16.00\n"
        "local | 5 | &#8211; | 4.000 [4.000, 4.000] | 2.000 [1.400, 2.600] | none | 0.400 [0.400, 0.400] | "
        "2.000 [2.000, 2.000] | 8.000 [8.000, 8.000] | 700.0 [700.0, 700.0] | 10.00\n"
        "model: also how delay, energy and cost come about\n"
        "greedy | 5 | &#8211; | 1.000 [1.000, 1.000] | best | | 0.100 [0.100, 0.100] | 0.500 [0.500, 0.500] "
        "| "
        "2.000 [2.000, 2.000] | 100.0 [100.0, 100.0] | 10.00\n"
        "world: everything, as a yardstick\n"
        "optimum | 5 | &#8211; | 0.500 [0.500, 0.500] | best | | 0.050 [0.050, 0.050] | 0.250 [0.250, 0.250] "
        "| "
        "1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] | 10.00\n"
        "observations: ranked: dapo &lt; local\n"
        "all: ranked: optimum &lt; greedy &lt; dapo &lt; local\n"
        "made: users, devices.count = 10\n");
    buf_finish(&text);
}

static void headlines_are_of_all_values_against_what_does_not_see_the_world(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    make_users(made);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(
        &text, "made: users (devices.count, 2 values)\n"
               "policy | against | seeds | latency lower by | energy lower by\n"
               "at most | at | in the mean | better / open / worse | at most | at | in the mean | better "
               "/ open / worse\n"
               "dapo | local | 5 | 50.0 % [35.0, 65.0] | 2 | 45.6 % [22.5, 61.9] | 2 / 0 / 0 | 50.0 % "
               "[35.0, 65.0] | 2 | 45.6 % [22.5, 61.9] | 2 / 0 / 0\n"
               "dapo | greedy | 5 | -100.0 % [-160.0, -40.0] | 2 | -100.0 % [-160.0, -40.0] | 0 / 0 / 2 "
               "| -100.0 % [-160.0, -40.0] | 2 | -100.0 % [-160.0, -40.0] | 0 / 0 / 2\n"
               "Where learning pays\n");
    buf_finish(&text);
}

static void values_that_are_not_sure_are_open_and_without_seeds_enough_all_are(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, at("2", "dapo"), 1.0, 3.0, 2.0, 2.0, 2.0);
    MADE_RESULTS(made, at("2", "local"), 2.5, 2.0, 2.0, 2.0, 2.0);
    MADE_RESULTS(made, at("2", "greedy"), 9.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text, "made: users (devices.count, 1 values)\n");
    made_expect_lines(
        &text, "dapo | local | 5 | 4.8 % [-30.0, 39.1] | 2 | 4.8 % [-30.0, 39.1] | 0 / 1 / 0 | 4.8 % "
               "[-30.0, 39.1] | 2 | 4.8 % [-30.0, 39.1] | 0 / 1 / 0\n"
               "dapo | greedy | 1 | 88.9 % | 2 | 88.9 % | 0 / 1 / 0 | 88.9 % | 2 | 88.9 % | 0 / 1 / 0\n");
    buf_finish(&text);
}

static void who_never_learned_is_marked_and_has_no_headline(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    struct made_result ppo = at("2", "ppo");
    MADE_RESULTS(made, at("2", "dapo"), 2.0, 2.0);
    ppo.never = true;
    MADE_RESULTS(made, ppo, 1.0, 1.0);
    (void) made_result(
        made, &(struct made_result){.axis = AXIS, .value = "2", .policy = "ppo", .seed = 3, .cost = 1.0});
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text, "dapo | ppo | 3 | no headline: ppo never learned at 2 of 3 seeds (0 updates)\n");
    made_expect_lines(&text, "2 | open: too few seeds | ppo (never learned: 2 of 3 seeds), dapo | ");
    made_expect_lines(&text, "ppo (never learned: 2 of 3 seeds) | 3 | ");
    made_expect_nothing_of(&text, "PPO and A2C have no results here");
    buf_finish(&text);
}

static void without_ours_there_is_no_headline_and_without_the_papers_nothing_is_said_of_them(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, at("2", "local"), 1.0);
    MADE_RESULTS(made, at("2", "random"), 1.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text,
                      "Neither dapo nor dapo-plus was measured beside a baseline.\nWhere learning pays\n");
    assert_non_null(strstr(
        (const char *) text.data,
        " does not allow for that. PPO and A2C have no results here, so nothing is said about them.\n"));
    buf_finish(&text);
}

static void either_of_the_papers_counts_as_measured(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, at("2", "local"), 1.0);
    MADE_RESULTS(made, ((struct made_result){.experiment = "other", .policy = "a2c"}), 1.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_nothing_of(&text, "have no results here");
    buf_finish(&text);
}

/* One row of the map: what the five seeds of dapo, local and greedy give. */
static void expect_map(struct made *made, const char *row)
{
    struct buf text = {0};
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text,
                      "made: users\ndevices.count | observations only | all that do not see the world\n");
    made_expect_lines(&text, row);
    buf_finish(&text);
}

static void a_map_says_whether_learning_pays(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, at("2", "dapo"), 1.0, 1.0, 1.0, 1.0, 1.0);
    MADE_RESULTS(made, at("2", "local"), 2.0, 2.0, 2.0, 2.0, 2.0);
    MADE_RESULTS(made, at("2", "greedy"), 0.5, 0.5, 0.5, 0.5, 0.5);
    MADE_RESULTS(made, at("2", "optimum"), 0.1, 0.1, 0.1, 0.1, 0.1);
    expect_map(made, "2 | learning pays | dapo | a rule wins | greedy (rule)\n");
}

static void a_map_names_all_that_are_not_clearly_worse(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, at("2", "dapo"), 1.0, 1.0, 1.0, 1.0, 1.0);
    MADE_RESULTS(made, at("2", "local"), 0.5, 1.7, 1.0, 1.0, 1.0);
    MADE_RESULTS(made, at("2", "greedy"), 2.0, 2.0, 2.0, 2.0, 2.0);
    expect_map(made,
               "2 | a rule is not beaten | dapo, local (rule) | a rule is not beaten | dapo, local (rule)\n");
}

static void a_map_leaves_open_what_too_few_seeds_tell_and_who_is_alone(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, at("2", "dapo"), 1.0, 1.0, 1.0, 1.0, 1.0);
    MADE_RESULTS(made, at("2", "greedy"), 2.0, 2.0, 2.0, 2.0);
    expect_map(made, "2 | nothing to compare | dapo | open: too few seeds | dapo, greedy (rule)\n");
}

static void a_map_counts_no_learner_that_never_learned(void **state)
{
    struct made *made = *state;
    struct made_result ppo = at("2", "ppo");
    ppo.never = true;
    MADE_RESULTS(made, ppo, 1.0, 1.0, 1.0, 1.0, 1.0);
    MADE_RESULTS(made, at("2", "local"), 2.0, 2.0, 2.0, 2.0, 2.0);
    expect_map(made, "2 | not told apart | ppo (never learned) | not told apart | ppo (never learned)\n");
}

/* ---- rewards ---- */

static void where_all_is_rewarded_returns_are_compared_and_the_paper_is_not(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, ((struct made_result){.policy = "local", .scenario = MADE_REWARD}), 1.0, 3.0);
    MADE_RESULTS(made, ((struct made_result){.policy = "random", .scenario = MADE_REWARD}), 1.0, 1.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_nothing_of(&text, "Headline");
    made_expect_lines(&text,
                      "Where the objective is a reward (objective.reward shaped or paper), a task's cost ");
    made_expect_lines(
        &text, "made: users\n"
               "policy | seeds | trained (slots) | return of an episode | return below the group's best | ");
    made_expect_lines(&text, "observations: what a deployment could know\n"
                             "random | 2 | &#8211; | -10.00 [-10.00, -10.00] | best | | ");
    made_expect_lines(&text, "local | 2 | &#8211; | -20.00 [-30.00, -10.00] | 10.00 [0.000, 20.00] | ");
    made_expect_lines(
        &text, "value | observations only | all that do not see the world\n- | open: too few seeds | ");
    buf_finish(&text);
}

static void where_some_are_rewarded_both_are_said(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, ((struct made_result){.policy = "local", .scenario = MADE_REWARD}), 1.0);
    MADE_RESULTS(made, ((struct made_result){.experiment = "costs", .policy = "local"}), 1.0);
    made_read(made);
    made_print_page(made, &text);
    made_expect_lines(&text, "Headline\nWhere learning pays\nmade: users\nmade: costs\nWhat is left out\n");
    made_expect_lines(&text, "Headline\nThe paper's own ");
    made_expect_lines(&text,
                      "Where the objective is a reward (objective.reward shaped or paper), a task's cost ");
    buf_finish(&text);
}

/* ---- figures, and what there is none of ---- */

static void figures_stand_with_their_experiment_and_say_whether_they_are_drawn(void **state)
{
    struct made *made = *state;
    struct buf text = {0};
    MADE_RESULTS(made, ((struct made_result){.policy = "local"}), 1.0);
    MADE_RESULTS(made, ((struct made_result){.experiment = "links", .policy = "local"}), 1.0);
    made_read(made);
    for (size_t e = 2; e-- > 0;) {
        struct figure *figure = report_add_figure(&made->report, "cost", "axis.gp", made_experiment(made, e));
        assert_non_null(figure);
        figure_title(figure, "Title of <%zu>", e);
        figure_caption(figure, "What it is");
    }
    assert_int_equal(
        buf_printf(&made->report.figure[0]->svg, "<svg><title/><desc></desc><text>drawn</text></svg>"), 0);
    assert_int_equal(report_leave_out(&made->report, "No <b>, %d.", 1), 0);
    assert_int_equal(report_leave_out(&made->report, "No c."), 0);
    made_print_page(made, &text);
    made_expect_lines(&text, "Title of &lt;0&gt;. What it is Not drawn. Files: data, script.\nmade: links\n");
    made_expect_lines(&text,
                      "Title of &lt;1&gt;drawnTitle of &lt;1&gt;. What it is Files: SVG, PDF, data, script.\n"
                      "What is left out\n"
                      "No &lt;b&gt;, 1.\n"
                      "No c.\n"
                      "Scenarios, seeds and machines\n");
    buf_finish(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(a_page_begins_with_what_it_is_made_of_and_its_contents),
        TEST(results_stand_in_groups_from_the_best_with_their_distance_to_it),
        TEST(headlines_are_of_all_values_against_what_does_not_see_the_world),
        TEST(values_that_are_not_sure_are_open_and_without_seeds_enough_all_are),
        TEST(who_never_learned_is_marked_and_has_no_headline),
        TEST(without_ours_there_is_no_headline_and_without_the_papers_nothing_is_said_of_them),
        TEST(either_of_the_papers_counts_as_measured),
        TEST(a_map_says_whether_learning_pays),
        TEST(a_map_names_all_that_are_not_clearly_worse),
        TEST(a_map_leaves_open_what_too_few_seeds_tell_and_who_is_alone),
        TEST(a_map_counts_no_learner_that_never_learned),
        TEST(where_all_is_rewarded_returns_are_compared_and_the_paper_is_not),
        TEST(where_some_are_rewarded_both_are_said),
        TEST(figures_stand_with_their_experiment_and_say_whether_they_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
