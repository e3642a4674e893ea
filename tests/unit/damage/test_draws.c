/* The draws behind a damage, beside rng's own and beside their laws. */
#include "core/damage/draws_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/damage/damage.h"

static const struct rng_at place = {.seed = 0x123456789abcdefull,
                                    .phase = RNG_TEST,
                                    .stream = RNG_DAMAGE,
                                    .entity = 1048575,
                                    .episode = 3,
                                    .slot = 4000000000u};

static void words_are_those_of_philox_wherever_they_begin(void **state)
{
    (void) state;
    static const uint64_t firsts[] = {
        0, 1, 2, 3, 4, 1023, ((uint64_t) 1 << 33) + 5, ((uint64_t) 1 << 34) - 2048};
    static const size_t counts[] = {0, 1, 3, 4, 5, 63, 64, 65, 127, 128, 257, 1024, 1999};
    uint32_t words[2000];
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            memset(words, 0xa5, sizeof words);
            draws_words(&place, firsts[f], counts[c], words);
            for (size_t i = 0; i < counts[c]; i++) {
                uint64_t number = firsts[f] + i;
                if (words[i] != rng_block(&place, (uint32_t) (number / 4)).v[number % 4])
                    fail_msg("word %zu of %zu from %llu on", i, counts[c], (unsigned long long) firsts[f]);
            }
            assert_int_equal(words[counts[c]], 0xa5a5a5a5u);
        }
}

static void normals_are_those_of_rng_in_pairs_of_numbers(void **state)
{
    (void) state;
    double normals[DRAWS_PORTION];
    for (uint64_t first = 0; first < 9; first++)
        for (size_t count = 1; count < 9; count++) {
            draws_normals(&place, first, count, normals);
            for (size_t i = 0; i < count; i++) {
                uint64_t number = first + i, even = number / 2 * 2;
                struct rng_block block = rng_block(&place, (uint32_t) (number / 4));
                double pair[2];
                rng_normal_pair(block.v[even % 4], block.v[even % 4 + 1], pair);
                assert_true(normals[i] == pair[number % 2]);
            }
        }
}

static void a_threshold_is_a_share_of_all_words(void **state)
{
    (void) state;
    assert_true(draws_threshold(0.0) == 0);
    assert_true(draws_threshold(1.0) == (uint64_t) 1 << 32);
    assert_true(draws_threshold(0.5) == (uint64_t) 1 << 31);
    assert_true(draws_threshold(0x1p-32) == 1);
}

/* ---- bits ---- */

/* Number by number: the 32 digits of each are one bit of 32 words. */
static uint32_t bits_one_by_one(uint32_t unit, uint64_t threshold)
{
    uint32_t bits = 0;
    for (uint32_t lane = 0; lane < 32; lane++) {
        uint64_t number = 0;
        for (uint32_t d = 0; d < 32; d++)
            number = number << 1 | (rng_block(&place, (d / 4) << 29 | unit).v[d % 4] >> lane & 1);
        bits |= (number < threshold ? 1u : 0u) << lane;
    }
    return bits;
}

static void bits_are_numbers_below_the_threshold(void **state)
{
    (void) state;
    static const uint64_t thresholds[] = {0,          1,          0x7fffffff,         0x80000000, 0x80000001,
                                          0xdeadbeef, 0xffffffff, (uint64_t) 1 << 32, 0x00100000};
    static const uint32_t firsts[] = {0, 1, 63, 1000, (1u << 29) - DRAWS_UNITS};
    for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
        for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
            for (uint32_t count = 1; count <= DRAWS_UNITS; count += 21) {
                uint32_t bits[DRAWS_UNITS];
                draws_bits(&place, firsts[f], count, thresholds[t], bits);
                for (uint32_t u = 0; u < count; u++)
                    assert_int_equal(bits[u], bits_one_by_one(firsts[f] + u, thresholds[t]));
            }
}

/* ---- gamma variables ---- */

/* The regularised lower incomplete gamma function, by its series (Abramowitz and Stegun 6.5.29). */
static double incomplete_gamma(double a, double x)
{
    double term = 1.0 / a, sum = term;
    for (int n = 1; n < 500; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum * exp(-x + a * log(x) - lgamma(a));
}

#define GAMMAS 40000u

static void gamma_variables_have_the_moments_and_the_distribution_of_their_shape(void **state)
{
    (void) state;
    static const double shapes[] = {0.5, 0.75, 1.0, 1.5, 3.0, 20.0}, levels[] = {0.05, 0.3, 1.0, 2.0};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        double shape = shapes[s], sum = 0.0, squares = 0.0;
        uint32_t below[4] = {0};
        for (uint32_t i = 0; i < GAMMAS; i++) {
            double g = draws_gamma(&place, i, shape);
            assert_true(g >= 0.0 && isfinite(g));
            sum += g;
            squares += g * g;
            for (size_t l = 0; l < 4; l++)
                below[l] += g < levels[l] ? 1 : 0;
        }
        double mean = sum / GAMMAS, variance = squares / GAMMAS - mean * mean;
        /* mean 1, variance 1 / shape; the variance of (g - 1)^2 is (2 + 6 / shape) / shape^2 */
        assert_true(fabs(mean - 1.0) < 5.0 * sqrt(1.0 / shape / GAMMAS));
        assert_true(fabs(variance - 1.0 / shape) < 5.0 * sqrt((2.0 + 6.0 / shape) / GAMMAS) / shape);
        for (size_t l = 0; l < 4; l++) {
            double due = incomplete_gamma(shape, shape * levels[l]);
            double width = sqrt(due * (1.0 - due) / GAMMAS) + 1.0 / GAMMAS;
            if (fabs((double) below[l] / GAMMAS - due) > 5.0 * width)
                fail_msg("shape %g: %u of %u below %g, not %g", shape, below[l], GAMMAS, levels[l], due);
        }
    }
}

/* ---- gains ---- */

static void a_gain_has_the_outage_of_its_law(void **state)
{
    (void) state;
    static const struct {
        enum damage_fading fading;
        double m, shape; /* h^2 is gamma with this shape */
    } known[] = {{DAMAGE_RAYLEIGH, 0.0, 1.0}, {DAMAGE_NAKAGAMI, 1.0, 1.0}, {DAMAGE_NAKAGAMI, 2.5, 2.5}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        struct damage damage = {.kind = DAMAGE_ANALOG, .fading = known[k].fading, .nakagami_m = known[k].m};
        for (double level = 0.2; level < 2.0; level += 0.4) {
            uint32_t below = 0;
            for (uint32_t b = 0; b < GAMMAS; b++)
                below += damage_gain(&damage, &place, b) < level ? 1 : 0;
            double due = incomplete_gamma(known[k].shape, known[k].shape * level * level);
            if (known[k].shape == 1.0) /* equation (4), with 2 sigma_h^2 = 1 */
                assert_true(fabs(due - (1.0 - exp(-level * level))) < 1e-12);
            assert_true(fabs((double) below / GAMMAS - due) < 5.0 * sqrt(due * (1.0 - due) / GAMMAS));
        }
    }
}

static void without_fading_the_gain_is_1(void **state)
{
    (void) state;
    struct damage damage = {.kind = DAMAGE_ANALOG};
    for (uint32_t b = 0; b < 10; b++)
        assert_true(damage_gain(&damage, &place, b) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_philox_wherever_they_begin),
        cmocka_unit_test(normals_are_those_of_rng_in_pairs_of_numbers),
        cmocka_unit_test(a_threshold_is_a_share_of_all_words),
        cmocka_unit_test(bits_are_numbers_below_the_threshold),
        cmocka_unit_test(gamma_variables_have_the_moments_and_the_distribution_of_their_shape),
        cmocka_unit_test(a_gain_has_the_outage_of_its_law),
        cmocka_unit_test(without_fading_the_gain_is_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
