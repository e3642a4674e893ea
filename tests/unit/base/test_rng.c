#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DRAWS 200000u

static void assert_block(const struct rng_at *at, uint32_t index, const uint32_t expected[4])
{
    struct rng_block block = rng_block(at, index);
    for (int i = 0; i < 4; i++)
        assert_int_equal(block.v[i], expected[i]);
}

/* Random123's kat_vectors, philox4x32 with 10 rounds. */
static void the_generator_gives_the_published_vectors(void **state)
{
    (void) state;
    struct rng_at zeros = {0};
    assert_block(&zeros, 0, (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    struct rng_at ones = {UINT64_MAX, (enum rng_phase) 0xf, (enum rng_stream) 0xff,
                          0xfffff,    UINT32_MAX,           UINT32_MAX};
    assert_block(&ones, UINT32_MAX, (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    struct rng_at pi = {0x299f31d0a4093822, (enum rng_phase) 0, (enum rng_stream) 0x37, 0x07344,
                        0x13198a2e,         0x85a308d3};
    assert_block(&pi, 0x243f6a88, (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void every_part_of_a_place_changes_the_draw(void **state)
{
    (void) state;
    struct rng_at base = {7, RNG_TRAIN, RNG_FADING, 3, 4, 5};
    struct rng_at other[] = {base, base, base, base, base, base};
    other[0].seed = 8;
    other[1].phase = RNG_TEST;
    other[2].stream = RNG_TASK;
    other[3].entity = 4;
    other[4].episode = 5;
    other[5].slot = 6;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_int_not_equal(rng_block(&base, 0).v[0], rng_block(&other[i], 0).v[0]);
    assert_int_not_equal(rng_block(&base, 0).v[0], rng_block(&base, 1).v[0]);
    assert_int_equal(rng_block(&base, 9).v[2], rng_block(&base, 9).v[2]);
}

static void uniforms_stay_inside_the_open_interval_and_fill_it(void **state)
{
    (void) state;
    assert_true(rng_u01(0) > 0.0);
    assert_true(rng_u01(UINT32_MAX) < 1.0);
    struct rng_at at = {.seed = 11};
    double sum = 0.0;
    double squares = 0.0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&at, i);
        assert_true(u > 0.0 && u < 1.0);
        sum += u;
        squares += u * u;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 0.003);
    assert_true(fabs(squares / DRAWS - 1.0 / 3.0) < 0.003);
}

static void ranges_and_integers_keep_their_bounds(void **state)
{
    (void) state;
    struct rng_at at = {.seed = 12};
    unsigned seen[7] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
        double x = rng_range(&at, i, -2.0, 3.0);
        assert_true(x >= -2.0 && x < 3.0);
        seen[rng_below(&at, i, 7)]++;
    }
    for (size_t i = 0; i < 7; i++)
        assert_true(fabs(seen[i] / (double) DRAWS - 1.0 / 7.0) < 0.005);
    assert_int_equal(rng_below(&at, 0, 1), 0);
    assert_true(rng_range(&at, 0, 4.0, 4.0) == 4.0);
}

static void normals_have_mean_zero_variance_one_and_no_correlation(void **state)
{
    (void) state;
    struct rng_at at = {.seed = 13};
    double sum = 0.0;
    double squares = 0.0;
    double products = 0.0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct rng_block block = rng_block(&at, i);
        double normal[2];
        rng_normal_pair(block.v[0], block.v[1], normal);
        sum += normal[0] + normal[1];
        squares += normal[0] * normal[0] + normal[1] * normal[1];
        products += normal[0] * normal[1];
    }
    assert_true(fabs(sum / (2.0 * DRAWS)) < 0.01);
    assert_true(fabs(squares / (2.0 * DRAWS) - 1.0) < 0.01);
    assert_true(fabs(products / DRAWS) < 0.01);
}

static void exponentials_are_positive_finite_and_have_mean_one(void **state)
{
    (void) state;
    struct rng_at at = {.seed = 14};
    double sum = 0.0;
    for (uint32_t i = 0; i < DRAWS; i++)
        sum += rng_exponential(rng_block(&at, i).v[3]);
    assert_true(fabs(sum / DRAWS - 1.0) < 0.01);
    assert_true(rng_exponential(UINT32_MAX) > 0.0);
    assert_true(isfinite(rng_exponential(0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_gives_the_published_vectors),
        cmocka_unit_test(every_part_of_a_place_changes_the_draw),
        cmocka_unit_test(uniforms_stay_inside_the_open_interval_and_fill_it),
        cmocka_unit_test(ranges_and_integers_keep_their_bounds),
        cmocka_unit_test(normals_have_mean_zero_variance_one_and_no_correlation),
        cmocka_unit_test(exponentials_are_positive_finite_and_have_mean_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
