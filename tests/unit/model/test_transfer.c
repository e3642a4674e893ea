/* How long a transfer takes: the closed forms against a simulated link, packet by packet. */
#include "core/model/transfer.h"

#include "check.h"
#include "core/base/err.h"
#include "core/model/cost.h"

#define DRAWS 400u

static const struct channel_use use = {.payload = CHANNEL_ACTIVATIONS, .margin_db = 1.0};
static const struct slot_id some_slot = {RNG_TEST, 3, 17};
static const char *const rough_keys[] = {"link.delay_s=0.01", "link.jitter_s=0.005", "link.loss=0.05",
                                         "link.retransmit_s=0.02", NULL};
static const struct {
    double bits, rate_bps;
} transfers[] = {
    {4096.0, 1e5}, {12000.0, 1e6}, {12001.0, 1e6}, {8388608.0, 5e6}, {8388608.0, 1e8}, {1e6, 1e9}, {0.0, 1e6},
};

static struct link_params up(const struct world *world, double rate_bps)
{
    return transfer_link(world, some_slot, 2, 1, &use, rate_bps);
}

/* Offers the packets as long as there is room, again whenever one has left, and says when the last arrived. */
static double simulate(const struct link_params *params, double bits, double queue_bytes)
{
    struct link_params bounded = *params;
    struct link_packet packet;
    struct link link;
    double left = bits > 0.0 ? bits / 8.0 : 0.0, arrival_s = 0.0, now_s = 0.0;
    bounded.queue_bytes = queue_bytes;
    link_init(&link, &bounded, 0.0);
    bool more = true; /* a transfer without bytes is a packet too */
    while (more || link_bytes(&link) > 0.0 || !isinf(link_due_s(&link))) {
        while (more) {
            double bytes = left < TRANSFER_PACKET_BYTES ? left : TRANSFER_PACKET_BYTES;
            if (link_offer(&link, now_s, bytes) != 0)
                break;
            left -= bytes;
            more = left > 0.0;
        }
        now_s = link_due_s(&link);
        while (link_take(&link, now_s, &packet, &arrival_s))
            continue;
    }
    link_finish(&link);
    return arrival_s;
}

static void without_loss_and_jitter_it_is_bits_over_rate_and_the_delay(void **state)
{
    (void) state;
    struct world plain = check_world(NULL);
    struct world far = check_world((const char *[]){"link.delay_s=0.25", NULL});
    for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++) {
        double bits = transfers[i].bits, rate_bps = transfers[i].rate_bps;
        struct link_params here = up(&plain, rate_bps), there = up(&far, rate_bps);
        assert_same(transfer_s(&here, bits), bits / rate_bps);
        assert_same(transfer_expected_s(&plain, 1, &use, bits, rate_bps), bits / rate_bps);
        assert_same(transfer_s(&there, bits), bits / rate_bps + 0.25);
        assert_same(transfer_task_s(&far, some_slot, 2, 1, &use, rate_bps, bits), bits / rate_bps + 0.25);
        assert_same(transfer_expected_s(&far, 1, &use, bits, rate_bps), bits / rate_bps + 0.25);
        assert_near(transfer_s(&there, bits), simulate(&there, bits, 0.0), 1e-9);
    }
    world_finish(&plain);
    world_finish(&far);
}

static void with_loss_and_jitter_it_is_what_a_link_of_packets_comes_to(void **state)
{
    (void) state;
    struct world world = check_world(rough_keys);
    bool late = false;
    for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++)
        for (uint32_t slot = 0; slot < 20; slot++) {
            struct slot_id id = {RNG_TRAIN, 0, slot};
            struct link_params link = transfer_link(&world, id, 0, 0, &use, transfers[i].rate_bps);
            double took_s = transfer_s(&link, transfers[i].bits);
            double least_s = transfers[i].bits / transfers[i].rate_bps + 0.01;
            assert_near(took_s, simulate(&link, transfers[i].bits, 0.0), 1e-9);
            assert_same(transfer_task_s(&world, id, 0, 0, &use, transfers[i].rate_bps, transfers[i].bits),
                        took_s);
            assert_true(took_s >= least_s);
            late = late || took_s > least_s + 0.02;
        }
    assert_true(late); /* a lost packet was among the last */
    world_finish(&world);
}

static void a_full_queue_holds_the_sender_back_and_delays_nothing(void **state)
{
    (void) state;
    struct world world = check_world(rough_keys);
    struct link_params link = up(&world, 5e6);
    assert_near(simulate(&link, 8388608.0, 3000.0), simulate(&link, 8388608.0, 0.0), 1e-9);
    world_finish(&world);
}

static void draws_belong_to_the_slot_the_device_the_server_and_the_way(void **state)
{
    (void) state;
    struct world world = check_world(rough_keys);
    struct slot_id later = {RNG_TEST, 3, 18}, other = {RNG_TEST, 4, 17};
    const struct link_params links[] = {
        transfer_link(&world, some_slot, 2, 1, &use, 1e7),
        transfer_link(&world, some_slot, 2, 1, &channel_down, 1e7),
        transfer_link(&world, some_slot, 2, 0, &use, 1e7),
        transfer_link(&world, some_slot, 1, 1, &use, 1e7),
        transfer_link(&world, later, 2, 1, &use, 1e7),
        transfer_link(&world, other, 2, 1, &use, 1e7),
    };
    struct link_params again = transfer_link(&world, some_slot, 2, 1, &use, 1e7);
    assert_same(transfer_s(&again, 1e6), transfer_s(&links[0], 1e6));
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(transfer_s(&links[i], 1e6) != transfer_s(&links[j], 1e6));
    world_finish(&world);
}

static void what_is_expected_is_the_mean_of_what_happens(void **state)
{
    (void) state;
    static const char *const keys[][4] = {
        {"link.jitter_s=0.005", "link.loss=0.01", "link.retransmit_s=0.008", NULL},
        {"link.jitter_s=0.02", "link.loss=0.3", "link.retransmit_s=0.01", NULL},
        {"link.jitter_s=0.05", NULL},
        {"link.loss=0.2", "link.retransmit_s=0.2", NULL},
        {"channel.harq=on", NULL},
        {"channel.harq=on", "channel.harq_transmissions=2", "channel.harq_error=0.3", NULL},
        {"channel.harq=on", "link.loss=0.1", "link.jitter_s=0.01", NULL},
    };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct world world = check_world(keys[k]);
        for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++) {
            double sum_s = 0.0, sum2 = 0.0, least_s = transfers[i].bits / transfers[i].rate_bps;
            for (uint32_t slot = 0; slot < DRAWS; slot++) {
                struct slot_id id = {RNG_TRAIN, 1, slot};
                struct link_params link = transfer_link(&world, id, 0, 0, &use, transfers[i].rate_bps);
                double late_s = transfer_s(&link, transfers[i].bits) - least_s;
                sum_s += late_s;
                sum2 += late_s * late_s;
            }
            double mean_s = sum_s / DRAWS, deviation_s = sqrt(fmax(sum2 / DRAWS - mean_s * mean_s, 0.0));
            double expected_s =
                transfer_expected_s(&world, 1, &use, transfers[i].bits, transfers[i].rate_bps) - least_s;
            assert_near(expected_s, mean_s, 0.03 * mean_s + 4.0 * deviation_s / sqrt(DRAWS));
        }
        world_finish(&world);
    }
}

/* A single packet: the mean of a geometric number of failures, of which every fourth costs what the layer above
 * takes. */
static void harq_costs_what_its_geometric_series_says(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.harq=on", "channel.harq_error=0.4",
                                                      "channel.harq_transmissions=4", "link.retransmit_s=0.1",
                                                      "channel.harq_interval_s=0.01", NULL});
    double series_s = 0.0, chance = 0.6, cost_s = 0.0, sum_s = 0.0;
    for (unsigned failed = 1; failed < 60; failed++) {
        chance *= 0.4;
        cost_s += failed % 4 == 0 ? 0.1 : 0.01;
        series_s += chance * cost_s;
    }
    assert_near(transfer_expected_s(&world, 1, &use, 1e4, 1e6), 1e4 / 1e6 + series_s, 1e-12);
    for (uint32_t slot = 0; slot < 20000; slot++) {
        struct slot_id id = {RNG_TRAIN, 1, slot};
        sum_s += transfer_task_s(&world, id, 0, 0, &use, 1e6, 1e4) - 1e4 / 1e6;
    }
    assert_near(sum_s / 20000.0, series_s, 0.03 * series_s);
    struct link_params down = transfer_link(&world, some_slot, 0, 0, &channel_down, 1e6);
    assert_same(transfer_s(&down, 1e4), 1e4 / 1e6); /* RESULTs come as before */
    world_finish(&world);
}

static void a_bounded_transfer_and_one_with_harq_take_what_their_packets_take(void **state)
{
    (void) state;
    static const char *const keys[][6] = {
        {"channel.harq=on", "channel.harq_error=0.3", "link.loss=0.1", "link.jitter_s=0.01", NULL},
        {"channel.mode=bounded", "channel.margin_db=1", "channel.transmissions=3", NULL},
        {"channel.mode=bounded", "channel.margin_db=1", "channel.deadline_s=0.05", "link.jitter_s=0.02",
         "link.delay_s=0.01", NULL},
        {"channel.mode=bounded", "channel.margin_db=1", "channel.transmissions=40", "channel.deadline_s=0.2",
         "link.retransmit_s=0.05", NULL},
    };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct world world = check_world(keys[k]);
        for (uint32_t slot = 0; slot < 40; slot++)
            for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++) {
                struct slot_id id = {RNG_TRAIN, 1, slot};
                struct link_params link = transfer_link(&world, id, 0, 0, &use, transfers[i].rate_bps);
                double took_s = transfer_s(&link, transfers[i].bits);
                assert_near(simulate(&link, transfers[i].bits, 0.0), took_s, 1e-6 * took_s);
            }
        world_finish(&world);
    }
}

static void a_clock_that_runs_faster_takes_less_of_everything(void **state)
{
    (void) state;
    struct world world = check_world(rough_keys);
    struct link_params link = up(&world, 5e6), fast = transfer_scaled(&link, 4.0);
    assert_near(transfer_s(&fast, 8388608.0), transfer_s(&link, 8388608.0) / 4.0, 1e-12);
    world_finish(&world);
}

static void no_rate_is_for_ever_and_an_endless_one_takes_no_time(void **state)
{
    (void) state;
    struct world world = check_world(rough_keys);
    struct link_params outage = up(&world, 0.0), endless = up(&world, (double) INFINITY);
    assert_true(isinf(transfer_s(&outage, 1.0)));
    assert_true(isinf(transfer_expected_s(&world, 1, &use, 1.0, 0.0)));
    assert_near(transfer_s(&endless, 1e6), simulate(&endless, 1e6, 0.0), 1e-12);
    assert_true(transfer_s(&endless, 1e6) < 0.01 + LINK_LOSSES_MAX * 0.02);
    world_finish(&world);
}

static void a_result_costs_nothing_unless_the_scenario_says_so(void **state)
{
    (void) state;
    struct world plain = check_world(NULL);
    struct world heavy =
        check_world((const char *[]){"link.result_kb=125", "link.down_mbps=10", "link.delay_s=0.5", NULL});
    struct task_plan plan = {.split = 16, .server = 0, .bandwidth_share = 1.0, .compute_share = 1.0};
    struct task_outcome before, after;
    assert_same(transfer_expected_s(&plain, 1, &channel_down, transfer_down_bits(&plain.scenario),
                                    transfer_down_bps(&plain, 1)),
                0.0);
    cost_outcome(&plain, 0, 128, 1e-10, &plan, &before);
    cost_outcome(&heavy, 0, 128, 1e-10, &plan, &after);
    assert_same(before.times.transmit_s, before.payload_bits / before.rate_bps);
    assert_near(after.times.transmit_s, before.times.transmit_s + 0.5 + 0.1 + 0.5, 1e-12);
    assert_near(after.latency_s, before.latency_s + 1.1, 1e-12);
    plan.split = plain.llm->layers;
    cost_outcome(&plain, 0, 128, 0.0, &plan, &before);
    cost_outcome(&heavy, 0, 128, 0.0, &plan, &after);
    assert_same(after.latency_s, before.latency_s); /* a local task crosses no link */
    world_finish(&plain);
    world_finish(&heavy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_loss_and_jitter_it_is_bits_over_rate_and_the_delay),
        cmocka_unit_test(with_loss_and_jitter_it_is_what_a_link_of_packets_comes_to),
        cmocka_unit_test(a_full_queue_holds_the_sender_back_and_delays_nothing),
        cmocka_unit_test(draws_belong_to_the_slot_the_device_the_server_and_the_way),
        cmocka_unit_test(what_is_expected_is_the_mean_of_what_happens),
        cmocka_unit_test(harq_costs_what_its_geometric_series_says),
        cmocka_unit_test(a_bounded_transfer_and_one_with_harq_take_what_their_packets_take),
        cmocka_unit_test(a_clock_that_runs_faster_takes_less_of_everything),
        cmocka_unit_test(no_rate_is_for_ever_and_an_endless_one_takes_no_time),
        cmocka_unit_test(a_result_costs_nothing_unless_the_scenario_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
