/* Whole tasks that reserve: what becomes of a decision. */
#include "core/model/env.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "core/base/rng.h"
#include "core/model/cost.h"

#define DEVICES 4u

static const char text[] = "run: {slots: 50}\n"
                           "devices: {count: 4}\n"
                           "servers: {count: 3, discipline: reserved, coverage_m: 10000}\n"
                           "tiers:\n"
                           "  - {name: cloud, task_s: 2, answer: 0.25}\n"
                           "  - {name: edge, count: 2, task_s: 8, answer: 0.5}\n"
                           "reserve: {full_share: 0.1, memory_need: 0.5}\n"
                           "objective: {reward: completed, deadline_s: 15}\n"
                           "faults: {recovery: none}\n";

struct bench {
    struct world world;
    struct env_view view;
    struct env_decision decision;
    struct reservations held;
    uint32_t load[3];
};

static struct bench open_bench(const char *more)
{
    char all[1024];
    struct bench bench = {0};
    struct scenario scenario;
    struct diag diag = {{0}};
    (void) snprintf(all, sizeof all, "%s%s", text, more);
    scenario_defaults(&scenario);
    if (scenario_read(&scenario, all, strlen(all), "x", &diag) != 0 ||
        world_init(&bench.world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return bench;
}

/* The view keeps a pointer to the world. */
static void begin(struct bench *bench)
{
    assert_int_equal(env_view_init(&bench->view, &bench->world), 0);
    assert_int_equal(env_decision_init(&bench->decision, DEVICES), 0);
    assert_int_equal(reservations_init(&bench->held, 3, 200), 0);
    bench->view.held = &bench->held;
    check_observe_all(&bench->view, 0);
}

static void close_bench(struct bench *bench)
{
    env_view_finish(&bench->view);
    env_decision_finish(&bench->decision);
    reservations_finish(&bench->held);
    world_finish(&bench->world);
}

static void ask(struct bench *bench, uint32_t device, uint32_t server, double compute, double band,
                double memory)
{
    bench->decision.server[device] = server;
    bench->decision.refused[device] = false;
    bench->decision.compute_share[device] = compute;
    bench->decision.bandwidth_share[device] = band;
    bench->decision.memory_share[device] = memory;
}

static void decide(struct bench *bench)
{
    env_repair(&bench->view, &bench->decision);
    env_allocate(&bench->view, &bench->decision, bench->load);
}

static void those_that_come_later_get_what_is_left_or_are_refused(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    begin(&bench);
    ask(&bench, 0, 1, 0.6, 0.1, 0.1);
    ask(&bench, 1, 1, 0.6, 0.1, 0.1); /* more than is left */
    ask(&bench, 2, 1, 0.4, 0.1, 0.1);
    ask(&bench, 3, 0, 0.1, 0.1, 0.04); /* too little memory to run at all */
    decide(&bench);
    const bool refused[] = {false, true, false, true};
    for (uint32_t n = 0; n < DEVICES; n++) {
        assert_int_equal(bench.decision.refused[n], refused[n]);
        assert_int_equal(bench.decision.server[n] == ENV_LOCAL, refused[n]);
        assert_int_equal(bench.decision.repaired[n], refused[n]);
        assert_int_equal(bench.decision.split[n], refused[n] ? bench.world.llm->layers : 0);
    }
    assert_int_equal(bench.load[1], 2);
    assert_int_equal(bench.load[0], 0);
    close_bench(&bench);
}

static void with_clamp_a_task_gets_what_is_left(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    bench.world.scenario.reserve.excess = EXCESS_CLAMP;
    begin(&bench);
    ask(&bench, 0, 1, 0.6, 0.1, 0.9);
    ask(&bench, 1, 1, 0.6, 0.1, 0.1);
    ask(&bench, 2, 1, 0.4, 0.1, 0.1); /* nothing is left */
    ask(&bench, 3, ENV_LOCAL, 0.0, 0.0, 0.0);
    decide(&bench);
    assert_false(bench.decision.repaired[0]);
    assert_true(bench.decision.repaired[1] && !bench.decision.refused[1]);
    assert_near(bench.decision.compute_share[1], 0.4, 1e-9);
    assert_true(bench.decision.refused[2] && bench.decision.repaired[2]);
    assert_true(bench.decision.refused[3]);
    assert_false(bench.decision.repaired[3]); /* it was the policy's wish */
    close_bench(&bench);
}

static void more_than_a_full_share_makes_nothing_faster(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    struct task_plan plan = {.server = 1, .bandwidth_share = 0.1, .compute_share = 0.1};
    struct task_outcome outcome;
    begin(&bench);
    cost_outcome(&bench.world, 0, 128, 1e-9, &plan, &outcome);
    assert_near(outcome.times.edge_s, 8.0, 1e-12);
    plan.compute_share = 0.4;
    cost_outcome(&bench.world, 0, 128, 1e-9, &plan, &outcome);
    assert_near(outcome.times.edge_s, 8.0, 1e-12);
    plan.compute_share = 0.05;
    cost_outcome(&bench.world, 0, 128, 1e-9, &plan, &outcome);
    assert_near(outcome.times.edge_s, 16.0, 1e-12);
    plan.server = 0;
    cost_outcome(&bench.world, 0, 128, 1e-9, &plan, &outcome);
    assert_near(outcome.times.edge_s, 4.0, 1e-12);
    assert_same(outcome.times.local_s, 0.0);
    close_bench(&bench);
}

/* C6 and C7. */
static void a_late_task_counts_only_as_printed(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    const struct task_quality quality = {.answer = 0.25, .deadline_s = 15.0};
    const struct device_params *device = &bench.world.device[0];
    begin(&bench);
    assert_near(cost_task(&bench.world, device, 128, 4.0, 1.0, true, &quality), -0.5, 1e-15);
    assert_near(cost_task(&bench.world, device, 128, 15.0, 1.0, false, &quality), -(1.0 / 15.0 + 0.25),
                1e-15);
    assert_same(cost_task(&bench.world, device, 128, 16.0, 1.0, false, &quality), 0.0);
    /* What a node reports may be anything. */
    assert_near(cost_task(&bench.world, device, 128, 0.0, 1.0, false, &quality), -1000.25, 1e-9);
    assert_near(cost_task(&bench.world, device, 128, 1e-300, 1.0, false, &quality), -1000.25, 1e-9);
    bench.world.scenario.objective.reward = REWARD_PRINTED;
    assert_near(cost_task(&bench.world, device, 128, 16.0, 1.0, false, &quality), -(1.0 / 16.0 + 0.25),
                1e-15);
    close_bench(&bench);
}

static void learners_see_what_is_left_and_name_server_and_shares(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    begin(&bench);
    const double part[RESERVED_KINDS] = {0.25, 0.5, 0.75};
    size_t size = env_state_size(&bench.world);
    float *seen = calloc(size, sizeof *seen);
    assert_non_null(seen);
    reservations_take(&bench.held, 1, 2, part, (double) INFINITY);
    env_state(&bench.view, seen);
    assert_near((double) seen[size - 3], 0.5, 1e-6); /* on [-1, 1] */
    assert_near((double) seen[size - 2], 0.0, 1e-6);
    assert_near((double) seen[size - 1], -0.5, 1e-6);
    assert_near((double) seen[size - 9], 1.0, 1e-6);
    free(seen);
    assert_int_equal(env_action_size(&bench.world), 4 * DEVICES);
    const float action[4 * DEVICES] = {-1.0f, 1.0f, 0.0f, 1.0f, 0.0f, -1.0f, 1.0f, 1.0f,
                                       0.99f, 1.0f, 1.0f, 0.5f, NAN,  5.0f,  5.0f, 5.0f};
    env_map_action(&bench.view, action, &bench.decision);
    env_allocate(&bench.view, &bench.decision, bench.load);
    assert_int_equal(bench.decision.server[0], 0);
    assert_near(bench.decision.compute_share[0], 0.1, 1e-7);
    assert_near(bench.decision.bandwidth_share[0], 0.05, 1e-7);
    assert_true(bench.decision.refused[1]); /* no compute at all */
    assert_int_equal(bench.decision.server[2], 2);
    assert_near(bench.decision.memory_share[2], 0.075, 1e-7);
    assert_int_equal(bench.decision.server[3], 0); /* what is no number is the first */
    close_bench(&bench);
}

/* Wishes of every kind, over whole episodes with servers that are down: what is held is at most the whole, and each task
 * is either sent with shares or refused. */
static void no_wish_breaks_the_rules(void **state)
{
    (void) state;
    struct bench bench = open_bench("");
    struct rng_at at = {.seed = 3, .stream = RNG_POLICY};
    uint64_t sent = 0;
    begin(&bench);
    for (uint32_t i = 0; i < 100000; i++) {
        if (i % 50 == 0)
            reservations_clear(&bench.held);
        bench.view.server_up[i % 3] = i % 7 != 0;
        for (uint32_t n = 0; n < DEVICES; n++) {
            at.entity = n;
            const struct rng_block block = rng_block(&at, i);
            const double wild[] = {(double) NAN, -1.0, 2.0, 0.0, 1e-300, (double) INFINITY};
            double share = block.v[0] % 4 == 0 ? wild[block.v[1] % 6] : 0.3 * rng_u01(block.v[2]);
            ask(&bench, n, block.v[3] % 8 == 0 ? block.v[3] : block.v[3] % 3, share, 0.05, 0.05 + share);
        }
        decide(&bench);
        for (uint32_t n = 0; n < DEVICES; n++) {
            const double part[RESERVED_KINDS] = {bench.decision.compute_share[n],
                                                 bench.decision.bandwidth_share[n],
                                                 bench.decision.memory_share[n]};
            assert_int_equal(bench.decision.refused[n], bench.decision.server[n] == ENV_LOCAL);
            if (bench.decision.refused[n])
                continue;
            assert_true(bench.view.server_up[bench.decision.server[n]]);
            reservations_take(&bench.held, (uint64_t) i * DEVICES + n, bench.decision.server[n], part,
                              (double) INFINITY); /* asserts that it fits */
            sent++;
        }
    }
    assert_true(sent > 10000);
    close_bench(&bench);
}

static void what_reserving_does_not_go_with_is_refused(void **state)
{
    (void) state;
    static const char *const refused[][2] = {
        {"run: {mode: queue}\n", "run.mode: round"},
        {"faults: {recovery: local}\n", "faults.recovery"},
        {"model: {min_split: 1}\n", "model.min_split"},
        {"reserve: {memory_need: 1.5}\n", "reserve.memory_need: 1.5 is above reserve.most"},
        {"reserve: {memory_need: 11, most: 12, full_share: 0.1}\n", "allowed at most 10"},
        {"run: {slots: 300000}\n", "run.slots"},
        {"reserve: {full_share: 0}\n", "reserve.full_share"},
        {"reserve: {most: nan}\n", "reserve.most"},
    };
    static const char base[] = "devices: {count: 4}\nservers: {discipline: reserved}\n";
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char all[512];
        struct scenario scenario;
        struct diag diag = {{0}};
        bool names_faults = strstr(refused[i][0], "faults") != NULL;
        scenario_defaults(&scenario);
        (void) snprintf(all, sizeof all, "%s%s%s", base, refused[i][0],
                        names_faults ? "" : "faults: {recovery: none}\n");
        assert_int_not_equal(scenario_read(&scenario, all, strlen(all), "x", &diag), 0);
        if (strstr(diag.text, refused[i][1]) == NULL)
            fail_msg("%s says: %s", refused[i][0], diag.text);
    }
    struct scenario scenario;
    struct diag diag = {{0}};
    scenario_defaults(&scenario);
    assert_int_not_equal(scenario_read(&scenario, "objective: {reward: printed}\n", 29, "x", &diag), 0);
    assert_non_null(strstr(diag.text, "servers.discipline: reserved"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_come_later_get_what_is_left_or_are_refused),
        cmocka_unit_test(with_clamp_a_task_gets_what_is_left),
        cmocka_unit_test(more_than_a_full_share_makes_nothing_faster),
        cmocka_unit_test(a_late_task_counts_only_as_printed),
        cmocka_unit_test(learners_see_what_is_left_and_name_server_and_shares),
        cmocka_unit_test(no_wish_breaks_the_rules),
        cmocka_unit_test(what_reserving_does_not_go_with_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
