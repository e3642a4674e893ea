/* Places, features and outcomes of single devices. */
#include "orchestrator/policy/planned/device_model.h"

#include "core/model/env_splits.h"
#include "tests/unit/model/check.h"

struct slot {
    struct world world;
    struct env_view view;
    struct device_choices choices;
};

static void open_slot(struct slot *slot, const char *const *keys)
{
    slot->world = check_world(keys);
    assert_int_equal(env_view_init(&slot->view, &slot->world), 0);
    for (uint32_t m = 0; m < slot->world.servers; m++)
        slot->view.server_up[m] = true;
    check_observe_all(&slot->view, 1);
    slot->choices = device_choices_of(&slot->world);
}

static void close_slot(struct slot *slot)
{
    env_view_finish(&slot->view);
    world_finish(&slot->world);
}

static void every_server_and_split_and_local_is_one_choice(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=3", "model.min_split=4", NULL};
    struct slot slot;
    open_slot(&slot, keys);
    uint32_t layers = slot.world.llm->layers, seen = 0;
    assert_int_equal(slot.choices.count, 1 + 3 * (layers - 4));
    struct device_place place = device_choices_place(&slot.choices, &slot.view, 0, 0);
    assert_true(place.server == ENV_LOCAL && place.split == layers);
    for (uint32_t m = 0; m < 3; m++)
        for (uint32_t s = 4; s < layers; s++)
            for (uint32_t choice = 1; choice < slot.choices.count; choice++) {
                place = device_choices_place(&slot.choices, &slot.view, 0, choice);
                seen += place.server == m && place.split == s ? 1 : 0;
            }
    assert_int_equal(seen, slot.choices.count - 1);
    close_slot(&slot);
}

static void only_what_covers_it_and_fits_into_its_memory_is_allowed(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=3", "devices.memory_gb=4", NULL};
    struct slot slot;
    open_slot(&slot, keys);
    uint8_t allowed[512];
    for (uint32_t m = 0; m < 3; m++)
        slot.view.covered[m] = m == 1;
    assert_true(slot.choices.count <= sizeof allowed);
    assert_true(device_choices_allow(&slot.choices, &slot.view, 0, allowed));
    uint32_t count = 0;
    for (uint32_t choice = 0; choice < slot.choices.count; choice++) {
        struct device_place place = device_choices_place(&slot.choices, &slot.view, 0, choice);
        bool fits = place.split <= slot.world.device[0].max_split;
        assert_int_equal(allowed[choice], place.server == ENV_LOCAL || (place.server == 1 && fits) ? 1 : 0);
        count += allowed[choice];
    }
    assert_true(count > 2);
    slot.view.covered[1] = false;
    assert_false(device_choices_allow(&slot.choices, &slot.view, 0, allowed));
    slot.view.covered[1] = true;
    slot.view.tokens[0] = 0;
    assert_false(device_choices_allow(&slot.choices, &slot.view, 0, allowed));
    close_slot(&slot);
}

static void bound_splits_leave_no_local_place(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=2", "model.split_step=2", NULL};
    struct slot slot;
    open_slot(&slot, keys);
    assert_int_equal(slot.choices.locals, 0);
    assert_int_equal(slot.choices.count, 2 * 5); /* five moves at each server */
    for (uint32_t choice = 0; choice < slot.choices.count; choice++)
        assert_int_equal(device_choices_place(&slot.choices, &slot.view, 1, choice).server, choice / 5);
    close_slot(&slot);
}

/* What a feature stands for moves it and no other. */
static void a_feature_moves_with_what_it_stands_for(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=2", "servers.count=2", NULL};
    struct slot slot;
    float a[16], b[16], local[16];
    open_slot(&slot, keys);
    size_t inputs = device_model_inputs(&slot.world), moved = 0;
    assert_int_equal(inputs, 8);
    device_model_describe(&slot.view, 0, (struct device_place){1, 10}, 2, a);
    device_model_describe(&slot.view, 0, (struct device_place){1, 10}, 5, b);
    for (size_t i = 0; i < inputs; i++)
        moved += a[i] != b[i] ? 1 : 0;
    assert_int_equal(moved, 1); /* the load */
    slot.view.gain[1] *= 2.0;
    device_model_describe(&slot.view, 0, (struct device_place){1, 10}, 5, a);
    for (size_t i = 0; i < inputs; i++)
        moved += a[i] != b[i] ? 1 : 0;
    assert_int_equal(moved, 2); /* and the gain */
    device_model_describe(&slot.view, 0, (struct device_place){ENV_LOCAL, slot.world.llm->layers}, 0, local);
    slot.view.gain[1] *= 2.0;
    device_model_describe(&slot.view, 0, (struct device_place){ENV_LOCAL, slot.world.llm->layers}, 9, a);
    assert_memory_equal(a, local, inputs * sizeof *a); /* which do not matter at home */
    assert_true(local[0] == 0.0f && b[0] == 1.0f);
    close_slot(&slot);
}

/* A report of a task of device 0, in logarithms and back, costs what the objective says. */
static void the_cost_of_an_outcome_is_that_of_its_report(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=1", "servers.count=1", NULL};
    struct slot slot;
    open_slot(&slot, keys);
    const struct world *world = &slot.world;
    uint32_t layers = world->llm->layers;
    struct task_outcome local, sent;
    const struct task_plan home = {.split = layers, .server = ENV_LOCAL};
    const struct task_plan away = {.split = 8, .bandwidth_share = 1.0, .compute_share = 1.0};
    uint32_t tokens = slot.view.tokens[0];
    cost_outcome(world, 0, tokens, slot.view.gain[0], &home, &local);
    cost_outcome(world, 0, tokens, slot.view.gain[0], &away, &sent);
    const struct task_outcome *const outcomes[] = {&local, &sent};
    float y[3], full[3];
    const struct device_place place = {0, 8}, at_home = {ENV_LOCAL, layers};
    struct policy_outcome report = {.latency_s = local.latency_s, .energy_j = local.energy_j, .cost = 1.0};
    assert_true(device_model_outcome(world, &report, at_home, false, full));
    for (size_t i = 0; i < 2; i++) {
        double cost = cost_task(world, &world->device[0], tokens, outcomes[i]->latency_s,
                                outcomes[i]->energy_j, false, NULL);
        report = (struct policy_outcome){
            .latency_s = outcomes[i]->latency_s, .energy_j = outcomes[i]->energy_j, .cost = cost};
        assert_true(device_model_outcome(world, &report, place, true, y));
        assert_near(device_model_cost(world, device_model_full(full), y), cost, 1e-5 * cost);
        assert_near(device_model_learned_cost(world, y), cost, 1e-6 * cost);
    }
    report.recovered = true;
    assert_false(device_model_outcome(world, &report, place, false, y));
    close_slot(&slot);
}

static void quality_is_foreseen_where_the_objective_counts_it(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=1",
                                       "servers.count=1",
                                       "channel.mode=erasure",
                                       "quality.source=table",
                                       "quality.table=0,0.3|1:0,2|31:0,0.5",
                                       "objective.quality_weight=0.5",
                                       NULL};
    struct slot slot;
    open_slot(&slot, keys);
    const struct world *world = &slot.world;
    assert_int_equal(device_model_inputs(world), 9);
    assert_int_equal(device_model_outputs(world, false), 3);
    assert_int_equal(device_model_outputs(world, true), 4);
    float y[4], clean[4];
    const struct device_place away = {0, 8}, home = {ENV_LOCAL, world->llm->layers};
    struct policy_outcome report = {.latency_s = 1.0, .energy_j = 2.0, .cost = 3.0, .quality = 0.8};
    assert_true(device_model_outcome(world, &report, away, true, y));
    assert_true(y[2] == 0.8f && y[3] == -3.0f);
    report.quality = (double) NAN;
    assert_false(device_model_outcome(world, &report, away, true, y)); /* it counts, and is not known */
    assert_true(device_model_outcome(world, &report, home, true, clean));
    assert_true(clean[2] == 0.0f);
    struct device_full full = device_model_full(clean);
    assert_near(device_model_cost(world, full, y) - device_model_cost(world, full, clean), 0.5 * 0.8, 1e-6);
    close_slot(&slot);
}

static void what_is_foreseen_beyond_all_measure_stays_a_number(void **state)
{
    (void) state;
    struct slot slot;
    open_slot(&slot, NULL);
    const float wild[] = {3e38f, -3e38f};
    double cost = device_model_cost(&slot.world, device_model_full(wild), wild);
    assert_true(isfinite(cost) && cost >= 0.0);
    close_slot(&slot);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_server_and_split_and_local_is_one_choice),
        cmocka_unit_test(only_what_covers_it_and_fits_into_its_memory_is_allowed),
        cmocka_unit_test(bound_splits_leave_no_local_place),
        cmocka_unit_test(a_feature_moves_with_what_it_stands_for),
        cmocka_unit_test(the_cost_of_an_outcome_is_that_of_its_report),
        cmocka_unit_test(quality_is_foreseen_where_the_objective_counts_it),
        cmocka_unit_test(what_is_foreseen_beyond_all_measure_stays_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
