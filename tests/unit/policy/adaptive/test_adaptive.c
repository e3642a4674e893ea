/* The rules that adapt, slot by slot: what each takes for true, and what it decides from that. */
#include "orchestrator/policy/adaptive/adaptive.h"

#include "bench.h"
#include "core/base/err.h"
#include "core/model/drift.h"

static const struct policy_kind kind = {
    .name = "x", .modes = POLICY_MODE_RESERVED, .settings = &adaptive_settings_part};

static void begin(struct bench *bench, struct policy *policy, enum adaptive_view sees)
{
    struct diag diag = {{0}};
    *policy = (struct policy){.kind = &kind, .world = &bench->world, .settings = &bench->settings};
    assert_int_equal(adaptive_create(policy, sees, &diag), 0);
}

static void decide(struct bench *bench, struct policy *policy, uint32_t slot)
{
    bench->view.id.slot = slot;
    env_decision_foresee_nothing(&bench->decision, 1);
    adaptive_decide(policy, &bench->view, &bench->decision);
}

static void hear(struct policy *policy, const struct policy_outcome *outcome)
{
    adaptive_hear(policy, &(struct policy_feedback){.outcome = outcome, .outcomes = 1});
}

/* The slow server is free and promises nearly as much; reports change that. */
static void who_listens_leaves_a_server_that_is_worse_than_declared(void **state)
{
    (void) state;
    static const enum adaptive_view deaf[] = {ADAPTIVE_DECLARED, ADAPTIVE_TRUE},
                                    listening[] = {ADAPTIVE_MEANS, ADAPTIVE_CURIOUS, ADAPTIVE_DRAWN,
                                                   ADAPTIVE_OPTIMISTIC};
    struct bench bench;
    open_bench(&bench, "");
    bench.settings.adaptive.pace_mean = 0.0;
    bench.settings.adaptive.pace_variance = 0.01;
    meet_task(&bench, 1, 50.0);
    for (size_t i = 0; i < 6; i++) {
        struct policy policy;
        begin(&bench, &policy, i < 2 ? deaf[i] : listening[i - 2]);
        decide(&bench, &policy, 0);
        if (i < 3)
            assert_int_equal(bench.decision.server[0], 1);
        for (uint32_t k = 0; k < 40; k++) {
            const struct policy_outcome outcome = report_of(1, 1, 1.0, 0.0, 1.0);
            hear(&policy, &outcome);
        }
        decide(&bench, &policy, 1);
        assert_int_equal(bench.decision.server[0], i < 2 ? 1 : 0);
        adaptive_destroy(&policy);
    }
    close_bench(&bench);
}

static void an_episode_begins_with_nothing_heard(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    meet_task(&bench, 1, 50.0);
    begin(&bench, &policy, ADAPTIVE_MEANS);
    for (uint32_t k = 0; k < 40; k++) {
        const struct policy_outcome outcome = report_of(1, 1, 1.0, 0.0, 1.0);
        hear(&policy, &outcome);
    }
    decide(&bench, &policy, 5);
    assert_int_equal(bench.decision.server[0], 0);
    decide(&bench, &policy, 0);
    assert_int_equal(bench.decision.server[0], 1);
    adaptive_destroy(&policy);
    close_bench(&bench);
}

/* Equal promises: only one of the servers is not known yet. */
static void the_curious_go_where_an_answer_teaches_more(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "radio: {path_loss_slope_db: 0}\nmobility: {kind: anywhere}\n");
    bench.settings.adaptive.pace_mean = 0.0;
    bench.settings.adaptive.pace_variance = 1e-6;
    meet_task(&bench, 1, 500.0);
    bench.world.scenario.tiers[0].price = bench.world.scenario.tiers[0].price_tokens = 0.0;
    bench.world.server[0].answer[1] = bench.world.server[1].answer[1] = 0.5;
    for (uint32_t known = 0; known < 2; known++) {
        struct policy policy;
        begin(&bench, &policy, ADAPTIVE_CURIOUS);
        decide(&bench, &policy, 0);
        for (uint32_t k = 0; k < 40; k++) {
            const struct policy_outcome outcome = report_of(known, 1, 1.0, k % 2, 1.0);
            const struct policy_outcome pace = report_of(1 - known, 1, 1.0, (double) NAN, 1.0);
            hear(&policy, &outcome);
            hear(&policy, &pace);
        }
        decide(&bench, &policy, 1);
        assert_int_equal(bench.decision.server[0], 1 - known);
        assert_true(bench.decision.foreseen[0].gain > 0.05);
        adaptive_destroy(&policy);
    }
    close_bench(&bench);
}

/* As often as beliefs say: a Beta distribution of 3 to 1 against one of 1 to 1. */
static void draws_choose_as_often_as_beliefs_are_right(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    uint32_t first = 0;
    const uint32_t slots = 20000;
    open_bench(&bench, "");
    bench.settings.adaptive.pace_mean = 0.0;
    bench.settings.adaptive.pace_variance = 1e-6;
    meet_task(&bench, 1, 1e5);
    bench.world.scenario.tiers[0].price = bench.world.scenario.tiers[0].price_tokens = 0.0;
    bench.world.server[0].answer[1] = 0.75;
    bench.world.server[1].answer[1] = 0.5;
    begin(&bench, &policy, ADAPTIVE_DRAWN);
    /* The priors: Beta(3, 1) and Beta(2, 2). P(first > second) = 0.8: 1 - integral of x^3 6 x (1 - x). */
    for (uint32_t slot = 1; slot <= slots; slot++) {
        decide(&bench, &policy, slot);
        first += bench.decision.server[0] == 0 ? 1 : 0;
    }
    assert_near((double) first / slots, 0.8, 0.015);
    adaptive_destroy(&policy);
    close_bench(&bench);
}

static void a_price_turns_away_who_is_worth_less_than_others(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    bench.settings.adaptive.price = ADAPTIVE_PRICE_LEARNED;
    bench.settings.adaptive.price_rate = 0.5;
    meet_task(&bench, 1, 50.0);
    begin(&bench, &policy, ADAPTIVE_DECLARED);
    decide(&bench, &policy, 1);
    assert_false(bench.decision.refused[0]);
    const double all[RESERVED_KINDS] = {1.0, 1.0, 1.0};
    reservations_take(&bench.held, 1, 0, all, 1e9);
    reservations_take(&bench.held, 2, 1, all, 1e9);
    for (uint32_t slot = 2; slot < 40; slot++)
        decide(&bench, &policy, slot);
    reservations_clear(&bench.held);
    meet_task(&bench, 0, 5.0); /* whose answers are worth less */
    bench.world.server[0].answer[0] = bench.world.server[1].answer[0] = 0.16;
    decide(&bench, &policy, 40);
    assert_true(bench.decision.refused[0]);
    bench.settings.adaptive.price = ADAPTIVE_PRICE_OFF;
    adaptive_destroy(&policy);
    begin(&bench, &policy, ADAPTIVE_DECLARED);
    decide(&bench, &policy, 41);
    assert_false(bench.decision.refused[0]);
    adaptive_destroy(&policy);
    close_bench(&bench);
}

/* It has nothing to miss there. */
static void a_server_out_of_reach_has_no_price(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    bench.settings.adaptive.price = ADAPTIVE_PRICE_LEARNED;
    bench.settings.adaptive.price_rate = 0.5;
    meet_task(&bench, 1, 50.0);
    begin(&bench, &policy, ADAPTIVE_DECLARED);
    bench.view.covered[1] = false;
    for (uint32_t slot = 1; slot < 40; slot++) {
        decide(&bench, &policy, slot);
        assert_int_equal(bench.decision.server[0], 0);
    }
    bench.view.covered[1] = true;
    decide(&bench, &policy, 40);
    assert_int_equal(bench.decision.server[0], 1); /* which promises more, by little */
    adaptive_destroy(&policy);
    close_bench(&bench);
}

static void who_costs_more_than_it_is_worth_is_refused(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    meet_task(&bench, 1, 50.0);
    bench.world.scenario.tiers[0].price = bench.world.scenario.tiers[1].price = 2.0;
    begin(&bench, &policy, ADAPTIVE_MEANS);
    decide(&bench, &policy, 1);
    assert_true(bench.decision.refused[0]);
    bench.world.scenario.objective.reward = REWARD_COST; /* there all would be refused */
    decide(&bench, &policy, 2);
    assert_false(bench.decision.refused[0]);
    adaptive_destroy(&policy);
    close_bench(&bench);
}

static void a_small_share_has_the_memory_that_a_task_needs(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    bench.world.levels = 1;
    bench.world.level[0] = 0.25;
    bench.world.scenario.reserve.memory_need = 0.75;
    meet_task(&bench, 1, 500.0);
    begin(&bench, &policy, ADAPTIVE_DECLARED);
    decide(&bench, &policy, 1);
    double full = bench.world.server[bench.decision.server[0]].full_share;
    assert_same(bench.decision.memory_share[0], 0.75 * full);
    assert_same(bench.decision.compute_share[0], 0.25 * full);
    adaptive_destroy(&policy);
    close_bench(&bench);
}

static void who_knows_the_truth_is_told_by_it(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    uint32_t differs = 0;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        char more[200];
        (void) snprintf(more, sizeof more, "run: {seed: %u, slots: 100}\n", seed);
        open_bench(&bench, more);
        bench.world.scenario.tiers[1].answer_error = 0.3;
        meet_task(&bench, 1, 5.0);
        bench.view.deadline_s[0] = 50.0;
        begin(&bench, &policy, ADAPTIVE_TRUE);
        decide(&bench, &policy, 1);
        /* Server 0: 0.9 less a price of 0.15. */
        bool is_better = drift_answer(&bench.world, bench.view.id, 1, 1, 0.0) > 0.75;
        assert_int_equal(bench.decision.server[0], is_better ? 1 : 0);
        differs += is_better ? 0 : 1;
        adaptive_destroy(&policy);
        close_bench(&bench);
    }
    assert_true(differs > 5 && differs < 35);
}

static void a_decision_says_what_it_expects(void **state)
{
    (void) state;
    struct bench bench;
    struct policy policy;
    open_bench(&bench, "");
    meet_task(&bench, 0, 5.0);
    begin(&bench, &policy, ADAPTIVE_DECLARED);
    decide(&bench, &policy, 1);
    const struct env_foreseen *foreseen = &bench.decision.foreseen[0];
    assert_true(foreseen->latency_s > 1.0 && foreseen->latency_s < 10.0);
    assert_true(foreseen->in_time > 0.0 && foreseen->in_time <= 1.0);
    assert_same(foreseen->gain, 0.0);
    bench.view.deadline_s[0] = 1e-4; /* nobody can */
    decide(&bench, &policy, 2);
    assert_true(bench.decision.refused[0] && isnan(bench.decision.foreseen[0].latency_s));
    adaptive_destroy(&policy);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_listens_leaves_a_server_that_is_worse_than_declared),
        cmocka_unit_test(an_episode_begins_with_nothing_heard),
        cmocka_unit_test(the_curious_go_where_an_answer_teaches_more),
        cmocka_unit_test(draws_choose_as_often_as_beliefs_are_right),
        cmocka_unit_test(a_price_turns_away_who_is_worth_less_than_others),
        cmocka_unit_test(a_server_out_of_reach_has_no_price),
        cmocka_unit_test(who_costs_more_than_it_is_worth_is_refused),
        cmocka_unit_test(a_small_share_has_the_memory_that_a_task_needs),
        cmocka_unit_test(who_knows_the_truth_is_told_by_it),
        cmocka_unit_test(a_decision_says_what_it_expects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
