/* The search for a minimum by trying: known functions, with noise and without. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/rl/response_surface.h"

#define NOISE 0.1
#define TRIALS 100u

static struct response_surface surface; /* too large for a stack */

static void begin(double low, double high)
{
    const struct response_surface_config config = {
        .low = low, .high = high, .start = 0.0, .length = 0.5, .noise = NOISE};
    response_surface_init(&surface, &config);
}

static double noise_of(uint64_t seed, uint32_t trial)
{
    const struct rng_at at = {.seed = seed, .stream = RNG_SAMPLING};
    double normal[2];
    struct rng_block block = rng_block(&at, trial);
    rng_normal_pair(block.v[0], block.v[1], normal);
    return NOISE * normal[0];
}

/* What a price does to costs: slowly better, and then at once much worse. */
static double skewed(double x)
{
    return x < 1.7 ? 0.25 * fabs(1.7 - x) : 1.5 * (x - 1.7);
}

static double falling(double x)
{
    return 0.3 * x;
}

static double search(double (*cost)(double x), uint64_t seed, uint32_t trials)
{
    double spent = 0.0;
    for (uint32_t k = 0; k < trials; k++) {
        double x = surface.next;
        assert_true(x >= surface.config.low && x <= surface.config.high);
        spent += cost(x);
        response_surface_observe(&surface, x, cost(x) + noise_of(seed, k));
        assert_true(surface.best >= surface.config.low && surface.best <= surface.config.high);
    }
    return spent / trials;
}

static void the_minimum_of_a_noisy_skewed_function_is_found(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(-3.5, 3.5);
        double spent = search(skewed, seed, TRIALS);
        assert_true(skewed(surface.best) < 0.08);
        assert_true(spent < 0.25); /* what is bad is not tried again and again: the range's mean is 0.9 */
    }
}

static void a_minimum_at_an_end_is_found(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(-3.5, 3.5);
        (void) search(falling, seed, TRIALS);
        assert_true(surface.best < -3.2);
    }
}

static void without_noise_a_few_trials_will_do(void **state)
{
    (void) state;
    begin(-3.5, 3.5);
    for (uint32_t k = 0; k < 25; k++)
        response_surface_observe(&surface, surface.next, (surface.next - 1.0) * (surface.next - 1.0));
    assert_true(fabs(surface.best - 1.0) < 0.15);
}

/* The function has moved: what older trials say fades. */
static void a_minimum_that_moves_is_followed(void **state)
{
    (void) state;
    begin(-3.5, 3.5);
    (void) search(skewed, 1, TRIALS);
    for (uint32_t k = 0; k < 3 * TRIALS; k++)
        response_surface_observe(&surface, surface.next, skewed(-surface.next) + noise_of(2, k));
    assert_true(skewed(-surface.best) < 0.15);
}

static void a_surface_made_of_its_trials_goes_on_with_the_same_bits(void **state)
{
    (void) state;
    static struct response_surface other;
    begin(-3.5, 3.5);
    (void) search(skewed, 3, RESPONSE_SURFACE_TRIALS + 17); /* the ring has wrapped */
    response_surface_init(&other, &surface.config);
    memcpy(other.trial, surface.trial, sizeof other.trial);
    other.seen = surface.seen;
    response_surface_settle(&other);
    for (uint32_t k = 0; k < 5; k++) {
        assert_memory_equal(&other.next, &surface.next, sizeof other.next);
        assert_memory_equal(&other.best, &surface.best, sizeof other.best);
        response_surface_observe(&surface, surface.next, skewed(surface.next));
        response_surface_observe(&other, other.next, skewed(other.next));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_minimum_of_a_noisy_skewed_function_is_found),
        cmocka_unit_test(a_minimum_at_an_end_is_found),
        cmocka_unit_test(without_noise_a_few_trials_will_do),
        cmocka_unit_test(a_minimum_that_moves_is_followed),
        cmocka_unit_test(a_surface_made_of_its_trials_goes_on_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
