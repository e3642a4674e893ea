#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rl/adam.h"
#include "twin.h"

#define SIZE 37u

/* Algorithm 1 of arXiv 1412.6980, in double precision. */
struct reference {
    double params[SIZE], target[SIZE], first[SIZE], second[SIZE];
};

static void reference_step(struct reference *r, const float *grads, int step, double rate, double tau)
{
    for (size_t i = 0; i < SIZE; i++) {
        double g = (double) grads[i];
        r->first[i] = 0.9 * r->first[i] + 0.1 * g;
        r->second[i] = 0.999 * r->second[i] + 0.001 * g * g;
        double m = r->first[i] / (1.0 - pow(0.9, step)), v = r->second[i] / (1.0 - pow(0.999, step));
        r->params[i] -= rate * m / (sqrt(v) + 1e-8);
        r->target[i] = tau * r->params[i] + (1.0 - tau) * r->target[i];
    }
}

static void steps_follow_the_published_algorithm(void **state)
{
    (void) state;
    float params[SIZE], target[SIZE], first[SIZE] = {0}, second[SIZE] = {0}, grads[SIZE];
    struct reference reference = {{0}, {0}, {0}, {0}};
    twin_fill(params, SIZE, 1.0f, 1);
    twin_fill(target, SIZE, 1.0f, 2);
    for (size_t i = 0; i < SIZE; i++) {
        reference.params[i] = (double) params[i];
        reference.target[i] = (double) target[i];
    }
    struct adam_blocks blocks = {params, target, first, second, grads, SIZE};
    for (int step = 1; step <= 500; step++) {
        twin_fill(grads, SIZE, 0.01f, 100 + (uint32_t) step);
        adam_step(&blocks, (uint64_t) step, 1e-3f, 5e-3f);
        reference_step(&reference, grads, step, 1e-3, 5e-3);
    }
    for (size_t i = 0; i < SIZE; i++) {
        assert_true(fabs((double) params[i] - reference.params[i]) < 1e-5);
        assert_true(fabs((double) target[i] - reference.target[i]) < 1e-5);
    }
}

static void moments_of_a_dead_parameter_end_without_denormals(void **state)
{
    (void) state;
    float params[1] = {0.5f}, target[1] = {0.5f}, first[1] = {0}, second[1] = {0}, grads[1] = {1e-3f};
    struct adam_blocks blocks = {params, target, first, second, grads, 1};
    adam_step(&blocks, 1, 1e-3f, 5e-3f);
    grads[0] = 0.0f;
    for (uint64_t step = 2; step < 200000; step++) {
        adam_step(&blocks, step, 1e-3f, 5e-3f);
        assert_true(fpclassify(first[0]) != FP_SUBNORMAL && fpclassify(second[0]) != FP_SUBNORMAL);
        assert_true(fpclassify(first[0] * 1e-3f) != FP_SUBNORMAL);
    }
    assert_true(isfinite(params[0]));
}

static void no_gradient_leaves_parameters_alone(void **state)
{
    (void) state;
    float params[1] = {0.5f}, target[1] = {0.5f}, first[1] = {0}, second[1] = {0}, grads[1] = {0.0f};
    struct adam_blocks blocks = {params, target, first, second, grads, 1};
    adam_step(&blocks, 1, 1e-3f, 5e-3f);
    assert_true(params[0] == 0.5f && target[0] == 0.5f && first[0] == 0.0f && second[0] == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_the_published_algorithm),
        cmocka_unit_test(moments_of_a_dead_parameter_end_without_denormals),
        cmocka_unit_test(no_gradient_leaves_parameters_alone),
    };
    return cmocka_run_group_tests_name("adam", tests, NULL, NULL);
}
