#include "core/stats/student.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The table that every textbook prints: two-sided 95 %, and 99 % with 10 degrees of freedom. */
static void the_values_are_those_of_the_printed_table(void **state)
{
    (void) state;
    static const struct {
        uint32_t freedom;
        double share, t;
    } table[] = {
        {1, 0.95, 12.7062},  {2, 0.95, 4.30265},  {3, 0.95, 3.18245},  {4, 0.95, 2.77645},
        {5, 0.95, 2.57058},  {9, 0.95, 2.26216},  {10, 0.95, 2.22814}, {29, 0.95, 2.04523},
        {30, 0.95, 2.04227}, {99, 0.95, 1.98422}, {10, 0.99, 3.16927},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double t = student_two_sided(table[i].share, table[i].freedom);
        assert_true(fabs(t - table[i].t) < 6e-5 * fmax(1.0, table[i].t / 10.0));
        assert_true(fabs(student_within(t, table[i].freedom) - table[i].share) < 1e-12);
    }
}

/* One and two degrees have closed forms: 2 atan(t) / pi and t / sqrt(2 + t^2). */
static void few_degrees_of_freedom_agree_with_their_closed_forms(void **state)
{
    (void) state;
    for (double t = 0.0; t < 20.0; t += 0.7) {
        assert_true(fabs(student_within(t, 1) - 2.0 * atan(t) / acos(-1.0)) < 1e-14);
        assert_true(fabs(student_within(t, 2) - t / sqrt(2.0 + t * t)) < 1e-14);
    }
}

/* By hand with the table, mean 1 and deviation 2: n = 17 gives 2.1199 * 2 / sqrt(17) =
 * 1.0283, n = 18 gives 2.1098 * 2 / sqrt(18) = 0.9946. */
static void the_runs_that_a_difference_takes_are_the_least_that_suffice(void **state)
{
    (void) state;
    assert_int_equal(student_runs(1.0, 2.0, 5), 18);
    assert_int_equal(student_runs(-1.0, 2.0, 5), 18);
    assert_int_equal(student_runs(1.0, 2.0, 25), 25);
    assert_int_equal(student_runs(100.0, 1.0, 0), 2);
    assert_int_equal(student_runs(3.0, 0.0, 5), 5);
}

static void a_difference_of_nothing_takes_more_runs_than_there_are(void **state)
{
    (void) state;
    assert_int_equal(student_runs(0.0, 1.0, 5), 0);
    assert_int_equal(student_runs(0.0, 0.0, 5), 0);
    assert_int_equal(student_runs(1e-6, 1.0, 5), 0);
    assert_int_equal(student_runs((double) NAN, 1.0, 5), 0);
    assert_int_equal(student_runs(1.0, (double) NAN, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_are_those_of_the_printed_table),
        cmocka_unit_test(few_degrees_of_freedom_agree_with_their_closed_forms),
        cmocka_unit_test(the_runs_that_a_difference_takes_are_the_least_that_suffice),
        cmocka_unit_test(a_difference_of_nothing_takes_more_runs_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
