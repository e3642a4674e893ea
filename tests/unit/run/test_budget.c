/* When a learner learns for the first time, and what it says of that: the slots that it needs, its count of updates, and
 * its weights. Every learner of the table is played for just too few slots, and for one more. */
#include "orchestrator/run/budget.h"

#include <string.h>

#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "tests/unit/policy/full_world.h"

static const char *const keys[] = {
    "devices.count=3", "servers.count=2", "servers.coverage_m=5000", "ddpg.warmup=6",
    "ddpg.batch=4",    "ddpg.buffer=50",  "ddpg.hidden_1=8",         "ddpg.hidden_2=8",
    "dqn.warmup=7",    "dqn.batch=5",     "dqn.buffer=50",           "ppo.rollout=6",
    "ppo.batch=3",     "a2c.steps=5",     "maddpg.hidden_1=8",       "maddpg.hidden_2=8",
    "plus.batch=8",    "plus.buffer=64",  "plus.updates=1",          "active.fit_slots=6",
    "active.width=8",  "td3.delay=1",     "run.episodes=1",          NULL,
};

struct last {
    struct buf weights, state, piece;
    uint64_t updates;
};

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    struct last *last = user;
    struct policy_experience experience = {0};
    (void) episode;
    last->updates = policy->kind->updates(policy);
    assert_int_equal(policy->kind->save(policy, false, &last->weights), 0);
    assert_int_equal(policy->kind->save(policy, true, &last->state), 0);
    if (policy->kind->gather != NULL)
        assert_int_equal(policy->kind->gather(policy, &experience, &last->piece), 0);
    return 0;
}

static void last_finish(struct last *last)
{
    buf_finish(&last->weights);
    buf_finish(&last->state);
    buf_finish(&last->piece);
}

/* One episode of so many slots. */
static struct last train(const struct policy_options *options, const struct policy_kind *kind, uint64_t slots)
{
    struct last last = {0};
    struct policy policy;
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(policy_create(&policy, kind, options, &diag), 0);
    struct session session = {
        .world = options->world,
        .policy = &policy,
        .phase = RNG_TRAIN,
        .episodes = 1,
        .slots = (uint32_t) slots,
        .checkpoint_every = 1,
    };
    session_sinks_add(&session.sinks, (struct session_sink){.checkpoint = on_checkpoint, .user = &last});
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    policy_destroy(&policy);
    return last;
}

static bool has_first_weights(const struct policy_options *options, const struct policy_kind *kind,
                              const struct last *last)
{
    struct policy fresh;
    struct buf weights = {0};
    assert_int_equal(policy_create(&fresh, kind, options, NULL), 0);
    assert_int_equal(kind->save(&fresh, false, &weights), 0);
    bool same =
        weights.size == last->weights.size && memcmp(weights.data, last->weights.data, weights.size) == 0;
    buf_finish(&weights);
    policy_destroy(&fresh);
    return same;
}

static void check_first_update(const struct policy_options *options, const struct policy_kind *kind)
{
    uint64_t slots = policy_first_update(kind, options->settings, options->world->devices).slots;
    struct last before = train(options, kind, slots), after = train(options, kind, slots + 1);
    if (before.updates != 0 || !has_first_weights(options, kind, &before))
        fail_msg("%s learns within %llu slots", kind->name, (unsigned long long) slots);
    if (after.updates != 1 || has_first_weights(options, kind, &after))
        fail_msg("%s has not learned once after %llu slots", kind->name, (unsigned long long) slots + 1);
    last_finish(&before);
    last_finish(&after);
}

static void every_learner_learns_for_the_first_time_when_it_says(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, true);
    size_t learners = 0;
    for (size_t i = 0; i < catalog_count(); i++)
        if (policy_learns(catalog_at(i)) && policy_suits(catalog_at(i), POLICY_MODE_ROUND)) {
            check_first_update(&options, catalog_at(i));
            learners++;
        }
    assert_true(learners >= 10);
    world_finish(&world);
}

/* The update that was owed comes on top, where one was. */
static void a_resumed_learner_goes_on_counting(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, true);
    for (size_t i = 0; i < catalog_count(); i++) {
        const struct policy_kind *kind = catalog_at(i);
        struct policy resumed;
        if (!policy_learns(kind) || !policy_suits(kind, POLICY_MODE_ROUND))
            continue;
        struct last last = train(&options, kind, 14);
        assert_int_equal(policy_create(&resumed, kind, &options, NULL), 0);
        if (kind->recall != NULL)
            assert_int_equal(kind->recall(&resumed, last.piece.data, last.piece.size, NULL), 0);
        assert_int_equal(kind->resume(&resumed, last.state.data, last.state.size, NULL), 0);
        assert_true(last.updates > 0);
        assert_in_range(kind->updates(&resumed), last.updates, last.updates + 1);
        policy_destroy(&resumed);
        last_finish(&last);
    }
    world_finish(&world);
}

static void expect_budget(const char *policy, const char *slots, const char *why)
{
    struct full_scenario full;
    const struct policy_kind *kind = NULL;
    struct diag diag = {{0}};
    full_scenario_defaults(&full);
    assert_int_equal(full_scenario_set(&full, "run.episodes=4", NULL), 0);
    assert_int_equal(full_scenario_set(&full, "ppo.rollout=2048", NULL), 0);
    assert_int_equal(full_scenario_set(&full, "ddpg.warmup=1000", NULL), 0);
    assert_int_equal(full_scenario_set(&full, slots, NULL), 0);
    assert_int_equal(catalog_find(policy, &kind, NULL), 0);
    assert_int_equal(budget_suffices(kind, &full, &diag), why == NULL);
    assert_string_equal(diag.text, why != NULL ? why : "");
}

static void a_training_that_is_too_short_is_told_what_is_missing(void **state)
{
    (void) state;
    expect_budget(
        "ppo", "run.slots=500",
        "ppo will not learn: this training has 2000 slots, and its first update takes more than 2048 "
        "(ppo.rollout)");
    expect_budget(
        "ppo", "run.slots=512",
        "ppo will not learn: this training has 2048 slots, and its first update takes more than 2048 "
        "(ppo.rollout)");
    expect_budget("ppo", "run.slots=513", NULL);
    expect_budget(
        "td3", "run.slots=250",
        "td3 will not learn: this training has 1000 slots, and its first update takes more than 1000 "
        "(ddpg.warmup)");
    expect_budget("dqn", "run.slots=25",
                  "dqn will not learn: this training has 100 slots, and its first update takes more than 100 "
                  "(dqn.warmup)");
    expect_budget("dqn", "run.slots=26", NULL);
    expect_budget("dapo-plus", "run.slots=1", NULL);
    expect_budget("greedy", "run.slots=1", NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_learner_learns_for_the_first_time_when_it_says),
        cmocka_unit_test(a_resumed_learner_goes_on_counting),
        cmocka_unit_test(a_training_that_is_too_short_is_told_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
