/* How long cells will take, by those that are done. */
#include "orchestrator/sweep/sweep_eta.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guess_goes_by_the_policys_own_cells_where_there_are_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
