/* Categorical and Gaussian heads alone: probabilities, draws, masks, and gradients by finite differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/rl/categorical.h"
#include "core/rl/gaussian.h"
#include "core/rl/mask.h"
#include "core/rl/mlp.h"
#include "core/rl/norm.h"
#include "twin.h"

#define HEADS 4u
#define LOGITS 13u

static const size_t classes[HEADS] = {5, 1, 4, 3};
static const uint8_t some_allowed[LOGITS] = {1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0}; /* of head 2 nothing */
static const uint8_t all_allowed[LOGITS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static struct categorical make(void)
{
    struct categorical heads;
    assert_int_equal(categorical_init(&heads, classes, HEADS), 0);
    assert_int_equal(heads.logits, LOGITS);
    return heads;
}

struct evaluated {
    float log_p[LOGITS], p[LOGITS], entropy[HEADS], sum;
};

static struct evaluated evaluate(const struct categorical *heads, const float *logits, const uint8_t *allowed,
                                 const float *action)
{
    struct evaluated out;
    memcpy(out.log_p, logits, sizeof(out.log_p));
    out.sum = categorical_evaluate(heads, out.log_p, allowed, action, out.p, out.entropy);
    return out;
}

static void forbidden_classes_have_probability_zero_and_no_gradient(void **state)
{
    (void) state;
    struct categorical heads = make();
    float logits[LOGITS];
    const float action[HEADS] = {3, 0, 0, 1};
    twin_fill(logits, LOGITS, 2.0f, 1);
    logits[1] = 1e30f; /* however much it is wanted */
    struct evaluated out = evaluate(&heads, logits, some_allowed, action);
    for (size_t h = 0, first = 0; h < HEADS; first += classes[h], h++) {
        double sum = 0.0;
        for (size_t i = first; i < first + classes[h]; i++) {
            assert_true(some_allowed[i] != 0 ? out.p[i] > 0.0f : out.p[i] == 0.0f);
            sum += (double) out.p[i];
        }
        assert_true(fabs(sum - (h == 2 ? 0.0 : 1.0)) < 1e-6);
    }
    assert_true(out.entropy[2] == 0.0f); /* it decides nothing */
    assert_true(fabsf(out.sum - (out.log_p[3] + out.log_p[5] + out.log_p[11])) < 1e-6f);
    categorical_gradient(&heads, out.log_p, out.entropy, action, 1.5f, -0.5f, out.p);
    for (size_t i = 0; i < LOGITS; i++)
        assert_true(some_allowed[i] != 0 || out.p[i] == 0.0f);
    categorical_finish(&heads);
}

static void logits_of_any_size_give_finite_numbers(void **state)
{
    (void) state;
    struct categorical heads = make();
    float logits[LOGITS] = {1e38f, -1e38f, 0, 1, 2, -3e38f, 90, 89, -90, 0, 1e-30f, 0, -1e-30f};
    const float action[HEADS] = {1, 0, 3, 2};
    struct evaluated out = evaluate(&heads, logits, all_allowed, action);
    for (size_t i = 0; i < LOGITS; i++)
        assert_true(out.p[i] >= 0.0f && out.p[i] <= 1.0f && isfinite(out.log_p[i]));
    for (size_t h = 0; h < HEADS; h++)
        assert_true(out.entropy[h] >= 0.0f && isfinite(out.entropy[h]));
    assert_true(fabsf(out.p[0] - 1.0f) < 1e-6f);
    assert_true(out.p[5] == 1.0f && out.log_p[5] == 0.0f && out.entropy[1] == 0.0f);
    categorical_finish(&heads);
}

/* --- finite differences, in double precision --- */

struct oracle {
    const uint8_t *allowed;
    const float *action;
    double by_log_probability, by_entropy;
};

static double log_sum_of(const double *logits, const uint8_t *allowed, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += allowed[i] != 0 ? exp(logits[i]) : 0.0;
    return sum > 0.0 ? log(sum) : 0.0;
}

static double value_of_logits(const void *context, const double *logits)
{
    const struct oracle *oracle = context;
    double value = 0.0;
    for (size_t h = 0, first = 0; h < HEADS; first += classes[h], h++) {
        double log_sum = log_sum_of(logits + first, oracle->allowed + first, classes[h]);
        size_t chosen = first + (size_t) oracle->action[h];
        if (oracle->allowed[chosen] != 0)
            value += oracle->by_log_probability * (logits[chosen] - log_sum);
        for (size_t i = first; i < first + classes[h]; i++) {
            double log_p = logits[i] - log_sum;
            value -= oracle->allowed[i] != 0 ? oracle->by_entropy * exp(log_p) * log_p : 0.0;
        }
    }
    return value;
}

static void the_gradient_at_the_logits_is_that_of_log_probability_and_entropy(void **state)
{
    (void) state;
    struct categorical heads = make();
    const float action[HEADS] = {3, 0, 0, 1};
    const uint8_t *const masks[] = {some_allowed, all_allowed};
    for (size_t k = 0; k < 2; k++) {
        float logits[LOGITS];
        twin_fill(logits, LOGITS, 2.0f, 2);
        struct oracle oracle = {masks[k], action, -0.7, 0.4};
        struct evaluated out = evaluate(&heads, logits, masks[k], action);
        categorical_gradient(&heads, out.log_p, out.entropy, action, -0.7f, 0.4f, out.p);
        struct twin_function function = {value_of_logits, &oracle, LOGITS};
        assert_true(twin_gradient_error(&function, logits, out.p) < 1e-5);
    }
    categorical_finish(&heads);
}

static void draws_come_as_often_as_their_probability_says(void **state)
{
    (void) state;
    struct categorical heads = make();
    float logits[LOGITS], action[HEADS] = {0};
    size_t seen[LOGITS] = {0}, draws = 40000;
    twin_fill(logits, LOGITS, 2.0f, 3);
    for (uint32_t n = 0; n < draws; n++) {
        struct rng_at at = {.seed = 4, .stream = RNG_EXPLORATION, .slot = n};
        categorical_sample(&heads, logits, some_allowed, &at, action);
        for (size_t h = 0, first = 0; h < HEADS; first += classes[h], h++)
            seen[first + (size_t) action[h]]++;
    }
    struct evaluated out = evaluate(&heads, logits, some_allowed, action);
    for (size_t i = 0; i < LOGITS; i++) {
        double expected = i == 6 ? 1.0 : (double) out.p[i]; /* class 0 of the head that decides nothing */
        assert_true(fabs((double) seen[i] / (double) draws - expected) < 0.01);
    }
    categorical_finish(&heads);
}

static void the_mode_is_the_likeliest_class_that_is_allowed(void **state)
{
    (void) state;
    struct categorical heads = make();
    const float logits[LOGITS] = {0, 9, 1, 1, 5, -7, 1, 2, 3, 4, -3, -2, 8};
    float action[HEADS];
    categorical_mode(&heads, logits, some_allowed, action);
    assert_true(action[0] == 2.0f && action[1] == 0.0f && action[2] == 0.0f && action[3] == 1.0f);
    categorical_mode(&heads, logits, all_allowed, action);
    assert_true(action[0] == 1.0f && action[1] == 0.0f && action[2] == 3.0f && action[3] == 2.0f);
    categorical_finish(&heads);
}

static void impossible_heads_are_refused(void **state)
{
    (void) state;
    struct categorical heads;
    const size_t none[] = {3, 0}, many[] = {MLP_SIZE_MAX, 1};
    assert_int_equal(categorical_init(&heads, none, 2), ERR_RANGE);
    assert_int_equal(categorical_init(&heads, many, 2), ERR_RANGE);
}

#define REALS 7u

static double value_of_gaussian(const void *context, const double *at)
{
    const float *action = context;
    const double *mean = at, *log_sigma = at + REALS;
    double log_p = 0.0, entropy = 0.0;
    for (size_t i = 0; i < REALS; i++) {
        double z = ((double) action[i] - mean[i]) / exp(log_sigma[i]);
        log_p -= 0.5 * z * z + log_sigma[i] + 0.5 * log(2.0 * acos(-1.0));
        entropy += log_sigma[i] + 0.5 * log(2.0 * acos(-1.0) * exp(1.0));
    }
    return -0.7 * log_p + 0.4 * entropy;
}

static void the_gaussians_gradient_is_that_of_its_density(void **state)
{
    (void) state;
    float at[2 * REALS], grads[2 * REALS] = {0}, action[REALS];
    twin_fill(at, 2 * REALS, 0.8f, 5);
    twin_fill(action, REALS, 2.0f, 6);
    gaussian_gradient(REALS, at, at + REALS, action, -0.7f, 0.4f, grads, grads + REALS);
    struct twin_function function = {value_of_gaussian, action, 2 * REALS};
    assert_true(twin_gradient_error(&function, at, grads) < 1e-5);
    double *wide = twin_widen(at, 2 * REALS);
    double value = -0.7 * (double) gaussian_log_probability(REALS, at, at + REALS, action) +
                   0.4 * (double) gaussian_entropy(REALS, at + REALS);
    assert_true(fabs(value - value_of_gaussian(action, wide)) < 1e-4);
    free(wide);
}

static void gaussian_draws_have_the_mean_and_the_deviation(void **state)
{
    (void) state;
    const float mean[3] = {-0.5f, 0.0f, 2.0f}, log_sigma[3] = {0.0f, -1.0f, 0.5f};
    double sum[3] = {0.0}, squares[3] = {0.0}, draws = 40000;
    for (uint32_t n = 0; n < (uint32_t) draws; n++) {
        struct rng_at at = {.seed = 4, .stream = RNG_EXPLORATION, .slot = n};
        float action[3];
        gaussian_sample(3, mean, log_sigma, &at, action);
        for (size_t i = 0; i < 3; i++) {
            double z = (double) (action[i] - mean[i]) / exp((double) log_sigma[i]);
            sum[i] += z;
            squares[i] += z * z;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(fabs(sum[i] / draws) < 0.02);
        assert_true(fabs(squares[i] / draws - 1.0) < 0.03);
    }
}

static void flags_come_back_from_their_packing(void **state)
{
    (void) state;
    for (size_t count = 0; count <= 80; count++) {
        uint8_t flags[80], back[80];
        float packed[4];
        for (uint32_t i = 0; i < count; i++) {
            struct rng_at at = {.seed = 1, .stream = RNG_SAMPLING, .slot = (uint32_t) count};
            flags[i] = (uint8_t) rng_below(&at, i, 2);
        }
        assert_true(mask_size(count) <= 4);
        mask_pack(count, flags, packed);
        assert_true(mask_is_sound(count, packed));
        mask_unpack(count, packed, back);
        assert_memory_equal(flags, back, count);
    }
    const float wrong[] = {-1.0f, 0.5f, 8.0f, NAN, INFINITY, 16777216.0f};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(mask_is_sound(3, &wrong[i]));
    assert_true(mask_is_sound(24, &(const float){16777215.0f}));
}

static void a_gradient_longer_than_its_bound_keeps_its_direction(void **state)
{
    (void) state;
    float values[37], before[37];
    twin_fill(values, 37, 1.0f, 7);
    memcpy(before, values, sizeof(values));
    double sum = 0.0;
    for (size_t i = 0; i < 37; i++)
        sum += (double) values[i] * (double) values[i];
    assert_true(fabs(norm_of(37, values) - sqrt(sum)) < 1e-12);
    norm_bound(37, values, 100.0f);
    norm_bound(37, values, 0.0f);
    assert_memory_equal(values, before, sizeof(values));
    norm_bound(37, values, 0.5f);
    assert_true(fabs(norm_of(37, values) - 0.5) < 1e-6);
    for (size_t i = 0; i < 37; i++)
        assert_true(fabs((double) values[i] - (double) before[i] * 0.5 / sqrt(sum)) < 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_classes_have_probability_zero_and_no_gradient),
        cmocka_unit_test(logits_of_any_size_give_finite_numbers),
        cmocka_unit_test(the_gradient_at_the_logits_is_that_of_log_probability_and_entropy),
        cmocka_unit_test(draws_come_as_often_as_their_probability_says),
        cmocka_unit_test(the_mode_is_the_likeliest_class_that_is_allowed),
        cmocka_unit_test(impossible_heads_are_refused),
        cmocka_unit_test(the_gaussians_gradient_is_that_of_its_density),
        cmocka_unit_test(gaussian_draws_have_the_mean_and_the_deviation),
        cmocka_unit_test(flags_come_back_from_their_packing),
        cmocka_unit_test(a_gradient_longer_than_its_bound_keeps_its_direction),
    };
    return cmocka_run_group_tests_name("heads", tests, NULL, NULL);
}
