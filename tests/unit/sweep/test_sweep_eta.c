/* How long cells will take, by those that are done. */
#include "orchestrator/sweep/sweep_eta.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "orchestrator/policy/catalog/catalog.h"

static void a_guess_goes_by_the_policys_own_cells_where_there_are_any(void **state)
{
    struct sweep_eta pace = {.all_work = 0.0};
    (void) state;
    assert_true(isnan(sweep_eta_guess_s(&pace, &policy_dapo, 10.0)));
    sweep_eta_note(&pace, &policy_local, 100.0, 1.0);
    sweep_eta_note(&pace, &policy_local, 100.0, 3.0);
    assert_true(sweep_eta_guess_s(&pace, &policy_local, 50.0) == 1.0);
    assert_true(sweep_eta_guess_s(&pace, &policy_dapo, 50.0) == 1.0);
    sweep_eta_note(&pace, &policy_dapo, 100.0, 8.0);
    assert_true(sweep_eta_guess_s(&pace, &policy_dapo, 50.0) == 4.0);
    assert_true(sweep_eta_guess_s(&pace, &policy_local, 50.0) == 1.0);
    assert_true(sweep_eta_guess_s(&pace, &policy_greedy, 50.0) == 2.0);
}

static void a_part_is_all_when_nothing_runs_or_is_left(void **state)
{
    static const struct {
        double spent_s, left_s;
        bool runs;
        uint64_t done, total;
    } cases[] = {
        {7.0, (double) NAN, true, 0, 1}, {7.0, (double) NAN, false, 0, 1}, {0.0, 0.0, false, 0, 1},
        {0.0, 0.0, true, 0, 1},          {1.5, 0.0, false, 1500, 1500},    {1.5, 0.0, true, 1500, 1501},
        {0.0, 2.25, false, 0, 2250},     {1.5, 2.25, true, 1500, 3751},    {0.0004, 0.0009, false, 0, 1},
    };
    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sweep_eta_part part = sweep_eta_part(cases[i].spent_s, cases[i].left_s, cases[i].runs);
        assert_int_equal(part.done, cases[i].done);
        assert_int_equal(part.total, cases[i].total);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guess_goes_by_the_policys_own_cells_where_there_are_any),
        cmocka_unit_test(a_part_is_all_when_nothing_runs_or_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
