/* The condition of a task's channel: drawn for an episode, or what the scenario says. */
#include "core/model/channel.h"

#include "check.h"

static double condition(const struct world *world, uint32_t device, struct slot_id id)
{
    return channel_condition(world, device, id, 1e-9, 0.5);
}

static void a_reliable_channel_has_condition_zero(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    assert_same(condition(&world, 3, (struct slot_id){RNG_TEST, 7, 2}), 0.0);
    world_finish(&world);
}

static void an_episodes_loss_is_one_uniform_draw(void **state)
{
    (void) state;
    enum { EPISODES = 20000 };
    struct world world = check_world(
        (const char *[]){"channel.mode=erasure", "channel.loss_min=0.1", "channel.loss_max=0.3", NULL});
    double sum = 0.0, squares = 0.0;
    for (uint32_t e = 0; e < EPISODES; e++) {
        double loss = condition(&world, 1, (struct slot_id){RNG_TRAIN, e, 0});
        assert_true(loss >= 0.1 && loss < 0.3);
        assert_same(condition(&world, 1, (struct slot_id){RNG_TRAIN, e, 4}), loss);
        sum += loss;
        squares += loss * loss;
    }
    double mean = sum / EPISODES;
    assert_near(mean, 0.2, 0.002);                                           /* 5 standard errors */
    assert_near(squares / EPISODES - mean * mean, 0.2 * 0.2 / 12.0, 0.0002); /* of a uniform variable */
    world_finish(&world);
}

static void devices_episodes_and_phases_have_draws_of_their_own(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.mode=erasure", NULL});
    double first = condition(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0});
    assert_true(condition(&world, 1, (struct slot_id){RNG_TRAIN, 0, 0}) != first);
    assert_true(condition(&world, 0, (struct slot_id){RNG_TRAIN, 1, 0}) != first);
    assert_true(condition(&world, 0, (struct slot_id){RNG_TEST, 0, 0}) != first);
    world_finish(&world);
}

static void other_modes_take_what_the_scenario_says(void **state)
{
    (void) state;
    struct slot_id id = {RNG_TEST, 7, 2};
    struct world world = check_world((const char *[]){"channel.mode=bits", "channel.bit_error=0.25", NULL});
    assert_same(condition(&world, 0, id), 0.25);
    world_finish(&world);
    world = check_world(
        (const char *[]){"channel.mode=analog", "channel.snr_db_min=-5", "channel.snr_db_max=-5", NULL});
    assert_same(condition(&world, 0, id), -5.0);
    world_finish(&world);
    world = check_world(
        (const char *[]){"channel.mode=analog", "channel.snr_db_min=-5", "channel.snr_db_max=5", NULL});
    double snr_db = condition(&world, 0, id);
    assert_true(snr_db > -5.0 && snr_db < 5.0);
    world_finish(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reliable_channel_has_condition_zero),
        cmocka_unit_test(an_episodes_loss_is_one_uniform_draw),
        cmocka_unit_test(devices_episodes_and_phases_have_draws_of_their_own),
        cmocka_unit_test(other_modes_take_what_the_scenario_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
