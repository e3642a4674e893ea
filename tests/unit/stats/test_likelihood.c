/* Sums of negative log-likelihoods, and what is said of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stats/likelihood.h"

#define EQUAL(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static void a_fair_coin_has_perplexity_two_and_one_bit_a_byte(void **state)
{
    (void) state;
    const struct likelihood coin = {.nats = 7.0 * 0.69314718055994531, .tokens = 7, .bytes = 7};
    EQUAL(likelihood_perplexity(&coin), 2.0);
    EQUAL(likelihood_bits_per_byte(&coin), 1.0);
}

static void parts_add_up_to_the_whole(void **state)
{
    (void) state;
    struct likelihood sum = {0};
    const struct likelihood parts[] = {{1.5, 2, 9}, {0.25, 1, 3}};
    likelihood_add(&sum, &parts[0]);
    likelihood_add(&sum, &parts[1]);
    EQUAL(sum.nats, 1.75);
    assert_int_equal(sum.tokens, 3);
    assert_int_equal(sum.bytes, 12);
    EQUAL(likelihood_perplexity(&sum), exp(1.75 / 3.0));
    EQUAL(likelihood_bits_per_byte(&sum), 1.75 / log(2.0) / 12.0);
}

static void of_nothing_there_is_neither(void **state)
{
    (void) state;
    const struct likelihood none = {0};
    EQUAL(likelihood_perplexity(&none), 0.0);
    EQUAL(likelihood_bits_per_byte(&none), 0.0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fair_coin_has_perplexity_two_and_one_bit_a_byte),
        cmocka_unit_test(parts_add_up_to_the_whole),
        cmocka_unit_test(of_nothing_there_is_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
