/* Kernel densities beside Python's statistics library: quantiles, stdev and NormalDist.pdf. */
#include "core/stats/density.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CLOSE(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static const double sample[] = {2.1, 2.4, 2.4, 2.9, 3.0, 3.3, 3.3, 3.4, 4.1, 5.6, 5.8, 7.0};
#define N (sizeof sample / sizeof *sample)

static void the_bandwidth_is_silvermans(void **state)
{
    (void) state;
    CLOSE(density_bandwidth(sample, N), 0.6946249575347795);
}

static void where_the_middle_half_is_one_number_the_deviation_alone_decides(void **state)
{
    (void) state;
    const double many[] = {1, 1, 1, 1, 1, 2};
    CLOSE(density_bandwidth(many, 6), 0.25676547891145574);
}

static void of_one_number_there_is_no_density(void **state)
{
    (void) state;
    const double same[] = {4, 4, 4};
    assert_true(density_bandwidth(same, 3) == 0.0 && density_bandwidth(same, 1) == 0.0 &&
                density_bandwidth(same, 0) == 0.0);
}

static void the_density_is_the_mean_of_normal_curves(void **state)
{
    (void) state;
    static const double at[] = {1.0, 3.0, 4.5, 7.0};
    static const double is[] = {0.028634509382620087, 0.32328181473820633, 0.10690691027545496,
                                0.06491029495854031};
    for (size_t i = 0; i < 4; i++)
        CLOSE(density_at(sample, N, density_bandwidth(sample, N), at[i]), is[i]);
    assert_true(density_at(sample, N, 0.01, 100.0) == 0.0);
}

static void the_area_below_it_is_one(void **state)
{
    (void) state;
    double area = 0.0;
    for (double at = -4.0; at < 14.0; at += 0.001)
        area += 0.001 * density_at(sample, N, 0.5, at);
    assert_true(fabs(area - 1.0) < 1e-9);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bandwidth_is_silvermans),
        cmocka_unit_test(where_the_middle_half_is_one_number_the_deviation_alone_decides),
        cmocka_unit_test(of_one_number_there_is_no_density),
        cmocka_unit_test(the_density_is_the_mean_of_normal_curves),
        cmocka_unit_test(the_area_below_it_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
