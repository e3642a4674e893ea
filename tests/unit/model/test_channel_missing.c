/* Packets that do not come: who is missing, and how long a transfer takes that does not wait for them. */
#include "core/model/channel_missing.h"

#include <stdio.h>

#include "check.h"

#define PACKET_BITS 12000.0
#define EPISODES 300u

static struct channel_crossing crossing_of(const struct world *world, uint32_t split, double bits)
{
    return (struct channel_crossing){
        .id = {RNG_TEST, 3, 17},
        .device = 2,
        .server = 1,
        .use = channel_up(&world->scenario, split),
        .bits = bits,
        .rate_bps = 1e7,
    };
}

static struct link_params link_of(const struct world *world, const struct channel_crossing *crossing)
{
    return transfer_link(world, crossing->id, crossing->device, crossing->server, &crossing->use,
                         crossing->rate_bps);
}

/* ---- which ---- */

static void as_many_are_missing_as_outages_say(void **state)
{
    (void) state;
    static const char *const transmissions[] = {"channel.transmissions=1", "channel.transmissions=2",
                                                "channel.transmissions=5"};
    for (size_t k = 0; k < 3; k++) {
        struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=3",
                                                          transmissions[k], "link.loss=0.05", NULL});
        struct channel_crossing crossing = crossing_of(&world, 4, 700.0 * PACKET_BITS);
        double expected = channel_given_up(&world.scenario, &crossing.use), sum = 0.0;
        for (uint32_t e = 0; e < EPISODES; e++) {
            crossing.id.episode = e;
            sum += channel_missing_share(&world, &crossing);
        }
        assert_near(sum / EPISODES, expected, 4.5 * sqrt(expected * (1.0 - expected) / (700.0 * EPISODES)));
        assert_same(transfer_expected_missing(&world, 1, &crossing.use, crossing.bits, 1e7), expected);
        world_finish(&world);
    }
}

static void the_share_counts_the_packets_that_are_listed(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=0", NULL});
    const struct channel_crossing crossing = crossing_of(&world, 4, 99.5 * PACKET_BITS);
    uint8_t missing[100];
    uint32_t count = channel_missing(&world, &crossing, missing), listed = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_true((missing[i] != 0) == channel_packet_missing(&world, &crossing, i));
        listed += missing[i] ? 1 : 0;
    }
    assert_int_equal(listed, count);
    assert_in_range(count, 45, 80); /* 63 of 100, and 4 deviations */
    assert_same(channel_missing_share(&world, &crossing), count / 100.0);
    world_finish(&world);
}

static void others_meet_other_losses(void **state)
{
    (void) state;
    struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=0", NULL});
    const struct channel_crossing first = crossing_of(&world, 4, 100.0 * PACKET_BITS);
    struct channel_crossing other[4] = {first, first, first, first};
    other[0].id.slot++;
    other[1].id.episode++;
    other[2].device--;
    other[3].server--;
    for (size_t i = 0; i < 4; i++) {
        uint32_t differ = 0;
        for (uint32_t packet = 0; packet < 100; packet++)
            differ += channel_packet_missing(&world, &first, packet) !=
                              channel_packet_missing(&world, &other[i], packet)
                          ? 1
                          : 0;
        assert_in_range(differ, 25, 70); /* 2 p (1 - p) of 100 are 47 */
    }
    world_finish(&world);
}

static void token_ids_and_reliable_channels_lose_nothing(void **state)
{
    (void) state;
    static const char *const modes[] = {"channel.mode=reliable", "channel.mode=analog",
                                        "channel.mode=erasure", "channel.mode=bits"};
    struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=-10", NULL});
    struct channel_crossing crossing = crossing_of(&world, 0, 50.0 * PACKET_BITS);
    assert_same(channel_missing_share(&world, &crossing), 0.0);
    assert_true(transfer_task_s(&world, crossing.id, 2, 1, &crossing.use, 1e7, crossing.bits) > 0.06 + 0.1);
    crossing.use = channel_up(&world.scenario, 1);
    assert_true(channel_missing_share(&world, &crossing) > 0.9);
    world_finish(&world);
    for (size_t i = 0; i < 4; i++) {
        world = check_world((const char *[]){modes[i], "link.loss=0.3", NULL});
        crossing = crossing_of(&world, 4, 50.0 * PACKET_BITS);
        assert_same(channel_missing_share(&world, &crossing), 0.0);
        assert_false(channel_packet_missing(&world, &crossing, 3));
        assert_int_equal(channel_missing(&world, &crossing, NULL), 0);
        assert_same(transfer_expected_missing(&world, 1, &crossing.use, crossing.bits, 1e7), 0.0);
        world_finish(&world);
    }
}

/* ---- how long ---- */

/* Single transmissions, from the draws of the link's losses alone: when each packet came, or was given up. */
static double last_end_s(const struct link_params *link, double bits, unsigned transmissions, double again_s)
{
    double end_s = 0.0;
    for (uint32_t i = 0; i < transfer_packets(bits); i++) {
        double out_s = fmin((i + 1) * PACKET_BITS, bits) / link->rate_bps;
        unsigned lost = link_losses(link, link->first_packet + i);
        unsigned last = lost < transmissions ? lost + 1 : transmissions;
        end_s = fmax(end_s, out_s + (last - 1) * again_s);
    }
    return end_s;
}

static void nobody_waits_for_a_packet_that_is_given_up(void **state)
{
    (void) state;
    for (unsigned k = 1; k <= 4; k++) {
        char transmissions[40];
        (void) snprintf(transmissions, sizeof transmissions, "channel.transmissions=%u", k);
        struct world world = check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=0",
                                                          "link.retransmit_s=0.05", transmissions, NULL});
        for (uint32_t e = 0; e < 20; e++) {
            struct channel_crossing crossing = crossing_of(&world, 4, 60.5 * PACKET_BITS);
            crossing.id.episode = e;
            const struct link_params link = link_of(&world, &crossing);
            assert_near(transfer_s(&link, crossing.bits), last_end_s(&link, crossing.bits, k, 0.05), 1e-12);
        }
        if (k == 1) /* then it is bits over rate to the bit: what the model foresees */
            assert_same(transfer_expected_s(&world, 1, &(struct channel_use){.margin_db = 0.0}, 1e6, 1e7),
                        1e6 / 1e7);
        world_finish(&world);
    }
}

/* Packets of 1.2 ms each, 10 ms on their way. By 52 ms, 35 have come: number 34 left at 42 ms. */
static void what_has_not_come_by_the_deadline_is_missing(void **state)
{
    (void) state;
    struct world world =
        check_world((const char *[]){"channel.mode=bounded", "channel.margin_db=60", "link.delay_s=0.01",
                                     "channel.deadline_s=0.0521", NULL});
    const struct channel_crossing crossing = crossing_of(&world, 4, 100.0 * PACKET_BITS);
    const struct link_params link = link_of(&world, &crossing);
    assert_same(transfer_s(&link, crossing.bits), 0.0521);
    assert_same(transfer_expected_s(&world, 1, &crossing.use, crossing.bits, 1e7), 0.0521);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(channel_packet_missing(&world, &crossing, i) == (i >= 35));
    assert_near(transfer_expected_missing(&world, 1, &crossing.use, crossing.bits, 1e7), 0.65, 1e-6);
    struct channel_crossing few = crossing_of(&world, 4, 35.0 * PACKET_BITS);
    assert_same(channel_missing_share(&world, &few), 0.0);
    assert_near(transfer_task_s(&world, few.id, 2, 1, &few.use, 1e7, few.bits), 0.052, 1e-12);
    assert_true(isinf(transfer_task_s(&world, few.id, 2, 1, &few.use, 0.0, few.bits))); /* never begins */
    world_finish(&world);
}

/* ---- what is expected ---- */

static void expectations_are_means_of_what_happens(void **state)
{
    (void) state;
    static const char *const keys[][6] = {
        {"channel.transmissions=4", "link.retransmit_s=0.02", NULL},
        {"channel.transmissions=3", "link.retransmit_s=0.02", "channel.deadline_s=0.09", NULL},
        {"channel.transmissions=2", "link.jitter_s=0.03", "link.delay_s=0.01", "channel.deadline_s=0.07",
         NULL},
        {"channel.transmissions=64", "link.retransmit_s=0.004", "link.loss=0.1", "channel.deadline_s=0.1",
         NULL},
    };
    static const double packets[] = {1.0, 7.5, 60.0};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *all[8] = {"channel.mode=bounded", "channel.margin_db=2"};
        for (size_t i = 0; keys[k][i] != NULL; i++)
            all[2 + i] = keys[k][i];
        struct world world = check_world(all);
        for (size_t p = 0; p < sizeof packets / sizeof *packets; p++) {
            struct channel_crossing crossing = crossing_of(&world, 4, packets[p] * PACKET_BITS);
            double sum_s = 0.0, sum2 = 0.0, share = 0.0, share2 = 0.0;
            for (uint32_t e = 0; e < EPISODES; e++) {
                crossing.id.episode = e;
                const struct link_params link = link_of(&world, &crossing);
                double took_s = transfer_s(&link, crossing.bits);
                double missing = channel_missing_share(&world, &crossing);
                sum_s += took_s;
                sum2 += took_s * took_s;
                share += missing;
                share2 += missing * missing;
            }
            double mean_s = sum_s / EPISODES, mean = share / EPISODES;
            double error_s = 4.5 * sqrt(fmax(sum2 / EPISODES - mean_s * mean_s, 0.0) / EPISODES);
            double error = 4.5 * sqrt(fmax(share2 / EPISODES - mean * mean, 0.0) / EPISODES);
            double late_s = mean_s - crossing.bits / crossing.rate_bps;
            assert_near(transfer_expected_s(&world, 1, &crossing.use, crossing.bits, crossing.rate_bps),
                        mean_s, error_s + 0.05 * fabs(late_s) + 1e-12);
            assert_near(transfer_expected_missing(&world, 1, &crossing.use, crossing.bits, crossing.rate_bps),
                        mean, error + 0.01 * mean + 1e-9);
        }
        world_finish(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_are_missing_as_outages_say),
        cmocka_unit_test(the_share_counts_the_packets_that_are_listed),
        cmocka_unit_test(others_meet_other_losses),
        cmocka_unit_test(token_ids_and_reliable_channels_lose_nothing),
        cmocka_unit_test(nobody_waits_for_a_packet_that_is_given_up),
        cmocka_unit_test(what_has_not_come_by_the_deadline_is_missing),
        cmocka_unit_test(expectations_are_means_of_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
