/* A link's parts one by one, with exact expectations, and all together. */
#include "core/model/link.h"

#include "check.h"
#include "core/base/err.h"

#define PACKETS 20000u

/* Drains the link up to `until_s`, always at the times it names, and says when each packet arrived. */
static size_t drain(struct link *link, double until_s, double *ret_arrival_s)
{
    size_t count = 0;
    struct link_packet packet;
    for (double due_s = link_due_s(link); due_s <= until_s; due_s = link_due_s(link))
        while (link_take(link, due_s, &packet, &ret_arrival_s[count]))
            count++;
    return count;
}

static struct link make(struct link_params params)
{
    struct link link;
    link_init(&link, &params, 0.0);
    return link;
}

static void a_packet_takes_its_bits_over_the_rate(void **state)
{
    (void) state;
    double arrival_s[3];
    struct link link = make((struct link_params){.rate_bps = 8000.0});
    assert_true(isinf(link_due_s(&link)));
    assert_int_equal(link_offer(&link, 1.0, 500.0), 0);
    assert_int_equal(link_offer(&link, 1.0, 1000.0), 0);
    assert_same(link_due_s(&link), 1.5);
    assert_int_equal(drain(&link, 10.0, arrival_s), 2);
    assert_same(arrival_s[0], 1.5);
    assert_same(arrival_s[1], 2.5);
    assert_int_equal(link_offer(&link, 7.0, 1000.0), 0); /* what was idle gives no credit */
    assert_int_equal(drain(&link, 10.0, arrival_s), 1);
    assert_same(arrival_s[0], 8.0);
    link_finish(&link);
}

static void a_rate_that_changes_takes_hold_of_the_packet_on_the_way(void **state)
{
    (void) state;
    double arrival_s[2];
    struct link link = make((struct link_params){.rate_bps = 8000.0});
    assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    link_set_rate(&link, 0.25, 16000.0); /* 2000 bits are through, 6000 take 0.375 s */
    assert_same(link_due_s(&link), 0.625);
    link_set_rate(&link, 0.375, 4000.0); /* 4000 bits are through, 4000 take 1 s */
    assert_int_equal(drain(&link, 10.0, arrival_s), 1);
    assert_same(arrival_s[0], 1.375);
    link_finish(&link);
}

static void in_an_outage_packets_wait_for_as_long_as_it_lasts(void **state)
{
    (void) state;
    double arrival_s[2];
    struct link link = make((struct link_params){.rate_bps = 8000.0});
    assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    link_set_rate(&link, 0.5, 0.0);
    assert_true(isinf(link_due_s(&link)));
    assert_int_equal(drain(&link, 600.0, arrival_s), 0);
    link_set_rate(&link, 600.5, 8000.0);
    assert_int_equal(drain(&link, 1000.0, arrival_s), 1);
    assert_same(arrival_s[0], 601.0);
    link_finish(&link);
}

static void looking_late_delays_nobody(void **state)
{
    (void) state;
    struct link link = make((struct link_params){.rate_bps = 8000.0, .delay_s = 0.25});
    struct link_packet packet;
    double arrival_s;
    for (int i = 0; i < 4; i++)
        assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    for (int i = 0; i < 4; i++) { /* one look, long after */
        assert_true(link_take(&link, 100.0, &packet, &arrival_s));
        assert_int_equal(packet.index, i);
        assert_same(arrival_s, 1.0 + i + 0.25);
    }
    assert_false(link_take(&link, 100.0, &packet, &arrival_s));
    link_finish(&link);
}

static void a_delay_keeps_many_packets_in_the_air(void **state)
{
    (void) state;
    double arrival_s[3];
    struct link link = make((struct link_params){.rate_bps = 8e6, .delay_s = 2.0});
    for (int i = 0; i < 3; i++)
        assert_int_equal(link_offer(&link, 0.0, 125000.0), 0);
    assert_int_equal(drain(&link, 10.0, arrival_s), 3);
    assert_same(arrival_s[0], 2.125);
    assert_same(arrival_s[1], 2.25);
    assert_same(arrival_s[2], 2.375);
    link_finish(&link);
}

static void jitter_is_uniform_and_lets_nobody_overtake(void **state)
{
    (void) state;
    static double arrival_s[PACKETS];
    struct link_params params = {.rate_bps = 8e6, .jitter_s = 0.125, .draws = {.seed = 3}};
    struct link link = make(params);
    double sum_s = 0.0, before_s = 0.0;
    for (uint32_t i = 0; i < PACKETS; i++)
        assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    assert_int_equal(drain(&link, 1e6, arrival_s), PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++) {
        double jitter_s = link_jitter_s(&params, i), out_s = 0.001 * (i + 1) + jitter_s;
        sum_s += jitter_s;
        assert_true(jitter_s >= 0.0 && jitter_s < 0.125);
        assert_near(arrival_s[i], out_s > before_s ? out_s : before_s, 1e-6);
        before_s = arrival_s[i];
    }
    assert_near(sum_s / PACKETS, 0.0625, 0.001); /* 4 deviations of the mean are 0.00102 */
    link_finish(&link);
}

static void a_lost_transmission_costs_its_repetition(void **state)
{
    (void) state;
    static double arrival_s[PACKETS];
    struct link_params params = {.rate_bps = 8.0, .loss = 0.25, .retransmit_s = 0.5, .draws = {.seed = 4}};
    struct link link = make(params);
    uint64_t lost = 0;
    for (uint32_t i = 0; i < PACKETS; i++)
        assert_int_equal(link_offer(&link, 0.0, 100.0), 0);
    assert_int_equal(drain(&link, 1e9, arrival_s), PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++) {
        lost += link_losses(&params, i);
        assert_near(arrival_s[i], 100.0 * (i + 1) + 0.5 * link_losses(&params, i), 1e-3);
    }
    assert_near((double) lost / PACKETS, 0.25 / 0.75, 0.02); /* mean of a geometric law */
    link_finish(&link);
}

static void a_full_queue_refuses_and_has_room_again(void **state)
{
    (void) state;
    double arrival_s[4];
    struct link link = make((struct link_params){.rate_bps = 8000.0, .queue_bytes = 2000.0});
    assert_int_equal(link_offer(&link, 0.0, 1000.0), 0); /* on the rate, not in the queue */
    assert_int_equal(link_offer(&link, 0.0, 1500.0), 0);
    assert_int_equal(link_offer(&link, 0.0, 500.0), 0);
    assert_int_equal(link_offer(&link, 0.0, 1.0), ERR_TOO_BIG);
    assert_same(link_bytes(&link), 3000.0);
    assert_int_equal(drain(&link, 1.0, arrival_s), 1);
    assert_int_equal(link_offer(&link, 1.0, 1500.0), 0);
    assert_int_equal(drain(&link, 10.0, arrival_s), 3);
    assert_same(arrival_s[2], 4.5);
    assert_same(link_bytes(&link), 0.0);
    link_finish(&link);
}

static void what_is_cleared_never_arrives_and_the_next_packet_starts_afresh(void **state)
{
    (void) state;
    double arrival_s[2];
    struct link link = make((struct link_params){.rate_bps = 8000.0, .delay_s = 1.0, .queue_bytes = 1500.0});
    for (int i = 0; i < 2; i++)
        assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    assert_int_equal(drain(&link, 1.5, arrival_s), 0);
    assert_int_equal(link_offer(&link, 1.5, 1000.0), 0);
    assert_same(link_bytes(&link), 3000.0); /* one in the air, one on the rate, one waiting */
    link_clear(&link, 1.5);
    assert_true(isinf(link_due_s(&link)));
    assert_same(link_bytes(&link), 0.0);
    assert_int_equal(link_packets(&link), 0);
    assert_int_equal(link_offer(&link, 2.0, 1000.0), 0);
    assert_int_equal(link_offer(&link, 2.0, 1500.0), 0); /* the queue has room as at first */
    assert_same(link_bytes(&link), 2500.0);
    assert_int_equal(drain(&link, 10.0, arrival_s), 2);
    assert_same(arrival_s[0], 4.0);
    assert_same(arrival_s[1], 5.5);
    link_finish(&link);
}

static void all_parts_together_keep_the_rate_and_the_order_while_it_changes(void **state)
{
    (void) state;
    static double arrival_s[PACKETS];
    struct link link = make((struct link_params){.rate_bps = 12e6,
                                                 .delay_s = 0.02,
                                                 .jitter_s = 0.005,
                                                 .loss = 0.01,
                                                 .retransmit_s = 0.04,
                                                 .draws = {.seed = 9, .entity = 2}});
    size_t count = 0;
    double now_s = 0.0, allowed_bits = 0.0;
    for (uint32_t i = 0; i < PACKETS; i++)
        assert_int_equal(link_offer(&link, 0.0, 1500.0), 0);
    for (unsigned step = 0; count < PACKETS; step++) { /* a rate for each 50 ms, now and then none */
        double rate_bps = step % 7 == 3 ? 0.0 : 1e6 * (1 + step * 5 % 24);
        link_set_rate(&link, now_s, rate_bps);
        count += drain(&link, now_s + 0.05, arrival_s + count);
        allowed_bits += rate_bps * 0.05;
        now_s += 0.05;
        assert_true((double) count * 12000.0 <= allowed_bits + 1.0);
    }
    for (uint32_t i = 1; i < PACKETS; i++)
        assert_true(arrival_s[i] >= arrival_s[i - 1]);
    assert_true(link.rate.allowed_bits >= PACKETS * 12000.0 - 1.0);
    link_finish(&link);
}

static void a_link_that_is_restarted_is_a_new_one(void **state)
{
    (void) state;
    double arrival_s[2];
    struct link_params params = {.rate_bps = 8000.0, .jitter_s = 0.5, .draws = {.seed = 5}};
    struct link link = make(params);
    for (int i = 0; i < 3; i++)
        assert_int_equal(link_offer(&link, 0.0, 1000.0), 0);
    params.first_packet = 70;
    params.rate_bps = (double) INFINITY; /* takes no time */
    link_restart(&link, &params, 1.0);
    assert_true(isinf(link_due_s(&link)));
    assert_int_equal(link_offer(&link, 2.0, 1e6), 0);
    assert_same(link_due_s(&link), 2.0);
    assert_int_equal(drain(&link, 10.0, arrival_s), 1);
    assert_same(arrival_s[0], 2.0 + link_jitter_s(&params, 70));
    link_finish(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_takes_its_bits_over_the_rate),
        cmocka_unit_test(a_rate_that_changes_takes_hold_of_the_packet_on_the_way),
        cmocka_unit_test(in_an_outage_packets_wait_for_as_long_as_it_lasts),
        cmocka_unit_test(looking_late_delays_nobody),
        cmocka_unit_test(a_delay_keeps_many_packets_in_the_air),
        cmocka_unit_test(jitter_is_uniform_and_lets_nobody_overtake),
        cmocka_unit_test(a_lost_transmission_costs_its_repetition),
        cmocka_unit_test(a_full_queue_refuses_and_has_room_again),
        cmocka_unit_test(what_is_cleared_never_arrives_and_the_next_packet_starts_afresh),
        cmocka_unit_test(a_link_that_is_restarted_is_a_new_one),
        cmocka_unit_test(all_parts_together_keep_the_rate_and_the_order_while_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
