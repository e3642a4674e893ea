/* What a server promises, against what the world's own draws come to. */
#include "orchestrator/policy/adaptive/promise.h"

#include "bench.h"
#include "core/base/rng.h"

#define DRAWS 100000u

/* The same by drawing lengths and paces: chance to be in time, mean latency. */
static void draw(const struct bench *bench, struct whole_choice choice, const struct promise_server *server,
                 double *ret_in_time, double *ret_latency_s)
{
    const struct task_class *class = &bench->world.classes.list[bench->view.task_class[0]];
    const struct rng_at at = {.seed = 4, .stream = RNG_POLICY};
    double in_time = 0.0, sum_s = 0.0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct rng_block block = rng_block(&at, i);
        double normal[2];
        rng_normal_pair(block.v[0], block.v[1], normal);
        double spread = class->answer_spread;
        double tokens = class->answer_tokens * exp(spread * normal[0] - 0.5 * spread * spread);
        double pace = exp(server->pace_log + sqrt(server->pace_variance) * normal[1]);
        const struct task_plan plan = whole_tasks_plan(&bench->view, 0, choice, tokens);
        struct task_outcome outcome;
        cost_outcome(&bench->world, 0, bench->view.tokens[0], bench->view.gain[choice.server], &plan,
                     &outcome);
        double latency_s = outcome.latency_s + (pace - 1.0) * outcome.times.edge_s;
        in_time += latency_s <= bench->view.deadline_s[0] ? 1.0 : 0.0;
        sum_s += latency_s;
    }
    *ret_in_time = in_time / DRAWS;
    *ret_latency_s = sum_s / DRAWS;
}

static void a_promise_is_what_draws_come_to(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "");
    const struct promise_server servers[] = {
        {0.0, 0.0, 0.5}, {0.7, 0.0, 0.5}, {0.2, 0.1, 0.5}, {-0.3, 0.01, 0.5}};
    for (uint32_t class = 0; class < 2; class ++)
        for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
            for (uint32_t m = 0; m < 2; m++)
                for (uint32_t level = 0; level < bench.world.levels; level++) {
                    const struct whole_choice choice = {m, bench.world.level[level]};
                    double in_time, latency_s;
                    meet_task(&bench, class, 5.0);
                    const struct promise promise = promise_of(&bench.view, 0, choice, &servers[i]);
                    draw(&bench, choice, &servers[i], &in_time, &latency_s);
                    /* The prompt's pace counts with its mean where lengths are drawn. */
                    assert_near(promise.in_time, in_time, 0.035);
                    assert_near(promise.latency_s, latency_s, 0.01 * latency_s);
                    assert_near(promise.held_s, fmin(promise.latency_s, 5.0), 1e-12);
                }
    close_bench(&bench);
}

static void its_worth_is_the_objectives(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "");
    const struct promise_server server = {0.0, 0.0, 0.7};
    const struct whole_choice fast = {0, 1.0};
    meet_task(&bench, 0, 5.0);
    struct promise promise = promise_of(&bench.view, 0, fast, &server);
    assert_near(promise.worth, promise.in_time * 0.7 - (0.1 + 0.5 * 0.1), 1e-12);
    bench.world.scenario.objective.reward = REWARD_COMPLETED;
    promise = promise_of(&bench.view, 0, fast, &server);
    assert_near(promise.worth, promise.in_time * (1.0 / promise.latency_s + 0.7), 1e-12);
    bench.world.scenario.objective.reward = REWARD_PRINTED;
    promise = promise_of(&bench.view, 0, fast, &server);
    assert_near(promise.worth, 1.0 / promise.latency_s + 0.7, 1e-12);
    close_bench(&bench);
}

static void what_is_certain_is_in_time_or_not(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, "");
    const struct promise_server server = {0.0, 0.0, 0.7};
    const struct whole_choice slow = {1, 1.0};
    meet_task(&bench, 1, 5.0); /* 1 s + 100 * 0.04 s + the radio's way */
    double latency_s = promise_of(&bench.view, 0, slow, &server).latency_s;
    assert_true(latency_s > 5.0 && latency_s < 5.5);
    assert_same(promise_of(&bench.view, 0, slow, &server).in_time, 0.0);
    bench.view.deadline_s[0] = latency_s;
    assert_same(promise_of(&bench.view, 0, slow, &server).in_time, 1.0);
    bench.view.deadline_s[0] = 0.0;
    assert_same(promise_of(&bench.view, 0, slow, &server).in_time, 1.0);
    assert_same(promise_of(&bench.view, 0, slow, &server).held_s, latency_s);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_what_draws_come_to),
        cmocka_unit_test(its_worth_is_the_objectives),
        cmocka_unit_test(what_is_certain_is_in_time_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
