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

/* A figure that was printed stays comparable: a policy keeps its style when others come into the table. */
static void a_policy_keeps_its_style(void **state)
{
    static const struct {
        const char *policy, *colour;
        int dash, point;
    } kept[] = {
        {"dapo", "#0072B2", 1, 7},     {"bandit", "#E69F00", 1, 13},       {"td3", "#56B4E9", 1, 7},
        {"sac", "#0072B2", 5, 5},      {"maddpg", "#D55E00", 5, 9},        {"dapo-plus", "#D55E00", 1, 5},
        {"ppo", "#009E73", 1, 9},      {"a2c", "#CC79A7", 1, 11},          {"untrained", "#0072B2", 2, 6},
        {"local", "#D55E00", 2, 4},    {"stay", "#0072B2", 3, 4},          {"greedy", "#009E73", 3, 10},
        {"genetic", "#0072B2", 4, 8},  {"multi-start", "#CC79A7", 4, 6},   {"optimum", "#000000", 4, 2},
        {"myopic", "#E69F00", 4, 4},   {"random-shares", "#0072B2", 2, 6}, {"data-sheet", "#0072B2", 3, 4},
        {"external", "#7F7F7F", 1, 7},
    };
    (void) state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct policy_kind *kind = NULL;
        assert_int_equal(catalog_find(kept[i].policy, &kind, NULL), 0);
        struct palette_style style = palette_style(kind);
        assert_string_equal(style.colour, kept[i].colour);
        assert_int_equal(style.dash, kept[i].dash);
        assert_int_equal(style.point, kept[i].point);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_drawn_in_a_way_of_its_own),
        cmocka_unit_test(a_policy_keeps_its_style),
    };
    return cmocka_run_group_tests_name("palette", tests, NULL, NULL);
}
