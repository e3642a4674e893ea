/* A pacer on a real loop. Nothing may ever be too early, however busy this machine is; that it is not too
 * late either is asserted only when the loop itself was on time (proto/wire/lag), and tried again otherwise. */
#include "proto/wire/pacer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "proto/wire/loop_lag.h"

#define MS UINT64_C(1000000)
#define TRIES 10

struct bench {
    struct wire_loop loop;
    struct wire_alarms alarms;
    struct wire_alarm alarm;
    struct wire_pacer pacer;
    struct wire_loop_lag lag;
    double lag_max_s;
    uv_check_t turn; /* the loop's */
    unsigned turns;
    uint64_t bytes, start_ns, done_ns;
    unsigned dones, looks;
    /* The schedule of rates: from at_s[i] on, mbps[i]. */
    const double *at_s, *mbps;
    size_t rates, next;
};

static struct bench bench;

/* Bits that the schedule has allowed by then. */
static double allowed_bits(double until_s)
{
    double bits = 0.0;
    for (size_t i = 0; i < bench.rates && bench.at_s[i] < until_s; i++) {
        double end_s = i + 1 < bench.rates ? fmin(bench.at_s[i + 1], until_s) : until_s;
        bits += bench.mbps[i] * 1e6 * (end_s - bench.at_s[i]);
    }
    return bits;
}

static double now_s(void)
{
    return units_ns_to_s(clock_monotonic_ns() - bench.start_ns);
}

static void on_bytes(void *user, uint64_t bytes)
{
    (void) user;
    bench.bytes += bytes;
    if (bench.rates == 1) /* where the shell that sets the rate is late, what is allowed is not known here */
        assert_true(8.0 * (double) bench.bytes <= allowed_bits(now_s()) + 1.0);
}

static void on_free_bytes(void *user, uint64_t bytes)
{
    (void) user;
    bench.bytes += bytes;
}

static void on_done(void *user)
{
    (void) user;
    bench.dones++;
    bench.done_ns = clock_monotonic_ns();
    wire_pacer_finish(&bench.pacer);
    wire_loop_lag_flush(&bench.lag);
    wire_alarms_close(&bench.alarms);
    uv_close((uv_handle_t *) &bench.turn, NULL);
}

static void on_turn(uv_check_t *turn)
{
    (void) turn;
    bench.turns++;
}

static void count_turns(void)
{
    assert_int_equal(uv_check_init(&bench.loop.uv, &bench.turn), 0);
    assert_int_equal(uv_check_start(&bench.turn, on_turn), 0);
}

static const struct wire_pacer_hooks hooks = {.on_bytes = on_bytes, .on_done = on_done};
static const struct wire_pacer_hooks free_hooks = {.on_bytes = on_free_bytes, .on_done = on_done};

static void on_interval(void *user, const struct wire_loop_lag_interval *interval)
{
    (void) user;
    bench.lag_max_s = fmax(bench.lag_max_s, interval->max_s);
}

static void on_rate(struct wire_alarm *alarm)
{
    wire_pacer_set_rate(&bench.pacer, bench.mbps[bench.next] * 1e6);
    if (++bench.next < bench.rates)
        assert_int_equal(
            wire_alarm_set(&bench.alarms, alarm, bench.start_ns + (uint64_t) (bench.at_s[bench.next] * 1e9)),
            0);
}

/* Sends `bytes` under a schedule; returns how long it took. */
static double play(const struct link_params *params, const double *at_s, const double *mbps, size_t rates,
                   uint64_t bytes)
{
    memset(&bench, 0, sizeof bench);
    bench.at_s = at_s;
    bench.mbps = mbps;
    bench.rates = rates;
    bench.alarm.on_due = on_rate;
    assert_int_equal(wire_loop_init(&bench.loop, NULL, NULL), 0);
    assert_int_equal(wire_alarms_open(&bench.alarms, &bench.loop), 0);
    count_turns();
    wire_pacer_init(&bench.pacer, &bench.alarms, params, &hooks, &bench);
    assert_int_equal(wire_loop_lag_start(&bench.lag, &bench.alarms, on_interval, NULL), 0);
    bench.start_ns = clock_monotonic_ns();
    on_rate(&bench.alarm);
    assert_int_equal(wire_pacer_send(&bench.pacer, bytes), 0);
    (void) uv_run(&bench.loop.uv, UV_RUN_DEFAULT);
    wire_loop_finish(&bench.loop);
    assert_int_equal(bench.dones, 1);
    assert_int_equal(bench.bytes, bytes);
    return units_ns_to_s(bench.done_ns - bench.start_ns);
}

static const struct link_params plain = {.rate_bps = 0.0};

/* Begins one transfer of a slot and plays it to its end; returns how long it took. */
static double play_transfer(const struct link_params *params, const struct wire_pacer_hooks *own,
                            uint64_t bytes)
{
    memset(&bench, 0, sizeof bench);
    assert_int_equal(wire_loop_init(&bench.loop, NULL, NULL), 0);
    assert_int_equal(wire_alarms_open(&bench.alarms, &bench.loop), 0);
    count_turns();
    wire_pacer_init(&bench.pacer, &bench.alarms, &plain, own, &bench);
    assert_int_equal(wire_loop_lag_start(&bench.lag, &bench.alarms, on_interval, NULL), 0);
    bench.start_ns = clock_monotonic_ns();
    assert_int_equal(wire_pacer_begin(&bench.pacer, params, bytes), 0);
    (void) uv_run(&bench.loop.uv, UV_RUN_DEFAULT);
    wire_loop_finish(&bench.loop);
    assert_int_equal(bench.dones, 1);
    assert_int_equal(bench.bytes, bytes);
    return units_ns_to_s(bench.done_ns - bench.start_ns);
}

/* Plays until it does not take too long, or often enough; never may it take too short. False: it always took
 * too long, though the loop was on time at least once, so that it is not this machine that is too busy. */
static bool is_in_time(const struct link_params *params, const double *at_s, const double *mbps, size_t rates,
                       uint64_t bytes, double least_s, double most_s)
{
    bool on_time = false;
    for (int i = 0; i < TRIES; i++) {
        double took_s = play(params, at_s, mbps, rates, bytes);
        assert_true(took_s >= least_s);
        if (took_s < most_s)
            return true;
        on_time = on_time || bench.lag_max_s < 0.001;
    }
    return !on_time;
}

static void a_transfer_takes_as_long_as_its_rate_says(void **state)
{
    (void) state;
    static const double at_s[] = {0.0}, rates[] = {0.1, 5.0, 100.0, 1000.0};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint64_t bytes = (uint64_t) (rates[i] * 1e6 * 0.2 / 8.0);
        assert_true(is_in_time(&plain, at_s, &rates[i], 1, bytes, 0.2 * (1.0 - 1e-6), 0.202));
    }
}

/* Who looks whether it is time is late less often, but takes a processor for it. */
static void nobody_looks_at_the_clock_while_a_packet_is_on_its_way(void **state)
{
    (void) state;
    static const double at_s[] = {0.0}, mbps[] = {0.05};
    double took_s = play(&plain, at_s, mbps, 1, 1250); /* one packet, for 0.2 s */
    unsigned probes = (unsigned) (took_s * 1e9 / WIRE_LOOP_LAG_PROBE_NS);
    assert_in_range(bench.turns, 1, 2 * probes + 20);
}

static void a_rate_that_changes_in_flight_is_kept_before_and_after(void **state)
{
    (void) state;
    static const double at_s[] = {0.0, 0.05, 0.1, 0.15}, mbps[] = {50.0, 5.0, 0.0, 200.0};
    uint64_t bytes = (uint64_t) ((50e6 * 0.05 + 5e6 * 0.05 + 200e6 * 0.05) / 8.0);
    assert_true(is_in_time(&plain, at_s, mbps, 4, bytes, 0.15, 0.204));
}

static void delay_comes_on_top(void **state)
{
    (void) state;
    static const double at_s[] = {0.0}, mbps[] = {20.0};
    struct link_params params = {.rate_bps = 0.0, .delay_s = 0.05};
    assert_true(is_in_time(&params, at_s, mbps, 1, 250000, 0.15 * (1.0 - 1e-6), 0.153));
}

/* What a scenario's link adds in real time is what it adds in virtual time: the same packets are lost. */
static void losses_and_jitter_take_what_the_model_says_they_take(void **state)
{
    (void) state;
    for (uint32_t slot = 0; slot < 6; slot++) {
        struct link_params params = {
            .rate_bps = slot % 2 == 0 ? 4e6 : (double) INFINITY,
            .delay_s = 0.01,
            .jitter_s = 0.005,
            .loss = 0.2,
            .retransmit_s = 0.02,
            .first_packet = 1 << 24,
            .draws = {.seed = 5, .stream = RNG_LINK, .entity = 3, .slot = slot},
        };
        uint64_t bytes = slot < 4 ? 25000 : 0; /* without bytes it still is a packet */
        double model_s = transfer_s(&params, 8.0 * (double) bytes), took_s = (double) INFINITY;
        bool on_time = false;
        for (int i = 0; i < TRIES && took_s >= model_s + 0.002; i++) {
            took_s = play_transfer(&params, &free_hooks, bytes);
            on_time = on_time || bench.lag_max_s < 0.001;
            assert_true(took_s >= model_s * (1.0 - 1e-6));
        }
        assert_true(!on_time || took_s < model_s + 0.002);
    }
}

/* At its deadline a link lets everything through: as late as the model says, though the rest would take seconds. */
static void a_deadline_ends_a_transfer_with_all_of_its_bytes(void **state)
{
    (void) state;
    for (int rate = 0; rate < 2; rate++) {
        struct link_params params = {.rate_bps = rate == 0 ? 1e6 : 0.0, .delay_s = 0.01, .deadline_s = 0.05};
        double took_s = (double) INFINITY;
        bool on_time = false;
        for (int i = 0; i < TRIES && took_s >= 0.052; i++) {
            took_s = play_transfer(&params, &free_hooks, 1000000);
            on_time = on_time || bench.lag_max_s < 0.001;
            assert_true(took_s >= 0.05 * (1.0 - 1e-6));
            assert_true(bench.pacer.allowed_bits == 8e6); /* all of it, and nothing afterwards */
        }
        assert_true(!on_time || took_s < 0.052);
    }
}

static void a_bounded_link_gives_packets_up_when_the_model_does(void **state)
{
    (void) state;
    struct link_params params = {.rate_bps = 4e6,
                                 .loss = 0.6,
                                 .retransmit_s = 0.02,
                                 .transmissions = 3,
                                 .draws = {.seed = 5, .stream = RNG_LINK, .entity = 3}};
    double model_s = transfer_s(&params, 8.0 * 25000.0), took_s = (double) INFINITY;
    bool on_time = false;
    assert_true(model_s < 0.05 + 2 * 0.02 + 1e-9 && model_s > 0.06); /* nobody waits for the fourth */
    for (int i = 0; i < TRIES && took_s >= model_s + 0.002; i++) {
        took_s = play_transfer(&params, &free_hooks, 25000);
        on_time = on_time || bench.lag_max_s < 0.001;
        assert_true(took_s >= model_s * (1.0 - 1e-6));
    }
    assert_true(!on_time || took_s < model_s + 0.002);
}

static bool is_full_for_a_while(void *user)
{
    (void) user;
    return bench.bytes > 25000 && bench.looks++ < 40;
}

/* Nothing is dropped, nothing is made up for: the rate stands still, what it was set to goes on counting. */
static void a_full_queue_holds_the_sender_back(void **state)
{
    (void) state;
    static const struct wire_pacer_hooks held = {
        .on_bytes = on_free_bytes, .on_done = on_done, .is_full = is_full_for_a_while};
    struct link_params params = {.rate_bps = 8e6};
    double took_s = play_transfer(&params, &held, 50000);
    assert_true(bench.looks > 40);
    assert_true(took_s >= 0.05 + 0.039); /* 40 looks, 1 ms apart, in which nothing leaves */
    assert_true(bench.pacer.allowed_bits > 8e6 * 0.089 * (1.0 - 1e-6));
}

static void open_bench(const struct wire_pacer_hooks *own)
{
    memset(&bench, 0, sizeof bench);
    assert_int_equal(wire_loop_init(&bench.loop, NULL, NULL), 0);
    assert_int_equal(wire_alarms_open(&bench.alarms, &bench.loop), 0);
    count_turns();
    wire_pacer_init(&bench.pacer, &bench.alarms, &plain, own, &bench);
    assert_int_equal(wire_loop_lag_start(&bench.lag, &bench.alarms, on_interval, NULL), 0);
    bench.start_ns = clock_monotonic_ns();
}

static void run_bench(void)
{
    (void) uv_run(&bench.loop.uv, UV_RUN_DEFAULT);
    wire_loop_finish(&bench.loop);
}

static void a_transfer_that_begins_ends_the_one_before(void **state)
{
    (void) state;
    struct link_params slow = {.rate_bps = 1e6, .delay_s = 0.01}, fast = {.rate_bps = 8e6};
    open_bench(&free_hooks);
    assert_int_equal(wire_pacer_begin(&bench.pacer, &slow, 50000), 0);
    assert_int_equal(wire_pacer_begin(&bench.pacer, &fast, 25000), 0);
    assert_true(wire_pacer_is_active(&bench.pacer));
    run_bench();
    assert_int_equal(bench.dones, 1);
    assert_int_equal(bench.bytes, 25000); /* none of the other's */
    assert_true(units_ns_to_s(bench.done_ns - bench.start_ns) >= 0.025 * (1.0 - 1e-6));
}

/* Between two transfers the rate allows nothing, however long that is. */
static struct {
    struct wire_alarm alarm;
    struct link_params link;
    double allowed_bits;
} again;

static void on_again(struct wire_alarm *alarm)
{
    (void) alarm;
    assert_int_equal(wire_pacer_begin(&bench.pacer, &again.link, 10000), 0);
    assert_true(bench.pacer.allowed_bits == again.allowed_bits);
}

static void on_one_done(void *user)
{
    if (++bench.dones == 2) {
        on_done(user);
        return;
    }
    again.allowed_bits = bench.pacer.allowed_bits;
    assert_false(wire_pacer_is_active(&bench.pacer));
    assert_int_equal(wire_alarm_set(&bench.alarms, &again.alarm, clock_monotonic_ns() + 20 * MS), 0);
}

static double allowed_by_two_transfers(double rate_bps)
{
    static const struct wire_pacer_hooks one_after_another = {.on_bytes = on_free_bytes,
                                                              .on_done = on_one_done};
    memset(&again, 0, sizeof again);
    again.alarm.on_due = on_again;
    again.link = (struct link_params){.rate_bps = rate_bps};
    open_bench(&one_after_another);
    assert_int_equal(wire_pacer_begin(&bench.pacer, &again.link, 10000), 0);
    run_bench();
    assert_int_equal(bench.bytes, 20000);
    return bench.pacer.allowed_bits;
}

static void nothing_is_allowed_while_there_is_nothing_to_send(void **state)
{
    (void) state;
    assert_true(allowed_by_two_transfers(8e6) >= 8.0 * 20000.0 * (1.0 - 1e-6));
}

static void a_rate_without_bound_is_not_counted(void **state)
{
    (void) state;
    assert_true(allowed_by_two_transfers((double) INFINITY) == 0.0);
}

static void nothing_to_send_is_done_at_once(void **state)
{
    (void) state;
    static const double at_s[] = {0.0}, mbps[] = {0.0};
    (void) play(&plain, at_s, mbps, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transfer_takes_as_long_as_its_rate_says),
        cmocka_unit_test(nobody_looks_at_the_clock_while_a_packet_is_on_its_way),
        cmocka_unit_test(a_rate_that_changes_in_flight_is_kept_before_and_after),
        cmocka_unit_test(delay_comes_on_top),
        cmocka_unit_test(losses_and_jitter_take_what_the_model_says_they_take),
        cmocka_unit_test(a_deadline_ends_a_transfer_with_all_of_its_bytes),
        cmocka_unit_test(a_bounded_link_gives_packets_up_when_the_model_does),
        cmocka_unit_test(a_full_queue_holds_the_sender_back),
        cmocka_unit_test(a_transfer_that_begins_ends_the_one_before),
        cmocka_unit_test(nothing_is_allowed_while_there_is_nothing_to_send),
        cmocka_unit_test(a_rate_without_bound_is_not_counted),
        cmocka_unit_test(nothing_to_send_is_done_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
