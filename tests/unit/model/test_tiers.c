/* Tiers of servers: what a scenario lists, and what links, costs and views make of it. */
#include "core/model/tiers.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/channel_radio.h"
#include "core/model/cost.h"
#include "core/model/transfer.h"

static const char cloud_text[] = "servers: {count: 4}\n"
                                 "tiers:\n"
                                 "  - {name: edge, count: 3, places: \"100,200 300,400\"}\n"
                                 "  - name: cloud\n"
                                 "    tflops_min: 50\n"
                                 "    tflops_max: 60\n"
                                 "    power_w: 400\n"
                                 "    coverage_m: 5000\n"
                                 "    bandwidth_mhz: 40\n"
                                 "    wan_s: 0.03\n"
                                 "    wan_up_mbps: 8\n"
                                 "    wan_down_mbps: 2\n";

static int read_text(struct scenario *ret, const char *text, struct diag *diag)
{
    scenario_defaults(ret);
    return scenario_read(ret, text, strlen(text), "x", diag);
}

static struct world cloud_world(const char *more)
{
    char text[1024];
    struct scenario scenario;
    struct world world;
    struct diag diag = {{0}};
    (void) snprintf(text, sizeof text, "%s%s", cloud_text, more);
    if (read_text(&scenario, text, &diag) != 0 || world_init(&world, &scenario, NULL, &diag) != 0)
        fail_msg("%s", diag.text);
    return world;
}

static void servers_have_what_their_tier_says_and_else_what_all_have(void **state)
{
    (void) state;
    struct world world = cloud_world("");
    struct world plain = check_world((const char *[]){"servers.count=4", NULL});
    for (uint32_t m = 0; m < 3; m++) {
        assert_int_equal(world.server[m].tier, 0);
        assert_same(world.server[m].flops, plain.server[m].flops); /* the same draw of the same range */
        assert_same(world.server[m].bandwidth_mhz, 20.0);
        assert_same(world.server[m].coverage_m, 800.0);
        assert_same(world.server[m].wan.delay_s, 0.0);
        assert_same(world.server[m].position.x, m == 1 ? 300.0 : 100.0); /* places are used again */
        assert_same(world.server[m].position.y, m == 1 ? 400.0 : 200.0);
    }
    const struct server_params *cloud = &world.server[3];
    assert_int_equal(cloud->tier, 1);
    assert_true(cloud->flops >= 50e12 && cloud->flops <= 60e12);
    assert_same(cloud->power_w, 400.0);
    assert_same(cloud->bandwidth_mhz, 40.0);
    assert_same(cloud->coverage_m, 5000.0);
    assert_same(cloud->position.x, plain.server[3].position.x); /* the built-in layout */
    assert_string_equal(tiers_name(&world.scenario, cloud->tier), "cloud");
    assert_int_equal(plain.server[3].tier, TIERS_NONE);
    assert_string_equal(tiers_name(&plain.scenario, TIERS_NONE), "");
    assert_int_equal(tiers_find(&world.scenario, "cloud"), 1);
    assert_int_equal(tiers_find(&world.scenario, "fog"), TIERS_NONE);
    assert_int_equal(tiers_first(&world.scenario, 1), 3);
    world_finish(&world);
    world_finish(&plain);
}

/* A node has the scenario's text, and hears positions and speeds. */
static void a_node_knows_the_tiers_from_the_scenario(void **state)
{
    (void) state;
    struct world world = cloud_world("");
    struct world node;
    assert_int_equal(world_init_empty(&node, &world.scenario, 10, 4), 0);
    for (uint32_t m = 0; m < 4; m++) {
        const struct server_params *server = &world.server[m];
        world_tell_server(&node, m, server->position, server->flops, server->power_w, server->memory_bytes);
        assert_memory_equal(&node.server[m], server, sizeof *server);
    }
    world_finish(&node);
    assert_int_equal(world_init_empty(&node, &world.scenario, 10, 3), ERR_RANGE);
    world_finish(&world);
}

/* The radio gives what b log2(1 + SNR) says on the tier's band, the network no more than its part. */
static void a_rate_is_the_lesser_of_radio_and_network(void **state)
{
    (void) state;
    struct world world = cloud_world("");
    const struct channel_use use = channel_up(&world.scenario, 1);
    double power_w = world.device[0].transmit_power_w, gain = 1e-9;
    for (unsigned share = 1; share <= 4; share++) {
        double edge_hz = 20e6 / share, cloud_hz = 40e6 / share;
        assert_same(channel_up_bps(&world, 0, &use, edge_hz, power_w, gain),
                    channel_rate_bps(&world.scenario, &use, edge_hz, power_w, gain));
        assert_near(channel_up_bps(&world, 3, &use, cloud_hz, power_w, gain), 8e6 / share, 1e-6);
    }
    double weak = channel_rate_bps(&world.scenario, &use, 40e6, power_w, 1e-16);
    assert_true(weak < 8e6);
    assert_same(channel_up_bps(&world, 3, &use, 40e6, power_w, 1e-16), weak);
    assert_same(transfer_down_bps(&world, 3), 2e6);
    assert_true(isinf(transfer_down_bps(&world, 0)));
    assert_true(transfer_down_is_free(&world, 0) && !transfer_down_is_free(&world, 3));
    world_finish(&world);
}

static void the_network_delays_both_ways(void **state)
{
    (void) state;
    struct world world = cloud_world("");
    const struct slot_id id = {RNG_TEST, 0, 0};
    const struct channel_use use = channel_up(&world.scenario, 1);
    assert_same(transfer_task_s(&world, id, 2, 0, &use, 1e6, 1e5), 0.1);
    assert_near(transfer_task_s(&world, id, 2, 3, &use, 1e6, 1e5), 0.13, 1e-12);
    assert_near(transfer_expected_s(&world, 3, &use, 1e5, 1e6), 0.13, 1e-12);
    assert_near(transfer_task_s(&world, id, 2, 3, &channel_down, transfer_down_bps(&world, 3), 0.0), 0.03,
                1e-12);
    const struct task_plan near_plan = {
        .split = 4, .server = 0, .bandwidth_share = 1.0, .compute_share = 1.0};
    struct task_plan far_plan = near_plan;
    struct task_outcome outcome;
    far_plan.server = 3;
    cost_outcome(&world, 2, 128, 1e-9, &far_plan, &outcome);
    double bits = channel_bits(&world, 4, 128, 0);
    assert_near(outcome.times.transmit_s, bits / 8e6 + 0.06, 1e-9); /* up, and the RESULT's way */
    cost_outcome(&world, 2, 128, 1e-9, &near_plan, &outcome);
    assert_same(outcome.times.transmit_s, bits / outcome.rate_bps);
    world_finish(&world);
}

/* The closed form of what losses and jitter add knows the network's jitter. */
static void the_networks_jitter_widens_the_links(void **state)
{
    (void) state;
    struct world world = cloud_world("link: {jitter_s: 0.01}\n");
    world.server[3].wan.jitter_s = 0.03;
    const struct channel_use use = channel_up(&world.scenario, 1);
    double sum_s = 0.0, here_s = 0.0;
    for (uint32_t slot = 0; slot < 4000; slot++) {
        const struct slot_id id = {RNG_TEST, 0, slot};
        sum_s += transfer_task_s(&world, id, 2, 3, &use, 1e6, 8000.0) / 4000.0;
        here_s += transfer_task_s(&world, id, 2, 0, &use, 1e6, 8000.0) / 4000.0;
    }
    assert_near(sum_s, 0.008 + 0.03 + 0.02, 1e-3); /* half of 10 + 30 ms */
    assert_near(here_s, 0.008 + 0.005, 3e-4);
    assert_near(transfer_expected_s(&world, 3, &use, 8000.0, 1e6), 0.058, 1e-9);
    world_finish(&world);
}

static void coverage_is_the_tiers_own(void **state)
{
    (void) state;
    struct world world = cloud_world("");
    const struct slot_id id = {RNG_TEST, 0, 0};
    struct vec2 far = {world.server[3].position.x + 3000.0, world.server[3].position.y};
    assert_true(device_slot_covered(&world, 0, id, far, 3));
    assert_false(device_slot_covered(&world, 0, id, far, 0));
    world_finish(&world);
}

static void what_a_list_of_tiers_may_not_say_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        const char *message;
    } refused[] = {
        {"tiers: [{count: 3}]\n",
         "x: tiers[1].name: '' is no name, allowed letters, digits and dashes, a letter first"},
        {"tiers: [{name: 1a, count: 3}]\n",
         "x: tiers[1].name: '1a' is no name, allowed letters, digits and dashes, a letter first"},
        {"tiers: [{name: a, count: 2}, {name: a}]\n",
         "x: tiers[2].name: tier 1 is called 'a' too, allowed a name of its own"},
        {"tiers: [{name: a, count: 0}]\n",
         "x:1: tiers[1].count: 0 is out of range, allowed 1 to 256 servers"},
        {"tiers: [{name: a, count: 2}]\n",
         "x: servers.count: is 3, and the tiers have 2 servers: allowed 2, or no tiers"},
        {"tiers: [{name: a, count: 200}, {name: b, count: 57}]\n",
         "x: tiers: they have 257 servers in all, allowed at most 256"},
        {"tiers: [{name: a, count: 3, tflops_min: 11}]\n",
         "x: tiers.a.tflops_min: 11 is above its tflops_max, 10 TFLOP/s"},
        {"tiers: [{name: a, count: 3, coverage_m: 5}]\n",
         "x: tiers.a.coverage_m: 5 is below radio.min_distance_m, 10 m"},
        {"tiers: [{name: a, count: 3, places: \"1,2 3\"}]\n",
         "x: tiers.a.places: '1,2 3', expected X,Y in metres for each place, blanks between, each within 1e7 "
         "m"},
        {"tiers: [{name: a, count: 3, places: \"1,nan\"}]\n",
         "x: tiers.a.places: '1,nan', expected X,Y in metres for each place, blanks between, each within 1e7 "
         "m"},
        {"radio: {sharing: shared}\ntiers: [{name: a, count: 3, bandwidth_mhz: 10}]\n",
         "x: tiers.a.bandwidth_mhz: radio.sharing: shared has one band for all, allowed 0"},
        {"radio: {trace: t.csv}\ntiers: [{name: a, count: 3, bandwidth_mhz: 10}]\n",
         "x: tiers.a.bandwidth_mhz: a trace (radio.trace) has one band for all, allowed 0"},
        {"channel: {mode: analog, snr: radio}\ntiers: [{name: a, count: 3, bandwidth_mhz: 10}]\n",
         "x: tiers.a.bandwidth_mhz: channel.snr: radio takes one band for all, allowed 0"},
        {"servers: {positions_csv: p.csv}\ntiers: [{name: a, count: 3}]\n",
         "x: servers.positions_csv: tiers say where their servers stand, allowed empty"},
        {"tiers: [{name: a, count: 3, wan_s: -1}]\n",
         "x:1: tiers[1].wan_s: -1 is out of range, allowed 0 to 60 s"},
        {"tiers: [{name: a, count: 3, wan_s: nan}]\n",
         "x:1: tiers[1].wan_s: 'nan' is not a number, allowed 0 to 60 s"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct scenario scenario;
        struct diag diag = {{0}};
        assert_int_not_equal(read_text(&scenario, refused[i].text, &diag), 0);
        assert_string_equal(diag.text, refused[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_have_what_their_tier_says_and_else_what_all_have),
        cmocka_unit_test(a_node_knows_the_tiers_from_the_scenario),
        cmocka_unit_test(a_rate_is_the_lesser_of_radio_and_network),
        cmocka_unit_test(the_network_delays_both_ways),
        cmocka_unit_test(the_networks_jitter_widens_the_links),
        cmocka_unit_test(coverage_is_the_tiers_own),
        cmocka_unit_test(what_a_list_of_tiers_may_not_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
