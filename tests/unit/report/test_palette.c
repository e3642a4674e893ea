#include "orchestrator/report/palette.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "orchestrator/policy/catalog/catalog.h"

static void every_policy_is_drawn_in_a_way_of_its_own(void **state)
{
    (void) state;
    for (size_t i = 0; i < catalog_count(); i++)
        for (size_t j = i + 1; j < catalog_count(); j++) {
            struct palette_style a = palette_style(catalog_at(i)), b = palette_style(catalog_at(j));
            assert_true(strcmp(a.colour, b.colour) != 0 || a.dash != b.dash);
        }
    assert_string_equal(palette_style(NULL).colour, "#7F7F7F");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_drawn_in_a_way_of_its_own),
    };
    return cmocka_run_group_tests_name("palette", tests, NULL, NULL);
}
