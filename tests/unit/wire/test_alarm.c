/* Alarms on a real loop, and the probe that measures its lag. Only order and "never early" are certain on a
 * busy machine, so only they are asserted. */
#include "proto/wire/loop_lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/rng.h"

#define ALARMS 200u
#define MS UINT64_C(1000000)

struct bench {
    struct wire_loop loop;
    struct wire_alarms alarms;
    struct wire_alarm alarm[ALARMS];
    uint64_t start_ns;
    unsigned rung[2 * ALARMS]; /* numbers of alarms, in the order they rang */
    size_t rings;
    size_t wanted; /* close after that many */
    unsigned again;
};

static struct bench bench;

static void on_due(struct wire_alarm *alarm)
{
    assert_true(clock_monotonic_ns() >= alarm->due_ns);
    assert_false(wire_alarm_is_set(alarm));
    bench.rung[bench.rings++] = (unsigned) (alarm - bench.alarm);
    if (bench.again > 0) {
        bench.again--;
        assert_int_equal(wire_alarm_set(&bench.alarms, alarm, alarm->due_ns), 0);
    }
    if (bench.rings == bench.wanted)
        wire_alarms_close(&bench.alarms);
}

static int setup(void **state)
{
    (void) state;
    memset(&bench, 0, sizeof bench);
    assert_int_equal(wire_loop_init(&bench.loop, NULL, NULL), 0);
    assert_int_equal(wire_alarms_open(&bench.alarms, &bench.loop), 0);
    for (unsigned i = 0; i < ALARMS; i++)
        bench.alarm[i].on_due = on_due;
    bench.start_ns = clock_monotonic_ns();
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    wire_alarms_close(&bench.alarms);
    wire_loop_finish(&bench.loop);
    return 0;
}

static void set(unsigned number, uint64_t after_ns)
{
    assert_int_equal(wire_alarm_set(&bench.alarms, &bench.alarm[number], bench.start_ns + after_ns), 0);
}

static void run_until(size_t rings)
{
    bench.wanted = rings;
    (void) uv_run(&bench.loop.uv, UV_RUN_DEFAULT);
    assert_int_equal(bench.rings, rings);
}

static void alarms_ring_in_order_and_never_early(void **state)
{
    (void) state;
    uint64_t after_ns[ALARMS];
    for (unsigned i = 0; i < ALARMS; i++) {
        struct rng_at at = {.seed = 1, .entity = i};
        after_ns[i] = rng_block(&at, 0).v[0] % (20 * MS);
        set(i, after_ns[i]);
    }
    run_until(ALARMS);
    for (unsigned i = 1; i < ALARMS; i++)
        assert_true(after_ns[bench.rung[i - 1]] <= after_ns[bench.rung[i]]);
}

/* What the kernel is asked to wait for, whatever the clock says meanwhile: whoever wakes early waits busily. */
static void the_kernel_waits_until_the_first_alarm_is_due(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 20; i++) {
        struct itimerspec left;
        set(0, 1000 * MS + 137 * i * MS);
        uint64_t before_ns = clock_monotonic_ns();
        assert_int_equal(timerfd_gettime(bench.alarms.fd, &left), 0);
        uint64_t after_ns = clock_monotonic_ns();
        uint64_t left_ns = (uint64_t) left.it_value.tv_sec * 1000 * MS + (uint64_t) left.it_value.tv_nsec;
        assert_true(before_ns + left_ns <= bench.alarm[0].due_ns + MS);
        assert_true(after_ns + left_ns + MS >= bench.alarm[0].due_ns);
    }
}

static void alarms_due_at_once_ring_in_the_order_they_were_set(void **state)
{
    (void) state;
    for (unsigned i = 0; i < ALARMS; i++)
        set((i * 77) % ALARMS, 2 * MS);
    run_until(ALARMS);
    for (unsigned i = 0; i < ALARMS; i++)
        assert_int_equal(bench.rung[i], (i * 77) % ALARMS);
}

static void an_alarm_set_anew_rings_once_and_a_cancelled_one_never(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 10; i++)
        set(i, MS * (1 + i));
    set(0, 15 * MS);
    set(9, 0);
    for (unsigned i = 2; i < 9; i++)
        wire_alarm_cancel(&bench.alarms, &bench.alarm[i]);
    wire_alarm_cancel(&bench.alarms, &bench.alarm[2]); /* twice */
    wire_alarm_cancel(&bench.alarms, &bench.alarm[50]);
    run_until(3);
    assert_int_equal(bench.rung[0], 9);
    assert_int_equal(bench.rung[1], 1);
    assert_int_equal(bench.rung[2], 0);
}

static void an_alarm_that_sets_itself_for_now_lets_the_loop_turn(void **state)
{
    (void) state;
    bench.again = 50;
    set(0, MS);
    set(1, MS);
    run_until(52); /* 50 of them again */
    assert_int_equal(bench.rung[0], 0);
    assert_int_equal(bench.rung[1], 1);
}

static void closing_forgets_every_alarm(void **state)
{
    (void) state;
    set(0, MS);
    set(1, 1000000 * MS);
    run_until(1);
    assert_false(wire_alarm_is_set(&bench.alarm[1]));
    wire_alarms_close(&bench.alarms);
}

static struct wire_loop_lag_interval interval;

static void on_interval(void *user, const struct wire_loop_lag_interval *told)
{
    (void) user;
    interval = *told;
    wire_alarms_close(&bench.alarms);
}

/* Keeps the loop for itself. */
static void hog(struct wire_alarm *alarm)
{
    while (clock_monotonic_ns() < alarm->due_ns + 60 * MS)
        ;
}

static void a_loop_that_is_held_up_shows_in_its_lag(void **state)
{
    (void) state;
    struct wire_loop_lag lag;
    bench.alarm[0].on_due = hog;
    assert_int_equal(wire_loop_lag_start(&lag, &bench.alarms, on_interval, NULL), 0);
    set(0, 500 * MS);
    (void) uv_run(&bench.loop.uv, UV_RUN_DEFAULT);
    assert_true(interval.max_s > 0.045); /* the probe fell due at most 10 ms after the hog began */
    assert_true(interval.mean_s < interval.max_s);
    assert_true(interval.duration_s >= 1.0);
    assert_true(interval.start_ns >= bench.start_ns);
}

static void what_was_measured_of_an_interval_can_be_told_early(void **state)
{
    (void) state;
    struct wire_loop_lag lag;
    interval = (struct wire_loop_lag_interval){0};
    assert_int_equal(wire_loop_lag_start(&lag, &bench.alarms, on_interval, NULL), 0);
    wire_loop_lag_flush(&lag); /* nothing yet */
    assert_true(interval.start_ns == 0);
    while (lag.probes == 0)
        (void) uv_run(&bench.loop.uv, UV_RUN_ONCE);
    wire_loop_lag_flush(&lag);
    assert_true(interval.duration_s >= 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        ROW(alarms_ring_in_order_and_never_early),
        ROW(the_kernel_waits_until_the_first_alarm_is_due),
        ROW(alarms_due_at_once_ring_in_the_order_they_were_set),
        ROW(an_alarm_set_anew_rings_once_and_a_cancelled_one_never),
        ROW(an_alarm_that_sets_itself_for_now_lets_the_loop_turn),
        ROW(closing_forgets_every_alarm),
        ROW(a_loop_that_is_held_up_shows_in_its_lag),
        ROW(what_was_measured_of_an_interval_can_be_told_early),
#undef ROW
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
