/* The regression: linear functions after few samples, smooth ones after some, its gradient by differences,
 * and its bytes. */
#include "core/rl/regressor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "twin.h"

#define INPUTS 3u
#define OUTPUTS 2u
#define BATCH 64u

static struct regressor *create(size_t hidden)
{
    struct regressor_config config = {
        .inputs = INPUTS,
        .outputs = OUTPUTS,
        .hidden = hidden,
        .batch = BATCH,
        .rows = BATCH,
        .rate = 1e-2f,
        .final_rate = 1e-4f,
        .horizon = 2000,
        .seed = 5,
    };
    struct regressor *regressor = NULL;
    assert_int_equal(regressor_create(&regressor, &config), 0);
    return regressor;
}

static void linear(const float *x, float *y)
{
    y[0] = 0.5f + 2.0f * x[0] - x[1] + 0.25f * x[2];
    y[1] = -4.0f - x[0] + 3.0f * x[2];
}

static void curved(const float *x, float *y)
{
    linear(x, y);
    y[0] += logf(1.0f + expf(2.0f * x[0] + x[1]));
    y[1] += 0.5f * x[1] * x[1];
}

static void draw_batch(uint32_t entity, void (*truth)(const float *x, float *y), float *x, float *y)
{
    twin_fill(x, BATCH * INPUTS, 1.0f, entity);
    for (size_t row = 0; row < BATCH; row++)
        truth(x + row * INPUTS, y + row * OUTPUTS);
}

static double largest_error(struct regressor *regressor, void (*truth)(const float *x, float *y), float bound)
{
    float x[BATCH * INPUTS], y[BATCH * OUTPUTS];
    double largest = 0.0;
    twin_fill(x, BATCH * INPUTS, bound, 77);
    regressor_predict(regressor, BATCH, x, y);
    for (size_t row = 0; row < BATCH; row++) {
        float wanted[OUTPUTS];
        truth(x + row * INPUTS, wanted);
        for (size_t k = 0; k < OUTPUTS; k++)
            largest = fmax(largest, fabs((double) (y[row * OUTPUTS + k] - wanted[k])));
    }
    return largest;
}

static void observe(struct regressor *regressor, const float *x, const float *y, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        regressor_observe(regressor, x + row * INPUTS, y + row * OUTPUTS);
}

static void what_is_linear_is_known_after_a_few_samples_and_extrapolates(void **state)
{
    (void) state;
    struct regressor *regressor = create(0);
    float x[BATCH * INPUTS], y[BATCH * OUTPUTS];
    draw_batch(1, linear, x, y);
    observe(regressor, x, y, 8);
    (void) regressor_fit(regressor, 8, x, y);
    assert_true(largest_error(regressor, linear, 1.0f) < 1e-4);
    assert_true(largest_error(regressor, linear, 10.0f) < 1e-3);
    regressor_destroy(regressor);
}

static void an_input_that_never_varied_is_not_blamed(void **state)
{
    (void) state;
    struct regressor *regressor = create(0);
    float x[BATCH * INPUTS], y[BATCH * OUTPUTS];
    draw_batch(1, linear, x, y);
    for (size_t row = 0; row < BATCH; row++) {
        x[row * INPUTS + 2] = 0.7f;
        linear(x + row * INPUTS, y + row * OUTPUTS);
    }
    observe(regressor, x, y, BATCH);
    (void) regressor_fit(regressor, BATCH, x, y);
    float found[OUTPUTS], wanted[OUTPUTS];
    regressor_predict(regressor, 1, x, found);
    linear(x, wanted);
    for (size_t k = 0; k < OUTPUTS; k++)
        assert_true(fabsf(found[k] - wanted[k]) < 1e-3f);
    regressor_destroy(regressor);
}

static struct regressor *learn_curved(size_t hidden, uint32_t steps)
{
    struct regressor *regressor = create(hidden);
    float x[BATCH * INPUTS], y[BATCH * OUTPUTS];
    for (uint32_t step = 0; step < steps; step++) {
        draw_batch(100 + step, curved, x, y);
        observe(regressor, x, y, BATCH);
        (void) regressor_fit(regressor, BATCH, x, y);
    }
    return regressor;
}

static void the_network_learns_what_the_linear_part_leaves(void **state)
{
    (void) state;
    struct regressor *straight = learn_curved(0, 200), *bent = learn_curved(16, 2000);
    assert_true(largest_error(straight, curved, 1.0f) > 0.2);
    assert_true(largest_error(bent, curved, 1.0f) < 0.03);
    regressor_destroy(straight);
    regressor_destroy(bent);
}

static void what_is_saved_predicts_and_goes_on_with_the_same_bits(void **state)
{
    (void) state;
    struct regressor *old = learn_curved(8, 50), *young = create(8), *deployed = create(8);
    struct buf full = {0}, weights = {0}, again = {0};
    assert_int_equal(regressor_save(old, true, &full), 0);
    assert_int_equal(regressor_save(old, false, &weights), 0);
    const uint8_t *at = full.data;
    size_t size = full.size;
    assert_int_equal(regressor_load(young, true, &at, &size, NULL), 0);
    assert_int_equal(size, 0);
    at = weights.data;
    size = weights.size;
    assert_int_equal(regressor_load(deployed, false, &at, &size, NULL), 0);
    float x[BATCH * INPUTS], y[BATCH * OUTPUTS], a[BATCH * OUTPUTS], b[BATCH * OUTPUTS];
    draw_batch(3, curved, x, y);
    regressor_predict(old, BATCH, x, a);
    regressor_predict(deployed, BATCH, x, b);
    assert_memory_equal(a, b, sizeof a);
    struct regressor *both[] = {old, young};
    for (size_t i = 0; i < 2; i++) {
        observe(both[i], x, y, BATCH);
        (void) regressor_fit(both[i], BATCH, x, y);
    }
    buf_clear(&full);
    assert_int_equal(regressor_save(old, true, &full), 0);
    assert_int_equal(regressor_save(young, true, &again), 0);
    assert_int_equal(full.size, again.size);
    assert_memory_equal(full.data, again.data, full.size);
    regressor_destroy(old);
    regressor_destroy(young);
    regressor_destroy(deployed);
    buf_finish(&full);
    buf_finish(&weights);
    buf_finish(&again);
}

static void bytes_that_end_early_or_are_no_numbers_are_refused(void **state)
{
    (void) state;
    struct regressor *old = learn_curved(4, 3), *young = create(4);
    struct buf full = {0};
    assert_int_equal(regressor_save(old, true, &full), 0);
    for (size_t size = 0; size < full.size; size += 7) {
        const uint8_t *at = full.data;
        size_t left = size;
        assert_int_equal(regressor_load(young, true, &at, &left, NULL), ERR_TRUNCATED);
    }
    size_t accepted = 0; /* 8 bytes that make no number, of a float as of a double, at each place */
    for (size_t place = 0; place + 8 <= full.size; place += 4) {
        uint8_t kept[8];
        memcpy(kept, full.data + place, sizeof kept);
        memset(full.data + place, 0xff, sizeof kept);
        const uint8_t *at = full.data;
        size_t left = full.size;
        int rc = regressor_load(young, true, &at, &left, NULL);
        memcpy(full.data + place, kept, sizeof kept);
        assert_true(rc == 0 || rc == ERR_CORRUPT);
        accepted += rc == 0 ? 1 : 0;
    }
    assert_int_equal(accepted,
                     2); /* a count, how often it was fitted, and its end with half a double behind it */
    regressor_destroy(old);
    regressor_destroy(young);
    buf_finish(&full);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    (void) state;
    struct regressor *regressor = NULL;
    struct regressor_config config = {
        .inputs = REGRESSOR_INPUTS_MAX + 1, .outputs = 1, .batch = 1, .rows = 1, .horizon = 1};
    assert_int_equal(regressor_create(&regressor, &config), ERR_RANGE);
    config.inputs = 1;
    config.outputs = 0;
    assert_int_equal(regressor_create(&regressor, &config), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_linear_is_known_after_a_few_samples_and_extrapolates),
        cmocka_unit_test(an_input_that_never_varied_is_not_blamed),
        cmocka_unit_test(the_network_learns_what_the_linear_part_leaves),
        cmocka_unit_test(what_is_saved_predicts_and_goes_on_with_the_same_bits),
        cmocka_unit_test(bytes_that_end_early_or_are_no_numbers_are_refused),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
