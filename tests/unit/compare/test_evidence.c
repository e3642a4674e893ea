/* What was measured, sorted for comparison: which results count, in which order everything stands, and which
 * evaluations belong together. */
#include "orchestrator/compare/evidence.h"

#include "orchestrator/policy/catalog/full_scenario.h"
#include "tests/unit/model/check.h"

static struct db_outcome outcome(const char *policy, const char *value, uint64_t seed, double cost)
{
    return (struct db_outcome){.sweep = "paper",
                               .experiment = "users",
                               .axis = "devices.count",
                               .value = value,
                               .policy = policy,
                               .seed = seed,
                               .mean_cost = cost};
}

static void add(struct evidence *evidence, struct db_outcome row)
{
    assert_int_equal(evidence_add(evidence, &row), 0);
}

static const struct evidence_value *only_value(const struct evidence *evidence)
{
    assert_int_equal(evidence->experiments, 1);
    assert_int_equal(evidence->experiment[0].values, 1);
    return &evidence->experiment[0].value[0];
}

static void expect_values(const struct evidence_experiment *experiment, const char *const *text)
{
    size_t i = 0;
    for (; text[i] != NULL; i++) {
        assert_true(i < experiment->values);
        assert_string_equal(experiment->value[i].text, text[i]);
    }
    assert_int_equal(experiment->values, i);
}

/* ---- results ---- */

static void everything_that_was_measured_is_taken_over(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    struct db_outcome row = outcome("greedy", "5", 3, 1.5);
    row.mean_latency_s = 2.5;
    row.mean_energy_j = 3.5;
    row.p95_latency_s = 4.5;
    row.regret_pct = (double) NAN;
    row.deadline_miss_share = 0.25;
    row.train_slots = 100.0;
    row.train_run_id = 8;
    row.test_run_id = 9;
    add(&evidence, row);
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_test *test = &only_value(&evidence)->policy[0].test[0];
    assert_int_equal(test->seed, 3);
    assert_same(test->metric[EVIDENCE_COST], 1.5);
    assert_same(test->metric[EVIDENCE_LATENCY], 2.5);
    assert_same(test->metric[EVIDENCE_ENERGY], 3.5);
    assert_same(test->metric[EVIDENCE_P95], 4.5);
    assert_true(isnan(test->metric[EVIDENCE_REGRET]));
    assert_same(test->miss_share, 0.25);
    assert_same(test->train_slots, 100.0);
    assert_int_equal(test->train_run_id, 8);
    assert_int_equal(test->test_run_id, 9);
    evidence_finish(&evidence);
}

static void different_arithmetic_is_told_and_one_alone_is_not(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    struct buf text = {0};
    struct db_outcome row = outcome("dapo", "5", 1, 1.0);
    row.arithmetic = "portable, arithmetic 1";
    add(&evidence, row);
    row.seed = 2;
    add(&evidence, row);
    row.policy = "local";
    row.arithmetic = NULL; /* its run is gone: nothing is said of it */
    add(&evidence, row);
    assert_int_equal(evidence_print_arithmetics(&evidence, &text), 0);
    assert_int_equal(text.size, 0);
    row.policy = "ppo";
    row.arithmetic = "openblas Haswell, arithmetic 1";
    add(&evidence, row);
    assert_int_equal(evidence_print_arithmetics(&evidence, &text), 0);
    assert_string_equal(
        (const char *) text.data,
        "Results of different arithmetic stand together, so the same seed is not the same run: "
        "2 with portable, arithmetic 1; 1 with openblas Haswell, arithmetic 1.");
    buf_finish(&text);
    evidence_finish(&evidence);
}

static void of_the_same_seed_the_last_result_counts(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("greedy", "5", 3, 1.0));
    add(&evidence, outcome("greedy", "5", 1, 2.0));
    add(&evidence, outcome("greedy", "5", 3, 4.0));
    add(&evidence, outcome("local", "5", 3, 8.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_policy *greedy = evidence_find(only_value(&evidence), "greedy");
    assert_non_null(greedy);
    assert_int_equal(greedy->tests, 2);
    assert_int_equal(greedy->test[0].seed, 1); /* by seed */
    assert_same(greedy->test[0].metric[EVIDENCE_COST], 2.0);
    assert_int_equal(greedy->test[1].seed, 3);
    assert_same(greedy->test[1].metric[EVIDENCE_COST], 4.0);
    assert_int_equal(evidence_find(only_value(&evidence), "local")->tests, 1);
    assert_null(evidence_find(only_value(&evidence), "random"));
    assert_int_equal(evidence_seeds_max(&evidence), 2);
    evidence_finish(&evidence);
}

static void texts_become_single_lines_without_control_characters(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    const struct db_outcome row = {
        .sweep = "a\nb", .experiment = "c\x1b[2Jd", .axis = "e\rf", .value = "g\th", .policy = "i\nj"};
    add(&evidence, row);
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_experiment *experiment = &evidence.experiment[0];
    const char *const text[] = {experiment->sweep, experiment->name, experiment->axis,
                                experiment->value[0].text, experiment->value[0].policy[0].name};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        assert_true(strlen(text[i]) >= 3);
        for (const char *at = text[i]; *at != '\0'; at++)
            assert_true(*at >= ' ' && *at != 0x7f);
    }
    evidence_finish(&evidence);
}

/* ---- values ---- */

static void values_ascend_where_all_are_numbers(void **state)
{
    static const char *const ascending[] = {"-1", "2.5", "10", "20", NULL};
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("local", "20", 1, 1.0));
    add(&evidence, outcome("local", "2.5", 1, 1.0));
    add(&evidence, outcome("local", "10", 1, 1.0));
    add(&evidence, outcome("local", "-1", 1, 1.0));
    add(&evidence, outcome("greedy", "10", 1, 1.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_true(evidence.experiment[0].numeric);
    expect_values(&evidence.experiment[0], ascending);
    assert_same(evidence.experiment[0].value[1].number, 2.5);
    assert_int_equal(evidence.experiment[0].value[2].policies, 2);
    evidence_finish(&evidence);
}

static void values_stand_as_in_the_sweep_where_one_is_no_number(void **state)
{
    static const char *const as_added[] = {"20", "10", "10,5", NULL};
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("local", "20", 1, 1.0));
    add(&evidence, outcome("local", "10", 1, 1.0));
    add(&evidence, outcome("local", "10,5", 1, 1.0)); /* of two keys */
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_false(evidence.experiment[0].numeric);
    expect_values(&evidence.experiment[0], as_added);
    assert_same(evidence.experiment[0].value[0].number, 20.0);
    assert_true(isnan(evidence.experiment[0].value[2].number));
    evidence_finish(&evidence);
}

static void experiments_stand_in_the_order_of_their_first_result(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    struct db_outcome other = outcome("local", "5", 1, 1.0), third = other;
    other.sweep = "another";
    third.experiment = "links";
    add(&evidence, outcome("local", "5", 1, 1.0));
    add(&evidence, other);
    add(&evidence, third);
    add(&evidence, outcome("local", "6", 1, 1.0));
    third.axis = "radio.bandwidth_mhz";
    add(&evidence, third);
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_int_equal(evidence.experiments, 4);
    assert_string_equal(evidence.experiment[0].sweep, "paper");
    assert_int_equal(evidence.experiment[0].values, 2);
    assert_string_equal(evidence.experiment[1].sweep, "another");
    assert_string_equal(evidence.experiment[2].name, "links");
    assert_string_equal(evidence.experiment[3].axis, "radio.bandwidth_mhz");
    evidence_finish(&evidence);
}

/* ---- policies ---- */

static void policies_stand_by_what_they_see_learners_first_then_as_the_program_lists_them(void **state)
{
    static const char *const added[] = {"optimum", "unheard-of", "greedy", "random",   "external",
                                        "td3",     "local",      "dapo",   "a-new-one"};
    /* Of policies that nobody knows and of which nothing is recorded the least is claimed. */
    static const char *const expected[] = {"dapo",   "td3",     "external",  "local",     "random",
                                           "greedy", "optimum", "a-new-one", "unheard-of"};
    (void) state;
    struct evidence evidence = {0};
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        add(&evidence, outcome(added[i], "5", 1, 1.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_value *value = only_value(&evidence);
    assert_int_equal(value->policies, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < value->policies; i++)
        assert_string_equal(value->policy[i].name, expected[i]);
    evidence_finish(&evidence);
}

static void what_was_recorded_of_a_policys_sight_counts_before_what_it_sees_today(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    struct db_outcome row = outcome("greedy", "5", 1, 1.0);
    row.sees = "world";
    add(&evidence, row);
    row.policy = "unheard-of";
    row.sees = "observations";
    add(&evidence, row);
    row.policy = "local";
    row.sees = "everything"; /* no such thing */
    add(&evidence, row);
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_value *value = only_value(&evidence);
    assert_int_equal(evidence_find(value, "greedy")->sees, POLICY_SEES_WORLD);
    assert_int_equal(evidence_find(value, "unheard-of")->sees, POLICY_SEES_OBSERVATIONS);
    assert_int_equal(evidence_find(value, "local")->sees, POLICY_SEES_OBSERVATIONS);
    evidence_finish(&evidence);
}

static void a_policy_that_this_program_does_not_know_is_kept(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("unheard-of", "5", 1, 7.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_policy *policy = &only_value(&evidence)->policy[0];
    assert_string_equal(policy->name, "unheard-of");
    assert_null(policy->kind);
    assert_int_equal(policy->sees, POLICY_SEES_WORLD);
    assert_false(evidence_is_learned(policy) || evidence_is_rule(policy));
    assert_same(policy->test[0].metric[EVIDENCE_COST], 7.0);
    evidence_finish(&evidence);
}

static void learners_rules_and_the_optimum_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        bool learned, rule;
    } kinds[] = {{"dapo", true, false},   {"dapo-plus-actor", true, false}, {"external", true, false},
                 {"greedy", false, true}, {"local", false, true},           {"optimum", false, false}};
    (void) state;
    struct evidence evidence = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        add(&evidence, outcome(kinds[i].name, "5", 1, 1.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct evidence_policy *policy = evidence_find(only_value(&evidence), kinds[i].name);
        assert_int_equal(evidence_is_learned(policy), kinds[i].learned);
        assert_int_equal(evidence_is_rule(policy), kinds[i].rule);
    }
    evidence_finish(&evidence);
}

static void an_experiment_lists_each_policy_once_wherever_it_has_a_result(void **state)
{
    static const char *const expected[] = {"dapo", "local", "greedy", "optimum"};
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("greedy", "5", 1, 1.0));
    add(&evidence, outcome("local", "5", 1, 1.0));
    add(&evidence, outcome("optimum", "10", 1, 1.0));
    add(&evidence, outcome("local", "10", 1, 1.0));
    add(&evidence, outcome("dapo", "20", 1, 1.0));
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_experiment *experiment = &evidence.experiment[0];
    assert_int_equal(experiment->policies, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(experiment->policy[i]->name, expected[i]);
    assert_int_equal(evidence_seeds_max(&evidence), 1);
    evidence_finish(&evidence);
}

/* ---- evaluations ---- */

/* An evaluation in the default scenario with assignments on top. */
static void evaluate(struct evidence *evidence, const char *policy, uint64_t seed, const char *const *keys)
{
    struct full_scenario full;
    struct buf text = {0};
    struct db_outcome row = {
        .sweep = "", .experiment = "dapo", .axis = "", .value = "", .policy = policy, .seed = seed};
    full_scenario_defaults(&full);
    for (; keys != NULL && *keys != NULL; keys++)
        assert_int_equal(full_scenario_set(&full, *keys, NULL), 0);
    assert_int_equal(full_scenario_print(&full, &text), 0);
    assert_int_equal(buf_push(&text, "", 1), 0);
    row.scenario = (const char *) text.data;
    add(evidence, row);
    buf_finish(&text);
}

static void evaluations_that_differ_in_seed_and_policy_alone_belong_together(void **state)
{
    static const char *const one[] = {"run.seed=1", "run.policy=greedy", NULL};
    static const char *const two[] = {"run.seed=2", "run.policy=local", NULL};
    (void) state;
    struct evidence evidence = {0};
    evaluate(&evidence, "greedy", 1, one);
    evaluate(&evidence, "local", 1, one);
    evaluate(&evidence, "greedy", 2, two);
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_value *value = only_value(&evidence);
    assert_string_equal(evidence.experiment[0].name, "dapo");
    assert_string_equal(value->text, "");
    assert_int_equal(evidence_find(value, "greedy")->tests, 2);
    assert_int_equal(evidence_find(value, "local")->tests, 1);
    evidence_finish(&evidence);
}

static void evaluations_of_other_scenarios_are_named_by_what_differs_from_the_first(void **state)
{
    static const char *const more[] = {"devices.count=20", "radio.bandwidth_mhz=5", NULL};
    static const char *const longer[] = {"evaluation.test_slots=7", "ddpg.batch=7", NULL};
    (void) state;
    struct evidence evidence = {0};
    struct db_outcome of_sweep = outcome("local", "", 1, 1.0);
    of_sweep.experiment = "dapo"; /* the same name, but a sweep's */
    add(&evidence, of_sweep);
    evaluate(&evidence, "greedy", 1, NULL);
    evaluate(&evidence, "greedy", 1, more);
    evaluate(&evidence, "greedy", 1, longer);
    evaluate(&evidence, "local", 1, more);
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_int_equal(evidence.experiments, 4);
    assert_string_equal(evidence.experiment[0].name, "dapo");
    assert_string_equal(evidence.experiment[1].name, "dapo");
    assert_string_equal(evidence.experiment[2].name, "dapo, devices.count: 20, radio.bandwidth_mhz: 5");
    assert_int_equal(evidence.experiment[2].value[0].policies, 2);
    assert_string_equal(evidence.experiment[3].name, "dapo, evaluation.test_slots: 7, ddpg.batch: 7");
    evidence_finish(&evidence);
}

static void a_scenario_that_does_not_read_stands_for_itself(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    struct db_outcome row = {.sweep = "",
                             .experiment = "of old",
                             .axis = "",
                             .value = "",
                             .policy = "local",
                             .scenario = "gone: 1\n"};
    add(&evidence, row);
    row.policy = "greedy";
    add(&evidence, row);
    row.scenario = "gone: 2\n";
    add(&evidence, row);
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_int_equal(evidence.experiments, 2);
    assert_int_equal(evidence.experiment[0].value[0].policies, 2);
    assert_string_equal(evidence.experiment[0].identity, "gone: 1\n");
    evidence_finish(&evidence);
}

/* ---- names ---- */

static void expect_name(const struct evidence_experiment *experiment, const struct evidence_value *value,
                        const char *expected)
{
    struct buf text = {0};
    assert_int_equal(evidence_print_name(experiment, value, &text), 0);
    assert_string_equal((const char *) text.data, expected);
    buf_finish(&text);
}

static void people_are_told_the_sweep_the_experiment_and_the_value(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    add(&evidence, outcome("local", "20", 1, 1.0));
    evaluate(&evidence, "local", 1, NULL);
    assert_int_equal(evidence_sort(&evidence), 0);
    const struct evidence_experiment *users = &evidence.experiment[0], *dapo = &evidence.experiment[1];
    expect_name(users, NULL, "paper: users");
    expect_name(users, &users->value[0], "paper: users, devices.count = 20");
    expect_name(dapo, &dapo->value[0], "dapo");
    evidence_finish(&evidence);
}

static void nothing_at_all_is_no_trouble(void **state)
{
    (void) state;
    struct evidence evidence = {0};
    assert_int_equal(evidence_sort(&evidence), 0);
    assert_int_equal(evidence_seeds_max(&evidence), 0);
    evidence_finish(&evidence);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_was_measured_is_taken_over),
        cmocka_unit_test(of_the_same_seed_the_last_result_counts),
        cmocka_unit_test(texts_become_single_lines_without_control_characters),
        cmocka_unit_test(values_ascend_where_all_are_numbers),
        cmocka_unit_test(values_stand_as_in_the_sweep_where_one_is_no_number),
        cmocka_unit_test(experiments_stand_in_the_order_of_their_first_result),
        cmocka_unit_test(policies_stand_by_what_they_see_learners_first_then_as_the_program_lists_them),
        cmocka_unit_test(what_was_recorded_of_a_policys_sight_counts_before_what_it_sees_today),
        cmocka_unit_test(a_policy_that_this_program_does_not_know_is_kept),
        cmocka_unit_test(learners_rules_and_the_optimum_are_told_apart),
        cmocka_unit_test(an_experiment_lists_each_policy_once_wherever_it_has_a_result),
        cmocka_unit_test(evaluations_that_differ_in_seed_and_policy_alone_belong_together),
        cmocka_unit_test(evaluations_of_other_scenarios_are_named_by_what_differs_from_the_first),
        cmocka_unit_test(a_scenario_that_does_not_read_stands_for_itself),
        cmocka_unit_test(people_are_told_the_sweep_the_experiment_and_the_value),
        cmocka_unit_test(nothing_at_all_is_no_trouble),
        cmocka_unit_test(different_arithmetic_is_told_and_one_alone_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
