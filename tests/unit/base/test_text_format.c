#include "core/base/text_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_text_that_fits_is_whole(void **state)
{
    (void) state;
    char text[8];
    assert_true(text_format(text, sizeof text, "%u-%s", 17u, "abcd"));
    assert_string_equal(text, "17-abcd");
}

static void a_text_that_does_not_fit_is_cut_and_ended(void **state)
{
    (void) state;
    char text[9];
    memset(text, '#', sizeof text);
    assert_false(text_format(text, 8, "%u-%s", 17u, "abcde"));
    assert_string_equal(text, "17-abcd");
    assert_int_equal(text[8], '#');
    assert_false(text_format(text, 1, "x"));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_fits_is_whole),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_ended),
    };
    return cmocka_run_group_tests_name("text_format", tests, NULL, NULL);
}
