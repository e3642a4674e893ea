/* What a task's outcome may depend on, as numbers of about unit size: 0 in the middle of the usual, and each in its place. */
#include "core/model/task_features.h"

#include "check.h"

#define NEAR 1e-6

static void features_are_zero_in_the_middle_of_the_usual(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    float x[TASK_FEATURES_MAX];
    world.device[1].flops = 1e12;
    world.server[1].flops = 7e12;
    task_features_device(&world, 1, 128, 16, x);
    for (size_t i = 0; i < 3; i++)
        assert_near((double) x[i], 0.0, NEAR);
    assert_int_equal(world.llm->layers, 32);
    task_features_server(&world, 1, 3, 128, 16, x);
    for (size_t i = 0; i < 4; i++)
        assert_near((double) x[i], 0.0, NEAR);
    assert_near((double) task_features_gain(exp(-26.0)), 0.0, NEAR);
    assert_near((double) task_features_load(3), 0.0, NEAR);
    assert_near((double) task_features_size(exp(12.0)), 0.0, NEAR);
    world_finish(&world);
}

static void each_feature_is_the_logarithm_of_its_own_quantity(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    float x[TASK_FEATURES_MAX];
    world.device[1].flops = 2e12;
    world.server[1].flops = 21e12;
    task_features_device(&world, 1, 640, 4, x);
    assert_near((double) x[0], log(2.0), NEAR);
    assert_near((double) x[1], log(4.0 / 16.0), NEAR);
    assert_near((double) x[2], log(5.0), NEAR);
    task_features_server(&world, 1, 6, 640, 24, x);
    assert_near((double) x[0], log(3.0), NEAR);
    assert_near((double) x[1], log(2.0), NEAR);
    assert_near((double) x[2], log(8.0 / 16.0), NEAR);
    assert_near((double) x[3], log(5.0), NEAR);
    assert_near((double) task_features_gain(exp(-29.0)), -1.0, NEAR);
    assert_near((double) task_features_size(exp(16.0)), 1.0, NEAR);
    world_finish(&world);
}

/* A channel that carries nothing is no better described by less. */
static void no_gain_is_less_than_the_least(void **state)
{
    (void) state;
    assert_near((double) task_features_gain(exp(-60.0)), -34.0 / 3.0, 1e-5);
    assert_near((double) task_features_gain(1e-300), -34.0 / 3.0, 1e-5);
    assert_true(task_features_gain(exp(-59.0)) > task_features_gain(exp(-60.0)));
}

static void a_way_has_a_margin_where_margins_are_decided(void **state)
{
    static const char *const margins[] = {"channel.mode=bounded", "action.margins_db=0 25", NULL};
    static const char *const *const keys[] = {NULL, margins};
    const struct task_way way = {.gain = 1.0f, .load = 2.0f, .size = 3.0f, .margin = 4.0f};
    (void) state;
    for (uint32_t i = 0; i < 2; i++) {
        struct world world = check_world(keys[i]);
        float x[TASK_FEATURES_MAX] = {-1.0f, -1.0f, -1.0f, -1.0f};
        assert_int_equal(task_features_count(&world, TASK_DEVICE), 3);
        assert_int_equal(task_features_count(&world, TASK_LINK), 3 + i);
        assert_int_equal(task_features_count(&world, TASK_SERVER), 4);
        task_features_link(&world, &way, x);
        assert_true(x[0] == 1.0f && x[1] == 2.0f && x[2] == 3.0f);
        assert_true(x[3] == (i == 1 ? 4.0f : -1.0f));
        if (i == 1) {
            assert_near((double) task_features_margin(&world, 1), -1.0, NEAR);
            assert_near((double) task_features_margin(&world, 2), 1.5, NEAR);
        }
        world_finish(&world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_zero_in_the_middle_of_the_usual),
        cmocka_unit_test(each_feature_is_the_logarithm_of_its_own_quantity),
        cmocka_unit_test(no_gain_is_less_than_the_least),
        cmocka_unit_test(a_way_has_a_margin_where_margins_are_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
