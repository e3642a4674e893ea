#include "core/base/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/err.h"

static void a_list_of_reals_is_read_whole_or_not_at_all(void **state)
{
    (void) state;
    double value[3];
    assert_int_equal(parse_real_list("  0.5 1  -2e3 ", value, 3), 3);
    assert_true(value[0] == 0.5 && value[1] == 1.0 && value[2] == -2000.0);
    assert_int_equal(parse_real_list("", value, 3), 0);
    assert_int_equal(parse_real_list("   ", value, 3), 0);
    assert_int_equal(parse_real_list("1 2 3 4", value, 3), ERR_TOO_BIG);
    assert_int_equal(parse_real_list("1 1e999", value, 3), ERR_RANGE);
    static const char *const malformed[] = {"1,2", "1 x", "nan", "1\t2", "0x1", "1 +2"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(parse_real_list(malformed[i], value, 3), ERR_SYNTAX);
}

static void reals_are_read_whole_or_not_at_all(void **state)
{
    (void) state;
    static const char *const malformed[] = {"",    " ",  "1.2abc", "nan", "inf",   "-inf",  "010",     "-010",
                                            "+1",  ".5", "0x10",   "1 2", " 1",    "1 ",    "1e",      "--1",
                                            "1,5", "e5", "-",      "1e+", "1.2.3", "1e5.5", "Infinity"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        double value = 42.0;
        assert_int_equal(parse_real(malformed[i], &value), ERR_SYNTAX);
        assert_true(value == 42.0);
    }
    double value = 42.0;
    assert_int_equal(parse_real("1e999", &value), ERR_RANGE);
    assert_int_equal(parse_real("-1e999", &value), ERR_RANGE);
    assert_true(value == 42.0);
}

static void reals_in_every_plain_notation_are_read(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0.0},       {"-174", -174.0}, {"0.5", 0.5},
                {"1e6", 1e6},     {"1e+06", 1e6},   {"1e-05", 1e-5},
                {"-0.25", -0.25}, {"20.0", 20.0},   {"1.7976931348623157e308", 1.7976931348623157e308}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = 42.0;
        assert_int_equal(parse_real(good[i].text, &value), 0);
        assert_true(value == good[i].value);
    }
}

static void whole_numbers_are_read_to_their_limits(void **state)
{
    (void) state;
    uint64_t u = 1;
    int64_t i = 1;
    assert_int_equal(parse_u64("18446744073709551615", &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(parse_u64("18446744073709551616", &u), ERR_RANGE);
    assert_true(u == UINT64_MAX);
    assert_int_equal(parse_i64("-9223372036854775807", &i), 0);
    assert_true(i == -INT64_MAX);
    assert_int_equal(parse_i64("9223372036854775808", &i), ERR_RANGE);
    assert_int_equal(parse_u64("0", &u), 0);
    assert_true(u == 0);
}

static void whole_numbers_with_anything_else_are_refused(void **state)
{
    (void) state;
    static const char *const malformed[] = {"",    "-1",  "+1", "010", "00",   "1.0",
                                            "1e3", "0x1", " 1", "1 ",  "12abc"};
    for (size_t k = 0; k < sizeof malformed / sizeof *malformed; k++) {
        uint64_t value = 42;
        assert_int_equal(parse_u64(malformed[k], &value), ERR_SYNTAX);
        assert_int_equal(value, 42);
    }
    int64_t value = 42;
    assert_int_equal(parse_i64("--1", &value), ERR_SYNTAX);
    assert_int_equal(parse_i64("-", &value), ERR_SYNTAX);
}

static void only_true_and_false_are_truth_values(void **state)
{
    (void) state;
    bool value = false;
    assert_int_equal(parse_bool("true", &value), 0);
    assert_true(value);
    assert_int_equal(parse_bool("yes", &value), ERR_SYNTAX);
    assert_int_equal(parse_bool("True", &value), ERR_SYNTAX);
    assert_true(value);
    assert_int_equal(parse_bool("false", &value), 0);
    assert_false(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reals_are_read_whole_or_not_at_all),
        cmocka_unit_test(reals_in_every_plain_notation_are_read),
        cmocka_unit_test(a_list_of_reals_is_read_whole_or_not_at_all),
        cmocka_unit_test(whole_numbers_are_read_to_their_limits),
        cmocka_unit_test(whole_numbers_with_anything_else_are_refused),
        cmocka_unit_test(only_true_and_false_are_truth_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
