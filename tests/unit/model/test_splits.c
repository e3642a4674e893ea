/* Where the optimum lies: at the ends without a deadline, inside the model with one (docs/model.md, "Why a
 * deadline"). */
#include "check.h"
#include "core/model/cost.h"
#include "core/model/llm.h"

#define DEVICES 5u
#define SERVERS 2u
#define LAYERS 32u

/* The joint cost of a decision whose wishes are all possible. */
static double joint_cost(const struct env_view *view, struct env_decision *decision)
{
    uint32_t load[WORLD_SERVERS_MAX];
    env_allocate(view, decision, load);
    return env_joint_cost(view, decision);
}

/* Digit n of `code` in base SERVERS + 1: where device n goes, or local. */
static void set_endpoints(struct env_decision *decision, uint32_t code)
{
    for (uint32_t n = 0; n < DEVICES; n++, code /= SERVERS + 1) {
        uint32_t choice = code % (SERVERS + 1);
        decision->split[n] = choice == SERVERS ? LAYERS : 0;
        decision->server[n] = choice == SERVERS ? ENV_LOCAL : choice;
    }
}

/* The best of all (M + 1)^N decisions with split 0 or L. */
static double best_endpoints(const struct env_view *view, struct env_decision *decision)
{
    uint32_t best_code = 0;
    uint32_t codes = 1;
    double best = HUGE_VAL;
    for (uint32_t n = 0; n < DEVICES; n++)
        codes *= SERVERS + 1;
    for (uint32_t code = 0; code < codes; code++) {
        set_endpoints(decision, code);
        double cost = joint_cost(view, decision);
        if (cost < best) {
            best = cost;
            best_code = code;
        }
    }
    set_endpoints(decision, best_code);
    return joint_cost(view, decision);
}

/* Gives one device its best (split, server); true when that lowered the joint cost. */
static bool improve(const struct env_view *view, struct env_decision *decision, uint32_t device, double *cost)
{
    uint32_t split = decision->split[device];
    uint32_t server = decision->server[device];
    bool better = false;
    for (uint32_t s = 0; s <= LAYERS; s++) {
        for (uint32_t m = 0; m < (s < LAYERS ? SERVERS : 1); m++) {
            decision->split[device] = s;
            decision->server[device] = s < LAYERS ? m : ENV_LOCAL;
            double trial = joint_cost(view, decision);
            if (trial < *cost - 1e-12) {
                *cost = trial;
                split = s;
                server = decision->server[device];
                better = true;
            }
        }
    }
    decision->split[device] = split;
    decision->server[device] = server;
    return better;
}

/* Sequential improvement until nobody gains. */
static double search(const struct env_view *view, struct env_decision *decision, double cost)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (uint32_t n = 0; n < DEVICES; n++)
            moved = improve(view, decision, n, &cost) || moved;
    }
    return cost;
}

struct tally {
    unsigned draws, improved, interior;
    double gained;
};

static struct tally search_from_endpoints(const char *deadline, const char *weight)
{
    struct tally tally = {0};
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct scenario scenario = check_scenario((const char *[]){
            "devices.count=5", "servers.count=2", "servers.coverage_m=2000", deadline, weight, NULL});
        struct world world;
        struct env_view view;
        struct env_decision decision;
        scenario.run.seed = seed;
        assert_int_equal(world_init(&world, &scenario, NULL, NULL), 0);
        assert_int_equal(env_view_init(&view, &world), 0);
        assert_int_equal(env_decision_init(&decision, DEVICES), 0);
        check_observe_all(&view, seed);
        double endpoints = best_endpoints(&view, &decision);
        double found = search(&view, &decision, endpoints);
        tally.draws++;
        tally.improved += found < endpoints;
        tally.gained += (endpoints - found) / endpoints;
        for (uint32_t n = 0; n < DEVICES; n++)
            tally.interior += decision.split[n] > 0 && decision.split[n] < LAYERS;
        env_decision_finish(&decision);
        env_view_finish(&view);
        world_finish(&world);
    }
    return tally;
}

static void without_a_deadline_no_interior_split_helps(void **state)
{
    (void) state;
    static const char *const weights[] = {"objective.latency_weight=0.2", "objective.latency_weight=0.5",
                                          "objective.latency_weight=0.9"};
    for (size_t i = 0; i < 3; i++) {
        struct tally tally = search_from_endpoints("objective.deadline_s=0", weights[i]);
        assert_int_equal(tally.draws, 12);
        assert_int_equal(tally.improved, 0);
        assert_int_equal(tally.interior, 0);
    }
}

static void with_a_deadline_interior_splits_pay(void **state)
{
    (void) state;
    struct tally tally = search_from_endpoints("objective.deadline_s=1.2", "objective.latency_weight=0.5");
    assert_true(tally.improved >= 6);
    assert_true(tally.interior >= 12);
    assert_true(tally.gained / tally.draws > 0.01);
}

/* The reason: for fixed shares, delay and energy are affine in the split on 1..L-1. */
static void delay_and_energy_are_affine_in_the_split(void **state)
{
    (void) state;
    struct world world = check_world(NULL);
    struct task_outcome first, middle, last;
    struct task_plan plan = {.split = 1, .server = 1, .bandwidth_share = 0.5, .compute_share = 0.5};
    cost_outcome(&world, 0, 128, 1e-11, &plan, &first);
    plan.split = 31;
    cost_outcome(&world, 0, 128, 1e-11, &plan, &last);
    for (uint32_t split = 2; split < 31; split++) {
        plan.split = split;
        cost_outcome(&world, 0, 128, 1e-11, &plan, &middle);
        double along = (split - 1.0) / 30.0;
        assert_near(middle.latency_s, first.latency_s + along * (last.latency_s - first.latency_s), 1e-12);
        assert_near(middle.energy_j, first.energy_j + along * (last.energy_j - first.energy_j), 1e-11);
    }
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_deadline_no_interior_split_helps),
        cmocka_unit_test(with_a_deadline_interior_splits_pay),
        cmocka_unit_test(delay_and_energy_are_affine_in_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
