/* Prices of a packing and its fractional solution: each is checked by what the other proves, neither is trusted. */
#include "core/assign/packing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/assign/transport.h"
#include "core/base/rng.h"
#include "tests/lib/memory_each.h"

#define TASKS_MAX 200u
#define ROWS_MAX 15u

static double draw(uint32_t seed, uint32_t number, uint32_t which)
{
    const struct rng_at at = {.seed = seed, .slot = number};
    return rng_u01(rng_block(&at, 0).v[which]);
}

static int add(struct packing *packing, uint32_t task, double worth, const struct packing_use *use,
               uint32_t uses)
{
    const struct packing_column column = {.worth = worth, .task = task, .uses = uses, .tag = task};
    return packing_add(packing, &column, use);
}

/* D at the prices, by its definition. */
static double dual(const struct packing *packing)
{
    double best[TASKS_MAX] = {0}, sum = 0.0;
    for (size_t k = 0; k < packing->columns; k++) {
        const struct packing_column *column = &packing->column[k];
        double reduced = column->worth;
        for (uint32_t i = 0; i < column->uses; i++)
            reduced -=
                packing->use[column->first + i].amount * packing->price[packing->use[column->first + i].row];
        best[column->task] = fmax(best[column->task], reduced);
    }
    for (uint32_t r = 0; r < packing->rows; r++) {
        assert_true(packing->price[r] > 0.0);
        sum += packing->capacity[r] * packing->price[r];
    }
    for (uint32_t i = 0; i < packing->tasks; i++)
        sum += best[i];
    return sum;
}

/* What the x are worth; they keep to every row and every task. */
static double primal(const struct packing *packing)
{
    double used[ROWS_MAX] = {0}, part[TASKS_MAX] = {0}, sum = 0.0;
    for (size_t k = 0; k < packing->columns; k++) {
        const struct packing_column *column = &packing->column[k];
        assert_true(column->x >= 0.0 && column->tag == column->task);
        part[column->task] += column->x;
        sum += column->x * column->worth;
        for (uint32_t i = 0; i < column->uses; i++)
            used[packing->use[column->first + i].row] += packing->use[column->first + i].amount * column->x;
    }
    for (uint32_t r = 0; r < packing->rows; r++)
        assert_true(used[r] <= packing->capacity[r]);
    for (uint32_t i = 0; i < packing->tasks; i++)
        assert_true(part[i] <= 1.0);
    return sum;
}

static void check(struct packing *packing, double gap)
{
    struct packing_result result;
    assert_int_equal(packing_solve(packing, gap, &result), 0);
    double above = dual(packing), below = primal(packing);
    assert_true(fabs(result.bound - above) <= 1e-9 * above);
    assert_true(fabs(result.attained - below) <= 1e-9 * above);
    if (below < (1.0 - gap) * above - 1e-12)
        fail_msg("%g below %g", below, above);
}

/* `per` columns of each task, over rows of three kinds as servers have them. */
static void fill(struct packing *packing, uint32_t seed, uint32_t per)
{
    for (uint32_t r = 0; r < packing->rows; r++)
        packing->capacity[r] = 0.5 + draw(seed, 1000000 + r, 0);
    for (uint32_t k = 0; k < packing->tasks * per; k++) {
        uint32_t server = (uint32_t) (draw(seed, k, 0) * (packing->rows / 3)) * 3;
        const struct packing_use use[3] = {{server, 0.1 * draw(seed, k, 1)},
                                           {server + 1, 0.1 * draw(seed, k, 2)},
                                           {server + 2, k % 7 == 0 ? 0.0 : 0.02}};
        assert_int_equal(add(packing, k % packing->tasks, draw(seed, k, 3) - 0.1, use, 3), 0);
    }
}

static void prices_and_parts_prove_one_another(void **state)
{
    (void) state;
    for (uint32_t seed = 0; seed < 60; seed++) {
        struct packing packing;
        assert_int_equal(packing_init(&packing, 1 + seed * 3, 3 + seed % 5 * 3), 0);
        fill(&packing, seed, 1 + seed % 9);
        check(&packing, 1e-6);
        packing_finish(&packing);
    }
}

static void where_shares_are_full_the_bound_is_the_exact_assignment(void **state)
{
    (void) state;
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct packing packing;
        struct transport_solver solver;
        double worth[40 * 4];
        uint32_t room[4] = {3, 5, 7, seed}, place[40];
        assert_int_equal(packing_init(&packing, 40, 4), 0);
        for (uint32_t m = 0; m < 4; m++)
            packing.capacity[m] = room[m] > 0 ? room[m] : 1e-9;
        for (uint32_t k = 0; k < 40 * 4; k++) {
            const struct packing_use use = {k % 4, 1.0};
            worth[k] = draw(seed, k, 0) - 0.2;
            assert_int_equal(add(&packing, k / 4, worth[k], &use, 1), 0);
        }
        check(&packing, 1e-7);
        const struct transport problem = {.tasks = 40, .places = 4, .worth = worth, .room = room};
        assert_int_equal(transport_init(&solver, 40, 4), 0);
        double most = transport_solve(&solver, &problem, place);
        assert_true(dual(&packing) >= most - 1e-9 && dual(&packing) <= most * (1.0 + 1e-6));
        transport_finish(&solver);
        packing_finish(&packing);
    }
}

static void it_goes_on_from_its_prices_when_columns_come_and_go(void **state)
{
    (void) state;
    struct packing packing;
    assert_int_equal(packing_init(&packing, 100, 6), 0);
    fill(&packing, 3, 6);
    check(&packing, 1e-5);
    size_t before = packing.columns;
    double bound = dual(&packing);
    packing_drop(&packing, 1e-3 * bound);
    assert_true(packing.columns < before && packing.columns > 100);
    check(&packing, 1e-5);
    assert_true(fabs(dual(&packing) - bound) < 1e-4 * bound); /* what was dropped had no part in it */
    const struct packing_use use = {0, 0.01};
    assert_int_equal(add(&packing, 7, 3.0, &use, 1), 0);
    check(&packing, 1e-5);
    assert_true(dual(&packing) > bound + 1.0);
    packing_finish(&packing);
}

static void capacities_that_nobody_needs_have_no_price_and_nothing_has_no_worth(void **state)
{
    (void) state;
    struct packing packing;
    struct packing_result result;
    assert_int_equal(packing_init(&packing, 2, 2), 0);
    check(&packing, 1e-6); /* no columns */
    assert_true(dual(&packing) < 1e-12);
    const struct packing_use use[2] = {{0, 0.4}, {1, 0.0}};
    assert_int_equal(add(&packing, 0, -1.0, use, 2), 0);
    check(&packing, 1e-6);
    assert_true(dual(&packing) < 1e-12);
    packing.price[0] = packing.price[1] = 1.0;
    assert_int_equal(add(&packing, 0, 2.0, use, 2), 0);
    assert_int_equal(add(&packing, 1, 1.0, use, 2), 0);
    assert_int_equal(packing_solve(&packing, 1e-9, &result), 0);
    assert_true(fabs(result.bound - 3.0) < 1e-8 && packing.price[0] < 1e-8 && packing.price[1] < 1e-8);
    packing_finish(&packing);
}

static int make_and_solve(void *user, struct diag *diag)
{
    struct packing packing;
    struct packing_result result;
    const struct packing_use use = {0, 0.5};
    (void) user;
    (void) diag;
    int rc = packing_init(&packing, 2, 1);
    if (rc != 0)
        return rc;
    for (uint32_t k = 0; k < 4 && rc == 0; k++)
        rc = add(&packing, k % 2, 1.0, &use, 1);
    if (rc == 0)
        rc = packing_solve(&packing, 1e-3, &result);
    packing_finish(&packing);
    return rc;
}

static void without_memory_it_says_so(void **state)
{
    (void) state;
    memory_each(make_and_solve, NULL, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prices_and_parts_prove_one_another),
        cmocka_unit_test(where_shares_are_full_the_bound_is_the_exact_assignment),
        cmocka_unit_test(it_goes_on_from_its_prices_when_columns_come_and_go),
        cmocka_unit_test(capacities_that_nobody_needs_have_no_price_and_nothing_has_no_worth),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
