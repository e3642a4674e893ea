/* Which splits a device may be given where they move by bounded steps, or have an upper bound; what learners see of it. */
#include "core/model/env_splits.h"

#include "check.h"
#include "core/model/channel.h"

#define EVERYWHERE "servers.coverage_m=2000"
#define STEPS                                                                                                \
    "model.split_step=2", "model.min_split=1", "model.max_split=10", "model.first_split_min=3",              \
        "model.first_split_max=6"

struct bench {
    struct world world;
    struct env_view view;
    struct env_decision decision;
};

static void bench_start(struct bench *bench, const char *const *assignments)
{
    bench->world = check_world(assignments);
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(env_decision_init(&bench->decision, bench->world.devices), 0);
    check_observe_all(&bench->view, 0);
}

static void bench_stop(struct bench *bench)
{
    env_decision_finish(&bench->decision);
    env_view_finish(&bench->view);
    world_finish(&bench->world);
}

static void assert_range(const struct bench *bench, uint32_t device, uint32_t first, uint32_t last)
{
    uint32_t found_first = 99, found_last = 99;
    env_splits_range(&bench->view, device, &found_first, &found_last);
    assert_int_equal(found_first, first);
    assert_int_equal(found_last, last);
}

static void wish(struct bench *bench, uint32_t device, uint32_t split, uint32_t server)
{
    for (uint32_t n = 0; n < bench->world.devices; n++) {
        bench->decision.split[n] = bench->world.llm->layers;
        bench->decision.server[n] = ENV_LOCAL;
    }
    bench->decision.split[device] = split;
    bench->decision.server[device] = server;
    env_repair(&bench->view, &bench->decision);
}

static void assert_decided(const struct bench *bench, uint32_t device, uint32_t split, bool repaired)
{
    assert_int_equal(bench->decision.split[device], split);
    assert_int_equal(bench->decision.server[device] == ENV_LOCAL, split == bench->world.llm->layers);
    assert_int_equal(bench->decision.repaired[device], repaired);
}

static void without_bounds_all_splits_and_local_are_there(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, "model.min_split=3", "devices.memory_gb=5", NULL});
    assert_range(&bench, 0, 3, bench.world.device[0].max_split);
    assert_true(bench.world.device[0].max_split < 31);
    assert_true(env_splits_allow_local(&bench.view, 0));
    assert_int_equal(env_splits_choices(&bench.world), 30);
    assert_int_equal(env_splits_choice(&bench.view, 0, 0), 3);
    assert_int_equal(env_splits_choice(&bench.view, 0, 29), 32);
    assert_true(env_splits_allow(&bench.world, 0, 29));
    assert_false(env_splits_allow(&bench.world, 0, 28));
    bench_stop(&bench);
}

static void a_step_is_counted_from_the_split_before_and_ends_at_the_bounds(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, NULL});
    static const struct {
        uint32_t before, first, last;
    } cases[] = {{5, 3, 7}, {2, 1, 4}, {1, 1, 3}, {9, 7, 10}, {10, 8, 10}, {0, 1, 3}, {30, 8, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench.view.split_before[0] = cases[i].before;
        assert_range(&bench, 0, cases[i].first, cases[i].last);
    }
    assert_int_equal(env_splits_choices(&bench.world), 5);
    static const uint32_t near_end[] = {7, 8, 9, 10, 10};
    bench.view.split_before[0] = 9;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(env_splits_choice(&bench.view, 0, i), near_end[i]);
    bench.view.split_before[0] = 1;
    assert_int_equal(env_splits_choice(&bench.view, 0, 0), 1);
    assert_int_equal(env_splits_choice(&bench.view, 0, 4), 3);
    bench_stop(&bench);
}

static void a_split_out_of_reach_becomes_the_nearest_and_counts_as_repaired(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, NULL});
    bench.view.split_before[1] = 5;
    wish(&bench, 1, 6, 0);
    assert_decided(&bench, 1, 6, false);
    wish(&bench, 1, 9, 0);
    assert_decided(&bench, 1, 7, true);
    wish(&bench, 1, 1, 0);
    assert_decided(&bench, 1, 3, true);
    wish(&bench, 1, 32, ENV_LOCAL); /* local is for those without a server */
    assert_decided(&bench, 1, 7, true);
    wish(&bench, 1, 32, 0);
    assert_decided(&bench, 1, 7, true);
    for (uint32_t m = 0; m < bench.world.servers; m++)
        bench.view.covered[bench.world.servers + m] = false;
    assert_true(env_splits_allow_local(&bench.view, 1));
    wish(&bench, 1, 6, 0);
    assert_decided(&bench, 1, 32, false);
    bench_stop(&bench);
}

static void an_upper_bound_alone_forbids_local_too(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, "model.max_split=10", "model.min_split=2", NULL});
    assert_range(&bench, 0, 2, 10);
    assert_false(env_splits_allow_local(&bench.view, 0));
    assert_int_equal(env_splits_choices(&bench.world), 9);
    assert_int_equal(env_splits_choice(&bench.view, 0, 8), 10);
    wish(&bench, 0, 32, ENV_LOCAL);
    assert_decided(&bench, 0, 10, true);
    bench_stop(&bench);
}

static void one_server_takes_a_wish_for_local_as_several_do(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, "servers.count=1", NULL});
    bench.view.split_before[0] = 5;
    wish(&bench, 0, 32, ENV_LOCAL);
    assert_decided(&bench, 0, 7, true);
    assert_int_equal(bench.decision.server[0], 0);
    bench_stop(&bench);
}

static void an_episode_begins_with_a_uniform_split(void **state)
{
    (void) state;
    enum { EPISODES = 20000 };
    struct world world = check_world((const char *[]){STEPS, NULL});
    uint32_t count[11] = {0};
    for (uint32_t e = 0; e < EPISODES; e++) {
        uint32_t split = env_splits_drawn(&world, 2, (struct slot_id){RNG_TRAIN, e, 0});
        assert_in_range(split, 3, 6);
        assert_int_equal(split, env_splits_drawn(&world, 2, (struct slot_id){RNG_TRAIN, e, 4}));
        count[split]++;
    }
    for (uint32_t s = 3; s <= 6; s++)
        assert_near(count[s] / (double) EPISODES, 0.25, 0.015); /* 5 standard errors */
    world_finish(&world);
    world = check_world((const char *[]){"model.split_step=1", "model.min_split=4", NULL});
    assert_int_equal(env_splits_drawn(&world, 0, (struct slot_id){RNG_TRAIN, 3, 0}),
                     4); /* no range is given */
    world_finish(&world);
}

static void who_sent_nothing_keeps_the_split_before(void **state)
{
    (void) state;
    struct bench bench;
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, NULL});
    for (uint32_t n = 0; n < bench.world.devices; n++)
        bench.view.split_before[n] = 5;
    bench.decision.server[0] = ENV_LOCAL;
    bench.decision.split[0] = 32;
    bench.view.present[1] = false;
    bench.decision.server[1] = 0;
    bench.decision.split[1] = 6;
    bench.decision.server[2] = 0;
    bench.decision.split[2] = 6;
    env_view_decided(&bench.view, &bench.decision);
    assert_int_equal(bench.view.split_before[0], 5);
    assert_int_equal(bench.view.split_before[1], 5);
    assert_int_equal(bench.view.split_before[2], 6);
    env_view_begin(&bench.view, (struct slot_id){RNG_TEST, 0, 1});
    assert_int_equal(bench.view.split_before[2], 6);
    struct slot_id next = {RNG_TEST, 1, 0};
    env_view_begin(&bench.view, next);
    assert_int_equal(bench.view.split_before[2], env_splits_drawn(&bench.world, 2, next));
    bench_stop(&bench);
}

static void an_action_is_a_move_where_splits_move(void **state)
{
    (void) state;
    struct bench bench;
    float action[2] = {0.0f, 0.0f};
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, "devices.count=1", NULL});
    static const float first[] = {-1.0f, -0.5f, 0.0f, 0.5f, 1.0f};
    for (uint32_t i = 0; i < 5; i++) {
        bench.view.split_before[0] = 5;
        action[0] = first[i];
        env_map_action(&bench.view, action, &bench.decision);
        assert_decided(&bench, 0, 3 + i, false);
    }
    bench_stop(&bench);
}

/* ---- the state ---- */

static void a_state_of_splits_has_conditions_and_splits_and_nothing_else(void **state)
{
    (void) state;
    struct bench bench;
    float found[2 * 3], one[2];
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, "devices.count=3", "action.state=split",
                                         "channel.mode=erasure", "channel.loss_min=0.1",
                                         "channel.loss_max=0.3", NULL});
    assert_int_equal(env_state_size(&bench.world), 6);
    assert_int_equal(env_device_state_size(&bench.world), 2);
    bench.view.present[1] = false;
    bench.view.channel[0] = 0.1;
    bench.view.split_before[0] = 10;
    bench.view.channel[2] = 0.2;
    bench.view.split_before[2] = 1;
    env_state(&bench.view, found);
    static const float wanted[] = {-1.0f, 1.0f, 0.0f, 0.0f, 0.0f, -1.0f};
    for (size_t i = 0; i < 6; i++)
        assert_near(found[i], wanted[i], 1e-6);
    env_device_state(&bench.view, 0, one);
    assert_same(one[0], -1.0);
    assert_same(one[1], 1.0);
    bench_stop(&bench);
}

static void a_full_state_grows_only_where_there_is_something_to_see(void **state)
{
    (void) state;
    struct world plain = check_world(NULL),
                 lossy = check_world((const char *[]){"channel.mode=erasure", NULL}),
                 both = check_world((const char *[]){"channel.mode=erasure", STEPS, NULL});
    assert_int_equal(env_state_size(&plain), 4 * 10 + 2 * 10 * 3 + 2 * 3);
    assert_int_equal(env_state_size(&lossy), env_state_size(&plain) + 10);
    assert_int_equal(env_state_size(&both), env_state_size(&plain) + 20);
    assert_int_equal(env_device_state_size(&lossy), env_device_state_size(&plain) + 1);
    assert_int_equal(env_device_state_size(&both), env_device_state_size(&plain) + 2);
    world_finish(&plain);
    world_finish(&lossy);
    world_finish(&both);
}

static void a_full_state_ends_with_conditions_and_splits(void **state)
{
    (void) state;
    struct bench bench;
    float found[256], one[64];
    bench_start(&bench, (const char *[]){EVERYWHERE, STEPS, "channel.mode=erasure", NULL});
    for (uint32_t n = 0; n < bench.world.devices; n++) {
        assert_same(bench.view.channel[n], channel_drawn(&bench.world, n, bench.view.id));
        bench.view.channel[n] = 0.3; /* the scale's end */
        bench.view.split_before[n] = 1;
    }
    size_t size = env_state_size(&bench.world), device_size = env_device_state_size(&bench.world);
    assert_true(size <= 256 && device_size <= 64);
    env_state(&bench.view, found);
    for (size_t i = 0; i < 10; i++) {
        assert_near(found[size - 20 + i], 1.0, 1e-6);
        assert_near(found[size - 10 + i], -1.0, 1e-6);
    }
    env_device_state(&bench.view, 4, one);
    assert_near(one[device_size - 2], 1.0, 1e-6);
    assert_near(one[device_size - 1], -1.0, 1e-6);
    bench_stop(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_bounds_all_splits_and_local_are_there),
        cmocka_unit_test(a_step_is_counted_from_the_split_before_and_ends_at_the_bounds),
        cmocka_unit_test(a_split_out_of_reach_becomes_the_nearest_and_counts_as_repaired),
        cmocka_unit_test(an_upper_bound_alone_forbids_local_too),
        cmocka_unit_test(one_server_takes_a_wish_for_local_as_several_do),
        cmocka_unit_test(an_episode_begins_with_a_uniform_split),
        cmocka_unit_test(who_sent_nothing_keeps_the_split_before),
        cmocka_unit_test(an_action_is_a_move_where_splits_move),
        cmocka_unit_test(a_state_of_splits_has_conditions_and_splits_and_nothing_else),
        cmocka_unit_test(a_full_state_grows_only_where_there_is_something_to_see),
        cmocka_unit_test(a_full_state_ends_with_conditions_and_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
