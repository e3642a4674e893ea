#include "core/model/mobility.h"

#include "check.h"
#include "core/base/units.h"
#include "core/model/device_slot.h"

#define STEPS 200000u

static void assert_inside(const struct world *world, const struct mobility *mobility)
{
    assert_true(mobility->position.x >= 0.0 && mobility->position.x <= world->scenario.area.width_m);
    assert_true(mobility->position.y >= 0.0 && mobility->position.y <= world->scenario.area.height_m);
}

/* A2 without randomness: memory 1 keeps speed and heading. */
static void a_move_is_speed_times_slot_length_along_the_heading(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.memory=1", "run.slot_s=2", NULL});
    struct mobility mobility = {.position = {100.0, 200.0}, .speed_mps = 5.0, .heading_rad = 0.3};
    mobility_step(&world, 0, RNG_TRAIN, 0, 0, &mobility);
    assert_near(mobility.position.x, 100.0 + 10.0 * cos(0.3), 1e-12);
    assert_near(mobility.position.y, 200.0 + 10.0 * sin(0.3), 1e-12);
    assert_same(mobility.speed_mps, 5.0);
    assert_same(mobility.heading_rad, 0.3);
    world_finish(&world);
}

static void a_device_is_reflected_at_the_border_with_its_mean_heading(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.memory=1", "run.slot_s=2", NULL});
    struct mobility east = {{997.0, 500.0}, 5.0, 0.1, 0.2, {0.0, 0.0}};
    mobility_step(&world, 0, RNG_TRAIN, 0, 0, &east);
    assert_near(east.position.x, 2000.0 - (997.0 + 10.0 * cos(0.1)), 1e-9);
    assert_near(east.heading_rad, UNITS_PI - 0.1, 1e-12);
    assert_near(east.mean_heading_rad, UNITS_PI - 0.2, 1e-12);
    struct mobility south = {{500.0, 3.0}, 5.0, -1.5, -1.4, {0.0, 0.0}};
    mobility_step(&world, 0, RNG_TRAIN, 0, 0, &south);
    assert_near(south.position.y, 10.0 * sin(1.5) - 3.0, 1e-9);
    assert_near(south.heading_rad, 1.5, 1e-12);
    assert_near(south.mean_heading_rad, 1.4, 1e-12);
    world_finish(&world);
}

static void reflection_keeps_even_the_fastest_device_inside(void **state)
{
    (void) state;
    static const char *const kinds[] = {"mobility.kind=gauss-markov", "mobility.kind=random-waypoint"};
    for (size_t k = 0; k < 2; k++) {
        struct world world = check_world((const char *[]){
            "area.width_m=30", "area.height_m=7", "mobility.speed_max=1000", "mobility.speed_mean=300",
            "mobility.speed_sigma=200", "mobility.heading_sigma=3", "run.slot_s=10", kinds[k], NULL});
        struct mobility mobility;
        mobility_start(&world, 3, RNG_TRAIN, 0, &mobility);
        for (uint32_t slot = 0; slot < 20000; slot++) {
            assert_inside(&world, &mobility);
            mobility_step(&world, 3, RNG_TRAIN, 0, slot, &mobility);
            assert_true(fabs(mobility.mean_heading_rad) <= 2.0 * UNITS_PI);
        }
        world_finish(&world);
    }
}

/* A1's stationary law: mean v, deviation sigma_v, correlation alpha from slot to slot; heading likewise about
 * its mean. */
static void gauss_markov_keeps_its_stationary_law(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.speed_mean=10", NULL});
    struct mobility mobility;
    mobility_start(&world, 1, RNG_TRAIN, 0, &mobility);
    assert_same(mobility.speed_mps, 10.0);
    assert_same(mobility.heading_rad, mobility.mean_heading_rad);
    double speed = 0.0, speed2 = 0.0, lagged = 0.0, turn = 0.0, turn2 = 0.0;
    for (uint32_t slot = 0; slot < STEPS; slot++) {
        double before = mobility.speed_mps - 10.0;
        mobility_step(&world, 1, RNG_TRAIN, 0, slot, &mobility);
        double now = mobility.speed_mps - 10.0;
        double off = mobility.heading_rad - mobility.mean_heading_rad;
        speed += now;
        speed2 += now * now;
        lagged += before * now;
        turn += off;
        turn2 += off * off;
    }
    assert_near(speed / STEPS, 0.0, 0.06);
    assert_near(sqrt(speed2 / STEPS), 1.5, 0.03);
    assert_near(lagged / speed2, 0.85, 0.01);
    assert_near(turn / STEPS, 0.0, 0.02);
    assert_near(sqrt(turn2 / STEPS), 0.5, 0.01);
    world_finish(&world);
}

static void speeds_are_clipped(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.speed_min=4", "mobility.speed_max=6", NULL});
    struct mobility mobility;
    mobility_start(&world, 0, RNG_TRAIN, 0, &mobility);
    unsigned at_bounds = 0;
    for (uint32_t slot = 0; slot < 1000; slot++) {
        mobility_step(&world, 0, RNG_TRAIN, 0, slot, &mobility);
        assert_true(mobility.speed_mps >= 4.0 && mobility.speed_mps <= 6.0);
        at_bounds += mobility.speed_mps <= 4.0 || mobility.speed_mps >= 6.0;
    }
    assert_true(at_bounds > 300 && at_bounds < 700);
    world_finish(&world);
}

static void random_waypoint_walks_straight_to_its_waypoint(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.kind=random-waypoint", NULL});
    struct mobility mobility;
    mobility_start(&world, 2, RNG_TRAIN, 0, &mobility);
    unsigned legs = 0;
    for (uint32_t slot = 0; slot < 5000; slot++) {
        struct mobility before = mobility;
        mobility_step(&world, 2, RNG_TRAIN, 0, slot, &mobility);
        double moved =
            hypot(mobility.position.x - before.position.x, mobility.position.y - before.position.y);
        double left = hypot(before.waypoint.x - before.position.x, before.waypoint.y - before.position.y);
        assert_true(before.speed_mps >= 2.5 && before.speed_mps <= 7.5);
        assert_near(moved, fmin(before.speed_mps, left), 1e-9);
        legs += memcmp(&before.waypoint, &mobility.waypoint, sizeof before.waypoint) != 0;
    }
    assert_true(legs > 20);
    world_finish(&world);
}

static void still_devices_stay_and_homes_are_respected(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"mobility.kind=still", NULL});
    world.device[4].has_home = true;
    world.device[4].home = (struct vec2){12.0, 34.0};
    for (uint32_t episode = 0; episode < 3; episode++) {
        struct mobility mobility;
        mobility_start(&world, 4, RNG_TEST, episode, &mobility);
        mobility_step(&world, 4, RNG_TEST, episode, 0, &mobility);
        assert_same(mobility.position.x, 12.0);
        assert_same(mobility.position.y, 34.0);
        assert_same(mobility.speed_mps, 0.0);
    }
    world_finish(&world);
}

static void starts_are_uniform_and_differ_by_episode_phase_and_device(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    double x = 0.0, y = 0.0, x2 = 0.0;
    for (uint32_t episode = 0; episode < 20000; episode++) {
        struct mobility mobility;
        mobility_start(&world, 0, RNG_TRAIN, episode, &mobility);
        assert_inside(&world, &mobility);
        x += mobility.position.x;
        y += mobility.position.y;
        x2 += mobility.position.x * mobility.position.x;
    }
    assert_near(x / 20000, 500.0, 8.0);
    assert_near(y / 20000, 500.0, 8.0);
    assert_near(x2 / 20000, 1e6 / 3.0, 8000.0);
    struct mobility train, test, other;
    mobility_start(&world, 0, RNG_TRAIN, 0, &train);
    mobility_start(&world, 0, RNG_TEST, 0, &test);
    mobility_start(&world, 1, RNG_TRAIN, 0, &other);
    assert_true(train.position.x != test.position.x && train.position.x != other.position.x);
    world_finish(&world);
}

static void fading_is_exponential_with_mean_one(void **state)
{
    (void) state;
    struct world faded = check_world((const char *[]){"mobility.kind=still", "servers.count=6", NULL});
    struct world plain =
        check_world((const char *[]){"mobility.kind=still", "servers.count=6", "radio.fading=none", NULL});
    struct mobility mobility;
    mobility_start(&faded, 0, RNG_TRAIN, 0, &mobility);
    double sum[6] = {0}, above[6] = {0}, cross = 0.0;
    for (uint32_t slot = 0; slot < STEPS / 4; slot++) {
        struct slot_id id = {RNG_TRAIN, 0, slot};
        struct device_slot with, without;
        device_slot_meet(&faded, 0, id, &mobility, &with);
        device_slot_meet(&plain, 0, id, &mobility, &without);
        for (uint32_t m = 0; m < 6; m++) {
            double fading = with.gain[m] / without.gain[m];
            sum[m] += fading;
            above[m] += fading > 1.0;
        }
        cross += with.gain[0] / without.gain[0] * (with.gain[4] / without.gain[4]);
    }
    double count = STEPS / 4;
    for (uint32_t m = 0; m < 6; m++) {
        assert_near(sum[m] / count, 1.0, 0.02);
        assert_near(above[m] / count, exp(-1.0), 0.01);
    }
    assert_near(cross / count, 1.0, 0.03);
    world_finish(&faded);
    world_finish(&plain);
}

static void what_a_device_meets_does_not_depend_on_who_asked_first(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"servers.count=5", NULL});
    struct world twin = check_world((const char *[]){"servers.count=5", NULL});
    struct device_slot forward[10], backward[10];
    memset(forward, 0, sizeof forward);
    memset(backward, 0, sizeof backward);
    struct slot_id id = {RNG_VALIDATE, 3, 2};
    for (uint32_t i = 0; i < 10; i++) {
        struct mobility mobility;
        mobility_start(&world, i, id.phase, id.episode, &mobility);
        mobility_step(&world, i, id.phase, id.episode, 0, &mobility);
        mobility_step(&world, i, id.phase, id.episode, 1, &mobility);
        device_slot_meet(&world, i, id, &mobility, &forward[i]);
    }
    for (uint32_t i = 10; i-- > 0;) {
        struct mobility mobility;
        struct device_slot distraction;
        mobility_start(&twin, i, id.phase, id.episode, &mobility);
        mobility_step(&twin, i, id.phase, id.episode, 0, &mobility);
        device_slot_meet(&twin, i, (struct slot_id){RNG_TRAIN, 9, 9}, &mobility, &distraction);
        mobility_step(&twin, i, id.phase, id.episode, 1, &mobility);
        device_slot_meet(&twin, i, id, &mobility, &backward[i]);
    }
    assert_memory_equal(forward, backward, sizeof forward);
    world_finish(&world);
    world_finish(&twin);
}

/* A3 and C6. */
static void distances_have_a_floor_and_coverage_a_radius(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    struct vec2 server = world.server[0].position;
    assert_same(server.x, 250.0);
    assert_same(device_slot_distance_m(&world, (struct vec2){250.0, 251.0}, 0), 10.0);
    assert_near(device_slot_distance_m(&world, (struct vec2){550.0, 650.0}, 0), 500.0, 1e-12);
    assert_true(
        device_slot_covered(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0}, (struct vec2){1050.0, 250.0}, 0));
    assert_false(
        device_slot_covered(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0}, (struct vec2){1050.001, 250.0}, 0));
    struct mobility near = {.position = server};
    struct device_slot slot;
    world.scenario.radio.fading = FADING_NONE;
    device_slot_meet(&world, 0, (struct slot_id){RNG_TRAIN, 0, 0}, &near, &slot);
    assert_near(slot.gain[0], pow(10.0, -(128.1 - 75.2) / 10.0), 1e-15);
    world_finish(&world);
}

static void real_requests_come_in_order_from_a_drawn_start(void **state)
{
    (void) state;
    struct scenario scenario = check_scenario(NULL);
    static const uint32_t rows[] = {11, 12, 13, 14, 15};
    bool seen[5] = {false};
    for (uint32_t episode = 0; episode < 200; episode++) {
        uint32_t first =
            device_slot_tokens(&scenario, rows, 5, 1, 7, (struct slot_id){RNG_TRAIN, episode, 0});
        seen[first - 11] = true;
        for (uint32_t slot = 1; slot < 12; slot++)
            assert_int_equal(
                device_slot_tokens(&scenario, rows, 5, 1, 7, (struct slot_id){RNG_TRAIN, episode, slot}),
                11 + (first - 11 + slot) % 5);
    }
    for (size_t i = 0; i < 5; i++)
        assert_true(seen[i]);
    assert_int_equal(device_slot_tokens(&scenario, NULL, 0, 1, 7, (struct slot_id){RNG_TRAIN, 0, 0}), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_is_speed_times_slot_length_along_the_heading),
        cmocka_unit_test(a_device_is_reflected_at_the_border_with_its_mean_heading),
        cmocka_unit_test(reflection_keeps_even_the_fastest_device_inside),
        cmocka_unit_test(gauss_markov_keeps_its_stationary_law),
        cmocka_unit_test(speeds_are_clipped),
        cmocka_unit_test(random_waypoint_walks_straight_to_its_waypoint),
        cmocka_unit_test(still_devices_stay_and_homes_are_respected),
        cmocka_unit_test(starts_are_uniform_and_differ_by_episode_phase_and_device),
        cmocka_unit_test(fading_is_exponential_with_mean_one),
        cmocka_unit_test(what_a_device_meets_does_not_depend_on_who_asked_first),
        cmocka_unit_test(distances_have_a_floor_and_coverage_a_radius),
        cmocka_unit_test(real_requests_come_in_order_from_a_drawn_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
