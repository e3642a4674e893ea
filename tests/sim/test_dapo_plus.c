/* dapo-plus against the exact optimum: after few slots, on nodes never met, for more devices, with and
 * without the search. */
#include "orchestrator/host/host_memory.h"
#include "orchestrator/policy/catalog/catalog.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/unit/policy/full_slot.h"

#define TRAINING 400u

static void train(const struct world *world, const struct settings *settings, uint32_t slots,
                  struct buf *ret_weights)
{
    const struct policy_options options = full_options(world, settings, true);
    const struct policy_kind *kind = NULL;
    struct policy policy;
    struct session_result result;
    struct diag diag = {{0}};
    assert_int_equal(catalog_find("dapo-plus", &kind, NULL), 0);
    assert_int_equal(policy_create(&policy, kind, &options, NULL), 0);
    struct session session = {
        .world = world, .policy = &policy, .phase = RNG_TRAIN, .episodes = 4, .slots = slots / 4};
    if (host_memory_run(&session, &result, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(kind->save(&policy, false, ret_weights), 0);
    policy_destroy(&policy);
}

/* Mean cost of `name` over that of the yardstick, less 1, on held-out slots. */
static double excess(const char *const *keys, const char *name, const struct buf *weights,
                     const char *yardstick, uint32_t slots)
{
    struct slot slot;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, name), best = slot_policy(&slot, yardstick);
    double sum = 0.0, least = 0.0;
    struct diag diag = {{0}};
    if (policy.kind->load(&policy, weights->data, weights->size, &diag) != 0)
        fail_msg("%s", diag.text);
    for (uint32_t e = 0; e < slots; e++) {
        slot_draw(&slot, e, 0, 0, e % 3 == 2 ? 6 : 0);
        sum += slot_decide(&slot, &policy);
        least += slot_decide(&slot, &best);
    }
    policy_destroy(&policy);
    policy_destroy(&best);
    slot_close(&slot);
    return sum / least - 1.0;
}

static const char *const small[] = {
    "run.seed=3", "devices.count=6", "servers.count=2", "run.slots=100", "run.episodes=4", "plus.warmup=50",
    NULL};

static void after_few_slots_it_is_as_good_as_the_optimum(void **state)
{
    (void) state;
    struct settings settings;
    struct world world = full_world(small, &settings);
    struct buf weights = {0};
    train(&world, &settings, TRAINING, &weights);
    double found = excess(small, "dapo-plus", &weights, "optimum", 60);
    assert_true(found >= -1e-9);
    assert_true(found < 0.01);
    buf_finish(&weights);
    world_finish(&world);
}

static void what_it_learned_holds_for_nodes_it_never_met_and_for_more_of_them(void **state)
{
    (void) state;
    static const char *const redrawn[] = {"run.seed=1234", "devices.count=6", "servers.count=2", NULL};
    static const char *const many[] = {"run.seed=99", "devices.count=20", "servers.count=3", NULL};
    struct settings settings;
    struct world world = full_world(small, &settings);
    struct buf weights = {0};
    train(&world, &settings, TRAINING, &weights);
    assert_true(excess(redrawn, "dapo-plus", &weights, "optimum", 40) < 0.02);
    assert_true(excess(many, "dapo-plus", &weights, "multi-start", 20) < 0.02);
    buf_finish(&weights);
    world_finish(&world);
}

static void the_actor_is_close_behind_the_search_also_for_more_devices(void **state)
{
    (void) state;
    static const char *const many[] = {"run.seed=99", "devices.count=20", "servers.count=3", NULL};
    struct settings settings;
    struct world world = full_world(small, &settings);
    struct buf weights = {0};
    train(&world, &settings, 2 * TRAINING, &weights);
    assert_true(excess(small, "dapo-plus-actor", &weights, "optimum", 60) < 0.02);
    assert_true(excess(many, "dapo-plus-actor", &weights, "multi-start", 20) < 0.03);
    buf_finish(&weights);
    world_finish(&world);
}

#define CODED                                                                                                \
    "run.seed=3", "devices.count=6", "servers.count=2", "run.slots=100", "run.episodes=4", "plus.warmup=50", \
        "channel.mode=bounded", "channel.transmissions=2", "quality.source=table",                           \
        "objective.quality_weight=2", "quality.table=0,0.1,1|1:0,0.1,3",                                     \
        "quality.formats=q4=0,0.1,1|1:0.05,0.2,3"

static double mean_cost(const char *const *keys, const char *name, uint32_t slots)
{
    struct slot slot;
    double sum = 0.0;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, name);
    for (uint32_t e = 0; e < slots; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        sum += slot_decide(&slot, &policy);
    }
    policy_destroy(&policy);
    slot_close(&slot);
    return sum / slots;
}

/* Also against the optimum of the scenario's own coding. */
static void what_formats_and_margins_cost_is_learned_and_chosen(void **state)
{
    (void) state;
    static const char *const fixed[] = {CODED, NULL};
    static const char *const open[] = {CODED, "action.formats=int8 q4", "action.margins_db=0 3 6", NULL};
    struct settings settings;
    struct world world = full_world(open, &settings);
    struct buf weights = {0};
    train(&world, &settings, TRAINING, &weights);
    double searched = excess(open, "dapo-plus", &weights, "optimum", 60);
    double gained = mean_cost(fixed, "optimum", 60) / mean_cost(open, "optimum", 60) - 1.0;
    assert_true(searched >= -1e-9);
    assert_true(searched < 0.01);
    assert_true(excess(open, "dapo-plus-actor", &weights, "optimum", 60) < 0.02);
    assert_true(gained > 5.0 * searched);
    buf_finish(&weights);
    world_finish(&world);
}

/* What was learned of other formats or margins is not true of these. */
static void weights_of_other_codings_are_refused(void **state)
{
    (void) state;
    static const char *const lists[][2] = {{"action.margins_db=0 3", "action.formats=q4"},
                                           {"action.margins_db=0 6", "action.formats=q4"},
                                           {"action.margins_db=0 3", "action.formats=int8"},
                                           {"action.margins_db=", "action.formats=q4"},
                                           {"action.margins_db=", "action.formats="}};
    struct settings settings;
    struct diag diag = {{0}};
    for (size_t i = 0; i < 5; i++) {
        struct buf weights = {0};
        struct slot slot;
        struct world world =
            full_world((const char *[]){"channel.mode=bounded", lists[i][0], lists[i][1], NULL}, &settings);
        train(&world, &settings, 20, &weights);
        for (size_t k = 0; k < 5; k++) {
            slot_open(&slot, (const char *[]){"channel.mode=bounded", lists[k][0], lists[k][1], NULL});
            struct policy policy = slot_policy(&slot, "dapo-plus");
            int rc = policy.kind->load(&policy, weights.data, weights.size, &diag);
            assert_int_equal(rc, i == k ? 0 : ERR_MISMATCH);
            assert_true(i == k || strstr(diag.text, "action.formats and action.margins_db") != NULL);
            policy_destroy(&policy);
            slot_close(&slot);
        }
        buf_finish(&weights);
        world_finish(&world);
    }
}

static void linear_parts_alone_are_not_enough(void **state)
{
    (void) state;
    static const char *const straight[] = {
        "run.seed=3",     "devices.count=6", "servers.count=2", "run.slots=100",
        "run.episodes=4", "plus.warmup=50",  "plus.hidden=0",   NULL};
    struct settings settings;
    struct world world = full_world(straight, &settings);
    struct buf weights = {0};
    train(&world, &settings, TRAINING, &weights);
    double linear = excess(straight, "dapo-plus", &weights, "optimum", 60);
    buf_clear(&weights);
    world_finish(&world);
    world = full_world(small, &settings);
    train(&world, &settings, TRAINING, &weights);
    assert_true(linear > excess(small, "dapo-plus", &weights, "optimum", 60));
    assert_true(linear < 0.1);
    buf_finish(&weights);
    world_finish(&world);
}

/* Every byte of a deployment's weights, changed: refused, or at least decided with. */
static void damaged_weights_are_refused(void **state)
{
    (void) state;
    struct slot slot;
    struct buf weights = {0};
    slot_open(&slot, small);
    train(&slot.world, &slot.settings, 100, &weights);
    struct policy policy = slot_policy(&slot, "dapo-plus");
    for (size_t i = 0; i < weights.size; i += 11) {
        weights.data[i] ^= 0x40;
        assert_int_not_equal(policy.kind->load(&policy, weights.data, weights.size, NULL), 0);
        weights.data[i] ^= 0x40;
    }
    for (size_t size = 0; size < weights.size; size += 37)
        assert_int_not_equal(policy.kind->load(&policy, weights.data, size, NULL), 0);
    assert_int_equal(policy.kind->load(&policy, weights.data, weights.size, NULL), 0);
    policy_destroy(&policy);
    buf_finish(&weights);
    slot_close(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_few_slots_it_is_as_good_as_the_optimum),
        cmocka_unit_test(what_it_learned_holds_for_nodes_it_never_met_and_for_more_of_them),
        cmocka_unit_test(the_actor_is_close_behind_the_search_also_for_more_devices),
        cmocka_unit_test(what_formats_and_margins_cost_is_learned_and_chosen),
        cmocka_unit_test(weights_of_other_codings_are_refused),
        cmocka_unit_test(linear_parts_alone_are_not_enough),
        cmocka_unit_test(damaged_weights_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
