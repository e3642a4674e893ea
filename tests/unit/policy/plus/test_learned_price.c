/* A learned price as bytes: it comes back as it was, and damaged ones are refused, whichever part is damaged. */
#include "orchestrator/policy/plus/learned_price.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"

#define BLOCK 6u
#define SETTLE 4u
#define BYTES_MAX 4096

static const struct plus_settings settings = {.plus = {.price_block = BLOCK, .price_settle = SETTLE}};

static struct learned_price make(const struct plus_settings *how)
{
    struct world world = {.devices = 3, .servers = 2};
    struct learned_price price;
    learned_price_init(&price, &world, how);
    return price;
}

/* In the middle of a block, with trials behind it. */
static struct learned_price learn(void)
{
    struct learned_price price = make(&settings);
    learned_price_begin_episode(&price);
    for (uint32_t slot = 0; slot < 5 * (BLOCK + SETTLE) + 2 * SETTLE; slot++)
        learned_price_observe(&price, -1.0 - 0.1 * (slot % 7), 2);
    return price;
}

static int load(struct learned_price *price, bool full, const uint8_t *bytes, size_t size, size_t *ret_left)
{
    int rc = learned_price_load(price, full, &bytes, &size, NULL);
    *ret_left = size;
    return rc;
}

static void what_was_saved_comes_back_and_goes_on_alike(void **state)
{
    (void) state;
    for (int full = 0; full < 2; full++) {
        struct learned_price price = learn(), other = make(&settings);
        struct buf bytes = {0}, again = {0};
        size_t left = 0;
        assert_int_equal(learned_price_save(&price, full == 1, &bytes), 0);
        assert_int_equal(buf_push(&bytes, "behind", 6), 0);
        assert_int_equal(load(&other, full == 1, bytes.data, bytes.size, &left), 0);
        assert_int_equal(left, 6);
        struct slot_prices here = learned_price_prices(&price, full == 1);
        struct slot_prices there = learned_price_prices(&other, full == 1);
        assert_memory_equal(&here, &there, sizeof here);
        for (uint32_t slot = 0; full == 1 && slot < 3 * BLOCK; slot++) {
            learned_price_observe(&price, -2.0, 1);
            learned_price_observe(&other, -2.0, 1);
        }
        buf_clear(&bytes);
        assert_int_equal(learned_price_save(&price, full == 1, &bytes), 0);
        assert_int_equal(learned_price_save(&other, full == 1, &again), 0);
        assert_int_equal(bytes.size, again.size);
        assert_memory_equal(bytes.data, again.data, bytes.size);
        buf_finish(&bytes);
        buf_finish(&again);
    }
}

static void bytes_that_end_too_early_are_refused(void **state)
{
    (void) state;
    struct learned_price price = learn();
    struct buf bytes = {0};
    size_t left = 0;
    assert_int_equal(learned_price_save(&price, true, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size++) {
        struct learned_price other = make(&settings);
        assert_int_equal(load(&other, true, bytes.data, size, &left), ERR_TRUNCATED);
        assert_int_equal(load(&other, false, bytes.data, size, &left),
                         size < sizeof(double) ? ERR_TRUNCATED : 0);
    }
    buf_finish(&bytes);
}

/* Places on the surface may be anything between its ends, costs any number. Counts come last but two. */
static void numbers_that_no_training_leaves_are_refused(void **state)
{
    (void) state;
    struct learned_price price = learn();
    struct buf bytes = {0};
    assert_int_equal(learned_price_save(&price, true, &bytes), 0);
    size_t words = bytes.size / sizeof(double), counts = words - 2 - 5;
    for (size_t i = 0; i < words; i++) {
        bool is_count = i >= counts && i < words - 2;
        const double bad[] = {(double) NAN, (double) INFINITY};
        for (size_t b = 0; b < 2 && !is_count; b++) {
            uint8_t damaged[BYTES_MAX];
            struct learned_price other = make(&settings);
            size_t left = 0;
            memcpy(damaged, bytes.data, bytes.size);
            memcpy(damaged + i * sizeof(double), &bad[b], sizeof(double));
            assert_int_equal(load(&other, true, damaged, bytes.size, &left), ERR_CORRUPT);
            assert_int_equal(load(&other, false, damaged, bytes.size, &left), i == 0 ? ERR_CORRUPT : 0);
        }
    }
    buf_finish(&bytes);
}

static void a_block_that_should_have_ended_is_refused(void **state)
{
    (void) state;
    struct buf bytes = {0};
    struct learned_price price = learn(), other = make(&settings);
    size_t left = 0;
    price.skip = SETTLE + 1; /* it never waits so long */
    assert_int_equal(learned_price_save(&price, true, &bytes), 0);
    assert_int_equal(load(&other, true, bytes.data, bytes.size, &left), ERR_CORRUPT);
    price = learn();
    price.counted = BLOCK;
    price.tasks = 1;
    buf_clear(&bytes);
    assert_int_equal(learned_price_save(&price, true, &bytes), 0);
    assert_int_equal(load(&other, true, bytes.data, bytes.size, &left), ERR_CORRUPT);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_comes_back_and_goes_on_alike),
        cmocka_unit_test(bytes_that_end_too_early_are_refused),
        cmocka_unit_test(numbers_that_no_training_leaves_are_refused),
        cmocka_unit_test(a_block_that_should_have_ended_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
