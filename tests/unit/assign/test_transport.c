/* The exact assignment against every assignment there is, and what it promises of ties, rooms and worthless places. */
#include "core/assign/transport.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "tests/lib/memory_each.h"

#define TASKS 200u
#define PLACES 5u

struct instance {
    struct transport problem;
    double worth[TASKS * PLACES];
    uint32_t room[PLACES];
};

/* A draw of 0 .. below - 1. */
static uint32_t draw(uint32_t seed, uint32_t number, uint32_t below)
{
    const struct rng_at at = {.seed = seed, .slot = number};
    return (uint32_t) ((uint64_t) rng_block(&at, 0).v[0] * below >> 32);
}

/* `levels`: how many worths there are, from below 0 to 1; few make ties. */
static void make(struct instance *instance, uint32_t seed, uint32_t tasks, uint32_t places, uint32_t levels)
{
    for (uint32_t i = 0; i < tasks * places; i++)
        instance->worth[i] = (double) draw(seed, i, levels) / (double) levels - 0.2;
    for (uint32_t m = 0; m < places; m++)
        instance->room[m] = draw(seed, 1000 + m, tasks / places + 2);
    instance->problem = (struct transport){
        .tasks = tasks, .places = places, .worth = instance->worth, .room = instance->room};
}

static double most_from(const struct transport *problem, uint32_t task, uint32_t *room)
{
    if (task == problem->tasks)
        return 0.0;
    double most = most_from(problem, task + 1, room);
    for (uint32_t m = 0; m < problem->places; m++) {
        double worth = problem->worth[(size_t) task * problem->places + m];
        if (room[m] == 0 || worth <= 0.0)
            continue;
        room[m]--;
        worth += most_from(problem, task + 1, room);
        room[m]++;
        most = worth > most ? worth : most;
    }
    return most;
}

static double solve_once(const struct transport *problem, uint32_t *ret_place)
{
    struct transport_solver solver;
    assert_int_equal(transport_init(&solver, problem->tasks, problem->places), 0);
    double worth = transport_solve(&solver, problem, ret_place);
    transport_finish(&solver);
    return worth;
}

/* Its places keep to the rooms, and are worth what it says. */
static double solve(const struct transport *problem, uint32_t *ret_place)
{
    uint32_t used[PLACES] = {0};
    double said = solve_once(problem, ret_place), worth = 0.0;
    for (uint32_t i = 0; i < problem->tasks; i++) {
        if (ret_place[i] == TRANSPORT_NOWHERE)
            continue;
        assert_true(ret_place[i] < problem->places);
        used[ret_place[i]]++;
        assert_true(problem->worth[(size_t) i * problem->places + ret_place[i]] > 0.0);
        worth += problem->worth[(size_t) i * problem->places + ret_place[i]];
    }
    for (uint32_t m = 0; m < problem->places; m++)
        assert_true(used[m] <= problem->room[m]);
    assert_true(worth == said);
    return said;
}

static void what_is_worth_most_is_found_among_all_assignments(void **state)
{
    (void) state;
    uint32_t full = 0;
    for (uint32_t seed = 0; seed < 600; seed++) {
        struct instance instance;
        uint32_t place[TASKS];
        make(&instance, seed, 1 + seed % 6, 1 + seed / 6 % 3, seed % 2 == 0 ? 1u << 20 : 5);
        double worth = solve(&instance.problem, place);
        double most = most_from(&instance.problem, 0, instance.room);
        if (fabs(worth - most) > 1e-12)
            fail_msg("instance %u: %.17g, all assignments give %.17g", seed, worth, most);
        for (uint32_t i = 0; i < instance.problem.tasks; i++)
            full += place[i] == TRANSPORT_NOWHERE;
    }
    assert_true(full > 200); /* some were hard: tasks competed for room */
}

/* Of two tasks, each to where the other is; or one alone to where there is room. */
static void in_a_large_one_no_exchange_and_no_move_is_worth_more(void **state)
{
    (void) state;
    struct instance instance;
    uint32_t place[TASKS], left[PLACES];
    make(&instance, 7, TASKS, PLACES, 1u << 20);
    for (uint32_t m = 0; m < PLACES; m++)
        left[m] = instance.room[m] = 20 + 5 * m;
    (void) solve(&instance.problem, place);
    for (uint32_t i = 0; i < TASKS; i++)
        if (place[i] != TRANSPORT_NOWHERE)
            left[place[i]]--;
    for (uint32_t i = 0; i < TASKS; i++) {
        const double *own = &instance.worth[i * PLACES];
        double here = place[i] == TRANSPORT_NOWHERE ? 0.0 : own[place[i]];
        for (uint32_t m = 0; m < PLACES; m++)
            assert_true(left[m] == 0 || own[m] <= here + 1e-12);
        for (uint32_t k = 0; k < TASKS; k++) {
            if (place[k] == TRANSPORT_NOWHERE || place[k] == place[i])
                continue;
            const double *other = &instance.worth[k * PLACES];
            double back = place[i] == TRANSPORT_NOWHERE ? 0.0 : fmax(0.0, other[place[i]]);
            assert_true(own[place[k]] + back <= here + other[place[k]] + 1e-12);
        }
    }
}

static void of_equals_the_lowest_numbers_come_first(void **state)
{
    (void) state;
    const double worth[10] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    const uint32_t room[2] = {2, 1};
    const struct transport problem = {.tasks = 5, .places = 2, .worth = worth, .room = room};
    const uint32_t wanted[5] = {0, 0, 1, TRANSPORT_NOWHERE, TRANSPORT_NOWHERE};
    uint32_t place[5];
    double sum = solve_once(&problem, place);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(place[i], wanted[i]);
    assert_true(sum == 1.5);
}

static void what_is_worth_nothing_goes_nowhere(void **state)
{
    (void) state;
    const double worth[4] = {0.0, -1.0, (double) NAN, -(double) INFINITY};
    const uint32_t room[1] = {4};
    const struct transport problem = {.tasks = 4, .places = 1, .worth = worth, .room = room};
    uint32_t place[4];
    double sum = solve_once(&problem, place);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(place[i], TRANSPORT_NOWHERE);
    assert_true(sum == 0.0);
}

static void one_solver_solves_one_problem_after_the_other(void **state)
{
    (void) state;
    struct transport_solver solver;
    assert_int_equal(transport_init(&solver, 6, 3), 0);
    for (uint32_t seed = 0; seed < 50; seed++) {
        struct instance instance;
        uint32_t place[TASKS], again[TASKS];
        make(&instance, seed, 1 + seed * 5 % 6, 3, 5);
        double worth = transport_solve(&solver, &instance.problem, place);
        assert_true(worth == solve_once(&instance.problem, again));
        assert_memory_equal(place, again, instance.problem.tasks * sizeof *place);
    }
    transport_finish(&solver);
}

static int make_scarcely(void *user, struct diag *diag)
{
    struct transport_solver solver;
    (void) user;
    (void) diag;
    int rc = transport_init(&solver, 6, 3);
    if (rc == 0)
        transport_finish(&solver);
    return rc;
}

static void without_memory_it_says_so(void **state)
{
    (void) state;
    memory_each(make_scarcely, NULL, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_worth_most_is_found_among_all_assignments),
        cmocka_unit_test(in_a_large_one_no_exchange_and_no_move_is_worth_more),
        cmocka_unit_test(of_equals_the_lowest_numbers_come_first),
        cmocka_unit_test(what_is_worth_nothing_goes_nowhere),
        cmocka_unit_test(one_solver_solves_one_problem_after_the_other),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
