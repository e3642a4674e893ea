/* When tasks come: the law of their gaps, and the same times however they are asked for. */
#include "core/model/arrivals.h"

#include "whole_world.h"

#define TASKS 100000u

static struct slot_id slot_of(uint32_t slot)
{
    return (struct slot_id){RNG_TRAIN, 2, slot};
}

static void slots_are_one_length_apart(void **state)
{
    (void) state;
    struct world world = whole_world("run: {slot_s: 0.5}\n");
    struct arrivals_walk walk = {0};
    assert_same(arrivals_start_s(&walk, &world, slot_of(0)), 0.0);
    assert_same(arrivals_start_s(&walk, &world, slot_of(7)), 3.5);
    world_finish(&world);
}

static void poisson_gaps_are_exponential(void **state)
{
    (void) state;
    struct world world = whole_world("arrivals: {kind: poisson, rate: 4}\n");
    struct arrivals_walk walk = {0};
    double before_s = 0.0, sum = 0.0, squares = 0.0;
    uint32_t longer = 0;
    for (uint32_t slot = 0; slot < TASKS; slot++) {
        double gap_s = arrivals_start_s(&walk, &world, slot_of(slot)) - before_s;
        assert_true(gap_s > 0.0);
        before_s += gap_s;
        sum += gap_s;
        squares += gap_s * gap_s;
        longer += gap_s > 0.5 ? 1 : 0;
    }
    double mean_s = sum / TASKS;
    assert_near(mean_s, 0.25, 0.004);
    assert_near(squares / TASKS - mean_s * mean_s, 0.0625, 0.003);
    assert_near((double) longer / TASKS, exp(-2.0), 0.006);
    world_finish(&world);
}

/* The mean rate is that of both states, weighted with their time; and counts of a window spread more than a Poisson
 * process's, whose variance is its mean. */
static void bursts_come_at_their_rates_for_their_times(void **state)
{
    (void) state;
    struct world world =
        whole_world("arrivals: {kind: bursts, rate: 2, burst_rate: 10, calm_s: 30, burst_s: 10}\n");
    struct arrivals_walk walk = {0};
    uint32_t bursts = 0, in_window = 0;
    double window_s = 5.0, windows = 0.0, sum = 0.0, squares = 0.0, end_s = window_s;
    for (uint32_t slot = 0; slot < TASKS; slot++) {
        double at_s = arrivals_start_s(&walk, &world, slot_of(slot));
        bursts += walk.is_burst ? 1 : 0;
        for (; at_s >= end_s; end_s += window_s) {
            windows += 1.0;
            sum += in_window;
            squares += (double) in_window * in_window;
            in_window = 0;
        }
        in_window++;
    }
    double mean = sum / windows;
    assert_near(walk.at_s / TASKS, 1.0 / 4.0, 0.012);       /* 3/4 at 2, 1/4 at 10 */
    assert_near((double) bursts / TASKS, 2.5 / 4.0, 0.02);  /* of all tasks */
    assert_near(walk.at_s / (walk.turns + 1.0), 20.0, 2.0); /* a mean turn */
    assert_true(squares / windows - mean * mean > 2.0 * mean);
    world_finish(&world);
}

static void a_time_does_not_depend_on_what_was_asked_before(void **state)
{
    (void) state;
    struct world world =
        whole_world("arrivals: {kind: bursts, rate: 2, burst_rate: 10, calm_s: 3, burst_s: 1}\n");
    struct arrivals_walk walk = {0}, other = {0};
    double at_s[200];
    for (uint32_t slot = 0; slot < 200; slot++)
        at_s[slot] = arrivals_start_s(&walk, &world, slot_of(slot));
    assert_same(arrivals_start_s(&other, &world, slot_of(150)), at_s[150]); /* from the middle */
    assert_same(arrivals_start_s(&other, &world, slot_of(199)), at_s[199]);
    assert_same(arrivals_start_s(&other, &world, slot_of(20)), at_s[20]); /* and back */
    struct slot_id elsewhere = slot_of(20);
    elsewhere.episode++;
    assert_true(arrivals_start_s(&other, &world, elsewhere) != at_s[20]);
    assert_same(arrivals_start_s(&other, &world, slot_of(150)), at_s[150]);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_one_length_apart),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(bursts_come_at_their_rates_for_their_times),
        cmocka_unit_test(a_time_does_not_depend_on_what_was_asked_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
