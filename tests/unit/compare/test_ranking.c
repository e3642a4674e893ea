#include "orchestrator/compare/ranking.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/compare/reduction.h"
#include "tests/lib/memory.h"

struct fixture {
    struct evidence evidence;
    struct bootstrap bootstrap;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.evidence = (struct evidence){0};
    *state = &fixture;
    return bootstrap_init(&fixture.bootstrap, 12);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    evidence_finish(&fixture->evidence);
    bootstrap_finish(&fixture->bootstrap);
    return 0;
}

/* Tests of one policy at one value: cost as given, latency a tenth, energy the double; seeds from `first`. */
static void add(struct fixture *fixture, const char *value, const char *policy, const char *sees,
                uint64_t first, const double *cost, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct db_outcome outcome = {.sweep = "paper",
                                     .experiment = "users",
                                     .axis = "devices.count",
                                     .value = value,
                                     .policy = policy,
                                     .sees = sees,
                                     .seed = first + i,
                                     .mean_cost = cost[i],
                                     .mean_latency_s = cost[i] / 10.0,
                                     .mean_energy_j = cost[i] * 2.0,
                                     .p95_latency_s = (double) NAN,
                                     .regret_pct = (double) NAN};
        assert_int_equal(evidence_add(&fixture->evidence, &outcome), 0);
    }
}

#define ADD(fixture, value, policy, sees, first, ...)                                                        \
    add(fixture, value, policy, sees, first, (const double[]){__VA_ARGS__},                                  \
        sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static const struct evidence_value *value_at(struct fixture *fixture, size_t v)
{
    assert_true(fixture->evidence.experiments == 1 && v < fixture->evidence.experiment[0].values);
    return &fixture->evidence.experiment[0].value[v];
}

static void assert_verdict(const struct ranking *ranking, const char *expected)
{
    struct buf text = {0};
    assert_int_equal(ranking_print_verdict(ranking, "", &text), 0);
    assert_string_equal(text.size > 0 ? (const char *) text.data : "", expected);
    buf_finish(&text);
}

static void numbers_ascend_and_policies_stand_by_what_they_see(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "20", "optimum", "world", 1, 1);
    ADD(fixture, "20", "greedy", "model", 1, 2);
    ADD(fixture, "20", "local", "observations", 1, 3);
    ADD(fixture, "20", "dapo", "observations", 1, 3);
    ADD(fixture, "5", "dapo", "observations", 2, 4);
    ADD(fixture, "5", "dapo", "observations", 1, 5, 6);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    const struct evidence_value *value = value_at(fixture, 1);
    const char *expected[] = {"dapo", "local", "greedy", "optimum"};
    assert_string_equal(value->text, "20");
    assert_int_equal(value->policies, 4);
    for (size_t p = 0; p < 4; p++)
        assert_string_equal(value->policy[p].name, expected[p]);
    value = value_at(fixture, 0);
    assert_int_equal(value->policy[0].tests, 2); /* seed 2 came twice: the last counts */
    assert_int_equal(value->policy[0].test[0].seed, 1);
    assert_true(value->policy[0].test[1].metric[EVIDENCE_COST] == 6.0);
    assert_true(evidence_is_rule(evidence_find(value_at(fixture, 1), "local")));
    assert_false(evidence_is_rule(evidence_find(value_at(fixture, 1), "dapo")));
    assert_false(evidence_is_rule(evidence_find(value_at(fixture, 1), "optimum")));
}

static void words_among_the_values_leave_them_in_the_order_of_the_sweep(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "9", "local", "observations", 1, 1);
    ADD(fixture, "rayleigh", "local", "observations", 1, 1);
    ADD(fixture, "3", "local", "observations", 1, 1);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    assert_false(fixture->evidence.experiment[0].numeric);
    assert_string_equal(value_at(fixture, 0)->text, "9");
    assert_string_equal(value_at(fixture, 2)->text, "3");
}

static void a_clear_difference_is_ranked(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "local", "observations", 1, 1.5, 2.7, 3.6, 4.9, 5.8);
    ADD(fixture, "5", "dapo", "observations", 1, 1.0, 2.0, 3.0, 4.0, 5.0);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking;
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_COST, NULL, &fixture->bootstrap),
                     0);
    assert_int_equal(ranking.lines, 2);
    assert_string_equal(ranking.line[0].policy->name, "dapo");
    assert_true(ranking.cut[1] && ranking.line[1].to_best.clear);
    assert_int_equal(ranking.line[1].to_best.more, 0);
    assert_true(fabs(ranking.line[1].to_best.difference - 0.7) < 1e-12);
    /* The seeds differ far more than the policies do: only pairing tells them apart. */
    assert_true(ranking.line[0].interval.high > ranking.line[1].interval.low);
    assert_verdict(&ranking, "ranked: dapo < local\n");
    ranking_finish(&ranking);
}

static void fewer_than_five_seeds_are_not_ranked(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "dapo", "observations", 1, 1, 1, 1);
    ADD(fixture, "5", "local", "observations", 1, 100, 101, 102);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking;
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_COST, NULL, &fixture->bootstrap),
                     0);
    assert_false(ranking.cut[1]);
    assert_int_equal(ranking.line[1].to_best.more, 2);
    assert_verdict(&ranking,
                   "not ranked: 3 common seeds, 5 are the least; it would take at least 2 more runs of each "
                   "policy\n");
    ranking_finish(&ranking);
}

/* Differences 3, -1, 3, -1, 1: mean 1, deviation 2, so 18 runs (test_stats_student), 13 more. A resample's
 * sum is at least 13 with a chance of 0.0358 and 15 with 0.0102, and likewise below: the interval is -3/5 to
 * 13/5. */
static void an_interval_that_holds_zero_says_how_many_more_runs(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "dapo", "observations", 1, 5, 5, 5, 5, 5);
    ADD(fixture, "5", "local", "observations", 1, 8, 4, 8, 4, 6);
    ADD(fixture, "5", "random", "observations", 1, 90, 91, 92, 93, 94);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking;
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_COST, NULL, &fixture->bootstrap),
                     0);
    assert_true(!ranking.cut[1] && ranking.cut[2]);
    assert_int_equal(ranking.line[1].to_best.more, 13);
    assert_verdict(
        &ranking,
        "ranked: dapo = local < random\n"
        "not ranked: dapo, local: the interval of their paired difference, -0.6 to 2.6, holds 0; it "
        "would take 13 more runs of each\n");
    ranking_finish(&ranking);
}

/* The first pair as above; the differences of the second are 4, -4, 4, -4, 0. */
static void where_all_are_in_doubt_nobody_is_ranked(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "dapo", "observations", 1, 5, 5, 5, 5, 5);
    ADD(fixture, "5", "local", "observations", 1, 8, 4, 8, 4, 6);
    ADD(fixture, "5", "random", "observations", 1, 4, 8, 4, 8, 6);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking;
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_COST, NULL, &fixture->bootstrap),
                     0);
    assert_verdict(
        &ranking,
        "not ranked: dapo, local: the interval of their paired difference, -0.6 to 2.6, holds 0; it would "
        "take "
        "13 more runs of each\n"
        "not ranked: local, random: the interval of their paired difference, -3.2 to 3.2, holds 0; it would "
        "take more than 10000 more runs of each\n");
    ranking_finish(&ranking);
}

static void only_common_seeds_are_paired(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "dapo", "observations", 1, 1, 2, 3, 4, 5, 6);
    ADD(fixture, "5", "local", "observations", 4, 5, 6, 7, 8, 9, 10);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking;
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_COST, NULL, &fixture->bootstrap),
                     0);
    assert_int_equal(ranking.line[1].to_best.seeds, 3);
    assert_true(ranking.line[1].to_best.difference == 1.0);
    assert_false(ranking.cut[1]);
    ranking_finish(&ranking);
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_REGRET, NULL, &fixture->bootstrap),
                     0);
    assert_int_equal(ranking.lines, 0); /* nobody has been measured against the optimum */
    ranking_finish(&ranking);
}

/* Latency of dapo is 3/4 of local's at 5 devices and 5/4 of it at 10. */
static void the_headline_names_the_greatest_reduction_its_value_and_the_mean(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "local", "observations", 1, 4, 8, 4, 8, 4);
    ADD(fixture, "5", "dapo", "observations", 1, 3, 6, 3, 6, 3);
    ADD(fixture, "10", "local", "observations", 1, 4, 8, 4, 8, 4);
    ADD(fixture, "10", "dapo", "observations", 1, 5, 10, 5, 10, 5);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct reduction headline;
    assert_int_equal(reduction_measure(&headline, &fixture->evidence.experiment[0], "dapo", "local",
                                       EVIDENCE_LATENCY, &fixture->bootstrap),
                     0);
    assert_true(fabs(headline.most - 0.25) < 1e-12 && fabs(headline.mean) < 1e-12);
    assert_string_equal(headline.most_at->text, "5");
    assert_true(fabs(headline.most_interval.low - 0.25) < 1e-12);
    assert_true(fabs(headline.mean_interval.high) < 1e-12);
    assert_int_equal(headline.values, 2);
    assert_int_equal(headline.seeds, 5);
    assert_true(headline.better == 1 && headline.worse == 1);
}

static void the_mean_over_values_takes_the_seeds_that_all_have(void **state)
{
    struct fixture *fixture = *state;
    ADD(fixture, "5", "local", "observations", 1, 2, 2, 2, 2);
    ADD(fixture, "5", "dapo", "observations", 1, 1, 1, 1, 1);
    ADD(fixture, "10", "local", "observations", 3, 2, 2, 2, 2);
    ADD(fixture, "10", "dapo", "observations", 3, 1, 1, 1, 1);
    ADD(fixture, "20", "local", "observations", 1, 2, 2, 2, 2);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct reduction headline;
    assert_int_equal(reduction_measure(&headline, &fixture->evidence.experiment[0], "dapo", "local",
                                       EVIDENCE_ENERGY, &fixture->bootstrap),
                     0);
    assert_int_equal(headline.values, 2);
    assert_int_equal(headline.seeds, 4);
    assert_true(headline.mean_interval.low == 0.5 && headline.mean_interval.high == 0.5);
    assert_int_equal(headline.better, 0); /* four seeds claim nothing */
    assert_int_equal(reduction_measure(&headline, &fixture->evidence.experiment[0], "dapo-plus", "local",
                                       EVIDENCE_ENERGY, &fixture->bootstrap),
                     0);
    assert_int_equal(headline.values, 0);
}

static void a_reduction_says_that_memory_ran_out_and_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct reduction headline;
    size_t failed = 0;
    if (!memory_can_fail()) {
        print_message("# sanitizers allocate by functions of their own: nothing can fail\n");
        return;
    }
    ADD(fixture, "5", "local", "observations", 1, 4, 8);
    ADD(fixture, "5", "dapo", "observations", 1, 3, 6);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    size_t before = memory_blocks();
    for (int rc = -ENOMEM; rc != 0; failed += rc != 0 ? 1 : 0) {
        memory_fail_at(failed + 1);
        rc = reduction_measure(&headline, &fixture->evidence.experiment[0], "dapo", "local", EVIDENCE_LATENCY,
                               &fixture->bootstrap);
        assert_true(memory_has_failed() || rc == 0);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(memory_blocks(), before);
    }
    assert_int_equal(failed, 5 + 3); /* the table and its one value; sorting can do without */
}

/* Returns are minus the costs: what is best by cost is best by return, by the same differences. */
static void of_returns_more_is_better(void **state)
{
    struct fixture *fixture = *state;
    const double good[] = {3, 3.25, 2.75, 3.5, 3}, bad[] = {2, 2.5, 1.75, 2.25, 2};
    for (size_t i = 0; i < 5; i++) {
        struct db_outcome outcome = {.sweep = "s", .experiment = "e", .axis = "", .value = "", .seed = i + 1};
        outcome.policy = "dapo";
        outcome.mean_return = good[i];
        assert_int_equal(evidence_add(&fixture->evidence, &outcome), 0);
        outcome.policy = "local";
        outcome.mean_return = bad[i];
        assert_int_equal(evidence_add(&fixture->evidence, &outcome), 0);
    }
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    struct ranking ranking = {0};
    assert_int_equal(ranking_make(&ranking, value_at(fixture, 0), EVIDENCE_RETURN, NULL, &fixture->bootstrap),
                     0);
    assert_string_equal(ranking.line[0].policy->name, "dapo");
    assert_true(ranking.line[0].mean == 3.1 && ranking.line[1].mean == 2.1);
    assert_true(fabs(ranking.line[1].to_best.difference - 1.0) < 1e-12 && ranking.line[1].to_best.clear);
    assert_verdict(&ranking, "ranked: dapo > local\n");
    ranking_finish(&ranking);
}

static void a_value_is_judged_by_what_its_objective_is(void **state)
{
    (void) state;
    struct evidence_value value[] = {
        {.reward = REWARD_COST}, {.reward = REWARD_SHAPED}, {.reward = REWARD_PAPER}};
    struct evidence_experiment mixed = {.value = value, .values = 3},
                               rewards = {.value = value + 1, .values = 2};
    assert_int_equal(evidence_objective(&value[0]), EVIDENCE_COST);
    assert_int_equal(evidence_objective(&value[1]), EVIDENCE_RETURN);
    assert_int_equal(evidence_objective(&value[2]), EVIDENCE_RETURN);
    assert_true(evidence_is_rewarded(&rewards) && !evidence_is_rewarded(&mixed));
    assert_false(evidence_is_rewarded(&(struct evidence_experiment){0}));
}

static void of_a_baseline_that_is_not_above_zero_no_reduction_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct reduction reduction;
    ADD(fixture, "1", "dapo", "observations", 1, 1, 2);
    ADD(fixture, "1", "local", "observations", 1, -2, -4);
    ADD(fixture, "2", "dapo", "observations", 1, 1, 2);
    ADD(fixture, "2", "local", "observations", 1, 0, 0);
    assert_int_equal(evidence_sort(&fixture->evidence), 0);
    assert_int_equal(reduction_measure(&reduction, &fixture->evidence.experiment[0], "dapo", "local",
                                       EVIDENCE_COST, &fixture->bootstrap),
                     0);
    assert_int_equal(reduction.values, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_ascend_and_policies_stand_by_what_they_see, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(words_among_the_values_leave_them_in_the_order_of_the_sweep, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_clear_difference_is_ranked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fewer_than_five_seeds_are_not_ranked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_interval_that_holds_zero_says_how_many_more_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_all_are_in_doubt_nobody_is_ranked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_common_seeds_are_paired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_headline_names_the_greatest_reduction_its_value_and_the_mean,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_mean_over_values_takes_the_seeds_that_all_have, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reduction_says_that_memory_ran_out_and_leaves_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_returns_more_is_better, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_is_judged_by_what_its_objective_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_baseline_that_is_not_above_zero_no_reduction_is_told, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
