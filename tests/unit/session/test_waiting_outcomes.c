/* Outcomes that wait for their end: each once, in order of time, none before. */
#include "orchestrator/session/waiting_outcomes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/rng.h"

#define STEPS 2000u

static void each_is_heard_once_when_it_has_ended(void **state)
{
    (void) state;
    struct waiting_outcomes waiting = {0};
    const struct rng_at at = {.seed = 3, .stream = RNG_POLICY};
    static double end_s[STEPS];
    static bool heard[STEPS];
    uint32_t heard_count = 0;
    for (uint32_t step = 0; step <= STEPS; step++) {
        double now_s = step < STEPS ? step : (double) INFINITY, before_s = -1.0;
        struct policy_outcome outcome;
        while (waiting_outcomes_take(&waiting, now_s, &outcome)) {
            uint32_t slot = outcome.slot;
            assert_false(heard[slot]);
            assert_true(end_s[slot] <= now_s && end_s[slot] >= before_s);
            assert_true(end_s[slot] > step - 1.0); /* not later than it could be */
            before_s = end_s[slot];
            heard[slot] = true;
            heard_count++;
        }
        if (step == STEPS)
            break;
        end_s[step] = step + 40.0 * rng_uniform(&at, step);
        assert_int_equal(waiting_outcomes_reserve(&waiting, 1), 0);
        waiting_outcomes_put(&waiting, &(struct policy_outcome){.slot = step}, end_s[step]);
        assert_true(waiting_outcomes_count(&waiting) <= 41);
    }
    assert_int_equal(heard_count, STEPS);
    waiting_outcomes_finish(&waiting);
}

static void none_waits_after_it_is_cleared(void **state)
{
    (void) state;
    struct waiting_outcomes waiting = {0};
    struct policy_outcome outcome;
    for (uint32_t round = 0; round < 3; round++) {
        assert_int_equal(waiting_outcomes_reserve(&waiting, 10), 0);
        for (uint32_t i = 0; i < 10; i++)
            waiting_outcomes_put(&waiting, &(struct policy_outcome){.slot = 100 * round + i}, 10.0 - i);
        assert_true(waiting_outcomes_take(&waiting, 5.0, &outcome));
        assert_int_equal(outcome.slot, 100 * round + 9);
        waiting_outcomes_clear(&waiting);
        assert_int_equal(waiting_outcomes_count(&waiting), 0);
        assert_false(waiting_outcomes_take(&waiting, (double) INFINITY, &outcome));
    }
    waiting_outcomes_finish(&waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_heard_once_when_it_has_ended),
        cmocka_unit_test(none_waits_after_it_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
