/* How good the policies are: the optimum against brute force, best response against every single move, and
 * all of them against one another over many worlds. */
#include "orchestrator/policy/policy.h"

#include <stdio.h>

#include "tests/unit/policy/full_slot.h"

/* ---- brute force ---- */

struct option {
    uint32_t split, server;
};

/* What a device may do: stay local, or any allowed split at any covered server. */
static size_t options_of(const struct slot *slot, uint32_t device, struct option *option)
{
    const struct world *world = &slot->world;
    uint32_t layers = world->llm->layers;
    size_t count = 0;
    option[count++] = (struct option){layers, ENV_LOCAL};
    for (uint32_t m = 0; m < world->servers; m++)
        for (uint32_t s = (uint32_t) world->scenario.model.min_split;
             s < layers && s <= world->device[device].max_split; s++)
            if (slot->view.covered[(size_t) device * world->servers + m])
                option[count++] = (struct option){s, m};
    return count;
}

/* The least J over all combinations from `device` on. */
static double least_from(struct slot *slot, uint32_t device)
{
    struct option option[128];
    if (device == slot->world.devices) {
        env_repair(&slot->view, &slot->decision);
        return slot_cost(slot);
    }
    double least = (double) INFINITY;
    size_t count = slot->view.present[device] ? options_of(slot, device, option) : 1;
    for (size_t i = 0; i < count; i++) {
        slot->decision.split[device] = slot->view.present[device] ? option[i].split : slot->world.llm->layers;
        slot->decision.server[device] = slot->view.present[device] ? option[i].server : ENV_LOCAL;
        double cost = least_from(slot, device + 1);
        least = cost < least ? cost : least;
    }
    return least;
}

/* Interior splits found, so that a test can tell that it tried what is hard. */
static uint32_t count_interior(const struct slot *slot)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < slot->world.devices; n++)
        count += slot->decision.split[n] > slot->world.scenario.model.min_split &&
                         slot->decision.split[n] < slot->world.llm->layers
                     ? 1
                     : 0;
    return count;
}

static uint32_t count_offloaded(const struct slot *slot)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < slot->world.devices; n++)
        count += slot->decision.server[n] != ENV_LOCAL ? 1 : 0;
    return count;
}

static uint32_t compare_with_brute_force(const char *const *keys, uint32_t worlds, uint32_t slots)
{
    uint32_t interior = 0;
    for (uint32_t w = 0; w < worlds; w++) {
        char seed[32], devices[32], servers[32];
        const char *all[16] = {seed, devices, servers, "model.llm=gpt2", "fixed.split=6"};
        size_t count = 5;
        (void) snprintf(seed, sizeof seed, "run.seed=%u", w);
        (void) snprintf(devices, sizeof devices, "devices.count=%u", 1 + w % 3);
        (void) snprintf(servers, sizeof servers, "servers.count=%u", 1 + w / 3 % 2);
        for (; keys[count - 5] != NULL; count++)
            all[count] = keys[count - 5];
        struct slot slot;
        slot_open(&slot, all);
        struct policy optimum = slot_policy(&slot, "optimum");
        for (uint32_t e = 0; e < slots; e++) {
            slot_draw(&slot, e, e % 4 == 3 ? 3 : 0, e % 5 == 4 ? 2 : 0, e % 3 == 0 ? 0 : 4);
            double found = slot_decide(&slot, &optimum);
            interior += count_interior(&slot);
            double least = least_from(&slot, 0);
            assert_near(found, least, 1e-12 * (1.0 + least));
        }
        policy_destroy(&optimum);
        slot_close(&slot);
    }
    return interior;
}

static void the_optimum_is_what_brute_force_finds_without_a_deadline(void **state)
{
    (void) state;
    static const char *const keys[] = {"objective.deadline_s=0", NULL};
    static const char *const latency[] = {"objective.deadline_s=0", "objective.latency_weight=1", NULL};
    assert_int_equal(compare_with_brute_force(keys, 18, 8), 0); /* all or nothing */
    assert_int_equal(compare_with_brute_force(latency, 18, 8), 0);
}

static void the_optimum_is_what_brute_force_finds_with_a_deadline(void **state)
{
    (void) state;
    /* A narrow layer is much data for little work: only a wide band makes interior splits worth their
     * transfer. */
    static const char *const keys[] = {"objective.deadline_s=0.012", "radio.bandwidth_mhz=200", NULL};
    static const char *const tight[] = {"objective.deadline_s=0.008", "objective.latency_weight=0.2",
                                        "radio.bandwidth_mhz=200", NULL};
    static const char *const energy[] = {"objective.deadline_s=0.015", "objective.latency_weight=0",
                                         "radio.bandwidth_mhz=200", NULL};
    uint32_t interior = compare_with_brute_force(keys, 18, 8);
    interior += compare_with_brute_force(tight, 18, 8);
    interior += compare_with_brute_force(energy, 18, 8);
    print_message("# %u splits strictly inside the model\n", interior);
    assert_true(interior > 50);
}

static void the_optimum_is_what_brute_force_finds_with_a_privacy_floor(void **state)
{
    (void) state;
    static const char *const keys[] = {"objective.deadline_s=0.012", "model.min_split=1",
                                       "radio.bandwidth_mhz=200", NULL};
    static const char *const high[] = {"objective.deadline_s=0.012", "model.min_split=12", NULL};
    (void) compare_with_brute_force(keys, 18, 8);
    (void) compare_with_brute_force(high, 6, 4);
}

static void the_optimum_is_what_brute_force_finds_with_little_memory(void **state)
{
    (void) state;
    static const char *const keys[] = {"objective.deadline_s=0.012", "devices.memory_gb=0.06",
                                       "radio.bandwidth_mhz=200", NULL};
    static const char *const less[] = {"objective.deadline_s=0.012", "devices.memory_gb=0.02",
                                       "objective.latency_weight=0.1", NULL};
    (void) compare_with_brute_force(keys, 18, 8);
    (void) compare_with_brute_force(less, 18, 8);
}

/* Ties: all devices alike, and far beyond the deadline, where costs are large and differences are rounding. */
static void devices_that_are_all_alike_do_not_confuse_the_optimum(void **state)
{
    (void) state;
    static const char *const keys[] = {
        "devices.count=9",           "servers.count=3",         "devices.tflops_min=1",
        "devices.tflops_max=1",      "servers.tflops_min=5",    "servers.tflops_max=5.1",
        "objective.deadline_s=0.01", "servers.coverage_m=5000", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy optimum = slot_policy(&slot, "optimum");
    struct policy response = slot_policy(&slot, "best-response");
    for (uint32_t e = 0; e < 30; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        for (uint32_t n = 1; n < slot.world.devices; n++)
            memcpy(slot.view.gain + (size_t) n * 3, slot.view.gain, 3 * sizeof *slot.view.gain);
        double least = slot_decide(&slot, &optimum);
        assert_true(least > 8.0);
        assert_true(least <= slot_decide(&slot, &response) * (1.0 + 1e-12));
    }
    policy_destroy(&optimum);
    policy_destroy(&response);
    slot_close(&slot);
}

/* ---- against one another ---- */

static void nothing_beats_the_optimum_and_best_response_never_loses_to_local(void **state)
{
    (void) state;
    static const char *const others[] = {"local",  "edge-nearest", "edge-best-channel",
                                         "random", "static",       "greedy"};
    static const char *const keys[] = {"devices.count=7", NULL};
    static const char *const memory[] = {"devices.count=7", "devices.memory_gb=5", "model.min_split=1", NULL};
    for (int which = 0; which < 2; which++) {
        struct slot slot;
        slot_open(&slot, which == 0 ? keys : memory);
        struct policy optimum = slot_policy(&slot, "optimum");
        struct policy response = slot_policy(&slot, "best-response");
        for (uint32_t e = 0; e < 40; e++) {
            slot_draw(&slot, e, e % 2 == 0 ? 0 : 6, e % 3 == 0 ? 4 : 0, 8);
            double least = slot_decide(&slot, &optimum) * (1.0 - 1e-12);
            double close = slot_decide(&slot, &response);
            assert_true(least <= close);
            for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                struct policy other = slot_policy(&slot, others[i]);
                double cost = slot_decide(&slot, &other);
                if (!(least <= cost) || (i == 0 && !(close <= cost)))
                    fail_msg("%s costs %.17g, best response %.17g, the optimum %.17g", others[i], cost, close,
                             least);
                policy_destroy(&other);
            }
        }
        policy_destroy(&optimum);
        policy_destroy(&response);
        slot_close(&slot);
    }
}

/* No device can lower J by moving alone. */
static void assert_no_move_helps(struct slot *slot, double cost)
{
    struct option option[1024];
    for (uint32_t n = 0; n < slot->world.devices; n++) {
        struct option own = {slot->decision.split[n], slot->decision.server[n]};
        size_t count = slot->view.present[n] ? options_of(slot, n, option) : 0;
        for (size_t i = 0; i < count; i++) {
            slot->decision.split[n] = option[i].split;
            slot->decision.server[n] = option[i].server;
            double moved = slot_cost(slot);
            if (moved < cost - 1e-9)
                fail_msg("device %u gains %g by moving to server %u with split %u", n, cost - moved,
                         option[i].server, option[i].split);
        }
        slot->decision.split[n] = own.split;
        slot->decision.server[n] = own.server;
    }
}

/* Where only the last layer may leave the phone, that is what is tried. */
static void best_response_and_the_optimum_know_the_last_split(void **state)
{
    (void) state;
    static const char *const keys[] = {
        "devices.count=2",        "model.min_split=31",      "objective.latency_weight=1",
        "devices.tflops_max=0.6", "servers.coverage_m=5000", NULL};
    struct slot slot;
    slot_open(&slot, keys);
    struct policy response = slot_policy(&slot, "best-response");
    struct policy optimum = slot_policy(&slot, "optimum");
    uint32_t offloaded = 0;
    for (uint32_t e = 0; e < 20; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        double least = slot_decide(&slot, &optimum);
        offloaded += count_offloaded(&slot);
        assert_true(slot_decide(&slot, &response) <= least * 1.05);
        offloaded += count_offloaded(&slot);
    }
    assert_true(offloaded > 40);
    policy_destroy(&response);
    policy_destroy(&optimum);
    slot_close(&slot);
}

static void best_response_ends_where_no_single_move_helps(void **state)
{
    (void) state;
    static const char *const cases[][4] = {
        {"devices.count=6", NULL},
        {"devices.count=6", "radio.sharing=proportional", "servers.sharing=proportional", NULL},
        {"devices.count=6", "radio.sharing=shared", "objective.deadline_s=0", NULL},
        {"devices.count=6", "devices.memory_gb=5", "model.min_split=1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slot slot;
        slot_open(&slot, cases[i]);
        struct policy response = slot_policy(&slot, "best-response");
        for (uint32_t e = 0; e < 15; e++) {
            slot_draw(&slot, e, e % 3 == 0 ? 4 : 0, e % 4 == 0 ? 3 : 0, 6);
            double cost = slot_decide(&slot, &response);
            assert_no_move_helps(&slot, cost);
        }
        policy_destroy(&response);
        slot_close(&slot);
    }
}

#define WORLDS 40u
#define SLOTS_EACH 5u

/* The mean of J over many drawn worlds of `dapo`. */
static void mean_costs(const char *const *policies, size_t count, double *mean)
{
    for (size_t i = 0; i < count; i++)
        mean[i] = 0.0;
    for (uint32_t w = 0; w < WORLDS; w++) {
        char seed[32];
        const char *const keys[] = {seed, NULL};
        (void) snprintf(seed, sizeof seed, "run.seed=%u", w + 1);
        struct slot slot;
        slot_open(&slot, keys);
        for (size_t i = 0; i < count; i++) {
            struct policy policy = slot_policy(&slot, policies[i]);
            for (uint32_t e = 0; e < SLOTS_EACH; e++) {
                slot_draw(&slot, e, 0, 0, 0);
                mean[i] += slot_decide(&slot, &policy) / (WORLDS * SLOTS_EACH);
            }
            policy_destroy(&policy);
        }
        slot_close(&slot);
    }
}

/* The order and the gaps of docs/model.md's headline scenario. */
static void on_dapo_coordination_beats_greed_and_greed_beats_fixed_rules(void **state)
{
    (void) state;
    static const char *const policies[] = {"optimum",           "best-response", "greedy",
                                           "edge-best-channel", "static",        "local"};
    double mean[6];
    mean_costs(policies, 6, mean);
    for (size_t i = 0; i < 6; i++)
        print_message("# %s: mean cost %.3f over %u worlds\n", policies[i], mean[i], WORLDS);
    assert_true(mean[0] < mean[1]);
    assert_true(mean[1] < 1.1 * mean[0]);
    assert_true(mean[1] < 0.75 * mean[2]);
    assert_true(mean[2] < mean[3]);
    assert_true(mean[2] < 0.85 * mean[4]);
    assert_true(mean[4] < 0.97 * mean[5]);
}

/* ---- search ---- */

static double cost_by(struct slot *slot, const char *name)
{
    struct policy policy = slot_policy(slot, name);
    double cost = slot_decide(slot, &policy);
    policy_destroy(&policy);
    return cost;
}

static void many_starts_come_close_to_the_optimum_and_never_below_it(void **state)
{
    (void) state;
    double sum = 0.0, least = 0.0;
    for (uint32_t w = 0; w < 6; w++) {
        char seed[32];
        const char *keys[] = {seed, "devices.count=7", "servers.count=3", NULL};
        (void) snprintf(seed, sizeof seed, "run.seed=%u", w);
        struct slot slot;
        slot_open(&slot, keys);
        for (uint32_t e = 0; e < 6; e++) {
            slot_draw(&slot, e, e % 4 == 3 ? 3 : 0, e % 5 == 4 ? 2 : 0, e % 3 == 0 ? 0 : 4);
            double found = cost_by(&slot, "multi-start"), optimum = cost_by(&slot, "optimum");
            assert_true(found >= optimum - 1e-9);
            sum += found;
            least += optimum;
        }
        slot_close(&slot);
    }
    assert_true(sum <= 1.002 * least);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_optimum_is_what_brute_force_finds_without_a_deadline),
        cmocka_unit_test(the_optimum_is_what_brute_force_finds_with_a_deadline),
        cmocka_unit_test(the_optimum_is_what_brute_force_finds_with_a_privacy_floor),
        cmocka_unit_test(the_optimum_is_what_brute_force_finds_with_little_memory),
        cmocka_unit_test(devices_that_are_all_alike_do_not_confuse_the_optimum),
        cmocka_unit_test(nothing_beats_the_optimum_and_best_response_never_loses_to_local),
        cmocka_unit_test(best_response_and_the_optimum_know_the_last_split),
        cmocka_unit_test(best_response_ends_where_no_single_move_helps),
        cmocka_unit_test(on_dapo_coordination_beats_greed_and_greed_beats_fixed_rules),
        cmocka_unit_test(many_starts_come_close_to_the_optimum_and_never_below_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
