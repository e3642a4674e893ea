/* What a learner's configuration may hold: bounds belong to the range, and the first fault is told. */
#include "core/rl/config_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/err.h"

static void a_size_may_be_anything_between_its_bounds(void **state)
{
    (void) state;
    const struct config_check_size good[] = {
        {"state", 1, 1, 8}, {"buffer", 8, 1, 8}, {"warm-up", 0, 0, 0}, {"rollout", SIZE_MAX, 1, SIZE_MAX}};
    assert_int_equal(config_check_sizes(good, 4, NULL), 0);
    assert_int_equal(config_check_sizes(NULL, 0, NULL), 0);
}

static void the_first_size_out_of_bounds_is_told_with_them(void **state)
{
    (void) state;
    const struct config_check_size bad[] = {{"state", 4, 1, 8}, {"warm-up", 9, 0, 8}, {"buffer", 0, 1, 8}};
    struct diag diag = {{0}};
    assert_int_equal(config_check_sizes(bad, 3, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "learner's warm-up is 9, allowed is 0 to 8");
    assert_int_equal(config_check_sizes(bad + 2, 1, NULL), ERR_RANGE);
}

static void bounds_of_numbers_belong_to_their_range_but_zero_is_not_positive(void **state)
{
    (void) state;
    const struct {
        float value;
        bool share, amount, positive;
    } cases[] = {
        {0.0f, true, true, false},  {-0.0f, true, true, false},      {1.0f, true, true, true},
        {0.5f, true, true, true},   {1.5f, false, true, true},       {-1e-30f, false, false, false},
        {NAN, false, false, false}, {INFINITY, false, false, false}, {-INFINITY, false, false, false},
        {1e-30f, true, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct config_check_number number[] = {{"share", cases[i].value, CONFIG_SHARE},
                                                     {"amount", cases[i].value, CONFIG_AMOUNT},
                                                     {"positive", cases[i].value, CONFIG_POSITIVE}};
        assert_int_equal(config_check_numbers(&number[0], 1, NULL), cases[i].share ? 0 : ERR_RANGE);
        assert_int_equal(config_check_numbers(&number[1], 1, NULL), cases[i].amount ? 0 : ERR_RANGE);
        assert_int_equal(config_check_numbers(&number[2], 1, NULL), cases[i].positive ? 0 : ERR_RANGE);
    }
}

static void the_first_number_out_of_range_is_told_with_its_range(void **state)
{
    (void) state;
    const struct config_check_number bad[] = {{"discount", 0.9f, CONFIG_SHARE},
                                              {"soft update", 1.5f, CONFIG_SHARE},
                                              {"rate", -1.0f, CONFIG_AMOUNT}};
    struct diag diag = {{0}};
    assert_int_equal(config_check_numbers(bad, 3, &diag), ERR_RANGE);
    assert_string_equal(diag.text, "learner's soft update is 1.5, allowed is 0 to 1");
    struct diag other = {{0}};
    assert_int_equal(config_check_numbers(bad + 2, 1, &other), ERR_RANGE);
    assert_string_equal(other.text, "learner's rate is -1, allowed is 0 or more");
    const struct config_check_number sigma = {"first deviation", 0.0f, CONFIG_POSITIVE};
    struct diag third = {{0}};
    assert_int_equal(config_check_numbers(&sigma, 1, &third), ERR_RANGE);
    assert_string_equal(third.text, "learner's first deviation is 0, allowed is above 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_may_be_anything_between_its_bounds),
        cmocka_unit_test(the_first_size_out_of_bounds_is_told_with_them),
        cmocka_unit_test(bounds_of_numbers_belong_to_their_range_but_zero_is_not_positive),
        cmocka_unit_test(the_first_number_out_of_range_is_told_with_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
