#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/noise.h"

#define SIZE 6u

static const struct noise_config gaussian = {.sigma = 0.1, .decay = 1.0, .theta = 0.15, .seed = 4};
static const struct noise_config pulled = {
    .ornstein_uhlenbeck = true, .sigma = 0.1, .decay = 1.0, .theta = 0.15, .seed = 4};

struct moments {
    double mean, variance, lag; /* lag: correlation of one step to the next */
};

/* Of `steps` steps of the noise alone, over all entries. */
static struct moments moments_of(const struct noise_config *config, size_t steps)
{
    struct noise noise;
    double sum = 0.0, squares = 0.0, products = 0.0;
    float before[SIZE] = {0}, count = (float) (steps * SIZE);
    assert_int_equal(noise_init(&noise, config, SIZE), 0);
    for (size_t t = 0; t < steps; t++) {
        float action[SIZE] = {0};
        noise_add(&noise, action);
        for (size_t i = 0; i < SIZE; i++) {
            sum += (double) action[i];
            squares += (double) (action[i] * action[i]);
            products += (double) (action[i] * before[i]);
        }
        memcpy(before, action, sizeof(before));
    }
    noise_finish(&noise);
    double mean = sum / (double) count, variance = squares / (double) count - mean * mean;
    return (struct moments){mean, variance, products / (double) count / variance};
}

static void gaussian_noise_has_its_moments_and_no_memory(void **state)
{
    (void) state;
    struct moments found = moments_of(&gaussian, 20000);
    assert_true(fabs(found.mean) < 0.002);
    assert_true(fabs(sqrt(found.variance) - 0.1) < 0.002);
    assert_true(fabs(found.lag) < 0.02);
}

static void ornstein_uhlenbeck_noise_has_its_stationary_moments(void **state)
{
    (void) state;
    struct moments found = moments_of(&pulled, 50000);
    double stationary = 0.1 / sqrt(1.0 - 0.85 * 0.85);
    assert_true(fabs(found.mean) < 0.01);
    assert_true(fabs(sqrt(found.variance) - stationary) < 0.01);
    assert_true(fabs(found.lag - 0.85) < 0.02);
}

static void the_scale_decays_with_each_step(void **state)
{
    (void) state;
    struct noise noise;
    struct noise_config config = gaussian;
    config.decay = 0.9995;
    assert_int_equal(noise_init(&noise, &config, SIZE), 0);
    float action[SIZE] = {0};
    for (int i = 0; i < 1000; i++)
        noise_add(&noise, action);
    assert_true(fabs(noise.scale - 0.1 * pow(0.9995, 1000)) < 1e-12);
    double kept = noise.scale;
    noise_uniform(&noise, action);
    assert_true(noise.scale == kept);
    assert_int_equal(noise.step, 1001);
    noise_finish(&noise);
}

static void normals_are_those_that_noise_is_made_of(void **state)
{
    (void) state;
    struct noise noise, same;
    assert_int_equal(noise_init(&noise, &gaussian, SIZE), 0);
    assert_int_equal(noise_init(&same, &gaussian, SIZE), 0);
    double sum = 0.0, squares = 0.0;
    for (int t = 0; t < 20000; t++) {
        float normal[SIZE];
        noise_normal(&noise, normal);
        for (size_t i = 0; i < SIZE; i++) {
            sum += (double) normal[i];
            squares += (double) normal[i] * (double) normal[i];
        }
    }
    assert_int_equal(noise.step, 20000);
    assert_true(noise.scale == gaussian.sigma && noise.level[0] == 0.0);
    /* 120,000 draws: five standard deviations of their mean and of their variance. */
    assert_true(fabs(sum / 120000.0) < 5.0 / sqrt(120000.0));
    assert_true(fabs(squares / 120000.0 - 1.0) < 5.0 * sqrt(2.0 / 120000.0));
    float normal[SIZE], action[SIZE] = {0};
    noise.step = same.step;
    noise_normal(&noise, normal);
    noise_add(&same, action);
    for (size_t i = 0; i < SIZE; i++)
        assert_true(fabs((double) action[i] - gaussian.sigma * (double) normal[i]) < 1e-6);
    noise_finish(&noise);
    noise_finish(&same);
}

static void actions_are_clipped(void **state)
{
    (void) state;
    struct noise noise;
    struct noise_config config = gaussian;
    config.sigma = 5.0;
    assert_int_equal(noise_init(&noise, &config, SIZE), 0);
    for (int t = 0; t < 100; t++) {
        float action[SIZE] = {0.9f, -0.9f, 0, 0, 1, -1};
        noise_add(&noise, action);
        for (size_t i = 0; i < SIZE; i++)
            assert_true(action[i] >= -1.0f && action[i] <= 1.0f);
    }
    noise_finish(&noise);
}

static void noise_depends_on_seed_and_step_alone(void **state)
{
    (void) state;
    struct noise one, late, other;
    struct noise_config reseeded = gaussian;
    reseeded.seed = 5;
    assert_int_equal(noise_init(&one, &gaussian, SIZE), 0);
    assert_int_equal(noise_init(&late, &gaussian, SIZE), 0);
    assert_int_equal(noise_init(&other, &reseeded, SIZE), 0);
    float a[SIZE] = {0}, b[SIZE] = {0}, c[SIZE] = {0};
    for (int t = 0; t < 9; t++) {
        memset(a, 0, sizeof(a));
        noise_add(&one, a);
    }
    late.step = 8;
    noise_add(&late, b);
    other.step = 8;
    noise_add(&other, c);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    noise_finish(&one);
    noise_finish(&late);
    noise_finish(&other);
}

static void warm_up_actions_are_uniform(void **state)
{
    (void) state;
    struct noise noise;
    assert_int_equal(noise_init(&noise, &gaussian, SIZE), 0);
    int bins[4] = {0};
    for (int t = 0; t < 10000; t++) {
        float action[SIZE];
        noise_uniform(&noise, action);
        for (size_t i = 0; i < SIZE; i++) {
            assert_true(action[i] >= -1.0f && action[i] <= 1.0f);
            bins[(int) fmin(3.0, ((double) action[i] + 1.0) * 2.0)]++;
        }
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(bins[i], 15000 - 540, 15000 + 540);
    noise_finish(&noise);
}

static void impossible_parameters_are_refused(void **state)
{
    (void) state;
    struct noise noise;
    struct noise_config config = gaussian;
    assert_int_equal(noise_init(&noise, &config, 0), ERR_RANGE);
    config.sigma = (double) NAN;
    assert_int_equal(noise_init(&noise, &config, SIZE), ERR_RANGE);
    config = gaussian;
    config.decay = 1.5;
    assert_int_equal(noise_init(&noise, &config, SIZE), ERR_RANGE);
    config = gaussian;
    config.theta = -0.1;
    assert_int_equal(noise_init(&noise, &config, SIZE), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_noise_has_its_moments_and_no_memory),
        cmocka_unit_test(ornstein_uhlenbeck_noise_has_its_stationary_moments),
        cmocka_unit_test(the_scale_decays_with_each_step),
        cmocka_unit_test(normals_are_those_that_noise_is_made_of),
        cmocka_unit_test(actions_are_clipped),
        cmocka_unit_test(noise_depends_on_seed_and_step_alone),
        cmocka_unit_test(warm_up_actions_are_uniform),
        cmocka_unit_test(impossible_parameters_are_refused),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
