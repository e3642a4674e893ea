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
#include "core/linalg/rows.h"
#include "core/linalg/vector_path.h"
#include "tests/unit/linalg/weight_rows.h"

#define COUNT 1024u
#define GUARD 17.25f

static float x[COUNT], up[COUNT], found[COUNT], wanted[COUNT];
static const size_t lengths[] = {1,  2,  7,  8,  15,  16,  17,  31,  32,  33,
                                 47, 63, 64, 65, 100, 127, 128, 352, 1000};

#define LENGTHS (sizeof lengths / sizeof *lengths)

static float float_of(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint32_t bits_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static bool are_the_same(float a, float b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

static void guard(void)
{
    for (size_t i = 0; i < COUNT; i++)
        found[i] = GUARD;
}

static void expect_wanted(size_t count, const char *name, const char *path)
{
    for (size_t i = 0; i < COUNT; i++)
        if (!are_the_same(found[i], i < count ? wanted[i] : GUARD))
            fail_msg("%s, path %s, %zu numbers: at %zu %a instead of %a", name, path, count, i,
                     (double) found[i], i < count ? (double) wanted[i] : (double) GUARD);
}

/* Numbers of every size, and special ones. */
static void fill_any(float *values, uint32_t entity)
{
    const float special[] = {0.0f,       -0.0f,     INFINITY,   -INFINITY,  NAN,      0x1p-149f,
                             -0x1p-149f, 88.72284f, 88.722847f, -87.33655f, -103.97f, -103.98f,
                             3e38f,      -3e38f,    1.0f,       -1.0f};
    struct rng_at at = {.stream = RNG_TASK, .entity = entity};
    for (size_t i = 0; i < COUNT; i++) {
        struct rng_block block = rng_block(&at, (uint32_t) i);
        values[i] = block.v[0] % 8 == 0   ? special[block.v[1] % (sizeof special / sizeof *special)]
                    : block.v[0] % 2 == 0 ? float_of(block.v[1])
                                          : (float) (200.0 * rng_u01(block.v[1]) - 100.0);
    }
}

/* Calls the function for every path and length; `apply` works on `found`. */
static void for_each_path(void (*apply)(size_t count), void (*want)(size_t count), const char *name)
{
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    for (size_t n = 0; n < LENGTHS; n++)
        for (size_t path = 0; path < count; path++) {
            assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
            want(lengths[n]);
            guard();
            apply(lengths[n]);
            expect_wanted(lengths[n], name, paths[path]);
        }
}

/* One number alone, on the path without vectors. */
static float exp_alone(float value)
{
    const char *path = linalg_vector_path();
    float result;
    assert_int_equal(linalg_vector_choose("none", NULL), 0);
    linalg_exp(1, &value, &result);
    assert_int_equal(linalg_vector_choose(path, NULL), 0);
    return result;
}

/* In units of the last place of the result. */
static double error_of_exp(float value, float result)
{
    long double right = expl((long double) value);
    float near = (float) right;
    float above = nextafterf(fabsf(near), INFINITY);
    double unit = isinf(above) ? 0x1p104 : (double) above - (double) fabsf(near);
    return isinf(near) && isinf(result)
               ? 0.0
               : fabs((double) (((long double) result - right) / (long double) unit));
}

static void exp_is_within_a_unit_of_the_last_place(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    struct rng_at at = {.stream = RNG_TASK, .entity = 3};
    assert_true(LDBL_MANT_DIG >= 64);
    for (size_t path = 0; path < count; path++) {
        double worst = 0.0;
        assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
        for (uint32_t n = 0; n < 300; n++) {
            for (uint32_t i = 0; i < COUNT; i += 4) {
                struct rng_block block = rng_block(&at, n * COUNT + i);
                const double reach[] = {104.0, 90.0, 2.0, 1e-4};
                for (uint32_t j = 0; j < 4; j++)
                    x[i + j] = (float) ((2.0 * rng_u01(block.v[j]) - 1.0) * reach[n % 4]);
            }
            linalg_exp(COUNT, x, found);
            for (size_t i = 0; i < COUNT; i++) {
                double error = error_of_exp(x[i], found[i]);
                worst = error > worst ? error : worst;
            }
        }
        print_message("path %s: %.3f units\n", paths[path], worst);
        assert_true(worst < 0.9 && worst > 0.5);
    }
}

static void exp_of_special_numbers_is_exact(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    const float arguments[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,      1e30f,
                               -1e30f, 88.73f, -104.0f,  -103.9f,   0x1p-149f};
    const float results[] = {1.0f, 1.0f,     INFINITY, 0.0f,      NAN, INFINITY,
                             0.0f, INFINITY, 0.0f,     0x1p-149f, 1.0f};
    for (size_t path = 0; path < count; path++) {
        assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
        for (size_t i = 0; i < sizeof results / sizeof *results; i++)
            for (size_t n = 1; n < 40; n += 19) {
                for (size_t j = 0; j < n; j++)
                    x[j] = arguments[i];
                linalg_exp(n, x, found);
                for (size_t j = 0; j < n; j++)
                    if (!are_the_same(found[j], results[i]))
                        fail_msg("path %s: exp(%a) is %a", paths[path], (double) arguments[i],
                                 (double) found[j]);
            }
    }
}

static void want_exp(size_t count)
{
    for (size_t i = 0; i < count; i++)
        wanted[i] = exp_alone(x[i]);
}

static void apply_exp(size_t count)
{
    linalg_exp(count, x, found);
}

static void apply_exp_in_place(size_t count)
{
    memcpy(found, x, count * sizeof(float));
    linalg_exp(count, found, found);
}

static void exp_has_the_same_bits_on_every_path(void **state)
{
    (void) state;
    for (uint32_t n = 0; n < 20; n++) {
        fill_any(x, n);
        for_each_path(apply_exp, want_exp, "exp");
        for_each_path(apply_exp_in_place, want_exp, "exp in place");
    }
}

/* The order of sums, as rows.h states it. */
static float sum_in_parts(const float *terms, const float *factors, size_t count)
{
    float part[16] = {0.0f};
    for (size_t i = 0; i < count; i++)
        part[i % 16] = factors != NULL ? fmaf(terms[i], factors[i], part[i % 16]) : part[i % 16] + terms[i];
    for (size_t half = 8; half >= 1; half /= 2)
        for (size_t r = 0; r < half; r++)
            part[r] += part[r + half];
    return part[0];
}

static void want_rms_norm(size_t count)
{
    float by = 1.0f / sqrtf(sum_in_parts(x, x, count) / (float) count + 1e-5f);
    for (size_t i = 0; i < count; i++)
        wanted[i] = (x[i] * by) * up[i];
}

static void apply_rms_norm(size_t count)
{
    linalg_rms_norm(&(struct linalg_rms_norm){1, count, x, 0, up, 1e-5f, found, 0});
}

static void apply_rms_norm_in_place(size_t count)
{
    memcpy(found, x, count * sizeof(float));
    linalg_rms_norm(&(struct linalg_rms_norm){1, count, found, 0, up, 1e-5f, found, 0});
}

static void rms_norm_is_its_equation_on_every_path(void **state)
{
    (void) state;
    for (uint32_t n = 0; n < 10; n++) {
        fill_floats(x, COUNT, n);
        fill_floats(up, COUNT, 100 + n);
        for_each_path(apply_rms_norm, want_rms_norm, "rms norm");
        for_each_path(apply_rms_norm_in_place, want_rms_norm, "rms norm in place");
        fill_any(x, n);
        for_each_path(apply_rms_norm, want_rms_norm, "rms norm of any numbers");
    }
}

static void each_row_is_normalised_alone(void **state)
{
    (void) state;
    fill_floats(x, COUNT, 1);
    fill_floats(up, COUNT, 2);
    guard();
    linalg_rms_norm(&(struct linalg_rms_norm){5, 70, x, 100, up, 1e-5f, found, 73});
    for (size_t row = 0; row < 5; row++) {
        float alone[70];
        linalg_rms_norm(&(struct linalg_rms_norm){1, 70, x + row * 100, 0, up, 1e-5f, alone, 0});
        assert_memory_equal(found + row * 73, alone, sizeof alone);
        assert_true(found[row * 73 + 70] == GUARD && found[row * 73 + 72] == GUARD);
    }
}

static void want_softmax(size_t count)
{
    float most = -INFINITY;
    for (size_t i = 0; i < count; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < count; i++)
        wanted[i] = exp_alone(x[i] - most);
    float by = 1.0f / sum_in_parts(wanted, NULL, count);
    for (size_t i = 0; i < count; i++)
        wanted[i] *= by;
}

static void apply_softmax(size_t count)
{
    memcpy(found, x, count * sizeof(float));
    linalg_softmax(count, found);
}

static void softmax_is_its_equation_on_every_path(void **state)
{
    (void) state;
    for (uint32_t n = 0; n < 10; n++) {
        fill_floats(x, COUNT, n);
        for (size_t i = 0; i < COUNT; i++)
            x[i] *= n < 5 ? 4.0f : 200.0f;
        for_each_path(apply_softmax, want_softmax, "softmax");
        for (size_t i = 1; i < COUNT; i += 3)
            x[i] = -INFINITY;
        for_each_path(apply_softmax, want_softmax, "softmax with a mask");
    }
}

static void softmax_of_what_is_no_number_is_none(void **state)
{
    (void) state;
    const float bad[] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++)
        for (size_t place = 0; place < 40; place += 13) {
            fill_floats(found, 40, 1);
            found[place] = bad[i];
            linalg_softmax(40, found);
            assert_true(isnan(found[place]));
        }
    float masked[3] = {-INFINITY, -INFINITY, -INFINITY};
    linalg_softmax(3, masked);
    assert_true(isnan(masked[0]) && isnan(masked[2]));
}

static void masked_scores_appended_change_no_bit(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    for (size_t path = 0; path < count; path++)
        for (size_t n = 0; n < LENGTHS; n++) {
            assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
            fill_floats(x, COUNT, (uint32_t) n);
            memcpy(wanted, x, sizeof x);
            linalg_softmax(lengths[n], wanted);
            for (size_t more = 1; more < 24; more += 3) {
                memcpy(found, x, sizeof x);
                for (size_t i = lengths[n]; i < lengths[n] + more; i++)
                    found[i] = -INFINITY;
                linalg_softmax(lengths[n] + more, found);
                assert_memory_equal(found, wanted, lengths[n] * sizeof(float));
                for (size_t i = lengths[n]; i < lengths[n] + more; i++)
                    assert_true(bits_of(found[i]) == 0);
            }
        }
}

static bool has_up;

static void want_silu(size_t count)
{
    for (size_t i = 0; i < count; i++)
        wanted[i] = x[i] / (1.0f + exp_alone(-x[i])) * (has_up ? up[i] : 1.0f);
}

static void apply_silu(size_t count)
{
    memcpy(found, x, count * sizeof(float));
    linalg_silu_product(count, found, has_up ? up : NULL);
}

static const float gelu_b = 1.5957691216057308f, gelu_c = 0.071354816272600249f;

static void want_gelu(size_t count)
{
    for (size_t i = 0; i < count; i++)
        wanted[i] =
            x[i] / (1.0f + exp_alone(-x[i] * fmaf(x[i] * x[i], gelu_c, gelu_b))) * (has_up ? up[i] : 1.0f);
}

static void apply_gelu(size_t count)
{
    memcpy(found, x, count * sizeof(float));
    linalg_gelu_product(count, found, has_up ? up : NULL);
}

static void gates_are_their_equations_on_every_path(void **state)
{
    (void) state;
    for (uint32_t n = 0; n < 12; n++) {
        has_up = n % 2 == 0;
        fill_floats(x, COUNT, n);
        for (size_t i = 0; i < COUNT; i++)
            x[i] *= 10.0f;
        if (n >= 8)
            fill_any(x, n);
        fill_floats(up, COUNT, 100 + n);
        for_each_path(apply_silu, want_silu, "silu");
        for_each_path(apply_gelu, want_gelu, "gelu");
    }
}

static void gates_are_near_the_functions_of_that_name(void **state)
{
    (void) state;
    fill_floats(x, COUNT, 5);
    has_up = false;
    for (size_t i = 0; i < COUNT; i++)
        x[i] *= 8.0f;
    apply_silu(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double right = (double) x[i] / (1.0 + exp(-(double) x[i]));
        assert_true(fabs((double) found[i] - right) <= 2.5e-7 * fabs(right));
    }
    apply_gelu(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double g = (double) x[i], u = sqrt(2.0 / 3.14159265358979323846) * (g + 0.044715 * g * g * g);
        assert_true(fabs((double) found[i] - 0.5 * g * (1.0 + tanh(u))) <= 2e-6 * fabs(g));
    }
}

/* All 65,536 of them, at every place of a vector. */
static void every_half_becomes_its_float_and_comes_back(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    static uint16_t halves[65536 + 3], again[65536];
    static float floats[65536];
    for (size_t path = 0; path < count; path++) {
        assert_int_equal(linalg_vector_choose(paths[path], NULL), 0);
        for (size_t shift = 0; shift < 3; shift++) {
            for (size_t i = 0; i < 65536 + 3; i++)
                halves[i] = (uint16_t) (i * 40503u); /* odd: each half comes once */
            linalg_floats_of_halves(65536 - shift, halves + shift, floats);
            linalg_halves_of_floats(65536 - shift, floats, again);
            for (size_t i = 0; i < 65536 - shift; i++) {
                uint16_t half = halves[i + shift];
                float right = number_of_half((const uint8_t[]){(uint8_t) half, (uint8_t) (half >> 8)});
                uint32_t none = (uint32_t) (half & 0x8000u) << 16 | 0x7fc00000u | (half & 0x3ffu) << 13;
                assert_int_equal(bits_of(floats[i]), isnan(right) ? none : bits_of(right));
                assert_int_equal(again[i], isnan(right) ? half | 0x200u : half);
            }
        }
    }
}

/* The nearest of all halves, in double precision. */
static uint16_t nearest_half(float value)
{
    double size = fabs((double) value);
    uint16_t sign = signbit(value) ? 0x8000u : 0;
    if (size >= 65520.0)
        return sign | 0x7c00u;
    int exponent = size < 0x1p-14 ? -14 : ilogb(size);
    double steps = nearbyint(ldexp(size, 10 - exponent)); /* to even between two */
    return (uint16_t) (sign + (uint16_t) steps + (uint16_t) ((exponent + 14) * 1024));
}

static void floats_become_the_nearest_halves_on_every_path(void **state)
{
    (void) state;
    const char *paths[LINALG_PATHS_MAX];
    size_t count = linalg_vector_paths(paths);
    struct rng_at at = {.stream = RNG_TASK, .entity = 9};
    static uint16_t halves[COUNT];
    for (uint32_t n = 0; n < 600; n++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            struct rng_block block = rng_block(&at, n * COUNT + i);
            uint32_t bits = block.v[0];
            if (n % 3 == 1) /* sizes of halves, and near their middles */
                bits = (bits & 0x80000000u) | ((100u + bits % 46u) << 23) | (block.v[1] & 0x7fe000u) | 0xfffu;
            if (n % 3 == 2)
                bits =
                    (bits & 0x80000000u) | ((100u + bits % 46u) << 23) | (block.v[1] & 0x7fe000u) | 0x1000u;
            x[i] = float_of(bits + (n % 3 != 0 ? block.v[2] % 3u : 0u));
        }
        x[0] = 65519.996f;
        x[1] = 65520.0f;
        x[2] = -0x1p-25f;
        x[3] = 0x1.000002p-25f;
        x[4] = -INFINITY;
        assert_int_equal(linalg_vector_choose(paths[n % count], NULL), 0);
        linalg_halves_of_floats(lengths[n % LENGTHS], x, halves);
        for (size_t i = 0; i < lengths[n % LENGTHS]; i++)
            if (isnan(x[i]))
                assert_int_equal(halves[i],
                                 (bits_of(x[i]) >> 16 & 0x8000u) | 0x7e00u | (bits_of(x[i]) >> 13 & 0x3ffu));
            else if (halves[i] != nearest_half(x[i]))
                fail_msg("path %s: %a becomes %#x, not %#x", paths[n % count], (double) x[i], halves[i],
                         nearest_half(x[i]));
    }
}

static void bfloats_are_the_upper_bits(void **state)
{
    (void) state;
    const uint16_t bfloats[] = {0x3f80, 0xc049, 0x0001, 0x7f80, 0x7f81, 0x8000};
    linalg_floats_of_bfloats(6, bfloats, found);
    assert_true(found[0] == 1.0f && found[1] == -3.140625f && found[2] == 0x1p-133f && isinf(found[3]));
    assert_int_equal(bits_of(found[4]), 0x7f810000u);
    assert_int_equal(bits_of(found[5]), 0x80000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_a_unit_of_the_last_place),
        cmocka_unit_test(exp_of_special_numbers_is_exact),
        cmocka_unit_test(exp_has_the_same_bits_on_every_path),
        cmocka_unit_test(rms_norm_is_its_equation_on_every_path),
        cmocka_unit_test(each_row_is_normalised_alone),
        cmocka_unit_test(softmax_is_its_equation_on_every_path),
        cmocka_unit_test(softmax_of_what_is_no_number_is_none),
        cmocka_unit_test(masked_scores_appended_change_no_bit),
        cmocka_unit_test(gates_are_their_equations_on_every_path),
        cmocka_unit_test(gates_are_near_the_functions_of_that_name),
        cmocka_unit_test(every_half_becomes_its_float_and_comes_back),
        cmocka_unit_test(floats_become_the_nearest_halves_on_every_path),
        cmocka_unit_test(bfloats_are_the_upper_bits),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
