/* A tree of priorities against plain sums over all slots. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/rl/priorities.h"

#define SLOTS 37u /* no power of two */

static struct rng_at draws = {.seed = 5, .stream = RNG_SAMPLING};

static struct priorities create(void)
{
    struct priorities priorities;
    assert_int_equal(priorities_init(&priorities, SLOTS), 0);
    return priorities;
}

/* Every slot but each fifth. */
static void fill(struct priorities *priorities)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        if (i % 5 != 4)
            priorities_set(priorities, i, (float) rng_range(&draws, i, 0.001, 3.0));
}

static double sum_of(const struct priorities *priorities)
{
    double sum = 0.0;
    for (size_t i = 0; i < SLOTS; i++)
        sum += (double) priorities->weight[i];
    return sum;
}

static void a_mark_falls_where_it_does_when_slots_stand_side_by_side(void **state)
{
    (void) state;
    struct priorities priorities = create();
    fill(&priorities);
    double sum = sum_of(&priorities), begin = 0.0;
    for (size_t i = 0; i < SLOTS; i++) {
        double width = (double) priorities.weight[i] / sum;
        assert_true(fabs(width - priorities_share(&priorities, i)) < 1e-12);
        if (width > 0.0) {
            assert_int_equal(priorities_find(&priorities, begin + 0.001 * width), i);
            assert_int_equal(priorities_find(&priorities, begin + 0.999 * width), i);
        }
        begin += width;
    }
    priorities_finish(&priorities);
}

/* Within four deviations of the binomial law, all slots. */
static void slots_are_found_as_often_as_the_law_says(void **state)
{
    (void) state;
    enum { DRAWS = 200000 };
    struct priorities priorities = create();
    fill(&priorities);
    uint32_t found[SLOTS] = {0};
    for (uint32_t n = 0; n < DRAWS; n++)
        found[priorities_find(&priorities, rng_uniform(&draws, 1000 + n))]++;
    double sum = sum_of(&priorities);
    for (size_t i = 0; i < SLOTS; i++) {
        double share = (double) priorities.weight[i] / sum, off = (double) found[i] - DRAWS * share;
        assert_true(off * off <= 16.0 * DRAWS * share * (1.0 - share));
    }
    priorities_finish(&priorities);
}

static void empty_slots_are_never_found_not_even_at_the_ends(void **state)
{
    (void) state;
    struct priorities priorities = create();
    priorities_set(&priorities, 6, 1e-30f);
    priorities_set(&priorities, 20, 0.3f);
    priorities_set(&priorities, 21, 1e-30f);
    size_t last = priorities_find(&priorities, 0x1.fffffffffffffp-1);
    assert_int_equal(priorities_find(&priorities, 0.0), 6);
    assert_int_equal(priorities_find(&priorities, 0.5), 20);
    assert_true(last == 20 || last == 21);
    priorities_finish(&priorities);
}

static void the_same_weights_make_the_same_tree_whatever_they_were(void **state)
{
    (void) state;
    struct priorities once = create(), often = create(), read = create();
    for (uint32_t n = 0; n < 500; n++)
        priorities_set(&often, rng_below(&draws, 3000 + n, SLOTS), 1.0f + (float) n / 7.0f);
    for (uint32_t i = 0; i < SLOTS; i++) {
        priorities_set(&once, i, 0.1f + (float) i);
        priorities_set(&often, SLOTS - 1 - i, 0.1f + (float) (SLOTS - 1 - i));
    }
    memcpy(read.weight, once.weight, (SLOTS + 1) * sizeof *read.weight);
    priorities_rebuild(&read);
    assert_memory_equal(once.sum, often.sum, 2 * once.leaves * sizeof *once.sum);
    assert_memory_equal(once.sum, read.sum, 2 * once.leaves * sizeof *once.sum);
    priorities_finish(&once);
    priorities_finish(&often);
    priorities_finish(&read);
}

static void a_new_slot_is_as_likely_as_the_likeliest_ever_was(void **state)
{
    (void) state;
    struct priorities priorities = create();
    priorities_set_new(&priorities, 0);
    assert_true(priorities.weight[0] == 1.0f);
    priorities_set(&priorities, 0, 4.0f);
    priorities_set(&priorities, 0, 0.5f);
    priorities_set_new(&priorities, 1);
    assert_true(priorities.weight[1] == 4.0f);
    priorities_finish(&priorities);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_falls_where_it_does_when_slots_stand_side_by_side),
        cmocka_unit_test(slots_are_found_as_often_as_the_law_says),
        cmocka_unit_test(empty_slots_are_never_found_not_even_at_the_ends),
        cmocka_unit_test(the_same_weights_make_the_same_tree_whatever_they_were),
        cmocka_unit_test(a_new_slot_is_as_likely_as_the_likeliest_ever_was),
    };
    return cmocka_run_group_tests_name("priorities", tests, NULL, NULL);
}
