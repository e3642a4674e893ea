/* How learning went: returns of training episodes and validations of checkpoints, as bands over seeds. */
#include "orchestrator/report/plots.h"

#include <stdio.h>

#include "tests/unit/report/made.h"

#define HEAD "value,policy,x,mean,low,high,seeds\n"

/* A training of dapo. */
static int64_t train(struct made *made, uint64_t seed)
{
    return made_run(made, &(struct made_run){.kind = "train", .policy = "dapo", .seed = seed, .updates = 5});
}

static void convergence(struct made *made)
{
    made_read(made);
    assert_int_equal(plots_convergence(&made->report, made_experiment(made, 0), NULL), 0);
}

static void expect_caption(const struct made *made, const char *stem, const char *caption)
{
    assert_string_equal((const char *) made_figure(made, stem)->caption.data, caption);
}

#define TRAINING                                                                                             \
    "Return of each training episode, exploration included: mean over seeds and 95 % interval by bootstrap " \
    "over seeds."
#define MAY_LEAVE                                                                                            \
    " An episode in which a single task waited on a channel that carried next to nothing may leave the "     \
    "panel."

static void returns_of_training_are_a_band_over_the_seeds_that_reach_an_episode(void **state)
{
    struct made *made = *state;
    int64_t runs[] = {train(made, 1), train(made, 2)};
    for (unsigned e = 0; e < 3; e++)
        made_episode(made, runs[0], e, 10, -1.0 - e);
    for (unsigned e = 0; e < 2; e++)
        made_episode(made, runs[1], e, 10, -3.0 - e);
    for (size_t i = 0; i < 2; i++)
        (void) made_result(
            made, &(struct made_result){.policy = "dapo", .seed = i + 1, .cost = 1.0, .train = runs[i]});
    (void) made_result(
        made, &(struct made_result){.policy = "dapo", .seed = 3, .cost = 1.0}); /* its training is gone */
    (void) made_result(made, &(struct made_result){.policy = "local", .seed = 1, .cost = 1.0});
    convergence(made);
    made_expect_csv(made, "convergence-made-users",
                    HEAD "-,dapo,0,-2,-3,-1,2\n"
                         "-,dapo,1,-3,-4,-2,2\n"
                         "-,dapo,2,-3,,,1\n");
    expect_caption(made, "convergence-made-users", TRAINING MAY_LEAVE);
    made_expect_head(made, "convergence-made-users", "x_label = 'episode'");
    made_expect_head(made, "convergence-made-users", "y_label = 'episode return'");
    made_expect_head(made, "convergence-made-users", "x_log = 0");
    made_expect_head(made, "convergence-made-users", "y_floor = 0");
    made_expect_head(made, "convergence-made-users", "fenced = 1");
    made_expect_head(made, "convergence-made-users", "array value[1] = ['-']");
    made_expect_head(made, "convergence-made-users", "array policy[1] = ['dapo']");
    assert_string_equal(made_figure(made, "convergence-made-users")->template, "bands.gp");
    assert_string_equal((const char *) made_figure(made, "convergence-made-users")->title.data,
                        "Convergence: mean return of training episodes");
}

/* Trains `episodes` with the returns 0, 1, 2 ... and tests once. */
static void train_long(struct made *made, unsigned episodes, const char *scenario)
{
    int64_t run = train(made, 1);
    for (unsigned e = 0; e < episodes; e++)
        made_episode(made, run, e, 5, e);
    (void) made_result(
        made,
        &(struct made_result){.policy = "dapo", .seed = 1, .cost = 1.0, .train = run, .scenario = scenario});
}

static void expect_rows(const struct made *made, unsigned rows, const char *first, const char *last)
{
    const char *csv = (const char *) made_figure(made, "convergence-made-users")->csv.data;
    unsigned lines = 0;
    for (const char *at = csv; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, rows + 1);
    assert_memory_equal(strchr(csv, '\n') + 1, first, strlen(first));
    size_t size = strlen(csv), tail = strlen(last);
    assert_true(size > tail);
    assert_string_equal(csv + size - tail, last);
}

static void a_hundred_episodes_are_drawn_each(void **state)
{
    struct made *made = *state;
    train_long(made, 100, NULL);
    convergence(made);
    expect_rows(made, 100, "-,dapo,0,0,,,1\n-,dapo,1,1,,,1\n", "\n-,dapo,99,99,,,1\n");
    expect_caption(made, "convergence-made-users", TRAINING MAY_LEAVE);
}

static void more_episodes_are_drawn_as_means_of_blocks_and_the_last_may_be_short(void **state)
{
    struct made *made = *state;
    train_long(made, 101, NULL);
    convergence(made);
    expect_rows(made, 51, "-,dapo,1,0.5,,,1\n-,dapo,3,2.5,,,1\n",
                "\n-,dapo,99,98.5,,,1\n-,dapo,100,100,,,1\n");
    expect_caption(made, "convergence-made-users",
                   TRAINING " Smoothed: points are means of blocks of 2 episodes." MAY_LEAVE);
}

static void rewards_are_drawn_against_slots_beside_rules_whose_episodes_are_as_long(void **state)
{
    struct made *made = *state;
    train_long(made, 51, MADE_REWARD);
    int64_t alike[] = {
        made_result(
            made, &(struct made_result){.policy = "local", .seed = 1, .cost = 1.0, .scenario = MADE_REWARD}),
        made_result(
            made, &(struct made_result){.policy = "local", .seed = 2, .cost = 3.0, .scenario = MADE_REWARD})};
    for (size_t i = 0; i < 2; i++)
        made_sql(made, "UPDATE episode SET slots = 5 WHERE run_id = %lld;", (long long) alike[i]);
    (void) made_result(
        made, &(struct made_result){.policy = "random", .seed = 1, .cost = 1.0, .scenario = MADE_REWARD});
    convergence(made);
    expect_rows(made, 26 + 2, "-,dapo,10,0.5,,,1\n-,dapo,20,2.5,,,1\n",
                "\n-,dapo,255,50,,,1\n-,local,10,-20,-30,-10,2\n-,local,255,-20,-30,-10,2\n");
    expect_caption(made, "convergence-made-users",
                   TRAINING
                   " Smoothed: points are means of blocks of 2 episodes. Levels: policies that do not "
                   "learn, on the test streams.");
    made_expect_head(made, "convergence-made-users", "x_label = 'training steps (slots)'");
    made_expect_head(made, "convergence-made-users", "fenced = 0");
    made_expect_head(made, "convergence-made-users", "array policy[3] = ['dapo', 'local', 'random']");
}

static void fifty_rewarded_episodes_are_drawn_each(void **state)
{
    struct made *made = *state;
    train_long(made, 50, MADE_REWARD);
    convergence(made);
    expect_rows(made, 50, "-,dapo,5,0,,,1\n", "\n-,dapo,250,49,,,1\n");
}

/* Two values, at each a test of what was trained by its own run, or by the first's. */
static void train_at_two(struct made *made, const char *axis, const char *scenario, bool once)
{
    int64_t run = 0;
    for (unsigned v = 0; v < 2; v++) {
        if (v == 0 || !once) {
            run = train(made, 1);
            made_episode(made, run, 0, 10, -1.0 - v);
        }
        (void) made_result(made, &(struct made_result){.axis = axis,
                                                       .value = v == 0 ? "1" : "2",
                                                       .policy = "dapo",
                                                       .seed = 1,
                                                       .cost = 1.0,
                                                       .train = run,
                                                       .scenario = scenario});
        (void) made_result(made, &(struct made_result){.axis = axis,
                                                       .value = v == 0 ? "1" : "2",
                                                       .policy = "local",
                                                       .seed = 1,
                                                       .cost = 1.0,
                                                       .scenario = scenario});
    }
}

static void every_value_has_a_panel_where_each_is_trained(void **state)
{
    struct made *made = *state;
    train_at_two(made, "devices.count", NULL, false);
    convergence(made);
    made_expect_csv(made, "convergence-made-users", HEAD "1,dapo,0,-1,,,1\n2,dapo,0,-2,,,1\n");
    made_expect_head(made, "convergence-made-users", "axis = 'devices.count'");
    made_expect_head(made, "convergence-made-users", "array value[2] = ['1', '2']");
}

static void what_was_trained_once_has_one_panel(void **state)
{
    struct made *made = *state;
    train_at_two(made, "devices.count", NULL, true);
    convergence(made);
    made_expect_csv(made, "convergence-made-users", HEAD "1,dapo,0,-1,,,1\n");
    made_expect_head(made, "convergence-made-users", "array value[1] = ['1']");
}

static void a_setting_of_policies_has_a_figure_of_its_own_kind_without_levels(void **state)
{
    struct made *made = *state;
    train_at_two(made, "ddpg.batch", MADE_REWARD, false);
    convergence(made);
    made_expect_csv(made, "convergence-made-users", HEAD "1,dapo,10,-1,,,1\n2,dapo,10,-2,,,1\n");
    made_expect_head(made, "convergence-made-users", "array policy[1] = ['dapo']");
    assert_string_equal(made_figure(made, "convergence-made-users")->template, "settings.gp");
}

static void without_a_training_it_is_said_what_would_give_one(void **state)
{
    struct made *made = *state;
    MADE_RESULTS(made, ((struct made_result){.policy = "dapo"}), 1.0);
    convergence(made);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(
        made, "made: users: no convergence, because no learner's training is recorded. `sweep` or `run` "
              "with a learner, and then `evaluate`, would give it.");
}

/* ---- checkpoints ---- */

static void curve(struct made *made)
{
    made_read(made);
    assert_int_equal(plots_curve(&made->report, made_experiment(made, 0), NULL), 0);
}

/* A validation with the cost. */
static int64_t validate(struct made *made, const struct made_run *run, double cost)
{
    int64_t validated = made_run(made, run);
    made_episode(made, validated, 0, 5, -100.0 * cost);
    made_sql(made, "UPDATE episode SET mean_cost = %.17g WHERE run_id = %lld;", cost, (long long) validated);
    return validated;
}

/* Trains dapo for episodes of 10 slots and validates after each, at costs that fall from `cost` by 1. */
static void train_and_validate(struct made *made, uint64_t seed, unsigned episodes, double cost,
                               const char *scenario)
{
    int64_t run = train(made, seed);
    for (unsigned e = 0; e < episodes; e++) {
        made_episode(made, run, e, 10, -1.0);
        const struct made_run own = {.kind = "validate",
                                     .policy = "dapo",
                                     .seed = seed,
                                     .parent = run,
                                     .checkpoint = e + 1,
                                     .updates = -1};
        (void) validate(made, &own, cost - e);
    }
    (void) made_result(made,
                       &(struct made_result){
                           .policy = "dapo", .seed = seed, .cost = 1.0, .train = run, .scenario = scenario});
}

/* A policy that does not learn, validated beside curves. */
static void validate_level(struct made *made, const char *policy, uint64_t seed, double cost,
                           const char *scenario)
{
    int64_t run = validate(
        made, &(struct made_run){.kind = "validate", .policy = policy, .seed = seed, .updates = -1}, cost);
    (void) made_result(
        made, &(struct made_result){.policy = policy, .seed = seed, .cost = 1.0, .scenario = scenario});
    made_sql(made, "UPDATE job SET validate_run_id = %lld WHERE number = %lld;", (long long) run,
             (long long) made->jobs);
}

#define CHECKPOINTS                                                                                          \
    "Every checkpoint on the validation streams, without exploration: mean over seeds and 95 % interval by " \
    "bootstrap over seeds, linear between checkpoints; levels: policies that do not learn."

static void costs_of_checkpoints_are_a_band_and_of_rules_a_level(void **state)
{
    struct made *made = *state;
    train_and_validate(made, 1, 3, 5.0, NULL);
    train_and_validate(made, 2, 2, 7.0, NULL);
    validate_level(made, "local", 1, 2.0, NULL);
    validate_level(made, "local", 2, 4.0, NULL);
    curve(made);
    made_expect_csv(made, "learning-made-users",
                    HEAD "-,dapo,10,6,5,7,2\n"
                         "-,dapo,20,5,4,6,2\n"
                         "-,dapo,30,3,,,1\n"
                         "-,local,10,3,2,4,2\n"
                         "-,local,30,3,2,4,2\n");
    expect_caption(made, "learning-made-users", CHECKPOINTS);
    made_expect_head(made, "learning-made-users", "x_label = 'training slots'");
    made_expect_head(made, "learning-made-users", "y_label = 'mean cost'");
    made_expect_head(made, "learning-made-users", "x_log = 1");
    made_expect_head(made, "learning-made-users", "y_floor = 0");
    made_expect_head(made, "learning-made-users", "fenced = 1");
    made_expect_head(made, "learning-made-users", "array policy[2] = ['dapo', 'local']");
    assert_string_equal((const char *) made_figure(made, "learning-made-users")->title.data,
                        "Learning curve: mean cost on held-out slots against training slots");
}

static void where_the_optimum_is_known_regrets_are_drawn(void **state)
{
    struct made *made = *state;
    train_and_validate(made, 1, 2, 4.0, NULL);
    validate_level(made, "optimum", 1, 2.0, NULL);
    curve(made);
    made_expect_csv(made, "learning-made-users",
                    HEAD "-,dapo,10,100,,,1\n"
                         "-,dapo,20,50,,,1\n"
                         "-,optimum,10,0,,,1\n"
                         "-,optimum,20,0,,,1\n");
    expect_caption(made, "learning-made-users", CHECKPOINTS " Regret below 0.01 % is drawn there.");
    made_expect_head(made, "learning-made-users", "y_label = 'regret against the optimum (%)'");
    made_expect_head(made, "learning-made-users", "y_floor = 0.01");
    made_expect_head(made, "learning-made-users", "fenced = 0");
}

static void where_one_seed_has_no_optimum_costs_are_drawn(void **state)
{
    struct made *made = *state;
    train_and_validate(made, 1, 1, 4.0, NULL);
    train_and_validate(made, 2, 1, 4.0, NULL);
    validate_level(made, "optimum", 1, 2.0, NULL);
    curve(made);
    made_expect_csv(made, "learning-made-users",
                    HEAD "-,dapo,10,4,4,4,2\n-,optimum,10,2,,,1\n-,optimum,10,2,,,1\n");
}

static void where_the_objective_is_a_reward_returns_are_drawn(void **state)
{
    struct made *made = *state;
    train_and_validate(made, 1, 2, 4.0, MADE_REWARD);
    validate_level(made, "optimum", 1, 2.0, MADE_REWARD);
    curve(made);
    made_expect_csv(made, "learning-made-users",
                    HEAD "-,dapo,10,-400,,,1\n"
                         "-,dapo,20,-300,,,1\n"
                         "-,optimum,10,-200,,,1\n"
                         "-,optimum,20,-200,,,1\n");
    made_expect_head(made, "learning-made-users", "y_label = 'episode return'");
    made_expect_head(made, "learning-made-users", "fenced = 0");
}

static void of_many_checkpoints_a_hundred_places_are_drawn_from_the_first_to_the_last(void **state)
{
    struct made *made = *state;
    train_and_validate(made, 1, 199, 1000.0, NULL);
    curve(made);
    const char *csv = (const char *) made_figure(made, "learning-made-users")->csv.data;
    unsigned rows = 0;
    for (const char *at = strchr(csv, '\n'); at[1] != '\0'; at = strchr(at + 1, '\n'), rows++) {
        char expected[64];
        (void) snprintf(expected, sizeof expected, "\n-,dapo,%u,%u,,,1\n", 10 + 20 * rows, 1000 - 2 * rows);
        assert_memory_equal(at, expected, strlen(expected)); /* every second of them */
    }
    assert_int_equal(rows, 100);
}

static void curves_that_were_trained_once_have_one_panel(void **state)
{
    struct made *made = *state;
    train_at_two(made, "devices.count", NULL, true);
    for (unsigned e = 1; e <= 2; e++) {
        const struct made_run own = {
            .kind = "validate", .policy = "dapo", .seed = 1, .parent = 1, .checkpoint = 1, .updates = -1};
        (void) validate(made, &own, 3.0);
    }
    curve(made);
    made_expect_head(made, "learning-made-users", "array value[1] = ['1']");
}

static void without_checkpoints_it_is_said_what_would_keep_them(void **state)
{
    struct made *made = *state;
    validate_level(made, "local", 1, 2.0, NULL);
    curve(made);
    assert_int_equal(made->report.figures, 0);
    made_expect_gap(made,
                    "made: users: no learning curve, because checkpoints' validations are not kept. `curve: "
                    "true` in the sweep's file would keep them.");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, made_setup, made_teardown)
        TEST(returns_of_training_are_a_band_over_the_seeds_that_reach_an_episode),
        TEST(a_hundred_episodes_are_drawn_each),
        TEST(more_episodes_are_drawn_as_means_of_blocks_and_the_last_may_be_short),
        TEST(rewards_are_drawn_against_slots_beside_rules_whose_episodes_are_as_long),
        TEST(fifty_rewarded_episodes_are_drawn_each),
        TEST(every_value_has_a_panel_where_each_is_trained),
        TEST(what_was_trained_once_has_one_panel),
        TEST(a_setting_of_policies_has_a_figure_of_its_own_kind_without_levels),
        TEST(without_a_training_it_is_said_what_would_give_one),
        TEST(costs_of_checkpoints_are_a_band_and_of_rules_a_level),
        TEST(where_the_optimum_is_known_regrets_are_drawn),
        TEST(where_one_seed_has_no_optimum_costs_are_drawn),
        TEST(where_the_objective_is_a_reward_returns_are_drawn),
        TEST(of_many_checkpoints_a_hundred_places_are_drawn_from_the_first_to_the_last),
        TEST(curves_that_were_trained_once_have_one_panel),
        TEST(without_checkpoints_it_is_said_what_would_keep_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
