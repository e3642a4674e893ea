/* Entropies and gains against cases whose answer is known in closed form. */
#include "core/rl/information_gain.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"

#define HALF_LN_2_PI_E 1.4189385332046727

static void draw_normals(float *values, size_t count, uint32_t entity)
{
    struct rng_at at = {.seed = 3, .stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < count; i += 2) {
        struct rng_block block = rng_block(&at, (uint32_t) i);
        double pair[2];
        rng_normal_pair(block.v[0], block.v[1], pair);
        for (size_t k = 0; k < 2 && i + k < count; k++)
            values[i + k] = (float) pair[k];
    }
}

/* N(0, deviation^2) in each dimension: dims (1/2 ln(2 pi e) + ln deviation). */
static void the_entropy_of_normals_is_known_in_one_to_four_dimensions(void **state)
{
    (void) state;
    enum { COUNT = 2000 };
    static float samples[COUNT * 4];
    for (size_t dims = 1; dims <= 4; dims++) {
        draw_normals(samples, COUNT * dims, (uint32_t) dims);
        for (size_t i = 0; i < COUNT * dims; i++)
            samples[i] *= 3.0f;
        double expected = (double) dims * (HALF_LN_2_PI_E + log(3.0));
        double found = information_gain_entropy(COUNT, dims, samples, 3);
        assert_true(fabs(found - expected) < 0.06 * (double) dims);
    }
}

/* Uniform on a square of side 2: ln 4. */
static void the_entropy_of_a_square_is_known(void **state)
{
    (void) state;
    enum { COUNT = 3000 };
    static float samples[COUNT * 2];
    struct rng_at at = {.seed = 3, .stream = RNG_TASK, .entity = 99};
    for (size_t i = 0; i < COUNT * 2; i++)
        samples[i] = (float) rng_range(&at, (uint32_t) i, -1.0, 1.0);
    for (size_t k = 1; k <= 5; k++)
        assert_true(fabs(information_gain_entropy(COUNT, 2, samples, k) - log(4.0)) < 0.05);
}

/* Four corners of a unit square, k = 1: each nearest is at distance 1, so psi(4) - psi(1) + ln pi. */
static void four_corners_have_the_entropy_of_the_formula(void **state)
{
    (void) state;
    const float corner[] = {0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 1.0f, 1.0f, 1.0f};
    double expected = 1.0 + 0.5 + 1.0 / 3.0 + log(3.14159265358979323846);
    assert_true(fabs(information_gain_entropy(4, 2, corner, 1) - expected) < 1e-12);
    expected = 0.5 + 1.0 / 3.0 + log(3.14159265358979323846); /* the second is at 1, too */
    assert_true(fabs(information_gain_entropy(4, 2, corner, 2) - expected) < 1e-12);
    expected = 1.0 / 3.0 + log(3.14159265358979323846) + 2.0 * log(sqrt(2.0)); /* the third is across */
    assert_true(fabs(information_gain_entropy(4, 2, corner, 3) - expected) < 1e-6);
}

static void samples_that_coincide_have_a_finite_entropy(void **state)
{
    (void) state;
    const float same[] = {2.0f, 2.0f, 2.0f, 2.0f, 2.0f};
    assert_true(isfinite(information_gain_entropy(5, 1, same, 3)));
}

/* ---- gains ---- */

struct bench {
    struct ensemble_guess guess;
    float *noise, *scratch;
    double *gain;
};

static void bench_init(struct bench *bench, size_t members, size_t rows, size_t outputs)
{
    size_t size = members * rows * outputs;
    bench->guess = (struct ensemble_guess){.members = members, .rows = rows, .outputs = outputs};
    bench->guess.mean = calloc(2 * size, sizeof(float));
    bench->noise = calloc(members * outputs, sizeof(float));
    bench->scratch = calloc(information_gain_scratch(members, rows, outputs), sizeof(float));
    bench->gain = calloc(rows, sizeof(double));
    assert_true(bench->guess.mean != NULL && bench->noise != NULL && bench->scratch != NULL &&
                bench->gain != NULL);
    bench->guess.log_variance = bench->guess.mean + size;
    draw_normals(bench->noise, members * outputs, 500);
}

static void bench_finish(struct bench *bench)
{
    free(bench->guess.mean);
    free(bench->noise);
    free(bench->scratch);
    free(bench->gain);
}

static void run(struct bench *bench, enum information_gain kind)
{
    information_gain_of(kind, &bench->guess, bench->noise, bench->scratch, bench->gain);
}

static void set(struct bench *bench, size_t member, size_t row, float mean, float variance)
{
    for (size_t k = 0; k < bench->guess.outputs; k++) {
        size_t at = (member * bench->guess.rows + row) * bench->guess.outputs + k;
        bench->guess.mean[at] = mean;
        bench->guess.log_variance[at] = logf(variance);
    }
}

/* Means N(0, s^2) of variance v: the mixture is N(0, s^2 + v), the gain ln(1 + s^2 / v) / 2 for each output. */
static void many_members_have_the_gain_of_the_normal_mixture(void **state)
{
    (void) state;
    enum { MEMBERS = 1500, ROWS = 3, OUTPUTS = 2 };
    const float spread[ROWS] = {0.0f, 0.5f, 1.5f};
    const float variance = 0.1f;
    struct bench bench;
    bench_init(&bench, MEMBERS, ROWS, OUTPUTS);
    float *normal = calloc(MEMBERS * OUTPUTS, sizeof *normal);
    assert_non_null(normal);
    draw_normals(normal, MEMBERS * OUTPUTS, 7);
    for (size_t e = 0; e < MEMBERS; e++)
        for (size_t row = 0; row < ROWS; row++)
            for (size_t k = 0; k < OUTPUTS; k++) {
                size_t at = (e * ROWS + row) * OUTPUTS + k;
                bench.guess.mean[at] = spread[row] * normal[e * OUTPUTS + k];
                bench.guess.log_variance[at] = logf(variance);
            }
    const enum information_gain kinds[] = {INFORMATION_GAIN_NEIGHBOURS, INFORMATION_GAIN_GAUSSIAN};
    for (size_t i = 0; i < 2; i++) {
        run(&bench, kinds[i]);
        for (size_t row = 0; row < ROWS; row++) {
            double expected = OUTPUTS * 0.5 * log(1.0 + (double) (spread[row] * spread[row] / variance));
            assert_true(fabs(bench.gain[row] - expected) < 0.12);
        }
    }
    free(normal);
    bench_finish(&bench);
}

/* Two members at +-a of variance v: the matched Gaussian has variance v + a^2, whatever the outputs' number. */
static void the_closed_form_is_exact_for_two_members(void **state)
{
    (void) state;
    for (size_t outputs = 1; outputs <= 40; outputs += 13) {
        struct bench bench;
        bench_init(&bench, 2, 3, outputs);
        const float apart[] = {0.0f, 0.7f, 3.0f};
        for (size_t row = 0; row < 3; row++) {
            set(&bench, 0, row, 1.0f + apart[row], 0.2f);
            set(&bench, 1, row, 1.0f - apart[row], 0.2f);
        }
        run(&bench, INFORMATION_GAIN_GAUSSIAN);
        for (size_t row = 0; row < 3; row++) {
            double a = (double) apart[row], expected = (double) outputs * 0.5 * log(1.0 + a * a / 0.2);
            assert_true(fabs(bench.gain[row] - expected) < 2e-5 * (1.0 + expected));
        }
        bench_finish(&bench);
    }
}

/* Of the same mean and variances v and w: ln((v + w) / 2) / 2 less the mean of ln v / 2 and ln w / 2. */
static void members_that_differ_in_their_noise_tell_something_too(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 2, 1, 1);
    set(&bench, 0, 0, 0.0f, 0.02f);
    set(&bench, 1, 0, 0.0f, 0.3f);
    run(&bench, INFORMATION_GAIN_GAUSSIAN);
    double expected = 0.5 * log(0.16) - 0.25 * (log(0.02) + log(0.3));
    assert_true(fabs(bench.gain[0] - expected) < 1e-5);
    bench_finish(&bench);
}

/* Five members, as planners have: the bias is common, and what members disagree about has more gain. */
static void few_members_rank_rows_by_their_disagreement(void **state)
{
    (void) state;
    enum { ROWS = 6 };
    const enum information_gain kinds[] = {INFORMATION_GAIN_NEIGHBOURS, INFORMATION_GAIN_GAUSSIAN};
    struct bench bench;
    bench_init(&bench, 5, ROWS, 3);
    for (size_t e = 0; e < 5; e++)
        for (size_t row = 0; row < ROWS; row++)
            set(&bench, e, row, ((float) e - 2.0f) * (float) row, 0.05f);
    for (size_t i = 0; i < 2; i++) {
        run(&bench, kinds[i]);
        for (size_t row = 1; row < ROWS; row++)
            assert_true(bench.gain[row] > bench.gain[row - 1]);
    }
    bench_finish(&bench);
}

static void one_member_tells_nothing(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 1, 2, 2);
    set(&bench, 0, 0, 1.0f, 0.1f);
    set(&bench, 0, 1, 5.0f, 0.1f);
    bench.gain[0] = bench.gain[1] = 9.0;
    run(&bench, INFORMATION_GAIN_NEIGHBOURS);
    assert_true(bench.gain[0] == 0.0 && bench.gain[1] == 0.0);
    bench_finish(&bench);
}

/* A unit that is larger for all members moves both entropies alike. */
static void the_closed_form_does_not_depend_on_units(void **state)
{
    (void) state;
    struct bench bench;
    bench_init(&bench, 3, 2, 2);
    for (size_t e = 0; e < 3; e++) {
        set(&bench, e, 0, (float) e, 0.1f + 0.1f * (float) e);
        set(&bench, e, 1, 10.0f * (float) e, 10.0f + 10.0f * (float) e);
    }
    run(&bench, INFORMATION_GAIN_GAUSSIAN);
    assert_true(fabs(bench.gain[0] - bench.gain[1]) < 1e-5);
    bench_finish(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_entropy_of_normals_is_known_in_one_to_four_dimensions),
        cmocka_unit_test(the_entropy_of_a_square_is_known),
        cmocka_unit_test(four_corners_have_the_entropy_of_the_formula),
        cmocka_unit_test(samples_that_coincide_have_a_finite_entropy),
        cmocka_unit_test(many_members_have_the_gain_of_the_normal_mixture),
        cmocka_unit_test(the_closed_form_is_exact_for_two_members),
        cmocka_unit_test(members_that_differ_in_their_noise_tell_something_too),
        cmocka_unit_test(few_members_rank_rows_by_their_disagreement),
        cmocka_unit_test(one_member_tells_nothing),
        cmocka_unit_test(the_closed_form_does_not_depend_on_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
