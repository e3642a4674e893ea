/* What is believed of servers: counts, filters and running means against sums by hand. */
#include "orchestrator/policy/adaptive/belief.h"

#include "bench.h"

static void without_reports_what_is_declared_is_believed(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    for (int kind = BELIEF_DECLARED; kind <= BELIEF_GAUSSIAN; kind++) {
        belief_begin(&belief, &bench.world, &bench.settings, (enum belief_kind) kind);
        const struct belief_guess guess = belief_guess(&belief, 1, 0, 0.0);
        assert_near(guess.right, 2.4, 1e-12); /* 4 answers at 0.6 */
        assert_near(guess.wrong, 1.6, 1e-12);
        assert_same(guess.pace_log, 0.0);
        assert_same(guess.pace_variance, kind == BELIEF_GAUSSIAN ? 0.5 : 0.0);
    }
    close_bench(&bench);
}

static void answers_are_counted_where_they_were_given(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    belief_begin(&belief, &bench.world, &bench.settings, BELIEF_MEAN);
    const double answers[] = {1.0, 0.0, 1.0, (double) NAN, 1.0};
    for (size_t i = 0; i < 5; i++) {
        const struct policy_outcome outcome = report_of(1, 0, 1.0, answers[i], 1.0);
        belief_hear(&belief, &outcome);
    }
    struct belief_guess guess = belief_guess(&belief, 1, 0, 1.0);
    assert_near(guess.right, 2.4 + 3.0, 1e-12);
    assert_near(guess.wrong, 1.6 + 1.0, 1e-12);
    guess = belief_guess(&belief, 1, 1, 1.0);
    assert_near(guess.right, 3.2, 1e-12);
    guess = belief_guess(&belief, 0, 0, 1.0);
    assert_near(guess.right, 2.0, 1e-12);
    close_bench(&bench);
}

static void what_was_counted_fades_and_the_prior_does_not(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    bench.settings.adaptive.forget = 0.5;
    belief_begin(&belief, &bench.world, &bench.settings, BELIEF_MEAN);
    for (size_t i = 0; i < 3; i++) {
        const struct policy_outcome outcome = report_of(1, 0, 1.0, 1.0, 1.0);
        belief_hear(&belief, &outcome);
    }
    const struct policy_outcome other = report_of(0, 1, 1.0, 0.0, 1.0);
    belief_hear(&belief, &other);
    assert_near(belief_guess(&belief, 1, 0, 1.0).right, 2.4 + 0.5 * 1.75, 1e-12);
    assert_near(belief_guess(&belief, 0, 1, 1.0).wrong, 0.4 + 1.0, 1e-12);
    close_bench(&bench);
}

static void a_running_mean_follows_the_logarithm_of_paces(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    belief_begin(&belief, &bench.world, &bench.settings, BELIEF_MEAN);
    const struct policy_outcome first = report_of(0, 0, 2.0, 1.0, 1.0), next = report_of(0, 0, 0.5, 1.0, 9.0);
    belief_hear(&belief, &first);
    assert_near(belief_guess(&belief, 0, 0, 9.0).pace_log, 0.3 * log(2.0), 1e-12);
    belief_hear(&belief, &next);
    assert_near(belief_guess(&belief, 0, 0, 9.0).pace_log, 0.7 * 0.3 * log(2.0) - 0.3 * log(2.0), 1e-12);
    assert_same(belief_guess(&belief, 1, 0, 9.0).pace_log, 0.0);
    close_bench(&bench);
}

/* Kalman's equations, written out. */
static void a_filter_weighs_a_report_with_its_spread_and_forgets_it_with_time(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    belief_begin(&belief, &bench.world, &bench.settings, BELIEF_GAUSSIAN);
    const struct policy_outcome outcome = report_of(0, 0, 3.0, 1.0, 30.0);
    belief_hear(&belief, &outcome);
    double keeps = exp(-0.5), home = 0.3;
    double mean = home + (0.0 - home) * keeps, variance = 0.5 * keeps * keeps + 0.35 * (1.0 - keeps * keeps);
    double weight = variance / (variance + 0.02);
    mean += weight * (log(3.0) - mean);
    variance *= 1.0 - weight;
    home += 0.01 * (log(3.0) - 0.3);
    struct belief_guess guess = belief_guess(&belief, 0, 0, 30.0);
    assert_near(guess.pace_log, mean, 1e-12);
    assert_near(guess.pace_variance, variance, 1e-12);
    guess = belief_guess(&belief, 0, 0, 90.0);
    assert_near(guess.pace_log, home + (mean - home) * exp(-1.0), 1e-12);
    assert_near(guess.pace_variance, variance * exp(-2.0) + 0.35 * (1.0 - exp(-2.0)), 1e-12);
    guess = belief_guess(&belief, 0, 0, 1e6);
    assert_near(guess.pace_log, home, 1e-12);
    assert_near(guess.pace_variance, 0.35, 1e-12);
    close_bench(&bench);
}

static void who_was_refused_or_lost_tells_nothing(void **state)
{
    (void) state;
    struct bench bench;
    struct belief belief;
    open_bench(&bench, "");
    belief_begin(&belief, &bench.world, &bench.settings, BELIEF_GAUSSIAN);
    struct policy_outcome refused = {.refused = true, .whole = {.server = ENV_LOCAL}};
    struct policy_outcome lost = report_of(0, 0, 3.0, 1.0, 1.0);
    lost.recovered = true;
    belief_hear(&belief, &refused);
    belief_hear(&belief, &lost);
    const struct belief_guess guess = belief_guess(&belief, 0, 0, 0.0);
    assert_same(guess.pace_log, 0.0);
    assert_near(guess.right, 2.0, 1e-12);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_reports_what_is_declared_is_believed),
        cmocka_unit_test(answers_are_counted_where_they_were_given),
        cmocka_unit_test(what_was_counted_fades_and_the_prior_does_not),
        cmocka_unit_test(a_running_mean_follows_the_logarithm_of_paces),
        cmocka_unit_test(a_filter_weighs_a_report_with_its_spread_and_forgets_it_with_time),
        cmocka_unit_test(who_was_refused_or_lost_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
