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
            bool apart = (catalog_at(i)->modes == POLICY_MODE_RESERVED) !=
                         (catalog_at(j)->modes == POLICY_MODE_RESERVED);
            if (apart)
                continue; /* they stand in no figure together, but for learners, whose lines are full */
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
