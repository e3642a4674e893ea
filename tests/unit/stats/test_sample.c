#include "core/stats/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stats/curve.h"

#define EQUAL(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static void mean_and_deviation_of_known_numbers(void **state)
{
    (void) state;
    double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    EQUAL(sample_mean(x, 8), 5.0);
    EQUAL(sample_deviation(x, 8), sqrt(32.0 / 7.0));
    EQUAL(sample_deviation(x + 1, 3), 0.0);
}

static void of_too_few_numbers_nothing_is_said(void **state)
{
    (void) state;
    double x[] = {3};
    assert_true(isnan(sample_mean(x, 0)));
    EQUAL(sample_mean(x, 1), 3.0);
    assert_true(isnan(sample_deviation(x, 1)));
    assert_true(isnan(sample_quantile(x, 0, 0.5)));
    EQUAL(sample_quantile(x, 1, 0.95), 3.0);
}

/* R: quantile(c(15, 20, 35, 40, 50), c(.05, .25, .4, .5, .95)) is 16, 20, 29, 35, 48. */
static void quantiles_are_those_of_type_seven(void **state)
{
    (void) state;
    double x[] = {50, 15, 40, 20, 35};
    sample_sort(x, 5);
    EQUAL(x[0], 15.0);
    EQUAL(x[4], 50.0);
    EQUAL(sample_quantile(x, 5, 0.05), 16.0);
    EQUAL(sample_quantile(x, 5, 0.4), 29.0);
    struct sample_box box = sample_box(x, 5);
    double expected[] = {15, 16, 20, 35, 40, 48, 50};
    double is[] = {box.min, box.p5, box.q1, box.median, box.q3, box.p95, box.max};
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        EQUAL(is[i], expected[i]);
}

static void a_curve_is_linear_between_its_points_and_ends_with_them(void **state)
{
    (void) state;
    double x[] = {1, 2, 4, 8}, y[] = {10, 20, 0, 8};
    struct curve curve = {x, y, 4};
    EQUAL(curve_at(&curve, 1.0), 10.0);
    EQUAL(curve_at(&curve, 1.5), 15.0);
    EQUAL(curve_at(&curve, 2.0), 20.0);
    EQUAL(curve_at(&curve, 3.5), 5.0);
    EQUAL(curve_at(&curve, 8.0), 8.0);
    assert_true(isnan(curve_at(&curve, 0.999)) && isnan(curve_at(&curve, 8.001)));
    struct curve point = {x, y, 1}, nothing = {x, y, 0};
    EQUAL(curve_at(&point, 1.0), 10.0);
    assert_true(isnan(curve_at(&nothing, 1.0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_deviation_of_known_numbers),
        cmocka_unit_test(of_too_few_numbers_nothing_is_said),
        cmocka_unit_test(quantiles_are_those_of_type_seven),
        cmocka_unit_test(a_curve_is_linear_between_its_points_and_ends_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
