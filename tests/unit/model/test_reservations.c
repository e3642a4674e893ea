/* Parts of servers that tasks hold: never more than the whole, and all of it back. */
#include "core/model/reservations.h"

#include <math.h>

#include "check.h"
#include "core/base/rng.h"

#define SERVERS 3u
#define RANDOM_STEPS 1000000u

static bool fits(const struct reservations *held, uint32_t server, double compute, double band, double memory)
{
    return reservations_fit(held, server, (double[]){compute, band, memory});
}

static void end(struct reservations *held, uint64_t task, double until_s)
{
    const double all_s[RESERVED_KINDS] = {until_s, until_s, until_s};
    reservations_end(held, task, all_s);
}

static void take(struct reservations *held, uint64_t task, uint32_t server, double share, double until_s)
{
    reservations_take(held, task, server, (double[]){share, share, share}, until_s);
}

static void a_server_is_full_when_its_whole_is_taken(void **state)
{
    (void) state;
    struct reservations held;
    assert_int_equal(reservations_init(&held, SERVERS, 1000), 0);
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(fits(&held, 1, 0.05, 0.05, 0.05));
        take(&held, i, 1, 0.05, (double) INFINITY);
    }
    assert_false(fits(&held, 1, 0.05, 0.0001, 0.0));
    assert_true(fits(&held, 0, 1.0, 1.0, 1.0));
    assert_near(reservations_rest(&held, 1, RESERVED_BAND), 0.0, 1e-8);
    reservations_clear(&held);
    assert_same(reservations_rest(&held, 1, RESERVED_BAND), 1.0);
    reservations_finish(&held);
}

static void what_is_no_share_does_not_fit(void **state)
{
    (void) state;
    struct reservations held;
    const double bad[] = {(double) NAN,      -0.01, -0.0 - 1e-300, 1.0 + 1e-12, (double) INFINITY,
                          -(double) INFINITY};
    assert_int_equal(reservations_init(&held, SERVERS, 1000), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(fits(&held, 0, bad[i], 0.1, 0.1));
        assert_false(fits(&held, 0, 0.1, bad[i], 0.1));
        assert_false(fits(&held, 0, 0.1, 0.1, bad[i]));
    }
    assert_false(fits(&held, 0, 0.0, 0.1, 0.1)); /* it would never end */
    assert_false(fits(&held, 0, 0.1, 1e-300, 0.1));
    assert_true(fits(&held, 0, 0.1, 0.1, 0.0));
    reservations_finish(&held);
}

static void tasks_give_back_at_their_ends_in_any_order(void **state)
{
    (void) state;
    struct reservations held;
    assert_int_equal(reservations_init(&held, SERVERS, 1000), 0);
    take(&held, 1, 0, 0.5, 3.0);
    take(&held, 2, 0, 0.25, 1.0);
    take(&held, 3, 0, 0.125, (double) INFINITY);
    reservations_advance(&held, 0.999);
    assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 0.125);
    reservations_advance(&held, 1.0);
    assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 0.375);
    end(&held, 3, 2.0); /* now somebody knows */
    end(&held, 9, 0.0); /* holds nothing */
    reservations_advance(&held, 2.5);
    assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 0.5);
    end(&held, 1, 100.0);
    reservations_advance(&held, 3.0);
    assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 0.5);
    reservations_advance(&held, 100.0);
    assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 1.0);
    assert_int_equal(held.count, 0);
    reservations_finish(&held);
}

/* reserve.returns stage. */
static void each_kind_comes_back_at_its_own_time(void **state)
{
    (void) state;
    struct reservations held;
    assert_int_equal(reservations_init(&held, SERVERS, 3 * 40), 0);
    for (uint64_t i = 0; i < 40; i++) {
        const double ends_s[RESERVED_KINDS] = {
            [RESERVED_COMPUTE] = 50.0 - (double) i, [RESERVED_BAND] = (double) i, [RESERVED_MEMORY] = 100.0};
        take(&held, i, 0, 1.0 / 64.0, (double) INFINITY);
        reservations_end(&held, i, ends_s);
    }
    for (uint32_t now = 0; now <= 100; now++) {
        reservations_advance(&held, now);
        uint32_t bands = now < 39 ? 39 - now : 0; /* that end later than now */
        uint32_t computes = now < 11 ? 40 : now < 50 ? 50 - now : 0;
        assert_same(reservations_rest(&held, 0, RESERVED_BAND), 1.0 - bands / 64.0);
        assert_same(reservations_rest(&held, 0, RESERVED_COMPUTE), 1.0 - computes / 64.0);
        assert_same(reservations_rest(&held, 0, RESERVED_MEMORY), now < 100 ? 24.0 / 64.0 : 1.0);
    }
    assert_int_equal(held.count, 0);
    reservations_finish(&held);
}

/* Half of the shares are wild. What is held is counted beside it, in 2^-32. */
static void no_server_is_ever_overbooked(void **state)
{
    (void) state;
    struct reservations held;
    struct rng_at at = {.seed = 7, .stream = RNG_POLICY};
    uint64_t taken = 0;
    assert_int_equal(reservations_init(&held, SERVERS, 1000), 0);
    for (uint32_t i = 0; i < RANDOM_STEPS; i++) {
        const struct rng_block block = rng_block(&at, i);
        uint32_t server = block.v[3] % SERVERS;
        double scale = block.v[3] % 2 == 0 ? 0.2 : 3.0, part[RESERVED_KINDS];
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            part[kind] = scale * rng_u01(block.v[kind]) - (block.v[3] % 64 == 1 ? 0.5 : 0.0);
        reservations_advance(&held, i * 0.1);
        if (reservations_fit(&held, server, part)) {
            reservations_take(&held, i, server, part, i * 0.1 + 5.0 * rng_u01(block.v[3]));
            taken++;
        }
        if (i % 1000 == 0) {
            uint64_t sum[SERVERS][RESERVED_KINDS] = {{0}};
            for (size_t k = 0; k < held.count; k++)
                for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
                    sum[held.held[k].server][kind] += held.held[k].part[kind];
            for (uint32_t m = 0; m < SERVERS; m++)
                for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
                    assert_true(sum[m][kind] + held.rest[m][kind] == RESERVATIONS_WHOLE);
        }
    }
    assert_true(taken > RANDOM_STEPS / 20);
    reservations_advance(&held, 1e9);
    for (uint32_t m = 0; m < SERVERS; m++)
        assert_true(held.rest[m][RESERVED_COMPUTE] == RESERVATIONS_WHOLE);
    reservations_finish(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_full_when_its_whole_is_taken),
        cmocka_unit_test(what_is_no_share_does_not_fit),
        cmocka_unit_test(tasks_give_back_at_their_ends_in_any_order),
        cmocka_unit_test(each_kind_comes_back_at_its_own_time),
        cmocka_unit_test(no_server_is_ever_overbooked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
