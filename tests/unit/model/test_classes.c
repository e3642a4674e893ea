/* Classes of tasks: how often each comes, how long answers are, and how often they are right. */
#include "core/model/classes.h"

#include "whole_world.h"

#define DRAWS 200000u

static const char text[] = "tiers:\n"
                           "  - {name: cloud, token_s: 0.01, holds: 10, answers: \"0.9 0.8 0.7\"}\n"
                           "  - {name: edge, count: 2, token_s: 0.04, answer: 0.6}\n"
                           "classes:\n"
                           "  - {name: short, mix: 0.5, tokens: 20, answer_tokens: 80, answer_spread: 0.5, "
                           "deadlines_s: \"4 12\"}\n"
                           "  - {name: medium, mix: 0.3, answer_tokens: 200}\n"
                           "  - {name: long, mix: 0.2, tokens: 60}\n"
                           "objective: {deadline_s: 30}\n";

static struct rng_at at_slot(uint32_t slot)
{
    return (struct rng_at){.seed = 5, .phase = RNG_TEST, .entity = 0, .episode = 1, .slot = slot};
}

/* Within five deviations. */
static void assert_part(uint32_t count, double expected)
{
    double tolerance = 5.0 * sqrt(expected * (1.0 - expected) / DRAWS);
    assert_near((double) count / DRAWS, expected, tolerance);
}

static void each_class_and_each_deadline_comes_as_often_as_its_mix_says(void **state)
{
    (void) state;
    struct world world = whole_world(text);
    uint32_t of_class[3] = {0}, soon = 0;
    for (uint32_t slot = 0; slot < DRAWS; slot++) {
        const struct rng_at at = at_slot(slot);
        double deadline_s = -1.0;
        uint32_t class = classes_draw(&world.classes, &at, &deadline_s);
        assert_in_range(class, 0, 2);
        of_class[class]++;
        if (class == 0)
            assert_true(deadline_s == 4.0 || deadline_s == 12.0);
        else
            assert_same(deadline_s, 30.0);
        soon += deadline_s == 4.0 ? 1 : 0;
    }
    assert_part(of_class[0], 0.5);
    assert_part(of_class[1], 0.3);
    assert_part(of_class[2], 0.2);
    assert_part(soon, 0.25);
    world_finish(&world);
}

static void answers_have_their_mean_length_and_spread(void **state)
{
    (void) state;
    struct world world = whole_world(text);
    double sum = 0.0, logs = 0.0, squares = 0.0;
    for (uint32_t slot = 0; slot < DRAWS; slot++) {
        const struct rng_at at = at_slot(slot);
        double tokens = classes_answer_tokens(&world.classes.list[0], &at);
        assert_true(tokens >= 1.0 && tokens == rint(tokens));
        sum += tokens;
        logs += log(tokens);
        squares += log(tokens) * log(tokens);
        assert_same(classes_answer_tokens(&world.classes.list[1], &at), 200.0); /* no spread */
        assert_same(classes_answer_tokens(&world.classes.list[2], &at), 0.0);   /* not drawn */
    }
    double mean_log = logs / DRAWS;
    assert_near(sum / DRAWS, 80.0, 0.5);
    assert_near(mean_log, log(80.0) - 0.125, 0.006);
    assert_near(sqrt(squares / DRAWS - mean_log * mean_log), 0.5, 0.006);
    world_finish(&world);
}

static void an_answer_is_right_as_often_as_its_chance_says_and_at_a_better_server_too(void **state)
{
    (void) state;
    uint32_t right = 0, lengths_differ = 0;
    struct task_class class = {.answer_tokens = 100.0, .answer_spread = 1.0};
    for (uint32_t slot = 0; slot < DRAWS; slot++) {
        const struct rng_at at = at_slot(slot), next = at_slot(slot + 1);
        bool is_right = classes_answer_is_right(0.3, &at);
        right += is_right ? 1 : 0;
        assert_true(!is_right || classes_answer_is_right(0.31, &at));
        assert_false(classes_answer_is_right(0.0, &at));
        assert_true(classes_answer_is_right(1.0, &at));
        lengths_differ += classes_answer_tokens(&class, &at) != classes_answer_tokens(&class, &next) ? 1 : 0;
    }
    assert_part(right, 0.3);
    assert_true(lengths_differ > DRAWS / 2);
}

static void without_a_list_all_tasks_are_of_one_class(void **state)
{
    (void) state;
    struct world world = whole_world("objective: {deadline_s: 7}\n");
    const struct rng_at at = at_slot(3);
    double deadline_s = 0.0;
    assert_int_equal(world.classes.count, 1);
    assert_int_equal(classes_draw(&world.classes, &at, &deadline_s), 0);
    assert_same(deadline_s, 7.0);
    assert_same(classes_answer_tokens(&world.classes.list[0], &at), 0.0);
    world_finish(&world);
}

static void a_slot_meets_the_prompt_of_its_class(void **state)
{
    (void) state;
    struct world world = whole_world(text);
    struct mobility mobility;
    uint32_t seen[3] = {0};
    for (uint32_t slot = 0; slot < 200; slot++) {
        const struct slot_id id = {RNG_TRAIN, 0, slot};
        struct device_slot met;
        mobility_start(&world, 0, id.phase, id.episode, &mobility);
        device_slot_meet(&world, 0, id, &mobility, &met);
        const uint32_t tokens[] = {20, (uint32_t) world.scenario.task.tokens, 60};
        assert_int_equal(met.tokens, tokens[met.task_class]);
        seen[met.task_class]++;
    }
    assert_true(seen[0] > seen[1] && seen[1] > seen[2] && seen[2] > 0);
    world_finish(&world);
}

static void tiers_say_their_chance_by_class_and_their_full_share(void **state)
{
    (void) state;
    struct world world = whole_world(text);
    assert_same(world.server[0].answer[0], 0.9);
    assert_same(world.server[0].answer[2], 0.7);
    assert_same(world.server[2].answer[1], 0.6);
    assert_same(world.server[0].full_share, 0.1);
    assert_same(world.server[1].full_share, world.scenario.reserve.full_share);
    world_finish(&world);
}

static void what_is_no_list_of_classes_is_refused(void **state)
{
    (void) state;
    static const struct whole_refusal list[] = {
        {"classes:\n  - {name: a, mix: 0.5}\n  - {name: b, mix: 0.4}\n", "add up to 0.9, allowed 1"},
        {"classes:\n  - {name: a, mix: 0.5}\n  - {name: a, mix: 0.5}\n", "class 1 is called 'a' too"},
        {"classes:\n  - {name: 1a}\n", "'1a' is no name"},
        {"classes:\n  - {name: a, deadlines_s: \"4 x\"}\n", "classes.a.deadlines_s: '4 x'"},
        {"classes:\n  - {name: a, deadlines_s: \"4,5\"}\n", "classes.a.deadlines_s: '4,5'"},
        {"classes:\n  - {name: a, deadlines_s: \"0\"}\n", "classes.a.deadlines_s: '0'"},
        {"classes:\n  - {name: a, deadlines_s: \"nan\"}\n", "classes.a.deadlines_s: 'nan'"},
        {"classes:\n  - {name: a, deadlines_s: \"1 2 3 4 5 6 7 8 9\"}\n", "up to 8 numbers"},
        {"classes:\n  - {name: a, mix: -1}\n", "mix"},
        {"tiers:\n  - {name: e, count: 3, answers: \"0.5 0.5\"}\nclasses:\n  - {name: a}\n",
         "tiers.e.answers: '0.5 0.5', expected a chance of 0 to 1 for each of the 1 classes"},
        {"tiers:\n  - {name: e, count: 3, answers: \"1.5\"}\nclasses:\n  - {name: a}\n", "tiers.e.answers"},
        {"reserve: {levels: \"0\"}\n", "reserve.levels: '0'"},
        {"reserve: {levels: \"\"}\n", "reserve.levels: ''"},
        {"reserve: {levels: \"0.5 2\"}\n", "at most reserve.most, 1"},
    };
    whole_refused(list, sizeof list / sizeof *list);
}

static void arrivals_that_would_never_be_walked_through_are_refused(void **state)
{
    (void) state;
    static const struct whole_refusal list[] = {
        {"arrivals: {kind: bursts, rate: 0.001, burst_rate: 1, calm_s: 0.001}\n", "may have 1e+09 turns"},
        {"arrivals: {kind: bursts, rate: 1, burst_rate: 0.001, burst_s: 0.001}\n", "may have 1e+09 turns"},
        {"arrivals: {kind: poisson}\nradio: {trace: x.csv}\n", "by which traces are played"},
    };
    whole_refused(list, sizeof list / sizeof *list);
}

static void classes_are_of_whole_tasks_alone(void **state)
{
    (void) state;
    static const struct whole_refusal list[] = {
        {"servers: {discipline: fifo}\nclasses:\n  - {name: a}\n", "classes: are of whole tasks"},
        {"servers: {discipline: fifo}\narrivals: {kind: poisson}\n",
         "arrivals.kind: poisson is of whole tasks"},
        {"servers: {discipline: fifo, count: 1}\ntiers:\n  - {name: e, slow_factor: 2}\n",
         "tiers.e.token_s, speed_error, slow_factor"},
    };
    whole_refused(list, sizeof list / sizeof *list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_and_each_deadline_comes_as_often_as_its_mix_says),
        cmocka_unit_test(answers_have_their_mean_length_and_spread),
        cmocka_unit_test(an_answer_is_right_as_often_as_its_chance_says_and_at_a_better_server_too),
        cmocka_unit_test(without_a_list_all_tasks_are_of_one_class),
        cmocka_unit_test(a_slot_meets_the_prompt_of_its_class),
        cmocka_unit_test(tiers_say_their_chance_by_class_and_their_full_share),
        cmocka_unit_test(what_is_no_list_of_classes_is_refused),
        cmocka_unit_test(arrivals_that_would_never_be_walked_through_are_refused),
        cmocka_unit_test(classes_are_of_whole_tasks_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
