/* What a model of whole tasks is told of a state and an action, and what is made of outcomes. */
#include "orchestrator/policy/planned/reserve_model.h"

#include "tests/unit/model/check.h"

#define SERVERS 3u
#define RESTS (SERVERS * RESERVED_KINDS)
#define PLAIN (SERVERS + RESTS + SERVERS + RESERVED_KINDS) /* inputs without margins */
#define INPUTS (PLAIN + 1 + RESERVED_KINDS)

static const char text[] = "devices: {count: 2}\n"
                           "servers: {count: 3, discipline: reserved, coverage_m: 10000}\n"
                           "tiers:\n"
                           "  - {name: cloud, task_s: 2, answer: 0.25}\n"
                           "  - {name: edge, count: 2, task_s: 8, answer: 0.5}\n"
                           "reserve: {full_share: 0.1, most: 2}\n"
                           "objective: {reward: completed, deadline_s: 15}\n"
                           "faults: {recovery: none}\n";

struct bench {
    struct world world;
    struct env_view view;
    struct reservations held;
    float rest[RESTS];
    double deadline_s;
};

static void open_bench(struct bench *bench)
{
    struct scenario scenario;
    struct diag diag = {{0}};
    *bench = (struct bench){.deadline_s = 15.0};
    scenario_defaults(&scenario);
    if (scenario_read(&scenario, text, strlen(text), "x", &diag) != 0 ||
        world_init(&bench->world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(reservations_init(&bench->held, SERVERS, 10), 0);
    bench->view.held = &bench->held;
    check_observe_all(&bench->view, 1);
    reserve_model_rest(&bench->view, bench->rest);
}

static void close_bench(struct bench *bench)
{
    env_view_finish(&bench->view);
    reservations_finish(&bench->held);
    world_finish(&bench->world);
}

static const struct reserve_action action = {.server = 1, .part = {0.5f, 0.25f, 1.0f}};

/* Which inputs differ, as bits. */
static uint32_t moved(const float *a, const float *b)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < PLAIN; i++)
        bits |= a[i] != b[i] ? 1u << i : 0u;
    return bits;
}

static void what_is_left_is_that_of_each_server(void **state)
{
    (void) state;
    struct bench bench;
    static const double part[RESERVED_KINDS] = {0.5, 0.25, 0.125};
    open_bench(&bench);
    for (size_t i = 0; i < RESTS; i++)
        assert_true(bench.rest[i] == 1.0f);
    reservations_take(&bench.held, 7, 2, part, 10.0);
    reserve_model_rest(&bench.view, bench.rest);
    for (size_t i = 0; i < RESTS; i++)
        assert_true(bench.rest[i] ==
                    (i < 2 * RESERVED_KINDS ? 1.0f : (float) (1.0 - part[i % RESERVED_KINDS])));
    close_bench(&bench);
}

static void an_action_asks_for_parts_of_most_full_shares(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    assert_near(reserve_model_share(&bench.world, &action, RESERVED_COMPUTE), 0.1, 1e-12);
    assert_near(reserve_model_share(&bench.world, &action, RESERVED_MEMORY), 0.2, 1e-12);
    bench.rest[RESERVED_KINDS + RESERVED_BAND] = 0.01f; /* less than it asks for */
    reserve_model_take(&bench.world, &action, bench.rest);
    assert_near(bench.rest[RESERVED_KINDS + RESERVED_COMPUTE], 0.9, 1e-6);
    assert_true(bench.rest[RESERVED_KINDS + RESERVED_BAND] == 0.0f);
    assert_near(bench.rest[RESERVED_KINDS + RESERVED_MEMORY], 0.8, 1e-6);
    assert_true(bench.rest[0] == 1.0f && bench.rest[2 * RESERVED_KINDS] == 1.0f);
    close_bench(&bench);
}

static void a_feature_moves_with_what_it_stands_for(void **state)
{
    (void) state;
    struct bench bench;
    float a[PLAIN], b[PLAIN];
    open_bench(&bench);
    assert_int_equal(reserve_model_inputs(&bench.world, false), PLAIN);
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, a);
    struct reserve_action other = action;
    other.server = 2;
    reserve_model_describe(&bench.view, 0, bench.rest, &other, false, b);
    assert_int_equal(moved(a, b), 6u << (SERVERS + RESTS)); /* of the second and the third server */
    other = action;
    other.part[RESERVED_BAND] = 0.75f;
    reserve_model_describe(&bench.view, 0, bench.rest, &other, false, b);
    assert_int_equal(moved(a, b), 1u << (PLAIN - RESERVED_KINDS + RESERVED_BAND));
    bench.view.gain[1] *= 2.0;
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, b);
    assert_int_equal(moved(a, b), 2u);
    bench.view.gain[1] = 0.0; /* a channel that carries nothing is a number, too */
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, b);
    assert_true(isfinite(b[1]));
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, a);
    bench.rest[4] = 0.3f;
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, b);
    assert_int_equal(moved(a, b), 1u << (SERVERS + 4));
    close_bench(&bench);
}

static void margins_are_what_the_named_server_would_have_left(void **state)
{
    (void) state;
    struct bench bench;
    float plain[PLAIN], x[INPUTS];
    open_bench(&bench);
    assert_int_equal(reserve_model_inputs(&bench.world, true), INPUTS);
    bench.rest[RESERVED_KINDS + RESERVED_COMPUTE] =
        0.15f; /* one and a half full shares, of which it asks for one */
    bench.rest[RESERVED_KINDS + RESERVED_BAND] = 0.0f; /* it asks for a half */
    reserve_model_describe(&bench.view, 0, bench.rest, &action, false, plain);
    reserve_model_describe(&bench.view, 0, bench.rest, &action, true, x);
    assert_memory_equal(x, plain, sizeof plain);
    assert_true(x[PLAIN] == x[action.server]); /* its gain */
    assert_near(x[PLAIN + 1 + RESERVED_COMPUTE], 0.5, 1e-6);
    assert_near(x[PLAIN + 1 + RESERVED_BAND], -0.5, 1e-6);
    assert_near(x[PLAIN + 1 + RESERVED_MEMORY], 1.0, 1e-6); /* eight full shares are as good as one */
    close_bench(&bench);
}

static void an_outcome_is_what_was_reported_and_what_is_left(void **state)
{
    (void) state;
    struct bench bench;
    float after[RESTS], change[RESTS], y[RESTS + 4];
    open_bench(&bench);
    assert_int_equal(reserve_model_outputs(&bench.world, false), RESTS + 3);
    assert_int_equal(reserve_model_outputs(&bench.world, true), RESTS + 4);
    memcpy(after, bench.rest, sizeof after);
    reserve_model_take(&bench.world, &action, after);
    reserve_model_change(&bench.world, bench.rest, after, change);
    assert_near(change[RESERVED_KINDS + RESERVED_COMPUTE], -0.1, 1e-6);
    struct policy_outcome outcome = {
        .latency_s = 8.5, .cost = -0.6, .whole = {.deadline_s = 15.0, .answer_right = 1.0}};
    reserve_model_outcome(&bench.world, &outcome, 1, change, true, y);
    assert_memory_equal(y, change, sizeof change);
    assert_near(y[RESTS], log(8.5), 1e-6);
    assert_true(y[RESTS + 1] == 0.5f && y[RESTS + 2] == 1.0f && y[RESTS + 3] == 0.6f);
    outcome.latency_s = 1e9; /* later than four deadlines is as late as that */
    outcome.cost = 0.0;
    reserve_model_outcome(&bench.world, &outcome, 1, change, true, y);
    assert_near(y[RESTS], log(60.0), 1e-6);
    assert_true(y[RESTS + 2] == 1.0f && y[RESTS + 3] == 0.0f);
    outcome.refused = true;
    outcome.latency_s = outcome.cost = (double) NAN;
    reserve_model_outcome(&bench.world, &outcome, 1, change, true, y);
    assert_near(y[RESTS], log(15.0), 1e-6);
    assert_true(y[RESTS + 2] == 0.0f && y[RESTS + 3] == 0.0f);
    close_bench(&bench);
}

static void with_utility_answers_are_right_or_wrong_and_cost_their_price(void **state)
{
    (void) state;
    struct bench bench;
    float change[RESTS] = {0}, y[RESTS + 5];
    open_bench(&bench);
    bench.world.scenario.objective.reward = REWARD_UTILITY;
    assert_int_equal(reserve_model_outputs(&bench.world, false), RESTS + 4);
    assert_int_equal(reserve_model_outputs(&bench.world, true), RESTS + 5);
    struct policy_outcome outcome = {
        .latency_s = 8.0, .cost = -0.9, .whole = {.deadline_s = 15.0, .answer_right = 1.0, .price = 0.1}};
    reserve_model_outcome(&bench.world, &outcome, 1, change, true, y);
    assert_true(y[RESTS + 1] == 1.0f && y[RESTS + 3] == 0.1f && y[RESTS + 4] == 0.9f);
    assert_near(reserve_model_preference(&bench.world, 15.0, y), 0.9, 1e-6);
    assert_near(reserve_model_learned_preference(&bench.world, y), 0.9, 1e-6);
    assert_near(reserve_model_preference(&bench.world, 4.0, y), -0.1, 1e-6); /* too late, and to be paid */
    outcome.whole.answer_right = (double) NAN;
    reserve_model_outcome(&bench.world, &outcome, 1, change, true, y);
    assert_true(y[RESTS + 1] == 0.5f); /* as it is declared */
    close_bench(&bench);
}

static double preference(const struct bench *bench, double seconds, double answer, double accepted)
{
    float y[RESTS + 3] = {0};
    y[RESTS] = (float) log(seconds);
    y[RESTS + 1] = (float) answer;
    y[RESTS + 2] = (float) accepted;
    return reserve_model_preference(&bench->world, bench->deadline_s, y);
}

static void the_preference_is_the_formula_by_hand(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    assert_near(preference(&bench, 8.0, 0.5, 1.0), 1.0 / 8.0 + 0.5, 1e-6);
    assert_near(preference(&bench, 8.0, 0.5, 0.25), 0.25 * (1.0 / 8.0 + 0.5), 1e-6);
    assert_near(preference(&bench, 15.0, 0.5, 1.0), 0.5 * (1.0 / 15.0 + 0.5), 1e-6);
    double odds = exp((log(16.0) - log(15.0)) / 0.03);
    assert_near(preference(&bench, 16.0, 0.5, 1.0), 1.0 / (1.0 + odds) * (1.0 / 16.0 + 0.5), 1e-5);
    assert_near(preference(&bench, 30.0, 0.5, 1.0), 0.0, 1e-9);
    assert_near(preference(&bench, 8.0, 1.5, 1.25), 1.0 / 8.0 + 1.0, 1e-6); /* chances are held in [0, 1] */
    assert_same(preference(&bench, 8.0, 0.5, -0.25), 0.0);
    assert_near(preference(&bench, 1e-6, 0.5, 1.0), 1e3 + 0.5, 1e-6); /* and seconds at a thousandth */
    bench.deadline_s = 0.0;
    assert_near(preference(&bench, 30.0, 0.5, 1.0), 1.0 / 30.0 + 0.5, 1e-6);
    close_bench(&bench);
}

static void what_is_foreseen_beyond_all_measure_stays_a_number(void **state)
{
    (void) state;
    struct bench bench;
    static const float wild[] = {3e38f, -3e38f};
    open_bench(&bench);
    for (size_t i = 0; i < 2; i++) {
        float y[RESTS + 4], rest[RESTS] = {0};
        for (size_t k = 0; k < RESTS + 4; k++)
            y[k] = wild[i];
        assert_true(isfinite(reserve_model_preference(&bench.world, 15.0, y)));
        assert_true(isfinite(reserve_model_learned_preference(&bench.world, y)));
        reserve_model_follow(&bench.world, y, rest);
        for (size_t k = 0; k < RESTS; k++)
            assert_true(rest[k] == (i == 0 ? 1.0f : 0.0f));
    }
    close_bench(&bench);
}

static void the_next_task_finds_what_is_foreseen(void **state)
{
    (void) state;
    struct bench bench;
    float y[RESTS + 3] = {0};
    open_bench(&bench);
    y[1] = -0.25f;
    reserve_model_follow(&bench.world, y, bench.rest);
    for (size_t i = 0; i < RESTS; i++)
        assert_true(bench.rest[i] == (i == 1 ? 0.75f : 1.0f));
    close_bench(&bench);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_that_of_each_server),
        cmocka_unit_test(an_action_asks_for_parts_of_most_full_shares),
        cmocka_unit_test(a_feature_moves_with_what_it_stands_for),
        cmocka_unit_test(margins_are_what_the_named_server_would_have_left),
        cmocka_unit_test(an_outcome_is_what_was_reported_and_what_is_left),
        cmocka_unit_test(with_utility_answers_are_right_or_wrong_and_cost_their_price),
        cmocka_unit_test(the_preference_is_the_formula_by_hand),
        cmocka_unit_test(what_is_foreseen_beyond_all_measure_stays_a_number),
        cmocka_unit_test(the_next_task_finds_what_is_foreseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
