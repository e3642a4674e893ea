/* The values that C17's Annex F fixes: what is infinite, zero, no number, or out of a function's domain. Zeros count with
 * their sign. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/elementary.h"
#include "core/base/units.h"

#define INF ((double) INFINITY)
#define NONE ((double) NAN)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_same(const char *name, double result, double expected)
{
    bool same = isnan(expected) ? isnan(result) : result == expected && signbit(result) == signbit(expected);
    if (!same)
        fail_msg("%s is %a, not %a", name, result, expected);
}

struct value {
    double x, expected;
};

#define CHECK(function, ...)                                                                                 \
    do {                                                                                                     \
        static const struct value value[] = {__VA_ARGS__};                                                   \
        for (size_t i = 0; i < COUNT(value); i++)                                                            \
            assert_same(#function, (double) function(value[i].x), value[i].expected);                        \
    } while (0)

static float expf_of(double x)
{
    return elementary_expf((float) x);
}

static float logf_of(double x)
{
    return elementary_logf((float) x);
}

static float log1pf_of(double x)
{
    return elementary_log1pf((float) x);
}

static void exponentials_have_their_limits(void **state)
{
    (void) state;
    CHECK(elementary_exp, {0.0, 1.0}, {-0.0, 1.0}, {INF, INF}, {-INF, 0.0}, {NONE, NONE}, {710.0, INF},
          {-746.0, 0.0}, {DBL_MAX, INF}, {-DBL_MAX, 0.0}, {0x1.62e42fefa39efp+9, 0x1.fffffffffff2ap+1023},
          {0x1.62e42fefa39f0p+9, INF}, {-0x1.74910d52d3051p+9, DBL_TRUE_MIN}, {-0x1.74910d52d3053p+9, 0.0},
          {DBL_TRUE_MIN, 1.0}, {-DBL_TRUE_MIN, 1.0});
    CHECK(elementary_expm1, {0.0, 0.0}, {-0.0, -0.0}, {INF, INF}, {-INF, -1.0}, {NONE, NONE}, {710.0, INF},
          {-746.0, -1.0}, {DBL_TRUE_MIN, DBL_TRUE_MIN}, {-DBL_TRUE_MIN, -DBL_TRUE_MIN}, {DBL_MIN, DBL_MIN});
    CHECK(elementary_tanh, {0.0, 0.0}, {-0.0, -0.0}, {INF, 1.0}, {-INF, -1.0}, {NONE, NONE},
          {DBL_TRUE_MIN, DBL_TRUE_MIN}, {-DBL_MIN, -DBL_MIN}, {DBL_MAX, 1.0}, {-20.0, -1.0});
    CHECK(expf_of, {0.0, 1.0}, {INF, INF}, {-INF, 0.0}, {NONE, NONE}, {89.0, INF}, {-104.0, 0.0});
}

static void logarithms_have_their_limits(void **state)
{
    (void) state;
    CHECK(elementary_log, {1.0, 0.0}, {0.0, -INF}, {-0.0, -INF}, {INF, INF}, {-INF, NONE}, {-1.0, NONE},
          {NONE, NONE}, {-DBL_TRUE_MIN, NONE}, {DBL_TRUE_MIN, -0x1.74385446d71c3p+9},
          {DBL_MAX, 0x1.62e42fefa39efp+9});
    CHECK(elementary_log1p, {0.0, 0.0}, {-0.0, -0.0}, {-1.0, -INF}, {INF, INF}, {-INF, NONE}, {-1.5, NONE},
          {NONE, NONE}, {DBL_TRUE_MIN, DBL_TRUE_MIN}, {-DBL_TRUE_MIN, -DBL_TRUE_MIN},
          {DBL_MAX, 0x1.62e42fefa39efp+9});
    CHECK(elementary_log2, {1.0, 0.0}, {0.0, -INF}, {-0.0, -INF}, {INF, INF}, {-1.0, NONE}, {-INF, NONE},
          {NONE, NONE}, {DBL_TRUE_MIN, -1074.0});
    CHECK(elementary_log10, {1.0, 0.0}, {0.0, -INF}, {-0.0, -INF}, {INF, INF}, {-1.0, NONE}, {-INF, NONE},
          {NONE, NONE});
    CHECK(logf_of, {1.0, 0.0}, {0.0, -INF}, {-0.0, -INF}, {INF, INF}, {-1.0, NONE}, {-INF, NONE},
          {NONE, NONE});
    CHECK(log1pf_of, {0.0, 0.0}, {-0.0, -0.0}, {-1.0, -INF}, {INF, INF}, {-2.0, NONE}, {-INF, NONE},
          {NONE, NONE});
}

static void logarithms_of_whole_powers_are_whole(void **state)
{
    (void) state;
    for (int k = -1074; k <= 1023; k++)
        assert_same("log2", elementary_log2(ldexp(1.0, k)), k == 0 ? 0.0 : (double) k);
    double power = 1.0;
    for (int k = 0; k <= 22; k++, power *= 10.0) /* 10^22 is the last that a double holds */
        assert_same("log10", elementary_log10(power), (double) k);
}

static void sines_have_their_limits(void **state)
{
    (void) state;
    CHECK(elementary_sin, {0.0, 0.0}, {-0.0, -0.0}, {INF, NONE}, {-INF, NONE}, {NONE, NONE},
          {DBL_TRUE_MIN, DBL_TRUE_MIN}, {-DBL_MIN, -DBL_MIN}, {UNITS_PI / 2.0, 1.0}, {-UNITS_PI / 2.0, -1.0},
          {UNITS_PI, 0x1.1a62633145c07p-53});
    CHECK(elementary_cos, {0.0, 1.0}, {-0.0, 1.0}, {INF, NONE}, {-INF, NONE}, {NONE, NONE},
          {DBL_TRUE_MIN, 1.0}, {UNITS_PI, -1.0}, {UNITS_PI / 2.0, 0x1.1a62633145c07p-54});
    double sine = 0.0, cosine = 0.0;
    elementary_sincos(-0.0, &sine, &cosine);
    assert_same("sin", sine, -0.0);
    assert_same("cos", cosine, 1.0);
    elementary_sincos(INF, &sine, &cosine);
    assert_same("sin", sine, NONE);
    assert_same("cos", cosine, NONE);
}

struct point {
    double a, b, expected;
};

#define CHECK_2(function, ...)                                                                               \
    do {                                                                                                     \
        static const struct point point[] = {__VA_ARGS__};                                                   \
        for (size_t i = 0; i < COUNT(point); i++)                                                            \
            assert_same(#function, function(point[i].a, point[i].b), point[i].expected);                     \
    } while (0)

static void angles_have_their_limits(void **state)
{
    (void) state;
    const double quarter = UNITS_PI / 2.0;
    CHECK_2(elementary_atan2, {0.0, 0.0, 0.0}, {-0.0, 0.0, -0.0}, {0.0, -0.0, UNITS_PI},
            {-0.0, -0.0, -UNITS_PI}, {0.0, 1.0, 0.0}, {-0.0, 1.0, -0.0}, {0.0, -1.0, UNITS_PI},
            {-0.0, -1.0, -UNITS_PI}, {1.0, 1.0, UNITS_PI / 4.0}, {-1.0, -1.0, -0x1.2d97c7f3321d2p+1},
            {NONE, 1.0, NONE}, {1.0, NONE, NONE}, {INF, INF, UNITS_PI / 4.0}, {-INF, INF, -UNITS_PI / 4.0},
            {INF, -INF, 0x1.2d97c7f3321d2p+1}, {1.0, INF, 0.0}, {-1.0, INF, -0.0}, {1.0, -INF, UNITS_PI},
            {-1.0, -INF, -UNITS_PI}, {DBL_TRUE_MIN, 1.0, DBL_TRUE_MIN}, {DBL_TRUE_MIN, DBL_MAX, 0.0},
            {-DBL_TRUE_MIN, -DBL_MAX, -UNITS_PI}, {DBL_MAX, DBL_MAX, UNITS_PI / 4.0},
            {DBL_TRUE_MIN, DBL_TRUE_MIN, UNITS_PI / 4.0});
    static const double steep[] = {DBL_TRUE_MIN, 1.0, DBL_MAX, INF};
    for (size_t i = 0; i < COUNT(steep); i++) {
        assert_same("atan2", elementary_atan2(steep[i], 0.0), quarter);
        assert_same("atan2", elementary_atan2(steep[i], -0.0), quarter);
        assert_same("atan2", elementary_atan2(-steep[i], 0.0), -quarter);
    }
}

static void powers_have_their_limits(void **state)
{
    (void) state;
    CHECK_2(elementary_pow, {0.0, 0.0, 1.0}, {NONE, 0.0, 1.0}, {NONE, -0.0, 1.0}, {1.0, NONE, 1.0},
            {1.0, INF, 1.0}, {INF, 0.0, 1.0}, {NONE, 1.0, NONE}, {2.0, NONE, NONE}, {-1.0, INF, 1.0},
            {-1.0, -INF, 1.0});
    CHECK_2(elementary_pow, {0.0, -3.0, INF}, {-0.0, -3.0, -INF}, {0.0, -2.0, INF}, {-0.0, -2.0, INF},
            {-0.0, -2.5, INF}, {0.0, -INF, INF}, {-0.0, -INF, INF}, {0.0, 3.0, 0.0}, {-0.0, 3.0, -0.0},
            {-0.0, 2.0, 0.0}, {-0.0, 0.5, 0.0}, {0.0, INF, 0.0});
    CHECK_2(elementary_pow, {0.5, INF, 0.0}, {0.5, -INF, INF}, {2.0, INF, INF}, {2.0, -INF, 0.0},
            {-2.0, INF, INF}, {-0.5, -INF, INF}, {INF, 2.0, INF}, {INF, -2.0, 0.0}, {-INF, 3.0, -INF},
            {-INF, 2.0, INF}, {-INF, 2.5, INF}, {-INF, -3.0, -0.0}, {-INF, -2.0, 0.0}, {INF, INF, INF},
            {-INF, -INF, 0.0});
    CHECK_2(elementary_pow, {-2.0, 3.0, -8.0}, {-2.0, 2.0, 4.0}, {-2.0, 0.5, NONE}, {-8.0, 1.0 / 3.0, NONE},
            {-1.0, 0x1p53, 1.0}, {-1.0, 0x1p53 - 1.0, -1.0}, {-2.0, DBL_MAX, INF},
            {-2.0, -1023.0, -0x1p-1023}, {2.0, 1023.0, 0x1p1023}, {2.0, 1024.0, INF},
            {2.0, -1074.0, DBL_TRUE_MIN}, {2.0, -1076.0, 0.0}, {10.0, 22.0, 1e22},
            {3.0, 33.0, 5559060566555523.0}, {DBL_MAX, DBL_MAX, INF}, {DBL_MAX, -DBL_MAX, 0.0},
            {DBL_TRUE_MIN, 1.0, DBL_TRUE_MIN}, {DBL_TRUE_MIN, -1.0, INF}, {7.0, 1.0, 7.0},
            {0.9, DBL_TRUE_MIN, 1.0}, {1.0 + 0x1p-52, DBL_MAX, INF}, {1.0 + 0x1p-52, 0x1p-1000, 1.0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_have_their_limits),
        cmocka_unit_test(logarithms_have_their_limits),
        cmocka_unit_test(logarithms_of_whole_powers_are_whole),
        cmocka_unit_test(sines_have_their_limits),
        cmocka_unit_test(angles_have_their_limits),
        cmocka_unit_test(powers_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
