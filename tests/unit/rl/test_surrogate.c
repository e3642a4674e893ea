/* The surrogate: it learns a known function, its error is that on records not seen, and bits repeat. */
#include "core/rl/surrogate.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"

#define RECORDS 800u

/* Log of a perplexity's ratio as it might be: it falls with the split, and grows with the loss. */
static float truth(float split, float loss)
{
    return 3.0f * loss * (1.2f - split / 10.0f) + loss * loss;
}

static struct surrogate_records draw(float *x, float *y, double noise)
{
    const struct rng_at at = {.seed = 7, .stream = RNG_TASK};
    for (uint32_t r = 0; r < RECORDS; r++) {
        struct rng_block block = rng_block(&at, r);
        double normal[2];
        rng_normal_pair(block.v[2], block.v[3], normal);
        x[2 * r] = 1.0f + (float) (block.v[0] % 10);
        x[2 * r + 1] = (float) (0.3 * rng_u01(block.v[1]));
        y[r] = truth(x[2 * r], x[2 * r + 1]) + (float) (noise * normal[0]);
    }
    return (struct surrogate_records){x, y, RECORDS};
}

static struct surrogate_config quick(void)
{
    struct surrogate_config config = surrogate_defaults(2, 3);
    config.hidden = 32;
    config.epochs = 60;
    config.batch = 32;
    return config;
}

static void it_learns_a_known_function_and_says_how_well(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct surrogate_error error;
    struct diag diag = {0};
    const struct surrogate_config config = quick();
    const struct surrogate_records records = draw(x, y, 0.0);
    (void) state;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, &error, NULL, NULL, &diag), 0);
    double worst = 0.0, low = HUGE_VAL, high = -HUGE_VAL;
    for (uint32_t split = 1; split <= 10; split++)
        for (uint32_t i = 0; i <= 20; i++) {
            const float at[2] = {(float) split, 0.01f + 0.28f * (float) i / 20.0f};
            worst = fmax(worst, fabs(surrogate_at(surrogate, at) - (double) truth(at[0], at[1])));
        }
    for (uint32_t r = 0; r < RECORDS; r++) {
        low = fmin(low, (double) y[r]);
        high = fmax(high, (double) y[r]);
    }
    assert_true(worst < 0.05 * (high - low));
    assert_true(error.range == high - low && error.records == RECORDS);
    assert_true(error.explained > 0.99 && error.mean_absolute < 0.02 * error.range);
    surrogate_destroy(surrogate);
}

/* What it cannot know is noise of a known variance: on records not seen the error is at least that, on seen ones a large
 * network gets below it. */
static void its_error_is_that_on_records_it_has_not_seen(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct surrogate_error error;
    struct diag diag = {0};
    struct surrogate_config config = quick();
    const struct surrogate_records records = draw(x, y, 0.1);
    double seen = 0.0, variance = 0.0;
    (void) state;
    config.hidden = 128;
    config.epochs = 200;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, &error, NULL, NULL, &diag), 0);
    for (uint32_t r = 0; r < RECORDS; r++) {
        double gap = surrogate_at(surrogate, x + 2 * r) - (double) y[r];
        double noise = (double) y[r] - (double) truth(x[2 * r], x[2 * r + 1]);
        seen += gap * gap / RECORDS;
        variance += noise * noise / RECORDS;
    }
    assert_true(seen < variance);
    assert_true(error.mean_squared > variance && error.mean_squared < 2.0 * variance);
    surrogate_destroy(surrogate);
}

static void the_same_records_give_the_same_bits_and_another_seed_does_not(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate[3] = {NULL};
    struct surrogate_error error[3];
    struct diag diag = {0};
    struct surrogate_config config = quick();
    const struct surrogate_records records = draw(x, y, 0.05);
    const float at[2] = {4.0f, 0.2f};
    (void) state;
    config.epochs = 5;
    for (size_t i = 0; i < 3; i++) {
        config.seed = i < 2 ? 3 : 4;
        assert_int_equal(surrogate_fit(&surrogate[i], &config, &records, &error[i], NULL, NULL, &diag), 0);
    }
    assert_true(surrogate_at(surrogate[0], at) == surrogate_at(surrogate[1], at));
    assert_memory_equal(&error[0], &error[1], sizeof error[0]);
    assert_true(surrogate_at(surrogate[0], at) != surrogate_at(surrogate[2], at));
    for (size_t i = 0; i < 3; i++)
        surrogate_destroy(surrogate[i]);
}

static void outside_of_the_records_it_is_held_at_their_edge(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct diag diag = {0};
    struct surrogate_config config = quick();
    const struct surrogate_records records = draw(x, y, 0.0);
    (void) state;
    config.epochs = 2;
    config.folds = 0;
    struct surrogate_error error;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, &error, NULL, NULL, &diag), 0);
    assert_true(isnan(error.mean_squared) && isnan(error.explained) && error.range > 0.0);
    float most = 0.0f;
    for (uint32_t r = 0; r < RECORDS; r++)
        most = fmaxf(most, x[2 * r + 1]);
    const float edge[2] = {10.0f, most}, beyond[2] = {300.0f, 5.0f};
    assert_true(surrogate_at(surrogate, edge) == surrogate_at(surrogate, beyond));
    surrogate_destroy(surrogate);
}

static void a_constant_is_learned_as_it_is(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct surrogate_error error;
    struct diag diag = {0};
    struct surrogate_config config = quick();
    struct surrogate_records records = draw(x, y, 0.0);
    (void) state;
    for (uint32_t r = 0; r < RECORDS; r++) {
        x[2 * r] = 3.0f;
        y[r] = 0.5f;
    }
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, &error, NULL, NULL, &diag), 0);
    assert_true(fabs(surrogate_at(surrogate, x) - 0.5) < 0.01);
    assert_true(isnan(error.explained) && error.range == 0.0);
    surrogate_destroy(surrogate);
}

static void count_calls(void *user, size_t done, size_t all)
{
    size_t *count = user;
    assert_true(done == *count + 1 && done <= all);
    *count = done;
}

static void it_tells_of_each_epoch_of_each_network(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct diag diag = {0};
    struct surrogate_config config = quick();
    const struct surrogate_records records = draw(x, y, 0.0);
    size_t count = 0;
    (void) state;
    config.epochs = 3;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, NULL, count_calls, &count, &diag), 0);
    assert_int_equal(count, 18);
    surrogate_destroy(surrogate);
}

static void what_it_cannot_learn_from_is_refused(void **state)
{
    float x[2 * RECORDS], y[RECORDS];
    struct surrogate *surrogate = NULL;
    struct diag diag = {0};
    struct surrogate_config config = quick();
    struct surrogate_records records = draw(x, y, 0.0);
    (void) state;
    records.count = 9;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, NULL, NULL, NULL, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "a surrogate has 9 records to learn from, and needs at least 10");
    records.count = RECORDS;
    diag = (struct diag){0};
    y[17] = NAN;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, NULL, NULL, NULL, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "a surrogate's record 17 has a number that is not finite");
    y[17] = 0.0f;
    diag = (struct diag){0};
    x[2 * 5 + 1] = INFINITY;
    assert_int_equal(surrogate_fit(&surrogate, &config, &records, NULL, NULL, NULL, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "a surrogate's record 5 has a number that is not finite");
    x[2 * 5 + 1] = 0.1f;
    static const struct surrogate_config impossible[] = {
        {.inputs = 0, .hidden = 1, .epochs = 1, .batch = 1, .rate = 1.0f},
        {.inputs = SURROGATE_INPUTS_MAX + 1, .hidden = 1, .epochs = 1, .batch = 1, .rate = 1.0f},
        {.inputs = 2, .hidden = 0, .epochs = 1, .batch = 1, .rate = 1.0f},
        {.inputs = 2, .hidden = 1, .epochs = 0, .batch = 1, .rate = 1.0f},
        {.inputs = 2, .hidden = 1, .epochs = 1, .batch = 0, .rate = 1.0f},
        {.inputs = 2, .hidden = 1, .epochs = 1, .batch = 1, .rate = 0.0f},
        {.inputs = 2, .hidden = 1, .epochs = 1, .batch = 1, .rate = 1.0f, .folds = 1},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
        assert_int_equal(surrogate_fit(&surrogate, &impossible[i], &records, NULL, NULL, NULL, &diag),
                         ERR_RANGE);
    assert_null(surrogate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_a_known_function_and_says_how_well),
        cmocka_unit_test(its_error_is_that_on_records_it_has_not_seen),
        cmocka_unit_test(the_same_records_give_the_same_bits_and_another_seed_does_not),
        cmocka_unit_test(outside_of_the_records_it_is_held_at_their_edge),
        cmocka_unit_test(a_constant_is_learned_as_it_is),
        cmocka_unit_test(it_tells_of_each_epoch_of_each_network),
        cmocka_unit_test(what_it_cannot_learn_from_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
