/* Policies in which devices respond to loads: who can gain, what they remember from slot to slot, and how far
 * they are from the optimum. */
#include <stdio.h>

#include "orchestrator/policy/search/own_cost.h"
#include "tests/unit/policy/full_slot.h"

/* As if the slot drawn were slot `number` of the episode. */
static void draw_as(struct slot *slot, uint32_t draw, uint32_t episode, uint32_t number)
{
    slot_draw(slot, draw, 0, 0, 0);
    slot->view.id.episode = episode;
    slot->view.id.slot = number;
}

/* ---- nash ---- */

static double own_cost_now(struct slot *slot, uint32_t n)
{
    env_allocate(&slot->view, &slot->decision, slot->load);
    const struct env_decision *is = &slot->decision;
    const struct task_plan plan = {.split = is->split[n],
                                   .server = is->server[n],
                                   .bandwidth_share = is->bandwidth_share[n],
                                   .compute_share = is->compute_share[n]};
    return own_cost_of(&slot->view, n, &plan);
}

/* The most that any device gains by moving alone to any split at any covered server, or home. */
static double best_gain(struct slot *slot)
{
    const struct world *world = &slot->world;
    double most = 0.0;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t split = slot->decision.split[n], server = slot->decision.server[n];
        double present = slot->view.present[n] ? own_cost_now(slot, n) : 0.0;
        for (uint32_t m = 0; m < world->servers && slot->view.present[n]; m++)
            for (uint32_t s = (uint32_t) world->scenario.model.min_split; s <= world->llm->layers; s++) {
                bool local = s == world->llm->layers;
                if (!local &&
                    (s > world->device[n].max_split || !slot->view.covered[(size_t) n * world->servers + m]))
                    continue;
                slot->decision.split[n] = s;
                slot->decision.server[n] = local ? ENV_LOCAL : m;
                double gain = present - own_cost_now(slot, n);
                most = gain > most ? gain : most;
            }
        slot->decision.split[n] = split;
        slot->decision.server[n] = server;
    }
    return most;
}

static void nobody_gains_alone_at_a_nash_point(void **state)
{
    (void) state;
    static const char *const cases[][4] = {
        {"devices.count=7", NULL},
        {"devices.count=12", "servers.count=5", NULL},
        {"devices.count=7", "objective.deadline_s=0", "objective.latency_weight=1", NULL},
        {"devices.count=7", "devices.memory_gb=5", "model.min_split=1", NULL},
    };
    uint32_t crowded = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slot slot;
        slot_open(&slot, cases[i]);
        struct policy nash = slot_policy(&slot, "nash");
        struct policy response = slot_policy(&slot, "best-response");
        for (uint32_t e = 0; e < 12; e++) {
            slot_draw(&slot, e, e % 3 == 0 ? 4 : 0, e % 4 == 0 ? 3 : 0, e % 2 == 0 ? 6 : 0);
            (void) slot_decide(&slot, &nash);
            for (uint32_t m = 0; m < slot.world.servers; m++)
                crowded += slot.load[m] > 1 ? 1 : 0;
            double gain = best_gain(&slot);
            if (gain > 1e-9)
                fail_msg("case %zu, slot %u: a device gains %g alone", i, e, gain);
        }
        slot_draw(&slot, 1, 0, 0, 0);
        (void) slot_decide(&slot, &response);
        if (i == 0) /* J's own point is not one of them, or this test could not fail */
            assert_true(best_gain(&slot) > 1e-6);
        policy_destroy(&nash);
        policy_destroy(&response);
        slot_close(&slot);
    }
    assert_true(crowded > 60);
}

/* Where costs depend on who else is there, no theorem promises an end. */
static void under_other_sharing_rules_nearly_every_slot_ends_at_a_nash_point(void **state)
{
    (void) state;
    static const char *const cases[][4] = {
        {"devices.count=7", "radio.sharing=proportional", "servers.sharing=proportional", NULL},
        {"devices.count=7", "radio.sharing=shared", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slot slot;
        uint32_t open = 0;
        slot_open(&slot, cases[i]);
        struct policy nash = slot_policy(&slot, "nash");
        for (uint32_t e = 0; e < 40; e++) {
            slot_draw(&slot, e, 0, 0, 6);
            (void) slot_decide(&slot, &nash);
            open += best_gain(&slot) > 1e-9 ? 1 : 0;
        }
        print_message("# %s: %u of 40 slots are no Nash point\n", cases[i][1], open);
        assert_true(open <= 4);
        policy_destroy(&nash);
        slot_close(&slot);
    }
}

/* ---- neurosurgeon ---- */

static void clear_loads(struct slot *slot)
{
    memset(slot->view.previous_load, 0, slot->world.servers * sizeof *slot->view.previous_load);
}

static void assert_same_decisions(const struct slot *slot, const uint32_t *split, const uint32_t *server)
{
    size_t size = slot->world.devices * sizeof *split;
    assert_memory_equal(slot->decision.split, split, size);
    assert_memory_equal(slot->decision.server, server, size);
}

/* Between servers of one speed the best channel is the best server. */
static void where_nobody_was_loaded_neurosurgeon_is_greedy(void **state)
{
    (void) state;
    static const char *const keys[] = {"servers.tflops_min=8", "servers.tflops_max=8", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy greedy = slot_policy(&slot, "greedy");
    struct policy surgeon = slot_policy(&slot, "neurosurgeon");
    uint32_t split[16], server[16], others = 0;
    for (uint32_t e = 0; e < 100; e++) {
        slot_draw(&slot, e, 5, 5, 5);
        (void) slot_decide(&slot, &surgeon);
        memcpy(split, slot.decision.split, slot.world.devices * sizeof *split);
        memcpy(server, slot.decision.server, slot.world.devices * sizeof *server);
        (void) slot_decide(&slot, &greedy);
        others += memcmp(split, slot.decision.split, slot.world.devices * sizeof *split) != 0 ? 1 : 0;
        clear_loads(&slot);
        (void) slot_decide(&slot, &surgeon);
        memcpy(split, slot.decision.split, slot.world.devices * sizeof *split);
        memcpy(server, slot.decision.server, slot.world.devices * sizeof *server);
        (void) slot_decide(&slot, &greedy);
        assert_same_decisions(&slot, split, server);
    }
    assert_true(others > 50); /* the drawn loads matter */
    policy_destroy(&greedy);
    policy_destroy(&surgeon);
    slot_close(&slot);
}

/* What a device alone with one server does when it counts with `load` there. */
static uint32_t split_for(const struct slot *slot, double load)
{
    struct task_plan plan = {.bandwidth_share = 1.0 / load, .compute_share = 1.0 / load};
    bool offload = own_cost_best_split(&slot->view, 0, &plan) < own_cost_local(&slot->view, 0);
    return offload ? plan.split : slot->world.llm->layers;
}

static void neurosurgeon_counts_itself_once(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=1",         "servers.count=1",
                                       "servers.coverage_m=5000", "devices.tflops_min=0.9",
                                       "devices.tflops_max=0.9",  NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy surgeon = slot_policy(&slot, "neurosurgeon");
    uint32_t told_apart = 0;
    for (uint32_t e = 0; e < 200; e++) {
        draw_as(&slot, e, e, 4); /* an episode of its own: it was nowhere */
        slot.view.previous_load[0] = 1;
        (void) slot_decide(&slot, &surgeon);
        assert_int_equal(slot.decision.split[0], split_for(&slot, 2.0));
        bool was_there = slot.decision.server[0] == 0;
        draw_as(&slot, e, e, 5);
        slot.view.previous_load[0] = 1;
        (void) slot_decide(&slot, &surgeon);
        assert_int_equal(slot.decision.split[0], split_for(&slot, was_there ? 1.0 : 2.0));
        told_apart += was_there && split_for(&slot, 1.0) != split_for(&slot, 2.0) ? 1 : 0;
        draw_as(&slot, e, e, 7); /* a slot is missing between: what was is not known */
        slot.view.previous_load[0] = 1;
        (void) slot_decide(&slot, &surgeon);
        assert_int_equal(slot.decision.split[0], split_for(&slot, 2.0));
    }
    assert_true(told_apart > 20);
    policy_destroy(&surgeon);
    slot_close(&slot);
}

/* Two servers, equally good for everybody: all run to the one that was empty. */
static void without_coordination_all_jump_back_and_forth(void **state)
{
    (void) state;
    static const char *const keys[] = {
        "devices.count=4",      "servers.count=2",      "devices.tflops_min=0.6",  "devices.tflops_max=0.6",
        "servers.tflops_min=8", "servers.tflops_max=8", "servers.coverage_m=5000", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy surgeon = slot_policy(&slot, "neurosurgeon");
    for (uint32_t t = 0; t < 12; t++) {
        draw_as(&slot, 3, 0, t);
        for (size_t i = 1; i < (size_t) slot.world.devices * 2; i++)
            slot.view.gain[i] = slot.view.gain[0];
        memcpy(slot.view.previous_load, slot.load, 2 * sizeof *slot.load);
        if (t == 0)
            clear_loads(&slot);
        (void) slot_decide(&slot, &surgeon);
        assert_int_equal(slot.load[t % 2], 4);
        assert_int_equal(slot.load[1 - t % 2], 0);
    }
    policy_destroy(&surgeon);
    slot_close(&slot);
}

/* ---- static association ---- */

static uint32_t best_channel(const struct slot *slot, uint32_t n)
{
    const double *gain = slot->view.gain + (size_t) n * slot->world.servers;
    uint32_t best = 0;
    for (uint32_t m = 1; m < slot->world.servers; m++)
        best = gain[m] > gain[best] ? m : best;
    return best;
}

static void static_association_keeps_its_server_through_an_episode_and_no_longer(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=5", "servers.coverage_m=5000", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, "static-association");
    uint32_t own[5], offloaded = 0, elsewhere = 0;
    for (uint32_t e = 0; e < 3; e++)
        for (uint32_t t = 0; t < 30; t++) {
            draw_as(&slot, 40 * e + t, e, t);
            for (uint32_t n = 0; n < 5 && t == 0; n++)
                own[n] = best_channel(&slot, n);
            if (t % 5 == 4) /* out of reach, and only for now */
                slot.view.covered[(size_t) 2 * slot.world.servers + own[2]] = false;
            (void) slot_decide(&slot, &policy);
            for (uint32_t n = 0; n < 5; n++) {
                bool local = slot.decision.server[n] == ENV_LOCAL;
                assert_true(local || slot.decision.server[n] == own[n]);
                assert_true(local || n != 2 || t % 5 != 4);
                assert_false(slot.decision.repaired[n]);
                offloaded += local ? 0 : 1;
                elsewhere += !local && own[n] != best_channel(&slot, n) ? 1 : 0;
            }
        }
    assert_true(offloaded > 200 && elsewhere > 100);
    policy_destroy(&policy);
    slot_close(&slot);
}

static void whoever_was_not_there_at_first_is_associated_when_it_comes(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=5", "servers.coverage_m=5000",
                                       "objective.latency_weight=1", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy policy = slot_policy(&slot, "static-association");
    uint32_t late = ENV_LOCAL;
    for (uint32_t t = 0; t < 20; t++) {
        draw_as(&slot, t, 0, t);
        if (t < 3)
            slot_remove_device(&slot, 1);
        else if (t == 3)
            late = best_channel(&slot, 1);
        (void) slot_decide(&slot, &policy);
        uint32_t server = slot.decision.server[1];
        assert_true(server == ENV_LOCAL || server == late);
    }
    assert_int_not_equal(slot.decision.server[1], ENV_LOCAL);
    policy_destroy(&policy);
    slot_close(&slot);
}

/* A run that is resumed begins with a later episode: nothing of those before may matter. */
static void an_episode_does_not_depend_on_those_before(void **state)
{
    (void) state;
    static const char *const names[] = {"static-association", "neurosurgeon", "nash", "iao"};
    struct slot slot;
    slot_open(&slot, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct policy old = slot_policy(&slot, names[i]);
        for (uint32_t t = 0; t < 6; t++) {
            draw_as(&slot, t, 0, t);
            (void) slot_decide(&slot, &old);
        }
        struct policy fresh = slot_policy(&slot, names[i]);
        for (uint32_t t = 1; t < 4; t++) { /* slot 0: everybody was down, nobody was asked */
            draw_as(&slot, 20 + t, 1, t);
            double cost = slot_decide(&slot, &old);
            assert_same(slot_decide(&slot, &fresh), cost);
            assert_same(slot_decide(&slot, &fresh), slot_decide(&slot, &old)); /* asked twice in a slot */
        }
        policy_destroy(&old);
        policy_destroy(&fresh);
    }
    slot_close(&slot);
}

/* ---- how good they are ---- */

static void one_device_and_one_server_leave_nothing_to_play_for(void **state)
{
    (void) state;
    static const char *const names[] = {"static-association", "neurosurgeon", "nash", "iao", "best-response"};
    static const char *const keys[] = {"devices.count=1", "servers.count=1", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy optimum = slot_policy(&slot, "optimum");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct policy policy = slot_policy(&slot, names[i]);
        for (uint32_t e = 0; e < 50; e++) {
            slot_draw(&slot, e, 0, 0, 0);
            slot.view.id.episode = e;
            clear_loads(&slot);
            double least = slot_decide(&slot, &optimum);
            assert_same(slot_decide(&slot, &policy), least);
        }
        policy_destroy(&policy);
    }
    policy_destroy(&optimum);
    slot_close(&slot);
}

#define WORLDS 20u
#define SLOTS_EACH 5u
#define STATED 4u

struct yardstick {
    const char *name;
    double most; /* mean cost over the optimum's */
};

static void on_dapo_responses_are_as_near_the_optimum_as_stated(void **state)
{
    (void) state;
    static const struct yardstick stated[STATED] = {
        {"nash", 1.02}, {"iao", 1.02}, {"best-response", 1.08}, {"static-association", 1.25}};
    double optimal = 0.0, sum[STATED] = {0.0};
    for (uint32_t w = 0; w < WORLDS; w++) {
        char seed[32];
        const char *const keys[] = {seed, NULL};
        (void) snprintf(seed, sizeof seed, "run.seed=%u", w + 1);
        struct slot slot;
        struct policy policy[STATED];
        slot_open(&slot, keys);
        struct policy optimum = slot_policy(&slot, "optimum");
        for (size_t i = 0; i < STATED; i++)
            policy[i] = slot_policy(&slot, stated[i].name);
        for (uint32_t e = 0; e < SLOTS_EACH; e++) {
            slot_draw(&slot, e, 0, 0, 0);
            double least = slot_decide(&slot, &optimum);
            optimal += least;
            for (size_t i = 0; i < STATED; i++) {
                double cost = slot_decide(&slot, &policy[i]);
                assert_true(least * (1.0 - 1e-12) <= cost);
                sum[i] += cost;
            }
        }
        for (size_t i = 0; i < STATED; i++)
            policy_destroy(&policy[i]);
        policy_destroy(&optimum);
        slot_close(&slot);
    }
    for (size_t i = 0; i < STATED; i++) {
        print_message("# %s: %.3f of the optimum's mean cost\n", stated[i].name, sum[i] / optimal);
        assert_true(sum[i] <= stated[i].most * optimal);
    }
}

/* Searches with all the time that they are given by default, and with as little as makes them fast. */
static void searches_come_near_the_optimum_and_nearer_with_more_time(void **state)
{
    (void) state;
    static const char *const names[] = {"genetic", "swarm"};
    static const double stated[2][2] = {{1.03, 2.2}, {1.2, 2.0}};
    static const char *const hasty[] = {"genetic.generations=2", "swarm.iterations=3", NULL};
    double optimal = 0.0, sum[2][2] = {{0.0}};
    for (uint32_t haste = 0; haste < 2; haste++) {
        struct slot slot;
        slot_open(&slot, haste == 0 ? NULL : hasty);
        struct policy optimum = slot_policy(&slot, "optimum");
        for (size_t i = 0; i < 2; i++) {
            struct policy policy = slot_policy(&slot, names[i]);
            for (uint32_t e = 0; e < 6; e++) {
                slot_draw(&slot, e, 0, 0, 0);
                double least = slot_decide(&slot, &optimum), cost = slot_decide(&slot, &policy);
                assert_true(least * (1.0 - 1e-12) <= cost);
                optimal += haste == 0 && i == 0 ? least : 0.0;
                sum[i][haste] += cost;
            }
            policy_destroy(&policy);
        }
        policy_destroy(&optimum);
        slot_close(&slot);
    }
    for (size_t i = 0; i < 2; i++) {
        print_message("# %s: %.3f of the optimum's mean cost, in haste %.3f\n", names[i], sum[i][0] / optimal,
                      sum[i][1] / optimal);
        assert_true(sum[i][0] < sum[i][1]);
        assert_true(sum[i][0] <= stated[i][0] * optimal && sum[i][1] <= stated[i][1] * optimal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gains_alone_at_a_nash_point),
        cmocka_unit_test(under_other_sharing_rules_nearly_every_slot_ends_at_a_nash_point),
        cmocka_unit_test(where_nobody_was_loaded_neurosurgeon_is_greedy),
        cmocka_unit_test(neurosurgeon_counts_itself_once),
        cmocka_unit_test(without_coordination_all_jump_back_and_forth),
        cmocka_unit_test(static_association_keeps_its_server_through_an_episode_and_no_longer),
        cmocka_unit_test(whoever_was_not_there_at_first_is_associated_when_it_comes),
        cmocka_unit_test(an_episode_does_not_depend_on_those_before),
        cmocka_unit_test(one_device_and_one_server_leave_nothing_to_play_for),
        cmocka_unit_test(on_dapo_responses_are_as_near_the_optimum_as_stated),
        cmocka_unit_test(searches_come_near_the_optimum_and_nearer_with_more_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
