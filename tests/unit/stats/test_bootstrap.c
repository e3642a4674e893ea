#include "core/stats/bootstrap.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/stats/sample.h"
#include "tests/lib/memory.h"

static int set_up(void **state)
{
    static struct bootstrap bootstrap;
    *state = &bootstrap;
    return bootstrap_init(&bootstrap, 40);
}

static int tear_down(void **state)
{
    bootstrap_finish(*state);
    return 0;
}

/* Two numbers 0 and 1 resample to a mean of 0, 1/2 or 1 with chances 1/4, 1/2, 1/4: both tails reach the end. */
static void two_numbers_span_their_whole_distance(void **state)
{
    double x[] = {0, 1};
    struct interval interval = bootstrap_mean(*state, x, 2);
    assert_true(interval.low == 0.0 && interval.high == 1.0);
}

/* Of n numbers, all 0 but for one that is n, a resample's mean is Binomial(n, 1/n): for n = 5, P(0) = 0.328,
 * P(at most 2) = 0.942, P(at most 3) = 0.993, so the interval is 0 to 3. */
static void the_interval_of_a_binomial_mean_is_the_exact_one(void **state)
{
    double x[] = {0, 0, 5, 0, 0};
    struct interval interval = bootstrap_mean(*state, x, 5);
    assert_true(interval.low == 0.0 && interval.high == 3.0);
}

static void the_same_numbers_give_the_same_interval_whatever_the_room(void **state)
{
    double x[] = {1.5, 0.25, 3.0, 2.125, 0.5, 4.0};
    struct interval here = bootstrap_mean(*state, x, 6);
    struct bootstrap narrow;
    assert_int_equal(bootstrap_init(&narrow, 6), 0);
    struct interval there = bootstrap_mean(&narrow, x, 6);
    bootstrap_finish(&narrow);
    assert_memory_equal(&here, &there, sizeof here);
    assert_true(here.low > 0.25 && here.low < sample_mean(x, 6) && here.high > sample_mean(x, 6));
}

static void equal_numbers_have_an_interval_of_no_width(void **state)
{
    double x[] = {0.5, 0.5, 0.5};
    struct interval interval = bootstrap_mean(*state, x, 3);
    assert_true(interval.low == 0.5 && interval.high == 0.5);
}

static void one_number_has_no_interval(void **state)
{
    double x[] = {7};
    assert_true(isnan(bootstrap_mean(*state, x, 1).low));
    assert_true(isnan(bootstrap_mean(*state, x, 41).low));
    struct bootstrap none;
    assert_int_equal(bootstrap_init(&none, BOOTSTRAP_SAMPLE_MAX + 1), ERR_TOO_BIG);
}

/* How often the interval holds the truth: nominal 95 %, less for few numbers. For normal ones and n = 5 and
 * 30 theory of the percentile interval says about 0.83 and 0.93; 2,000 samples of five have a standard error of 0.008. */
static double coverage(struct bootstrap *bootstrap, size_t n, uint32_t samples)
{
    uint32_t held = 0;
    for (uint32_t s = 0; s < samples; s++) {
        double x[32];
        struct rng_at at = {.seed = 5, .slot = s};
        for (size_t i = 0; i < n; i += 2) {
            struct rng_block block = rng_block(&at, (uint32_t) i);
            double pair[2];
            rng_normal_pair(block.v[0], block.v[1], pair);
            memcpy(x + i, pair, sizeof pair);
        }
        struct interval interval = bootstrap_mean(bootstrap, x, n);
        held += interval.low <= 0.0 && interval.high >= 0.0 ? 1 : 0;
    }
    return (double) held / samples;
}

static void intervals_of_few_seeds_hold_the_truth_less_often(void **state)
{
    double few = coverage(*state, 5, 2000), many = coverage(*state, 30, 400);
    print_message(
        "# a 95 %% interval holds the truth in %.1f %% of samples of 5, in %.1f %% of samples of 30\n",
        100.0 * few, 100.0 * many);
    assert_true(few > 0.81 && few < 0.87);
    assert_true(many > 0.90 && many < 0.97);
}

struct pairs {
    const double *ours, *theirs;
};

static double reduction(void *user, const uint32_t *pick, size_t n)
{
    const struct pairs *pairs = user;
    double ours = 0.0, theirs = 0.0;
    for (size_t i = 0; i < n; i++) {
        ours += pairs->ours[pick[i]];
        theirs += pairs->theirs[pick[i]];
    }
    return 1.0 - ours / theirs;
}

static void a_ratio_of_pairs_that_always_holds_has_no_width(void **state)
{
    double theirs[] = {1, 2, 4, 8, 16}, ours[] = {0.75, 1.5, 3, 6, 12};
    struct interval interval = bootstrap_statistic(*state, 5, reduction, &(struct pairs){ours, theirs});
    assert_true(interval.low == 0.25 && interval.high == 0.25);
}

static void without_memory_it_is_not_made_and_leaves_nothing(void **state)
{
    (void) state;
    if (!memory_can_fail()) {
        print_message("# sanitizers allocate by functions of their own: nothing can fail\n");
        return;
    }
    size_t before = memory_blocks();
    for (size_t n = 1; n <= 3; n++) {
        struct bootstrap none;
        memory_fail_at(n);
        int rc = bootstrap_init(&none, 5);
        assert_true(memory_has_failed());
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(memory_blocks(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_numbers_span_their_whole_distance),
        cmocka_unit_test(the_interval_of_a_binomial_mean_is_the_exact_one),
        cmocka_unit_test(the_same_numbers_give_the_same_interval_whatever_the_room),
        cmocka_unit_test(equal_numbers_have_an_interval_of_no_width),
        cmocka_unit_test(one_number_has_no_interval),
        cmocka_unit_test(intervals_of_few_seeds_hold_the_truth_less_often),
        cmocka_unit_test(a_ratio_of_pairs_that_always_holds_has_no_width),
        cmocka_unit_test(without_memory_it_is_not_made_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
