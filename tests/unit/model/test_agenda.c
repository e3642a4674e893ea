/* What is due next: against a list that is searched each time. */
#include "core/model/agenda.h"

#include <math.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/unit/model/check.h"

#define NUMBERS 40u
#define NEVER ((double) INFINITY)

static void what_is_due_first_is_taken_first_and_the_lower_number_of_two(void **state)
{
    (void) state;
    struct agenda agenda = {0};
    uint32_t number;
    double due_s;
    assert_int_equal(agenda_reserve(&agenda, 4), 0);
    assert_false(agenda_take(&agenda, NEVER, &number, &due_s));
    agenda_set(&agenda, 3, 1.5);
    agenda_set(&agenda, 2, 1.0);
    agenda_set(&agenda, 1, 1.5);
    assert_false(agenda_take(&agenda, 0.999, &number, &due_s));
    assert_true(agenda_take(&agenda, 1.0, &number, &due_s));
    assert_int_equal(number, 2);
    assert_same(due_s, 1.0);
    assert_true(agenda_take(&agenda, 9.0, &number, &due_s));
    assert_int_equal(number, 1);
    assert_true(agenda_take(&agenda, 9.0, &number, &due_s));
    assert_int_equal(number, 3);
    assert_false(agenda_take(&agenda, NEVER, &number, &due_s));
    agenda_finish(&agenda);
}

static void what_is_set_again_is_due_once_at_its_last_time(void **state)
{
    (void) state;
    struct agenda agenda = {0};
    uint32_t number;
    double due_s;
    assert_int_equal(agenda_reserve(&agenda, 2), 0);
    agenda_set(&agenda, 0, 1.0);
    agenda_set(&agenda, 1, 2.0);
    agenda_set(&agenda, 0, 3.0);
    agenda_set(&agenda, 1, NEVER);
    assert_true(agenda_take(&agenda, NEVER, &number, &due_s));
    assert_int_equal(number, 0);
    assert_same(due_s, 3.0);
    agenda_set(&agenda, 1, 2.0);
    agenda_clear(&agenda);
    assert_false(agenda_take(&agenda, NEVER, &number, &due_s));
    agenda_set(&agenda, 1, NEVER); /* it was not set: nothing to take out */
    assert_false(agenda_take(&agenda, NEVER, &number, &due_s));
    agenda_finish(&agenda);
}

/* The number that a list gives; NUMBERS: nothing is due. */
static uint32_t first_of(const double *due_s)
{
    uint32_t best = NUMBERS;
    for (uint32_t i = 0; i < NUMBERS; i++)
        if (!isinf(due_s[i]) && (best == NUMBERS || due_s[i] < due_s[best]))
            best = i;
    return best;
}

/* Few times for many numbers, so that many are due at once; it grows on the way. */
static void it_agrees_with_a_list_that_is_searched(void **state)
{
    (void) state;
    struct agenda agenda = {0};
    struct rng_at at = {.seed = 7, .stream = RNG_SAMPLING};
    double list[NUMBERS];
    for (uint32_t i = 0; i < NUMBERS; i++)
        list[i] = NEVER;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t numbers = i < 100 ? 5 : NUMBERS;
        assert_int_equal(agenda_reserve(&agenda, numbers), 0);
        uint32_t what = rng_below(&at, 3 * i, 8), number = rng_below(&at, 3 * i + 1, numbers);
        if (what < 5) {
            list[number] = what == 0 ? NEVER : rng_below(&at, 3 * i + 2, 12) * 0.5;
            agenda_set(&agenda, number, list[number]);
            continue;
        }
        double until_s = rng_below(&at, 3 * i + 2, 12) * 0.5, due_s;
        uint32_t first = first_of(list), taken;
        bool is_due = first < NUMBERS && list[first] <= until_s;
        assert_int_equal(agenda_take(&agenda, until_s, &taken, &due_s), is_due);
        if (!is_due)
            continue;
        assert_int_equal(taken, first);
        assert_same(due_s, list[first]);
        list[first] = NEVER;
    }
    agenda_finish(&agenda);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_first_is_taken_first_and_the_lower_number_of_two),
        cmocka_unit_test(what_is_set_again_is_due_once_at_its_last_time),
        cmocka_unit_test(it_agrees_with_a_list_that_is_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
