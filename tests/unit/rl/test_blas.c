#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rl/blas_check.h"

static void this_machines_blas_multiplies_as_a_plain_loop_does(void **state)
{
    (void) state;
    struct diag diag = {{0}};
    int code = blas_self_test(&diag);
    if (code != 0)
        fail_msg("%s", diag.text);
}

static void the_kernel_has_a_name_and_a_configuration(void **state)
{
    (void) state;
    assert_true(strlen(blas_kernel_name()) > 0);
    assert_non_null(strstr(blas_config(), "OpenBLAS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_machines_blas_multiplies_as_a_plain_loop_does),
        cmocka_unit_test(the_kernel_has_a_name_and_a_configuration),
    };
    return cmocka_run_group_tests_name("blas", tests, NULL, NULL);
}
