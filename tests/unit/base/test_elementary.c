/* The elementary functions beside long double's, which on x86-64 has 11 bits more: how far they are off, whether they
 * rise where the true function does, and whether they have the same bits as everywhere else. */
#include "core/base/elementary.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/base/units.h"

#define DRAWS 300000u    /* of each range */
#define RANGES 6u        /* at most */
#define IN_DIGEST 20000u /* arguments of each range */

/* Arguments are drawn evenly from low to high; a `by_size` one has an even logarithm, and either sign if low is
 * negative. */
struct range {
    double low, high;
    bool by_size;
};

struct function {
    const char *name;
    double (*ours)(double);
    long double (*exact)(long double);
    double most_ulp;
    uint64_t digest; /* of its results for fixed arguments */
    struct range range[RANGES];
};

struct function_of_two {
    const char *name;
    double (*ours)(double, double);
    long double (*exact)(long double, long double);
    double most_ulp;
    uint64_t digest;
    struct range first[RANGES], second[RANGES];
};

struct function_in_float {
    const char *name;
    float (*ours)(float);
    long double (*exact)(long double);
    double most_ulp;
    uint64_t digest;
};

#define ANY                                                                                                  \
    {                                                                                                        \
        -DBL_TRUE_MIN, DBL_MAX, true                                                                         \
    }

static const struct function functions[] = {
    {"exp",
     elementary_exp,
     expl,
     0.76,
     UINT64_C(0x0bbb53117dae104b),
     {{-1, 1, false}, {-708, 708, false}, {-746, -708, false}, ANY}},
    {"expm1",
     elementary_expm1,
     expm1l,
     0.54,
     UINT64_C(0xd1548225f30c468b),
     {{-1, 1, false}, {-0.02, 0.02, false}, {-50, 709, false}, ANY}},
    {"tanh",
     elementary_tanh,
     tanhl,
     0.51,
     UINT64_C(0x78e2faeedf1924cc),
     {{-1, 1, false}, {-0.02, 0.02, false}, {-25, 25, false}, ANY}},
    {"log",
     elementary_log,
     logl,
     0.53,
     UINT64_C(0x80cfd757d6b8c50d),
     {{0.5, 2, false}, {0.9, 1.1, false}, {0.996, 1.004, false}, {0, 1, false}, ANY}},
    {"log1p",
     elementary_log1p,
     log1pl,
     0.54,
     UINT64_C(0x52c70dfc20412397),
     {{-1, 1, false}, {-0.1, 0.1, false}, {-0.004, 0.004, false}, {0, 1e4, false}, ANY}},
    {"log2",
     elementary_log2,
     log2l,
     0.52,
     UINT64_C(0x30b1be57a99b83ef),
     {{0.5, 2, false}, {0.9, 1.1, false}, {0.996, 1.004, false}, {0, 1, false}, ANY}},
    {"log10",
     elementary_log10,
     log10l,
     0.52,
     UINT64_C(0xf3673df9ede70d67),
     {{0.5, 2, false}, {0.9, 1.1, false}, {0.996, 1.004, false}, {0, 1, false}, ANY}},
    {"sin",
     elementary_sin,
     sinl,
     0.54,
     UINT64_C(0xe19702041f62d1be),
     {{-4, 4, false}, {-0.1, 0.1, false}, {-800, 800, false}, {0, 1e6, false}, ANY}},
    {"cos",
     elementary_cos,
     cosl,
     0.54,
     UINT64_C(0x7daae1ef424bbb0d),
     {{-4, 4, false}, {1.5, 1.6, false}, {-800, 800, false}, {0, 1e6, false}, ANY}},
};

static const struct function_of_two functions_of_two[] = {
    {"atan2",
     elementary_atan2,
     atan2l,
     0.61,
     UINT64_C(0x7fe032d267e651fa),
     {{-1, 1, false}, {-1e-3, 1e3, true}, {-DBL_TRUE_MIN, 1e-300, true}, {-1e300, DBL_MAX, true}, ANY},
     {{-1, 1, false}, {-1e-3, 1e3, true}, {-DBL_TRUE_MIN, 1e-300, true}, {-1e300, DBL_MAX, true}, ANY}},
    {"pow",
     elementary_pow,
     powl,
     0.76,
     UINT64_C(0x6f10c66e96ea4b59),
     {{0.5, 2, false}, {0, 100, false}, {0.99, 1.01, false}, {1e-300, 1e300, true}, ANY},
     {{-30, 30, false}, {-150, 150, false}, {-7e4, 7e4, false}, {-1e-4, 2, true}, ANY}},
};

static const struct function_in_float functions_in_float[] = {
    {"expf", elementary_expf, expl, 0.501, UINT64_C(0x8397884c20d3cb60)},
    {"logf", elementary_logf, logl, 0.501, UINT64_C(0x320083f0688fc64e)},
    {"log1pf", elementary_log1pf, log1pl, 0.501, UINT64_C(0x06c6819f2e0419a1)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- arguments ---- */

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The i-th argument of a range: integer operations and IEEE ones alone, so that every machine has the same. */
static double argument(const struct range *range, uint32_t entity, uint32_t i)
{
    struct rng_at at = {.seed = 2, .entity = entity};
    if (!range->by_size)
        return rng_range(&at, i, range->low, range->high);
    uint64_t low = to_bits(fabs(range->low)), high = to_bits(range->high);
    double size = from_bits(low + (uint64_t) ((double) (high - low) * rng_uniform(&at, i)));
    return range->low < 0.0 && rng_block(&at, i).v[3] % 2 == 1 ? -size : size;
}

static bool is_given(const struct range *range)
{
    return range->low < range->high;
}

/* ---- errors ---- */

/* How far a result is from the exact value, in units of the last of `digits` bits there. */
static double error_ulp(double result, long double exact, int digits, int least_exponent)
{
    int exponent;
    if (isnan(result) || isnan(exact))
        return isnan(result) && isnan(exact) ? 0.0 : (double) INFINITY;
    if ((long double) result == exact)
        return 0.0;
    long double most = digits == DBL_MANT_DIG ? (long double) DBL_MAX : (long double) FLT_MAX;
    if (isinf(result)) /* right from half a unit above the largest */
        return fabsl(exact) >= most && signbit(result) == signbit(exact) ? 0.0 : (double) INFINITY;
    (void) frexpl(exact, &exponent);
    exponent = exponent < least_exponent ? least_exponent : exponent;
    return (double) (fabsl((long double) result - exact) / ldexpl(1.0L, exponent - digits));
}

static void check_error(const char *name, double ulp, double most_ulp, double x)
{
    if (!(ulp <= most_ulp))
        fail_msg("%s(%a) is off by %.4f ulp", name, x, ulp);
}

static void need_wide_long_double(void)
{
    if (LDBL_MANT_DIG < 64) {
        print_message("# long double is no wider than double here: there is nothing to compare with\n");
        skip();
    }
}

static void every_function_is_near_to_long_doubles(void **state)
{
    (void) state;
    need_wide_long_double();
    for (size_t f = 0; f < COUNT(functions); f++) {
        const struct function *of = &functions[f];
        double worst = 0.0;
        for (uint32_t r = 0; r < RANGES && is_given(&of->range[r]); r++)
            for (uint32_t i = 0; i < DRAWS; i++) {
                double x = argument(&of->range[r], r, i);
                double ulp = error_ulp(of->ours(x), of->exact((long double) x), DBL_MANT_DIG, DBL_MIN_EXP);
                check_error(of->name, ulp, of->most_ulp, x);
                worst = ulp > worst ? ulp : worst;
            }
        print_message("# %s: at most %.4f ulp\n", of->name, worst);
    }
}

static void every_function_of_two_is_near_to_long_doubles(void **state)
{
    (void) state;
    need_wide_long_double();
    for (size_t f = 0; f < COUNT(functions_of_two); f++) {
        const struct function_of_two *of = &functions_of_two[f];
        double worst = 0.0;
        for (uint32_t r = 0; r < RANGES && is_given(&of->first[r]); r++)
            for (uint32_t i = 0; i < DRAWS; i++) {
                double x = argument(&of->first[r], r, i), y = argument(&of->second[r], RANGES + r, i);
                long double exact = of->exact((long double) x, (long double) y);
                double ulp = error_ulp(of->ours(x, y), exact, DBL_MANT_DIG, DBL_MIN_EXP);
                check_error(of->name, ulp, of->most_ulp, x);
                worst = ulp > worst ? ulp : worst;
            }
        print_message("# %s: at most %.4f ulp\n", of->name, worst);
    }
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Every 1009th float there is. */
static void every_function_in_float_is_near_to_long_doubles(void **state)
{
    (void) state;
    need_wide_long_double();
    for (size_t f = 0; f < COUNT(functions_in_float); f++) {
        const struct function_in_float *of = &functions_in_float[f];
        double worst = 0.0;
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 1009) {
            float x = float_of((uint32_t) bits);
            double ulp =
                error_ulp((double) of->ours(x), of->exact((long double) x), FLT_MANT_DIG, FLT_MIN_EXP);
            check_error(of->name, ulp, of->most_ulp, (double) x);
            worst = ulp > worst ? ulp : worst;
        }
        print_message("# %s: at most %.4f ulp\n", of->name, worst);
    }
}

/* The angles nearest to a multiple of pi / 2 among doubles: all digits of the result come from what the reduction keeps
 * (J.-M. Muller, "Elementary Functions", on the worst case for reduction: 6381956970095103 2^797). */
static void the_angles_next_to_a_quarter_turn_keep_all_digits(void **state)
{
    (void) state;
    need_wide_long_double();
    double hardest = ldexp(6381956970095103.0, 797);
    check_error("cos", error_ulp(elementary_cos(hardest), cosl((long double) hardest), 53, DBL_MIN_EXP), 0.51,
                hardest);
    for (int quarter = 1; quarter < 60000; quarter++) {
        double x = quarter * (UNITS_PI / 2.0), sine, cosine;
        elementary_sincos(x, &sine, &cosine);
        check_error("sin", error_ulp(sine, sinl((long double) x), 53, DBL_MIN_EXP), 0.54, x);
        check_error("cos", error_ulp(cosine, cosl((long double) x), 53, DBL_MIN_EXP), 0.54, x);
    }
}

static void the_pair_is_the_sine_and_the_cosine(void **state)
{
    (void) state;
    for (uint32_t r = 0; r < 2; r++)
        for (uint32_t i = 0; i < DRAWS; i++) {
            double x = argument(&(struct range[]){{-10, 10, false}, ANY}[r], r, i), sine, cosine;
            elementary_sincos(x, &sine, &cosine);
            assert_true(to_bits(sine) == to_bits(elementary_sin(x)));
            assert_true(to_bits(cosine) == to_bits(elementary_cos(x)));
        }
}

/* ---- rising ---- */

#define NEIGHBOURS 100

static double unit_of(double x)
{
    return nextafter(fabs(x), (double) INFINITY) - fabs(x);
}

/* Steps of one unit of x, or of as many as raise the true function by an eighth of the result's: where it rises by less,
 * no function that rounds a little off can promise more than its error. */
static void check_rising(double (*f)(double), double at)
{
    double near = fmax(fabs(at), 0x1p-9) * 0x1p-20;
    double slope = (f(at + near) - f(at - near)) / (2.0 * near);
    double step = fmax(unit_of(at), unit_of(f(at)) / (8.0 * slope));
    double before = f(at - NEIGHBOURS * step);
    for (int i = 1 - NEIGHBOURS; i <= NEIGHBOURS; i++) {
        double now = f(at + i * step);
        if (!(now >= before))
            fail_msg("falls at %a + %d * %a", at, i, step);
        before = now;
    }
}

static double atan_of(double x)
{
    return elementary_atan2(x, 1.0);
}

static double cube_root(double x)
{
    return elementary_pow(x, 1.0 / 3.0);
}

static double power_of_3(double x)
{
    return elementary_pow(3.0, x);
}

/* Where one row of a table, or one series, takes over from another. */
static void functions_rise_across_the_steps_of_their_tables(void **state)
{
    (void) state;
    const double ln_2_step = 0.693147180559945309417 / 128.0, pi_step = UNITS_PI / 128.0;
    for (int k = -3000; k <= 3000; k++) {
        check_rising(elementary_exp, (k + 0.5) * ln_2_step);
        check_rising(elementary_expm1, (k + 0.5) * ln_2_step);
        check_rising(elementary_tanh, (k + 0.5) * ln_2_step / 2.0);
        check_rising(power_of_3, (k + 0.5) * ln_2_step / 1.0986122886681098);
        check_rising(elementary_sin, (k % 64 + (k < 0 ? 0.5 : -0.5)) * pi_step);
        check_rising(atan_of, (k + 0.5) / 64.0);
    }
    for (uint64_t bits = to_bits(0x1p-6) + (UINT64_C(1) << 44); bits < to_bits(0x1p6);
         bits += UINT64_C(1) << 45) {
        check_rising(elementary_log, from_bits(bits));
        check_rising(elementary_log2, from_bits(bits));
        check_rising(elementary_log10, from_bits(bits));
        check_rising(elementary_log1p, from_bits(bits) - 1.0);
        check_rising(cube_root, from_bits(bits));
    }
    static const double seam[] = {1.0 - 0x1p-4, 1.0 + 0x1p-4};
    for (size_t i = 0; i < COUNT(seam); i++) {
        check_rising(elementary_log, seam[i]);
        check_rising(elementary_log1p, seam[i] - 1.0);
        check_rising(atan_of, seam[i] - 1.0);
    }
}

/* ---- the same bits ---- */

static uint64_t digest_add(uint64_t digest, double result)
{
    uint64_t bits = isnan(result) ? UINT64_C(0x7ff8000000000000) : to_bits(result);
    for (int i = 0; i < 8; i++)
        digest = (digest ^ (bits >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3); /* FNV-1a */
    return digest;
}

#define DIGEST_BEGIN UINT64_C(0xcbf29ce484222325)

static int check_digest(const char *name, uint64_t digest, uint64_t expected)
{
    if (digest != expected)
        print_message("# %s has the digest %#018llx, not %#018llx\n", name, (unsigned long long) digest,
                      (unsigned long long) expected);
    return digest != expected;
}

/* Another processor or compiler that gives other bits shows here. A change of a function, too: then its digest is
 * renewed on purpose, with the number of the arithmetic. */
static void every_machine_has_the_same_bits(void **state)
{
    (void) state;
    int wrong = 0;
    for (size_t f = 0; f < COUNT(functions); f++) {
        const struct function *of = &functions[f];
        uint64_t digest = DIGEST_BEGIN;
        for (uint32_t r = 0; r < RANGES && is_given(&of->range[r]); r++)
            for (uint32_t i = 0; i < IN_DIGEST; i++)
                digest = digest_add(digest, of->ours(argument(&of->range[r], r, i)));
        wrong += check_digest(of->name, digest, of->digest);
    }
    for (size_t f = 0; f < COUNT(functions_of_two); f++) {
        const struct function_of_two *of = &functions_of_two[f];
        uint64_t digest = DIGEST_BEGIN;
        for (uint32_t r = 0; r < RANGES && is_given(&of->first[r]); r++)
            for (uint32_t i = 0; i < IN_DIGEST; i++)
                digest = digest_add(
                    digest, of->ours(argument(&of->first[r], r, i), argument(&of->second[r], RANGES + r, i)));
        wrong += check_digest(of->name, digest, of->digest);
    }
    for (size_t f = 0; f < COUNT(functions_in_float); f++) {
        const struct function_in_float *of = &functions_in_float[f];
        uint64_t digest = DIGEST_BEGIN;
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 100003)
            digest = digest_add(digest, (double) of->ours(float_of((uint32_t) bits)));
        wrong += check_digest(of->name, digest, of->digest);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_near_to_long_doubles),
        cmocka_unit_test(every_function_of_two_is_near_to_long_doubles),
        cmocka_unit_test(every_function_in_float_is_near_to_long_doubles),
        cmocka_unit_test(the_angles_next_to_a_quarter_turn_keep_all_digits),
        cmocka_unit_test(the_pair_is_the_sine_and_the_cosine),
        cmocka_unit_test(functions_rise_across_the_steps_of_their_tables),
        cmocka_unit_test(every_machine_has_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
