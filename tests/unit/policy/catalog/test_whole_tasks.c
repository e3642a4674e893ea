/* Rules for whole tasks, against what their sentences say: which server each task of a slot goes to, and with how much of it. */
#include <stdio.h>

#include "core/model/cost.h"
#include "core/model/reservations.h"
#include "tests/unit/policy/full_slot.h"

#define DEVICES 6u
#define SERVERS 4u
#define SLOTS 30u
#define FULL 0.3 /* three tasks have room at a server */
#define MOST 2.0 /* full shares that policies ask for */

/* Servers 0 and 1 are a cloud. */
static const char text[] = "devices: {count: 6}\n"
                           "servers: {count: 4, discipline: reserved, coverage_m: 10000}\n"
                           "tiers:\n"
                           "  - {name: cloud, count: 2, task_s: 2, answer: 0.25}\n"
                           "  - {name: edge, count: 2, task_s: 8, answer: 0.5}\n"
                           "reserve: {full_share: 0.3, most: 2, memory_need: 0.5}\n"
                           "objective: {reward: completed, deadline_s: 15}\n"
                           "faults: {recovery: none}\n";

struct bench {
    struct slot slot;
    struct reservations held;
    double rest[SERVERS]; /* of every kind, before the slot */
    double left[SERVERS]; /* as what is expected is gone through */
    struct env_decision *decision;
};

static void open_bench(struct bench *bench)
{
    struct full_scenario full;
    struct world world;
    struct diag diag = {{0}};
    full_scenario_defaults(&full);
    if (full_scenario_read(&full, &(struct scenario_text){text, strlen(text), "x"}, &diag) != 0 ||
        world_init(&world, &full.scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    slot_open_world(&bench->slot, &world);
    bench->slot.settings = full.settings;
    assert_int_equal(reservations_init(&bench->held, SERVERS, 100), 0);
    bench->slot.view.held = &bench->held;
    bench->decision = &bench->slot.decision;
}

static void close_bench(struct bench *bench)
{
    reservations_finish(&bench->held);
    slot_close(&bench->slot);
}

/* A slot at servers of which a part is taken; somebody may be away, or have no task. */
static void draw(struct bench *bench, uint32_t episode)
{
    struct rng_at at = {.seed = 3, .phase = RNG_TEST, .stream = RNG_SAMPLING, .episode = episode};
    slot_draw(&bench->slot, episode, 9, 12, 5);
    bench->slot.view.id.slot = episode; /* the rules know no other than the view's */
    reservations_clear(&bench->held);
    for (uint32_t m = 0; m < SERVERS; m++) {
        const double taken = 0.25 * rng_below(&at, m, 4), part[RESERVED_KINDS] = {taken, taken, taken};
        if (taken > 0.0)
            reservations_take(&bench->held, m, m, part, (double) INFINITY);
        bench->left[m] = bench->rest[m] = 1.0 - taken;
    }
    if (rng_below(&at, 50, 3) == 0)
        bench->slot.view.tokens[rng_below(&at, 51, DEVICES)] = 0;
}

static void decide(struct bench *bench, const struct policy_kind *kind)
{
    struct policy policy = slot_policy(&bench->slot, kind->name);
    kind->decide(&policy, &bench->slot.view, bench->decision);
    policy_destroy(&policy);
}

static bool can_go(const struct bench *bench, uint32_t n, uint32_t m)
{
    const struct env_view *view = &bench->slot.view;
    return env_has_task(view, n) && view->server_up[m] && view->covered[n * SERVERS + m];
}

static bool has_room(const struct bench *bench, uint32_t n, uint32_t m)
{
    return can_go(bench, n, m) && bench->left[m] >= FULL - 1e-9;
}

/* That the task goes there with full shares, and takes them. ENV_LOCAL: it is refused, where there is one. */
static void expect(struct bench *bench, uint32_t n, uint32_t m)
{
    assert_int_equal(bench->decision->server[n], m);
    assert_int_equal(bench->decision->refused[n], m == ENV_LOCAL && env_has_task(&bench->slot.view, n));
    if (m == ENV_LOCAL)
        return;
    assert_same(bench->decision->compute_share[n], FULL);
    assert_same(bench->decision->bandwidth_share[n], FULL);
    assert_same(bench->decision->memory_share[n], FULL);
    bench->left[m] -= FULL;
}

/* What a server is worth to a task; -INFINITY: it must not go there. */
typedef double worth_of(const struct bench *bench, uint32_t n, uint32_t m);

static void expect_most_worth(const struct policy_kind *kind, worth_of *worth)
{
    struct bench bench;
    uint32_t sent = 0, refused = 0;
    open_bench(&bench);
    for (uint32_t e = 0; e < SLOTS; e++) {
        draw(&bench, e);
        decide(&bench, kind);
        for (uint32_t n = 0; n < DEVICES; n++) {
            uint32_t best = ENV_LOCAL;
            double most = -(double) INFINITY;
            for (uint32_t m = 0; m < SERVERS; m++)
                if (has_room(&bench, n, m) && worth(&bench, n, m) > most) {
                    most = worth(&bench, n, m);
                    best = m;
                }
            expect(&bench, n, best);
            sent += best != ENV_LOCAL ? 1 : 0;
            refused += best == ENV_LOCAL ? 1 : 0;
        }
    }
    assert_true(sent > 20 && refused > 20);
    close_bench(&bench);
}

static double what_is_left(const struct bench *bench, uint32_t n, uint32_t m)
{
    (void) n;
    return bench->left[m];
}

static void least_loaded_takes_the_server_with_most_left(void **state)
{
    (void) state;
    expect_most_worth(&policy_least_loaded, what_is_left);
}

static double nearness(const struct bench *bench, uint32_t n, uint32_t m)
{
    return -device_slot_distance_m(&bench->slot.world, bench->slot.view.position[n], m);
}

static double nearness_in_the_cloud(const struct bench *bench, uint32_t n, uint32_t m)
{
    return m < 2 ? nearness(bench, n, m) : -(double) INFINITY;
}

static double nearness_at_edges(const struct bench *bench, uint32_t n, uint32_t m)
{
    return m < 2 ? -(double) INFINITY : nearness(bench, n, m);
}

static void one_tier_alone_is_served_by_its_nearest(void **state)
{
    (void) state;
    expect_most_worth(&policy_cloud_only, nearness_in_the_cloud);
    expect_most_worth(&policy_edge_only, nearness_at_edges);
}

/* By the model, with full shares; what comes too late is worth nothing. */
static double promise(const struct bench *bench, uint32_t n, uint32_t m)
{
    const struct world *world = &bench->slot.world;
    const struct env_view *view = &bench->slot.view;
    const struct task_plan plan = {.server = m, .bandwidth_share = FULL, .compute_share = FULL};
    const double gain = view->gain[n * SERVERS + m];
    struct task_outcome outcome;
    cost_outcome(world, n, view->tokens[n], gain, &plan, &outcome);
    const struct task_quality quality = cost_quality_planned(world, n, view->id, gain, &plan, &outcome);
    return outcome.latency_s > 15.0 ? -(double) INFINITY
                                    : -cost_task(world, &world->device[n], view->tokens[n], outcome.latency_s,
                                                 outcome.energy_j, false, &quality);
}

static void a_data_sheet_is_believed(void **state)
{
    (void) state;
    expect_most_worth(&policy_data_sheet, promise);
}

/* ---- whatever is left ---- */

/* That the task asks for a server whatever is left: where it cannot go at all it is refused. */
static void expect_asked(const struct bench *bench, uint32_t n, uint32_t m,
                         const double part[static RESERVED_KINDS])
{
    assert_int_equal(bench->decision->refused[n], env_has_task(&bench->slot.view, n) && !can_go(bench, n, m));
    if (!can_go(bench, n, m))
        return;
    assert_int_equal(bench->decision->server[n], m);
    assert_same(bench->decision->compute_share[n], part[RESERVED_COMPUTE]);
    assert_same(bench->decision->bandwidth_share[n], part[RESERVED_BAND]);
    assert_same(bench->decision->memory_share[n], part[RESERVED_MEMORY]);
}

static void servers_take_turns_over_slots_and_devices(void **state)
{
    const double part[RESERVED_KINDS] = {FULL, FULL, FULL};
    struct bench bench;
    (void) state;
    open_bench(&bench);
    for (uint32_t e = 0; e < SLOTS; e++) {
        draw(&bench, e);
        decide(&bench, &policy_round_robin);
        for (uint32_t n = 0; n < DEVICES; n++)
            expect_asked(&bench, n, (e * DEVICES + n) % SERVERS, part);
    }
    close_bench(&bench);
}

static void random_rules_follow_the_draws_of_their_slot(void **state)
{
    struct bench bench;
    (void) state;
    open_bench(&bench);
    for (uint32_t e = 0; e < SLOTS; e++) {
        const struct rng_at of_slot = {bench.slot.world.seed, RNG_TEST, RNG_POLICY, 0, e, e};
        for (int shares = 0; shares < 2; shares++) {
            draw(&bench, e);
            decide(&bench, shares ? &policy_random_shares : &policy_random_server);
            for (uint32_t n = 0; n < DEVICES; n++) {
                struct rng_at at = of_slot;
                double part[RESERVED_KINDS];
                at.entity = n;
                const struct rng_block block = rng_block(&at, 0);
                for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
                    part[kind] = shares ? rng_u01(block.v[kind]) * (MOST * FULL) : FULL;
                expect_asked(&bench, n, (uint32_t) ((uint64_t) block.v[3] * SERVERS >> 32), part);
            }
        }
    }
    close_bench(&bench);
}

static void one_tier_alone_needs_a_cloud(void **state)
{
    static const char *const keys[] = {"servers.discipline=reserved", "faults.recovery=none", NULL};
    const struct policy_kind *const kinds[] = {&policy_cloud_only, &policy_edge_only};
    struct settings settings;
    struct world world = full_world(keys, &settings);
    const struct policy_options options = full_options(&world, &settings, false);
    (void) state;
    for (size_t i = 0; i < 2; i++) {
        struct policy policy;
        struct diag diag = {{0}};
        assert_int_not_equal(policy_create(&policy, kinds[i], &options, &diag), 0);
        assert_non_null(strstr(diag.text, "cloud"));
    }
    world_finish(&world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_loaded_takes_the_server_with_most_left),
        cmocka_unit_test(one_tier_alone_is_served_by_its_nearest),
        cmocka_unit_test(a_data_sheet_is_believed),
        cmocka_unit_test(servers_take_turns_over_slots_and_devices),
        cmocka_unit_test(random_rules_follow_the_draws_of_their_slot),
        cmocka_unit_test(one_tier_alone_needs_a_cloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
