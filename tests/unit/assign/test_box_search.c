/* The best of two amounts against all points of a fine grid, for worths that are concave and for some that are not. */
#include "core/assign/box_search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"

#define STEPS 200u

/* A task of a seconds with the whole of the one, b with the whole of the other, e beside them. */
struct task {
    double a, b, e, per[2];
    double late;  /* it is worth nothing after so many seconds */
    bool is_flat; /* worth 1 in time, however soon */
    size_t looks;
};

static double seconds(const struct task *task, const double x[static 2])
{
    return task->a / x[0] + task->b / x[1] + task->e;
}

static double worth(const struct task *task, const double x[static 2])
{
    double taken = seconds(task, x);
    if (!(taken <= task->late))
        return 0.0;
    return task->is_flat ? 1.0 : 1.0 / taken;
}

/* Its prices fall the more it takes, as of a task that ends sooner. */
static struct box_value value(void *user, const double x[static 2])
{
    struct task *task = user;
    double sooner = fmin(seconds(task, x), task->late) / task->late;
    task->looks++;
    return (struct box_value){.worth = worth(task, x), .per = {task->per[0] * sooner, task->per[1] * sooner}};
}

static void slope(void *user, const double x[static 2], double here, double ret_slope[static 2])
{
    const struct task *task = user;
    for (unsigned d = 0; d < 2; d++) {
        double more[2] = {x[0], x[1]};
        more[d] *= 1.001;
        ret_slope[d] = fmax(0.0, worth(task, more) - here) / (more[d] - x[d]);
    }
}

static struct task draw(uint32_t seed)
{
    const struct rng_at at = {.seed = seed};
    const struct rng_block one = rng_block(&at, 0), two = rng_block(&at, 1);
    return (struct task){
        .a = 0.05 + rng_u01(one.v[0]),
        .b = 0.3 * rng_u01(one.v[1]),
        .e = 0.3 * rng_u01(one.v[2]),
        .per = {rng_u01(two.v[0]), seed % 4 == 0 ? 0.0 : 0.3 * rng_u01(two.v[1])},
        .late = seed % 3 == 0 ? 100.0 : 0.5 + 3.0 * rng_u01(two.v[2]),
        .is_flat = seed % 5 == 0,
    };
}

static double best_of_grid(struct task *task)
{
    double best = -(double) INFINITY;
    for (uint32_t i = 1; i <= STEPS; i++)
        for (uint32_t k = 1; k <= STEPS; k++) {
            const double x[2] = {(double) i / STEPS, (double) k / STEPS};
            const struct box_value at = value(task, x);
            best = fmax(best, at.worth - at.per[0] * x[0] - at.per[1] * x[1]);
        }
    return best;
}

static void nothing_on_a_grid_gives_more_than_the_bound_and_what_is_found_gives_nearly_that(void **state)
{
    (void) state;
    uint32_t found = 0;
    for (uint32_t seed = 0; seed < 120; seed++) {
        struct task task = draw(seed);
        const struct box_question question = {.value = value,
                                              .slope = seed % 2 == 0 ? slope : NULL,
                                              .user = &task,
                                              .high = {1.0, 1.0},
                                              .floor = seed % 7 * 0.05,
                                              .tolerance = 1e-3};
        const struct box_answer answer = box_search(&question);
        double best = best_of_grid(&task);
        assert_true(answer.bound >= question.floor && answer.bound >= best);
        assert_true(answer.looks < BOX_SEARCH_LOOKS_MAX);
        assert_true(answer.bound <= fmax(question.floor, answer.given) + question.tolerance);
        if (!(answer.given > question.floor))
            continue;
        found++;
        const struct box_value at = value(&task, answer.x);
        assert_true(answer.given == at.worth - at.per[0] * answer.x[0] - at.per[1] * answer.x[1]);
    }
    assert_true(found > 30 && found < 120);
}

static void slopes_save_looks(void **state)
{
    (void) state;
    struct task task = {.a = 2.0, .e = 0.0, .b = 0.01, .per = {0.5, 0.01}, .late = 100.0};
    struct box_question question = {.value = value, .user = &task, .high = {1.0, 1.0}, .tolerance = 1e-4};
    const struct box_answer without = box_search(&question);
    question.slope = slope;
    const struct box_answer with = box_search(&question);
    assert_true(fabs(with.bound - without.bound) < 3e-4);
    assert_true(4 * with.looks < without.looks);
}

/* All amounts give the same. */
static struct box_value nothing(void *user, const double x[static 2])
{
    (void) user;
    return (struct box_value){.worth = 0.5 * x[0], .per = {0.5, 0.0}};
}

static void who_gives_up_still_has_a_bound(void **state)
{
    (void) state;
    const struct box_question question = {
        .value = nothing, .high = {1.0, 1.0}, .floor = -1.0, .tolerance = 1e-9};
    const struct box_answer answer = box_search(&question);
    assert_int_equal(answer.looks, BOX_SEARCH_LOOKS_MAX);
    assert_true(answer.given == 0.0 && answer.bound >= 0.0 && answer.bound <= 0.25);
}

static void climbing_finds_the_top_of_a_smooth_hill(void **state)
{
    (void) state;
    for (uint32_t seed = 1; seed < 60; seed += 2) {
        struct task task = draw(seed);
        task.is_flat = false;
        task.late = 100.0;
        const struct box_question question = {
            .value = value, .user = &task, .high = {1.0, 1.0}, .floor = -1e9, .tolerance = 1e-3};
        const struct box_answer answer = box_search_climb(&question, (double[2]){0.3, 0.7});
        assert_true(answer.x[0] > 0.0 && answer.x[0] <= 1.0 && answer.x[1] > 0.0 && answer.x[1] <= 1.0);
        assert_true(answer.given > best_of_grid(&task) - 1e-3);
        assert_true(answer.looks < 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_on_a_grid_gives_more_than_the_bound_and_what_is_found_gives_nearly_that),
        cmocka_unit_test(slopes_save_looks),
        cmocka_unit_test(who_gives_up_still_has_a_bound),
        cmocka_unit_test(climbing_finds_the_top_of_a_smooth_hill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
