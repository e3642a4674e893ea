/* Lines through points: local ones beside a published example, and straight ones. */
#include "core/stats/loess.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stats/line.h"

#define CLOSE(a, b, off) assert_true(fabs((a) - (b)) < (off))

/* NIST/SEMATECH e-Handbook of Statistical Methods, section 4.1.4.4: x, y, and its fit with a span of 0.33, which it prints
 * with five digits of rounded steps. */
static const double x[] = {0.5578196,  2.0217271,  2.5773252,  3.4140288,  4.3014084,  4.7448394,
                           5.1073781,  6.5411662,  6.7216176,  7.2600583,  8.1335874,  9.1224379,
                           11.9296663, 12.3797674, 13.2728619, 14.2767453, 15.3731026, 15.6476637,
                           18.5605355, 18.5866354, 18.7572812};
static const double y[] = {18.63654,  103.49646, 150.35391, 190.51031, 208.70115, 213.71135, 228.49353,
                           233.55387, 234.55054, 223.89225, 227.68339, 223.91982, 168.01999, 164.95750,
                           152.61107, 160.78742, 168.55567, 152.42658, 221.70702, 222.69040, 243.18828};
static const double published[] = {20.59302,  107.16030, 139.76738, 174.26304, 207.23340, 216.66160,
                                   220.54449, 229.86069, 229.83471, 229.43012, 226.60446, 220.39041,
                                   172.34800, 163.84171, 161.84900, 160.33507, 160.19198, 161.05560,
                                   227.33998, 227.89852, 231.55858};
#define N (sizeof x / sizeof *x)

static void a_published_example_comes_out(void **state)
{
    (void) state;
    const struct loess loess = {x, y, N, 0.33};
    for (size_t i = 0; i < N; i++)
        CLOSE(loess_at(&loess, x[i]), published[i], 1e-4);
}

/* The same points, weighted normal equations in exact fractions (Python's). */
static void between_points_and_beyond_them_it_is_the_exact_fit(void **state)
{
    (void) state;
    static const double at[] = {0.0, 5.0, 10.0, 18.0, 20.0};
    static const double exact[] = {81.19965865044898, 186.98372455906355, 196.73418302050507,
                                   201.8329196519881, 215.0607236913415};
    const struct loess loess = {x, y, N, 0.75};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        CLOSE(loess_at(&loess, at[i]), exact[i], 1e-9);
}

static void a_straight_line_stays_one_whatever_the_span(void **state)
{
    (void) state;
    double line[N];
    for (size_t i = 0; i < N; i++)
        line[i] = 3.0 - 0.25 * x[i];
    for (double span = 0.2; span <= 1.0; span += 0.2)
        for (double at = -1.0; at < 21.0; at += 0.5)
            CLOSE(loess_at(&(struct loess){x, line, N, span}, at), 3.0 - 0.25 * at, 1e-9);
}

static void points_at_one_place_are_averaged(void **state)
{
    (void) state;
    const double same[] = {2, 2, 2, 2}, steps[] = {1, 1, 1, 5, 5, 5}, height[] = {1, 2, 6, 3, 4, 8};
    const struct loess cloud = {same, height, 4, 0.5}, two = {steps, height, 6, 0.5};
    CLOSE(loess_at(&cloud, 2.0), 3.0, 1e-12);
    CLOSE(loess_at(&cloud, 7.0), 3.0, 1e-12); /* all of them lie at h */
    CLOSE(loess_at(&two, 1.0), 3.0, 1e-12);
    CLOSE(loess_at(&two, 5.0), 5.0, 1e-12);
    CLOSE(loess_at(&(struct loess){steps, height, 1, 0.01}, 4.0), 1.0, 1e-12);
    assert_true(isnan(loess_at(&(struct loess){steps, height, 0, 0.5}, 4.0)));
}

/* statistics.linear_regression and correlation of Python's library, of the points above. */
static void a_straight_line_has_the_slope_and_r2_of_another_program(void **state)
{
    (void) state;
    struct line_sums first = {0}, rest = {0};
    for (size_t i = 0; i < N; i++)
        line_add_point(i < 8 ? &first : &rest, x[i], y[i]);
    line_add(&first, &rest);
    struct line line = line_fit(&first);
    CLOSE(line.slope, 2.89818543346459, 1e-10);
    CLOSE(line.intercept, 158.80354648269517, 1e-9);
    CLOSE(line.r2, 0.09906318002594483, 1e-12);
}

static void where_nothing_varies_no_slope_or_no_r2_is_claimed(void **state)
{
    (void) state;
    struct line_sums one = {0}, upright = {0}, flat = {0};
    line_add_point(&one, 1.0, 2.0);
    for (int i = 0; i < 9; i++) {
        line_add_point(&upright, 0.3, i);
        line_add_point(&flat, i, 0.3);
    }
    assert_true(isnan(line_fit(&one).slope) && isnan(line_fit(&upright).slope));
    assert_true(isnan(line_fit(&upright).r2) && isnan(line_fit(&flat).r2));
    CLOSE(line_fit(&flat).slope, 0.0, 1e-12);
    CLOSE(line_fit(&flat).intercept, 0.3, 1e-12);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_example_comes_out),
        cmocka_unit_test(between_points_and_beyond_them_it_is_the_exact_fit),
        cmocka_unit_test(a_straight_line_stays_one_whatever_the_span),
        cmocka_unit_test(points_at_one_place_are_averaged),
        cmocka_unit_test(a_straight_line_has_the_slope_and_r2_of_another_program),
        cmocka_unit_test(where_nothing_varies_no_slope_or_no_r2_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
