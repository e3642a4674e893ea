/* Where the search over a table of costs begins: all local, then at random places. The table here is made so that no
 * start can be left (every move gains less than what counts), and that more devices at servers cost less all the same:
 * so the best assignment is the best start, place by place. */
#include "orchestrator/policy/search/load_search.h"

#include "tests/unit/policy/slot.h"

#define LESS 0.9e-12  /* that a place at a server costs less: a move must gain 1e-12 */
#define CROWD_LOAD 8u /* devices at a server that a random start expects at most */
#define DEVICES_MAX 80u

/* Every place costs nearly nothing, under every load. */
static void fill_level(void *user, struct load_table *table, uint32_t load, uint32_t first, uint32_t last)
{
    (void) user;
    for (uint32_t m = first; m <= last; m++)
        for (uint32_t i = 0; i < table->count; i++) {
            uint32_t n = table->who[i];
            size_t at = load_table_at(table, n, m, load);
            bool covered = table->view->covered[(size_t) n * table->servers + m];
            table->cost[at] = covered ? 0.0 : HUGE_VAL;
            table->split[at] = (uint32_t) table->view->world->scenario.model.min_split;
        }
}

static void begin_level(struct load_table *table, const struct env_view *view)
{
    load_table_begin(table, view, fill_level, NULL);
    for (uint32_t i = 0; i < table->count; i++)
        table->local_cost[table->who[i]] = LESS;
}

/* The place that a start draws for a device, as documented: any of M servers or local with equal probability, of many
 * devices so few that CROWD_LOAD are expected at each server; local when the draw is not in reach. */
static uint32_t drawn_place(const struct env_view *view, uint32_t count, uint32_t n, uint32_t start)
{
    uint32_t servers = view->world->servers, places = servers + 1;
    struct rng_at at = {.seed = view->world->seed,
                        .phase = view->id.phase,
                        .stream = RNG_POLICY,
                        .entity = n,
                        .episode = view->id.episode,
                        .slot = view->id.slot};
    if (count / CROWD_LOAD > places)
        places = count / CROWD_LOAD;
    uint32_t place = rng_below(&at, start, places);
    return place < servers && view->covered[(size_t) n * servers + place] ? place : ENV_LOCAL;
}

static uint32_t draw_all(const struct load_table *table, uint32_t start, uint32_t *ret_place)
{
    uint32_t away = 0;
    for (uint32_t n = 0; n < table->devices; n++)
        ret_place[n] = ENV_LOCAL;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i];
        ret_place[n] = drawn_place(table->view, table->count, n, start);
        away += ret_place[n] != ENV_LOCAL ? 1 : 0;
    }
    return away;
}

/* The best of `starts` begins: the first of those that leave most devices at servers. */
static uint32_t best_start(const struct load_table *table, uint32_t starts, uint32_t *ret_place)
{
    uint32_t place[DEVICES_MAX], most = 0;
    for (uint32_t n = 0; n < table->devices; n++)
        ret_place[n] = ENV_LOCAL;
    for (uint32_t start = 1; start < starts; start++) {
        uint32_t away = draw_all(table, start, place);
        if (away < most + 2) /* one device gains less than what counts */
            continue;
        most = away;
        memcpy(ret_place, place, table->devices * sizeof *place);
    }
    return most;
}

static void check_starts(const char *const *keys, uint32_t starts)
{
    struct slot slot;
    struct load_table table;
    struct load_search search;
    uint32_t expected[DEVICES_MAX], away = 0;
    slot_open_plain(&slot, keys);
    assert_true(slot.world.devices <= DEVICES_MAX);
    assert_int_equal(load_table_init(&table, &slot.world, 4), 0);
    assert_int_equal(load_search_init(&search, &slot.world), 0);
    for (uint32_t e = 0; e < 20; e++) {
        slot_draw(&slot, e, 5, 0, 4);
        begin_level(&table, &slot.view);
        load_search_run(&search, &table, &(struct load_search_options){.starts = starts, .swaps = true});
        away += best_start(&table, starts, expected);
        for (uint32_t n = 0; n < slot.world.devices; n++)
            assert_int_equal(search.best[n], expected[n]);
    }
    assert_true(starts == 1 ? away == 0 : away > 20); /* random starts were really among the best */
    load_search_finish(&search);
    load_table_finish(&table);
    slot_close(&slot);
}

static void the_first_start_is_all_local(void **state)
{
    (void) state;
    check_starts((const char *[]){"devices.count=6", "servers.count=3", NULL}, 1);
}

static void every_other_start_is_drawn_among_the_servers_in_reach(void **state)
{
    (void) state;
    check_starts((const char *[]){"devices.count=6", "servers.count=3", NULL}, 2);
    check_starts((const char *[]){"devices.count=6", "servers.count=3", NULL}, 5);
}

static void of_many_devices_only_as_many_start_at_a_server_as_it_can_take(void **state)
{
    (void) state;
    check_starts((const char *[]){"devices.count=80", "servers.count=2", "servers.coverage_m=5000", NULL}, 2);
    check_starts((const char *[]){"devices.count=24", "servers.count=2", "servers.coverage_m=5000", NULL}, 2);
}

/* ---- with the true costs ---- */

static double cost_from(struct load_search *search, struct load_table *table, const uint32_t *start)
{
    load_search_run(search, table, &(struct load_search_options){.starts = 1, .warm = start, .swaps = false});
    return search->best_cost;
}

/* What three starts find is the least of what each of them finds. */
static void several_starts_find_the_best_of_what_each_finds(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=12", "servers.count=3", NULL};
    struct slot slot;
    struct load_table table;
    struct load_search search;
    uint32_t place[DEVICES_MAX], better = 0;
    slot_open_plain(&slot, keys);
    assert_int_equal(load_table_init(&table, &slot.world, 4), 0);
    assert_int_equal(load_search_init(&search, &slot.world), 0);
    for (uint32_t e = 0; e < 60; e++) {
        slot_draw(&slot, e, 0, 0, 0);
        load_table_model(&table, &slot.view);
        double least = cost_from(&search, &table, NULL), local = least;
        for (uint32_t start = 1; start < 3; start++) {
            (void) draw_all(&table, start, place);
            least = fmin(least, cost_from(&search, &table, place));
        }
        load_search_run(&search, &table, &(struct load_search_options){.starts = 3});
        assert_near(search.best_cost, least, 1e-11);
        better += search.best_cost < local - 1e-9 ? 1 : 0;
    }
    assert_true(better > 0); /* a random start was worth it */
    load_search_finish(&search);
    load_table_finish(&table);
    slot_close(&slot);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_start_is_all_local),
        cmocka_unit_test(every_other_start_is_drawn_among_the_servers_in_reach),
        cmocka_unit_test(of_many_devices_only_as_many_start_at_a_server_as_it_can_take),
        cmocka_unit_test(several_starts_find_the_best_of_what_each_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
