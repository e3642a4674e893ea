/* 16-bit floats: each of the 65,536 patterns, and what lies between them. */
#include "core/base/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static float of_bits(uint32_t bits)
{
    float value = 0.0f;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754-2019, 3.4: the value by its definition. */
static double defined(uint32_t bits)
{
    int exponent = (int) (bits >> 10 & 31), fraction = (int) (bits & 1023);
    double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

static void every_half_has_the_value_that_the_standard_defines(void **state)
{
    (void) state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = half_to_float((uint16_t) bits);
        if ((bits & 0x7fff) > 0x7c00) {
            assert_true(isnan(value));
        } else if ((bits & 0x7fff) == 0x7c00) {
            assert_true(isinf(value) && (signbit(value) != 0) == ((bits & 0x8000) != 0));
        } else {
            assert_true((double) value == defined(bits));
            assert_int_equal(signbit(value) != 0, (bits & 0x8000) != 0);
        }
    }
}

static void a_half_comes_back_from_a_float(void **state)
{
    (void) state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        if ((bits & 0x7fff) <= 0x7c00)
            assert_int_equal(half_of_float(half_to_float((uint16_t) bits)), bits);
        else
            assert_true(isnan(half_to_float(half_of_float(half_to_float((uint16_t) bits)))));
        if ((bits & 0x7fff) <= 0x7f80)
            assert_int_equal(half_brain_of_float(half_brain_to_float((uint16_t) bits)), bits);
        else
            assert_true(
                isnan(half_brain_to_float(half_brain_of_float(half_brain_to_float((uint16_t) bits)))));
    }
}

static void what_lies_between_two_halves_goes_to_the_nearer_and_the_middle_to_the_even(void **state)
{
    (void) state;
    for (uint32_t bits = 0; bits + 1 < 0x7c00; bits++) {
        float low = half_to_float((uint16_t) bits), high = half_to_float((uint16_t) (bits + 1));
        float middle = low + (high - low) / 2.0f; /* exact */
        uint32_t even = bits % 2 == 0 ? bits : bits + 1;
        assert_int_equal(half_of_float(middle), even);
        assert_int_equal(half_of_float(-middle), 0x8000 | even);
        assert_int_equal(half_of_float(nextafterf(middle, low)), bits);
        assert_int_equal(half_of_float(nextafterf(middle, high)), bits + 1);
    }
}

static void what_is_too_large_becomes_infinite(void **state)
{
    (void) state;
    assert_int_equal(half_of_float(65519.996f), 0x7bff);
    assert_int_equal(half_of_float(65520.0f), 0x7c00);
    assert_int_equal(half_of_float(-3e38f), 0xfc00);
    assert_int_equal(half_of_float(1e-30f), 0);
    assert_int_equal(half_brain_of_float(of_bits(0x7f7fffff)), 0x7f80);
}

static void a_float_goes_to_the_nearest_brain_float(void **state)
{
    (void) state;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t) (i * UINT64_C(2654435761)) & 0x7f7fffff;
        float value = of_bits(bits);
        double found = (double) half_brain_to_float(half_brain_of_float(value));
        double low = (double) of_bits(bits & 0xffff0000), high = low + ldexp(low, -7);
        if (isinf(found) || (bits >> 16 & 0x7f80) == 0) /* the largest; denormal steps are others */
            continue;
        assert_true(fabs(found - (double) value) <= fabs(low - (double) value));
        assert_true(fabs(found - (double) value) <= fabs(high - (double) value));
    }
    assert_int_equal(half_brain_of_float(of_bits(0x3f808000)), 0x3f80);
    assert_int_equal(half_brain_of_float(of_bits(0x3f818000)), 0x3f82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_the_value_that_the_standard_defines),
        cmocka_unit_test(a_half_comes_back_from_a_float),
        cmocka_unit_test(what_lies_between_two_halves_goes_to_the_nearer_and_the_middle_to_the_even),
        cmocka_unit_test(what_is_too_large_becomes_infinite),
        cmocka_unit_test(a_float_goes_to_the_nearest_brain_float),
    };
    return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
