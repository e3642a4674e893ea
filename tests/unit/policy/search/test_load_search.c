/* The search over a table of costs by (device, server, load). */
#include "orchestrator/policy/search/load_search.h"

#include "tests/unit/policy/slot.h"

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
    slot_open_plain(&slot, keys);
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
    slot_open_plain(&slot, keys);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_the_last_round_no_move_and_no_exchange_helps),
        cmocka_unit_test(a_round_of_moves_never_makes_it_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
