/* What servers really are: as declared, or drawn beside it, and changing as it should. */
#include "core/model/drift.h"

#include "whole_world.h"

static const struct slot_id anywhere = {RNG_TRAIN, 3, 17};

static void servers_are_as_declared_unless_a_tier_says_otherwise(void **state)
{
    (void) state;
    struct world world = whole_world("tiers:\n  - {name: e, count: 3, answer: 0.4}\n");
    struct world plain = whole_world("");
    for (uint32_t m = 0; m < 3; m++) {
        assert_same(drift_pace(&world, anywhere, m, 50.0), 1.0);
        assert_same(drift_answer(&world, anywhere, m, 0, 50.0), 0.4);
        assert_same(drift_pace(&plain, anywhere, m, 50.0), 1.0);
        assert_same(drift_answer(&plain, anywhere, m, 0, 50.0), 1.0);
        assert_same(drift_pace_most(&plain, m), 1.0);
    }
    world_finish(&world);
    world_finish(&plain);
}

static void true_speeds_and_chances_are_drawn_once_round_what_is_declared(void **state)
{
    (void) state;
    double logs = 0.0, squares = 0.0, errors = 0.0, error_squares = 0.0;
    const uint32_t worlds = 400, servers = 3;
    for (uint32_t seed = 1; seed <= worlds; seed++) {
        char more[256];
        (void) snprintf(
            more, sizeof more,
            "run: {seed: %u, slots: 10}\ntiers:\n  - {name: e, count: 3, answer: 0.5, speed_error: 0.3, "
            "answer_error: 0.1}\nclasses:\n  - {name: a, mix: 0.5}\n  - {name: b, mix: 0.5}\n",
            seed);
        struct world world = whole_world(more);
        const struct slot_id elsewhere = {RNG_TEST, 9, 0};
        for (uint32_t m = 0; m < servers; m++) {
            double pace = drift_pace(&world, anywhere, m, 1.0);
            assert_same(pace, drift_pace(&world, elsewhere, m, 1e5)); /* the world's own */
            assert_true(pace < drift_pace_most(&world, m));
            logs += log(pace);
            squares += log(pace) * log(pace);
            double error = drift_answer(&world, anywhere, m, 0, 1.0) - 0.5;
            assert_same(error, drift_answer(&world, elsewhere, m, 0, 1e5) - 0.5);
            assert_true(error != drift_answer(&world, anywhere, m, 1, 1.0) - 0.5);
            errors += error;
            error_squares += error * error;
        }
        world_finish(&world);
    }
    double count = worlds * servers;
    assert_near(logs / count, 0.0, 0.05);
    assert_near(sqrt(squares / count), 0.3, 0.03);
    assert_near(errors / count, 0.0, 0.015);
    assert_near(sqrt(error_squares / count), 0.1, 0.01);
}

static void drawn_chances_stay_between_bounds_that_leave_room_for_what_is_declared(void **state)
{
    (void) state;
    struct world world = whole_world("tiers:\n  - {name: e, count: 2, answer: 0.01, answer_error: 1}\n"
                                     "  - {name: f, answer: 0.99, answer_error: 1, replaced_every_s: 1}\n");
    for (uint32_t i = 0; i < 500; i++)
        for (uint32_t m = 0; m < 3; m++) {
            double chance = drift_answer(&world, anywhere, m, 0, i);
            assert_true(chance >= (m < 2 ? 0.01 : 0.05) && chance <= (m < 2 ? 0.97 : 0.99));
        }
    world_finish(&world);
}

/* It is slow for 45 of 135 seconds, and changes every 67.5 s. */
static void a_server_slows_down_and_recovers(void **state)
{
    (void) state;
    struct world world =
        whole_world("tiers:\n  - {name: e, count: 3, slow_factor: 3, slow_every_s: 90, slow_for_s: 45}\n");
    uint32_t slow = 0, changes = 0, at_first = 0;
    const uint32_t episodes = 300, seconds = 300;
    for (uint32_t episode = 0; episode < episodes; episode++) {
        const struct slot_id id = {RNG_TRAIN, episode, 0};
        for (uint32_t m = 0; m < 3; m++) {
            double before = drift_pace(&world, id, m, 0.0);
            at_first += before > 1.0 ? 1 : 0;
            for (uint32_t at_s = 1; at_s <= seconds; at_s++) {
                double pace = drift_pace(&world, id, m, at_s);
                assert_true(pace == 1.0 || pace == 3.0);
                slow += pace > 1.0 ? 1 : 0;
                changes += pace != before ? 1 : 0;
                before = pace;
            }
        }
    }
    assert_near((double) slow / (episodes * seconds * 3), 1.0 / 3.0, 0.03);
    assert_near((double) at_first / (episodes * 3), 1.0 / 3.0, 0.06);
    assert_near(seconds * episodes * 3.0 / changes, 67.5, 4.0);
    assert_same(drift_pace_most(&world, 0), 3.0);
    world_finish(&world);
}

static void a_model_is_replaced_by_another_now_and_then(void **state)
{
    (void) state;
    struct world world = whole_world(
        "tiers:\n  - {name: e, count: 3, answer: 0.5, answer_error: 0.2, replaced_every_s: 100}\n");
    uint32_t changes = 0;
    const uint32_t episodes = 100, seconds = 400;
    for (uint32_t episode = 0; episode < episodes; episode++) {
        const struct slot_id id = {RNG_TEST, episode, 5};
        const struct slot_id other = {RNG_TEST, episode, 6};
        double before = drift_answer(&world, id, 1, 0, 0.0);
        assert_same(before,
                    drift_answer(&world, anywhere, 1, 0, 0.0)); /* an episode begins with the world's own */
        for (uint32_t at_s = 1; at_s <= seconds; at_s++) {
            double chance = drift_answer(&world, id, 1, 0, at_s);
            assert_same(chance, drift_answer(&world, other, 1, 0, at_s)); /* whichever task asks */
            changes += chance != before ? 1 : 0;
            before = chance;
        }
    }
    assert_near((double) seconds * episodes / changes, 100.0, 12.0);
    world_finish(&world);
}

static void an_episode_with_endless_changes_is_refused(void **state)
{
    (void) state;
    static const struct whole_refusal list[] = {
        {"run: {slots: 100000, slot_s: 1}\ntiers:\n  - {name: e, count: 3, replaced_every_s: 1}\n",
         "tiers.e.replaced_every_s: an episode of up to 100000 s may have more than 10000 changes"},
        {"run: {slots: 100000}\narrivals: {kind: poisson, rate: 0.001}\ntiers:\n"
         "  - {name: e, count: 3, slow_factor: 2, slow_every_s: 1, slow_for_s: 1}\n",
         "tiers.e.slow_every_s"},
        {"arrivals: {kind: bursts, rate: 5, burst_rate: 0.001}\ntiers:\n"
         "  - {name: e, count: 3, slow_factor: 2, slow_every_s: 1, slow_for_s: 1}\n",
         "an episode of up to 1e+06 s"},
    };
    whole_refused(list, sizeof list / sizeof *list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_as_declared_unless_a_tier_says_otherwise),
        cmocka_unit_test(true_speeds_and_chances_are_drawn_once_round_what_is_declared),
        cmocka_unit_test(drawn_chances_stay_between_bounds_that_leave_room_for_what_is_declared),
        cmocka_unit_test(a_server_slows_down_and_recovers),
        cmocka_unit_test(a_model_is_replaced_by_another_now_and_then),
        cmocka_unit_test(an_episode_with_endless_changes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
