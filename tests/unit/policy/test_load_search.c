/* The search over a table of costs by (device, server, load), and who has changed. */
#include "orchestrator/policy/plus/node_drift.h"
#include "orchestrator/policy/search/load_search.h"

#include <stdio.h>

#include "tests/unit/policy/slot.h"

static double cost_of(struct slot *slot, const char *name)
{
    struct policy policy = slot_policy(slot, name);
    double cost = slot_decide(slot, &policy);
    policy_destroy(&policy);
    return cost;
}

static void many_starts_come_close_to_the_optimum_and_never_below_it(void **state)
{
    (void) state;
    double sum = 0.0, least = 0.0;
    for (uint32_t w = 0; w < 6; w++) {
        char seed[32];
        const char *keys[] = {seed, "devices.count=7", "servers.count=3", NULL};
        (void) snprintf(seed, sizeof seed, "run.seed=%u", w);
        struct slot slot;
        slot_open(&slot, keys);
        for (uint32_t e = 0; e < 6; e++) {
            slot_draw(&slot, e, e % 4 == 3 ? 3 : 0, e % 5 == 4 ? 2 : 0, e % 3 == 0 ? 0 : 4);
            double found = cost_of(&slot, "multi-start"), optimum = cost_of(&slot, "optimum");
            assert_true(found >= optimum - 1e-9);
            sum += found;
            least += optimum;
        }
        slot_close(&slot);
    }
    assert_true(sum <= 1.002 * least);
}

/* Of all, with devices n and o at other places than the search's; HUGE_VAL when one cannot be there. */
static double cost_if(const struct load_search *search, struct load_table *table, const struct slot *slot,
                      uint32_t n, uint32_t at_n, uint32_t o, uint32_t at_o)
{
    struct load_search other;
    uint32_t moved[6];
    memcpy(moved, search->best, sizeof moved);
    moved[n] = at_n;
    moved[o] = at_o;
    assert_int_equal(load_search_init(&other, &slot->world), 0);
    load_search_polish(&other, table, moved, 0);
    double cost = other.best_cost;
    load_search_finish(&other);
    return cost;
}

static void after_the_last_round_no_move_and_no_exchange_helps(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=6", "servers.count=2", NULL};
    static const uint32_t local[] = {ENV_LOCAL, ENV_LOCAL, ENV_LOCAL, ENV_LOCAL, ENV_LOCAL, ENV_LOCAL};
    static const uint32_t place[] = {0, 1, ENV_LOCAL};
    struct slot slot;
    struct load_table table;
    struct load_search search;
    slot_open(&slot, keys);
    assert_int_equal(load_table_init(&table, &slot.world, 1), 0);
    assert_int_equal(load_search_init(&search, &slot.world), 0);
    for (uint32_t e = 0; e < 40; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        load_table_model(&table, &slot.view);
        load_search_polish(&search, &table, local, 100);
        for (uint32_t n = 0; n < 6; n++) {
            for (uint32_t p = 0; p < 3; p++)
                assert_true(cost_if(&search, &table, &slot, n, place[p], n, place[p]) >=
                            search.best_cost - 1e-9);
            for (uint32_t o = 0; o < n; o++)
                assert_true(cost_if(&search, &table, &slot, n, search.best[o], o, search.best[n]) >=
                            search.best_cost - 1e-9);
        }
    }
    load_search_finish(&search);
    load_table_finish(&table);
    slot_close(&slot);
}

static void a_round_of_moves_never_makes_it_worse(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=8", NULL};
    struct slot slot;
    struct load_table table;
    struct load_search search;
    slot_open(&slot, keys);
    assert_int_equal(load_table_init(&table, &slot.world, 2), 0);
    assert_int_equal(load_search_init(&search, &slot.world), 0);
    for (uint32_t e = 0; e < 10; e++) {
        uint32_t crowd[8];
        slot_draw(&slot, e, 0, 0, 0);
        for (uint32_t n = 0; n < 8; n++)
            crowd[n] = slot.view.covered[n * 3] ? 0 : ENV_LOCAL;
        load_table_model(&table, &slot.view);
        load_search_polish(&search, &table, crowd, 0);
        double before = search.best_cost;
        load_search_polish(&search, &table, crowd, 1);
        double after = search.best_cost;
        assert_true(after < before);
        load_search_polish(&search, &table, crowd, 50);
        assert_true(search.best_cost <= after);
        load_search_decide(&search, &table, &slot.decision);
        assert_near(slot_cost(&slot) * 8.0, search.best_cost, 1e-9);
    }
    load_search_finish(&search);
    load_table_finish(&table);
    slot_close(&slot);
}

/* ---- who has changed ---- */

#define QUIET 0.003f

/* Residuals as usual, a little to both sides. */
static bool observe_usual(struct node_drift *shift, uint32_t node, uint32_t i)
{
    float residual[NODE_DRIFT_OUTPUTS] = {i % 2 == 0 ? QUIET : -QUIET, i % 3 == 0 ? QUIET : -QUIET / 2.0f};
    return node_drift_observe(shift, node, residual);
}

static void a_node_that_halves_its_speed_is_noticed_within_a_window_and_forgiven_later(void **state)
{
    (void) state;
    static const float slow[NODE_DRIFT_OUTPUTS] = {0.6931f, 0.6931f},
                       normal[NODE_DRIFT_OUTPUTS] = {0.001f, 0.0f};
    struct node_drift shift;
    assert_int_equal(node_drift_init(&shift, 3), 0);
    for (uint32_t i = 0; i < 3000; i++)
        assert_false(observe_usual(&shift, i % 3, i / 3));
    for (uint32_t i = 0; i < NODE_DRIFT_WINDOW; i++)
        assert_true(node_drift_observe(&shift, 1, slow));
    for (uint32_t k = 0; k < NODE_DRIFT_OUTPUTS; k++) {
        assert_true(fabsf(shift.node[1].shift[k] - slow[k]) < 0.01f);
        assert_true(shift.node[0].shift[k] == 0.0f && shift.node[2].shift[k] == 0.0f);
    }
    for (uint32_t i = 0; i < NODE_DRIFT_WINDOW; i++)
        (void) node_drift_observe(&shift, 1, normal);
    assert_true(shift.node[1].shift[0] == 0.0f);
    node_drift_finish(&shift);
}

static void one_odd_task_on_a_noisy_node_changes_nothing(void **state)
{
    (void) state;
    struct node_drift shift;
    float odd[NODE_DRIFT_OUTPUTS] = {0.5f, 0.5f};
    assert_int_equal(node_drift_init(&shift, 1), 0);
    for (uint32_t i = 0; i < 4000; i++) {
        float noisy[NODE_DRIFT_OUTPUTS] = {i % 2 == 0 ? 0.2f : -0.2f, 0.1f};
        (void) node_drift_observe(&shift, 0, noisy);
    }
    assert_false(node_drift_observe(&shift, 0, odd));
    assert_true(shift.node[0].shift[0] == 0.0f);
    node_drift_finish(&shift);
}

static void nobody_is_suspected_while_the_model_is_young(void **state)
{
    (void) state;
    static const float far[NODE_DRIFT_OUTPUTS] = {2.0f, 2.0f};
    struct node_drift shift;
    assert_int_equal(node_drift_init(&shift, 2), 0);
    for (uint32_t i = 0; i < 200; i++)
        assert_false(node_drift_observe(&shift, i % 2, far));
    node_drift_finish(&shift);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_starts_come_close_to_the_optimum_and_never_below_it),
        cmocka_unit_test(after_the_last_round_no_move_and_no_exchange_helps),
        cmocka_unit_test(a_round_of_moves_never_makes_it_worse),
        cmocka_unit_test(a_node_that_halves_its_speed_is_noticed_within_a_window_and_forgiven_later),
        cmocka_unit_test(one_odd_task_on_a_noisy_node_changes_nothing),
        cmocka_unit_test(nobody_is_suspected_while_the_model_is_young),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
