/* The planner that draws and the one that enumerates, on worlds whose best plan is known. */
#include "core/rl/cross_entropy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "core/base/rng.h"
#include "core/rl/plan_grid.h"

/* ---- the printed problem: He, Fang, Yu and Leung, TMC 23(12), 2024, equations 8 and 14 ----
 *
 * A cloud and four edge servers. An action is a server and shares of its compute, band and memory, each up to MOST of the
 * server. One that asks for more than is left, or for less memory than a task has to have, is worth nothing; otherwise 1 / L
 * + P, with L seconds and P the server's pass@100. L is the way over the band and the computation, which gains from compute
 * up to FULL of the server. Constants: its table 1 and figure 2, and what it leaves open as a server that 20 tasks fill. */
#define SERVERS 5u
#define PARTS 3u
#define MOST 0.1
#define FULL 0.05
#define MEMORY 0.02

struct printed {
    double left[SERVERS][PARTS]; /* of a server, by compute, band, memory */
    double bits_per_hz[SERVERS]; /* of the requester's channels */
};

static void draw_printed(struct printed *ret, uint32_t number)
{
    struct rng_at at = {.seed = 17, .stream = RNG_TASK, .entity = number};
    uint32_t index = 0;
    for (size_t j = 0; j < SERVERS; j++) {
        for (size_t i = 0; i < PARTS; i++)
            ret->left[j][i] = rng_range(&at, index++, 0.0, 3.0 * MOST);
        ret->bits_per_hz[j] = rng_range(&at, index++, 1.0, 8.0);
    }
}

static double worth_of(const struct printed *world, uint32_t server, const float *part)
{
    static const double pass[] = {0.1159, 0.1892, 0.1892, 0.1892, 0.1892};
    double share[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        share[i] = MOST * (double) part[i];
        if (share[i] > world->left[server][i] || share[i] <= 0.0)
            return 0.0;
    }
    double least_s = server == 0 ? 2.3 : 9.2, bits = 60e3, band_hz = 20e6;
    double compute_s = least_s * fmax(1.0, FULL / share[0]);
    double way_s = bits / (share[1] * band_hz * world->bits_per_hz[server]);
    return share[2] < MEMORY ? 0.0 : 1.0 / (compute_s + way_s) + pass[server];
}

static void printed_worth(void *user, size_t rows, const uint32_t *choice, const float *part,
                          double *ret_worth)
{
    for (size_t row = 0; row < rows; row++)
        ret_worth[row] = worth_of(user, choice[row], part + row * PARTS);
}

static const struct plan_space printed_space = {.horizon = 1, .choices = SERVERS, .parts = PARTS};

/* The published budget: 200 candidates, of which 20 are kept, 5 iterations. */
static struct cross_entropy *create(struct plan_space space)
{
    const struct cross_entropy_config config = {
        .space = space,
        .candidates = 200,
        .elites = 20,
        .iterations = 5,
        .smoothing = 0.1,
        .narrowest = 0.01,
        .seed = 7,
        .entity = 3,
    };
    struct cross_entropy *planner = NULL;
    assert_int_equal(cross_entropy_create(&planner, &config), 0);
    return planner;
}

static struct plan_grid *create_grid(struct plan_space space, size_t levels)
{
    const struct plan_grid_config config = {.space = space, .levels = levels, .rows = 50};
    struct plan_grid *grid = NULL;
    assert_int_equal(plan_grid_create(&grid, &config), 0);
    return grid;
}

static void it_is_within_a_percent_of_enumeration_in_95_of_100_states(void **state)
{
    (void) state;
    struct cross_entropy *planner = create(printed_space);
    struct plan_grid *grid = create_grid(printed_space, 3); /* 5 servers x 27 levels */
    size_t close = 0, hard = 0;
    for (uint32_t number = 0; number < 100; number++) {
        struct printed world;
        uint32_t a = 0, b = 0;
        float parts[2][PARTS];
        struct plan found = {.choice = &a, .part = parts[0]}, best = {.choice = &b, .part = parts[1]};
        const struct plan_problem problem = {NULL, printed_worth, &world};
        draw_printed(&world, number);
        cross_entropy_plan(planner, number, &problem, &found);
        plan_grid_search(grid, &problem, &best);
        assert_true(found.worth == worth_of(&world, a, parts[0]));
        assert_true(best.worth == worth_of(&world, b, parts[1]));
        close += found.worth >= 0.99 * best.worth ? 1 : 0;
        hard += best.worth < 0.5 ? 1 : 0; /* the cloud is full: an edge server is best, or nothing */
    }
    assert_true(close >= 95);
    assert_true(hard >= 20 && hard <= 80); /* the states are not all alike */
    cross_entropy_destroy(planner);
    plan_grid_destroy(grid);
}

static void enumeration_asks_of_every_plan_of_the_grid(void **state)
{
    (void) state;
    struct plan_grid *grid = create_grid(printed_space, 3);
    for (uint32_t number = 0; number < 20; number++) {
        struct printed world;
        uint32_t choice = 0;
        float part[PARTS];
        struct plan found = {.choice = &choice, .part = part};
        const struct plan_problem problem = {NULL, printed_worth, &world};
        double best = -1.0;
        draw_printed(&world, number);
        plan_grid_search(grid, &problem, &found);
        for (uint32_t j = 0; j < SERVERS; j++)
            for (size_t level = 0; level < 27; level++) {
                const float at[] = {(float) (level / 9 + 1) / 3.0f, (float) (level / 3 % 3 + 1) / 3.0f,
                                    (float) (level % 3 + 1) / 3.0f};
                best = fmax(best, worth_of(&world, j, at));
            }
        assert_true(found.worth == best);
    }
    plan_grid_destroy(grid);
}

/* ---- smaller worlds ---- */

/* The best is choice `best` of each step, with every part at `part`. */
struct peak {
    size_t horizon, parts;
    uint32_t best[8];
    double part;
    size_t calls, rows;
};

static void peak_worth(void *user, size_t rows, const uint32_t *choice, const float *part, double *ret_worth)
{
    struct peak *peak = user;
    peak->calls++;
    peak->rows += rows;
    for (size_t row = 0; row < rows; row++) {
        ret_worth[row] = 0.0;
        for (size_t h = 0; h < peak->horizon; h++) {
            ret_worth[row] -= choice[h * rows + row] == peak->best[h] ? 0.0 : 1.0;
            for (size_t i = 0; i < peak->parts; i++) {
                double value = (double) part[(h * rows + row) * peak->parts + i];
                assert_true(value >= 0.0 && value <= 1.0);
                ret_worth[row] -= (value - peak->part) * (value - peak->part);
            }
        }
    }
}

static void five_steps_are_found_together(void **state)
{
    (void) state;
    struct peak peak = {.horizon = 5, .parts = 2, .best = {3, 0, 2, 2, 1}, .part = 0.3};
    struct cross_entropy *planner = create((struct plan_space){.horizon = 5, .choices = 4, .parts = 2});
    uint32_t choice[5];
    float part[10];
    struct plan found = {.choice = choice, .part = part};
    cross_entropy_plan(planner, 1, &(struct plan_problem){NULL, peak_worth, &peak}, &found);
    assert_int_equal(peak.calls, 5);
    assert_int_equal(peak.rows, 1000);
    assert_memory_equal(choice, peak.best, sizeof choice);
    for (size_t i = 0; i < 10; i++)
        assert_true(fabs((double) part[i] - 0.3) < 0.3);
    cross_entropy_destroy(planner);
}

static void the_best_may_lie_at_an_edge_of_the_parts(void **state)
{
    (void) state;
    for (size_t edge = 0; edge < 2; edge++) {
        struct peak peak = {.horizon = 1, .parts = PLAN_PARTS_MAX, .best = {1}, .part = (double) edge};
        struct cross_entropy *planner =
            create((struct plan_space){.horizon = 1, .choices = 2, .parts = PLAN_PARTS_MAX});
        uint32_t choice = 0;
        float part[PLAN_PARTS_MAX];
        struct plan found = {.choice = &choice, .part = part};
        cross_entropy_plan(planner, 1, &(struct plan_problem){NULL, peak_worth, &peak}, &found);
        assert_int_equal(choice, 1);
        assert_true(found.worth > -0.02);
        cross_entropy_destroy(planner);
    }
}

static void what_is_not_allowed_is_never_drawn_nor_enumerated(void **state)
{
    (void) state;
    static const uint8_t allowed[] = {0, 1, 0, 1, 0, 0};
    struct peak peak = {.horizon = 2, .best = {2, 2}};
    const struct plan_space space = {.horizon = 2, .choices = 6};
    const struct plan_problem problem = {allowed, peak_worth, &peak};
    struct cross_entropy *planner = create(space);
    struct plan_grid *grid = create_grid(space, 1);
    uint32_t choice[2];
    float none;
    struct plan found = {.choice = choice, .part = &none};
    for (uint64_t decision = 0; decision < 20; decision++) {
        cross_entropy_plan(planner, decision, &problem, &found);
        assert_true(allowed[choice[0]] == 1 && allowed[choice[1]] == 1);
        assert_true(found.worth == -2.0);
    }
    peak.rows = 0;
    plan_grid_search(grid, &problem, &found);
    assert_int_equal(peak.rows, 4);
    assert_true(choice[0] == 1 && choice[1] == 1); /* of equals the first */
    cross_entropy_destroy(planner);
    plan_grid_destroy(grid);
}

static void the_same_decision_has_the_same_plan_and_another_has_other_draws(void **state)
{
    (void) state;
    struct peak peak = {.horizon = 1, .parts = 3, .best = {1}, .part = 0.4};
    const struct plan_problem problem = {NULL, peak_worth, &peak};
    struct cross_entropy *planner = create((struct plan_space){.horizon = 1, .choices = 3, .parts = 3});
    uint32_t choice = 0;
    float part[3][3];
    const uint64_t decisions[] = {5, 6, 5};
    for (size_t i = 0; i < 3; i++) {
        struct plan found = {.choice = &choice, .part = part[i]};
        cross_entropy_plan(planner, decisions[i], &problem, &found);
    }
    assert_memory_equal(part[0], part[2], sizeof part[0]);
    assert_memory_not_equal(part[0], part[1], sizeof part[0]);
    cross_entropy_destroy(planner);
}

/* The published answer: it need not be a candidate, but lies near the best. */
static void the_mean_of_the_last_refit_is_near_the_best(void **state)
{
    (void) state;
    struct peak peak = {.horizon = 1, .parts = 2, .best = {2}, .part = 0.7};
    struct cross_entropy_config config = {.space = {.horizon = 1, .choices = 3, .parts = 2},
                                          .candidates = 200,
                                          .elites = 20,
                                          .iterations = 5,
                                          .smoothing = 0.1,
                                          .narrowest = 0.01,
                                          .mean = true,
                                          .seed = 7};
    struct cross_entropy *planner = NULL;
    uint32_t choice = 0;
    float part[2];
    struct plan found = {.choice = &choice, .part = part};
    assert_int_equal(cross_entropy_create(&planner, &config), 0);
    cross_entropy_plan(planner, 4, &(struct plan_problem){NULL, peak_worth, &peak}, &found);
    assert_int_equal(choice, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(fabs((double) part[i] - 0.7) < 0.03);
    cross_entropy_destroy(planner);
}

/* Of one choice and one part: what the elites of an iteration were, and what the next one begins with. */
struct watch {
    double target;
    double mean; /* of the two best of the iteration before */
    size_t calls, others;
};

static void watch_worth(void *user, size_t rows, const uint32_t *choice, const float *part, double *ret_worth)
{
    struct watch *watch = user;
    (void) choice;
    if (watch->calls++ > 0)
        assert_true(fabs((double) part[0] - watch->mean) < 1e-6);
    size_t best[2] = {0, 1};
    for (size_t row = 0; row < rows; row++)
        ret_worth[row] = -fabs((double) part[row] - watch->target);
    for (size_t row = 0; row < rows; row++) {
        size_t worse = ret_worth[best[0]] < ret_worth[best[1]] ? 0 : 1;
        if (row > 1 && ret_worth[row] > ret_worth[best[worse]])
            best[worse] = row;
        watch->others += watch->calls > 3 && part[row] != part[0] ? 1 : 0;
    }
    watch->mean = 0.5 * ((double) part[best[0]] + (double) part[best[1]]);
}

static void watch_a_plan(double target, double narrowest, struct watch *ret_watch)
{
    const struct cross_entropy_config config = {.space = {.horizon = 1, .choices = 1, .parts = 1},
                                                .candidates = 100,
                                                .elites = 2,
                                                .iterations = 5,
                                                .smoothing = 0.1,
                                                .narrowest = narrowest,
                                                .seed = 7};
    struct cross_entropy *planner = NULL;
    uint32_t choice = 0;
    float part = 0.0f;
    struct plan found = {.choice = &choice, .part = &part};
    *ret_watch = (struct watch){.target = target};
    assert_int_equal(cross_entropy_create(&planner, &config), 0);
    cross_entropy_plan(planner, 1, &(struct plan_problem){NULL, watch_worth, ret_watch}, &found);
    assert_int_equal(ret_watch->calls, 5);
    cross_entropy_destroy(planner);
}

static void an_iteration_begins_with_the_mean_of_the_elites(void **state)
{
    (void) state;
    struct watch watch;
    watch_a_plan(0.37, 0.01, &watch);
}

/* All elites lie at the edge: without a least width every later candidate would be the same. */
static void a_gaussian_never_gets_narrower_than_it_may(void **state)
{
    (void) state;
    struct watch wide, none;
    watch_a_plan(1.0, 0.05, &wide);
    watch_a_plan(1.0, 0.0, &none);
    assert_true(wide.others > 50);
    assert_int_equal(none.others, 0);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    (void) state;
    const struct cross_entropy_config fine = {.space = {.horizon = 2, .choices = 3, .parts = 2},
                                              .candidates = 10,
                                              .elites = 2,
                                              .iterations = 2,
                                              .smoothing = 0.1};
    struct cross_entropy_config wrong[7];
    struct cross_entropy *planner = NULL;
    for (size_t i = 0; i < 7; i++)
        wrong[i] = fine;
    wrong[0].space.horizon = 0;
    wrong[1].space.choices = 0;
    wrong[2].space.parts = PLAN_PARTS_MAX + 1;
    wrong[3].elites = 11;
    wrong[4].smoothing = 0.0;
    wrong[5].iterations = 0;
    wrong[6].candidates = SIZE_MAX / 2;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(cross_entropy_create(&planner, &wrong[i]), ERR_RANGE);
    const struct plan_grid_config large = {
        .space = {.horizon = 5, .choices = 100, .parts = 3}, .levels = 10, .rows = 10};
    struct plan_grid *grid = NULL;
    assert_int_equal(plan_grid_create(&grid, &large), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_within_a_percent_of_enumeration_in_95_of_100_states),
        cmocka_unit_test(enumeration_asks_of_every_plan_of_the_grid),
        cmocka_unit_test(five_steps_are_found_together),
        cmocka_unit_test(the_best_may_lie_at_an_edge_of_the_parts),
        cmocka_unit_test(what_is_not_allowed_is_never_drawn_nor_enumerated),
        cmocka_unit_test(the_same_decision_has_the_same_plan_and_another_has_other_draws),
        cmocka_unit_test(the_mean_of_the_last_refit_is_near_the_best),
        cmocka_unit_test(an_iteration_begins_with_the_mean_of_the_elites),
        cmocka_unit_test(a_gaussian_never_gets_narrower_than_it_may),
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
