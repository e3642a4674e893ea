/* active-inference against the exact optimum: what it learns in few slots, with each of its planners, and what gain does. */
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"

#include "core/base/err.h"
#include "tests/unit/policy/full_slot.h"

#define SLOTS 300u

/* Weights after so many slots; returns the mean cost while training. */
static double train(const char *const *keys, uint32_t slots, struct buf *ret_weights)
{
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, true);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("active-inference", &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, &diag), 0);
    struct session session = {
        .world = &world, .policy = &policy, .phase = RNG_TRAIN, .episodes = 3, .slots = slots / 3};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(kind->save(&policy, false, ret_weights), 0);
    policy_destroy(&policy);
    world_finish(&world);
    return result.mean_cost;
}

/* Mean cost on held-out slots over that of a yardstick, less 1. */
static double excess_over(const char *yardstick, const char *const *keys, const struct buf *weights)
{
    struct slot slot;
    double sum = 0.0, least = 0.0;
    struct diag diag = {{0}};
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, "active-inference"), best = slot_policy(&slot, yardstick);
    if (weights != NULL && policy.kind->load(&policy, weights->data, weights->size, &diag) != 0)
        fail_msg("%s", diag.text);
    for (uint32_t e = 0; e < 60; e++) {
        slot_draw(&slot, e, 0, 0, e % 3 == 2 ? 6 : 0);
        sum += slot_decide(&slot, &policy);
        least += slot_decide(&slot, &best);
    }
    policy_destroy(&policy);
    policy_destroy(&best);
    slot_close(&slot);
    return sum / least - 1.0;
}

static double excess(const char *const *keys, const struct buf *weights)
{
    return excess_over("optimum", keys, weights);
}

#define SMALL                                                                                                \
    "run.seed=3", "devices.count=6", "servers.count=2", "active.warmup=60", "active.fit_slots=30",           \
        "active.width=32"

static double learned(const char *const *keys)
{
    struct buf weights = {0};
    (void) train(keys, SLOTS, &weights);
    double found = excess(keys, &weights);
    buf_finish(&weights);
    return found;
}

static void after_few_slots_it_is_close_to_the_optimum(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    double found = learned(keys), untrained = excess(keys, NULL);
    assert_true(found >= -1e-9);
    assert_true(found < 0.1);
    assert_true(untrained > 10.0 * found);
}

static void drawing_candidates_finds_about_what_asking_of_all_does(void **state)
{
    (void) state;
    static const char *const drawing[] = {SMALL, "active.plan=cross-entropy", "active.candidates=100",
                                          "active.elites=10", NULL};
    struct buf weights = {0};
    static const char *const asking[] = {SMALL, NULL};
    (void) train(asking, SLOTS, &weights);
    double all = excess(asking, &weights), drawn = excess(drawing, &weights);
    assert_true(drawn < all + 0.01); /* the same weights */
    buf_finish(&weights);
}

/* The cost itself is harder to learn than its parts, and still worth learning. */
static void a_learned_preference_is_better_than_none(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, "active.preference=learned", NULL};
    double found = learned(keys);
    assert_true(found < 0.5 * excess(keys, NULL));
}

/* So much gain that nothing else counts: the same places are not what costs least. */
static void gain_alone_explores_and_pays_for_it(void **state)
{
    (void) state;
    static const char *const none[] = {SMALL, "active.gain=0", NULL};
    static const char *const all[] = {SMALL, "active.gain=1000", "active.estimate=gaussian", NULL};
    struct buf a = {0}, b = {0};
    double cheap = train(none, SLOTS, &a), dear = train(all, SLOTS, &b);
    assert_true(dear > 1.2 * cheap);
    assert_true(excess(all, &b) < 0.1); /* what it learned serves all the same, once gain does not count */
    buf_finish(&a);
    buf_finish(&b);
}

/* One ensemble stands for every device and server, and its features are what they declare. */
static void what_it_learned_serves_nodes_it_never_met_and_more_of_them(void **state)
{
    (void) state;
    static const char *const keys[] = {SMALL, NULL};
    static const char *const redrawn[] = {SMALL, "run.seed=1234", NULL};
    static const char *const many[] = {SMALL, "run.seed=99", "devices.count=20", "servers.count=3", NULL};
    struct buf weights = {0};
    (void) train(keys, SLOTS, &weights);
    double other = excess(redrawn, &weights), more = excess_over("multi-start", many, &weights);
    assert_true(other < 0.15 && other < 0.2 * excess(redrawn, NULL)); /* 0.09, and 1.6 */
    assert_true(more < 0.08);                                         /* 0.02; 1.07 untrained */
    buf_finish(&weights);
}

/* One round: the first devices know nothing of the last ones. */
static void further_rounds_do_no_harm(void **state)
{
    (void) state;
    static const char *const one[] = {SMALL, "active.sweeps=1", NULL};
    static const char *const many[] = {SMALL, "active.sweeps=10", NULL};
    struct buf weights = {0};
    (void) train(many, SLOTS, &weights);
    assert_true(excess(many, &weights) <= excess(one, &weights));
    buf_finish(&weights);
}

static void another_objective_is_refused(void **state)
{
    (void) state;
    static const char *const keys[] = {"objective.reward=paper",
                                       "model.split_step=1",
                                       "channel.mode=erasure",
                                       "quality.source=table",
                                       "quality.table=0,0.3|1:0,2|31:0,0.5",
                                       NULL};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, false);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("active-inference", &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, &diag), ERR_UNSUPPORTED);
    assert_non_null(strstr(diag.text, "objective.reward"));
    policy_destroy(&policy);
    world_finish(&world);
}

static void more_elites_than_candidates_are_refused(void **state)
{
    (void) state;
    struct full_scenario full;
    struct diag diag = {{0}};
    full_scenario_defaults(&full);
    assert_int_equal(full_scenario_set(&full, "active.candidates=10", &diag), 0);
    assert_int_equal(full_scenario_check(&full, &diag), ERR_RANGE);
    assert_non_null(strstr(diag.text, "active.elites: 20 is above active.candidates, 10"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_few_slots_it_is_close_to_the_optimum),
        cmocka_unit_test(drawing_candidates_finds_about_what_asking_of_all_does),
        cmocka_unit_test(a_learned_preference_is_better_than_none),
        cmocka_unit_test(gain_alone_explores_and_pays_for_it),
        cmocka_unit_test(what_it_learned_serves_nodes_it_never_met_and_more_of_them),
        cmocka_unit_test(further_rounds_do_no_harm),
        cmocka_unit_test(another_objective_is_refused),
        cmocka_unit_test(more_elites_than_candidates_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
