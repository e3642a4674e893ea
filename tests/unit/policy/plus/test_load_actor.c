/* The distilled actor alone, on tables of the true model: that it learns the searcher's loads, whom it leaves
 * for a second look, and its bytes. */
#include "orchestrator/policy/plus/load_actor.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "orchestrator/policy/search/load_search.h"
#include "tests/unit/policy/slot.h"

#define HIDDEN 16u

struct lab {
    struct slot slot;
    struct load_table table;
    struct load_search search;
    struct load_actor *actor;
    uint32_t *server; /* [N] */
};

static void lab_open(struct lab *lab, const char *const *keys)
{
    slot_open_plain(&lab->slot, keys);
    assert_int_equal(load_table_init(&lab->table, &lab->slot.world, 8), 0);
    assert_int_equal(load_search_init(&lab->search, &lab->slot.world), 0);
    assert_int_equal(load_actor_create(&lab->actor, &lab->slot.world, HIDDEN, 3e-3f), 0);
    lab->server = calloc(lab->slot.world.devices, sizeof *lab->server);
    assert_non_null(lab->server);
}

static void lab_close(struct lab *lab)
{
    free(lab->server);
    load_actor_destroy(lab->actor);
    load_search_finish(&lab->search);
    load_table_finish(&lab->table);
    slot_close(&lab->slot);
}

/* The search decides a slot; returns what it costs in sum. */
static double search(struct lab *lab, uint32_t episode)
{
    slot_draw(&lab->slot, episode, 0, 0, 6);
    load_table_model(&lab->table, &lab->slot.view);
    load_search_run(&lab->search, &lab->table, &(struct load_search_options){.starts = 3, .swaps = true});
    return lab->search.best_cost;
}

static void train(struct lab *lab, uint32_t first, uint32_t slots)
{
    for (uint32_t e = first; e < first + slots; e++) {
        (void) search(lab, e);
        load_actor_watch(lab->actor, &lab->table, lab->search.best_load);
        load_actor_update(lab->actor);
    }
}

/* Of what the actor decides, after `rounds`, over what the search does, less 1; on slots of its own. */
static double excess(struct lab *lab, uint32_t rounds)
{
    double sum = 0.0, least = 0.0;
    for (uint32_t e = 10000; e < 10030; e++) {
        least += search(lab, e);
        load_table_model(&lab->table, &lab->slot.view);
        load_actor_decide(lab->actor, &lab->table, lab->server);
        load_search_polish(&lab->search, &lab->table, lab->server, rounds);
        load_search_decide(&lab->search, &lab->table, &lab->slot.decision);
        sum += slot_cost(&lab->slot) * lab->slot.world.devices;
    }
    return sum / least - 1.0;
}

static void it_learns_how_many_devices_the_search_sends_where(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.seed=3", "devices.count=24", "servers.count=3", NULL};
    struct lab lab;
    lab_open(&lab, keys);
    double before = excess(&lab, 0);
    train(&lab, 0, 600);
    double alone = excess(&lab, 0), rounds = excess(&lab, 10);
    assert_true(alone < 0.1 && alone < 0.2 * before);
    assert_true(rounds < 0.01 && rounds < alone);
    lab_close(&lab);
}

static void of_many_devices_those_in_line_alone_get_a_second_look(void **state)
{
    (void) state;
    static const char *const keys[] = {"run.seed=5", "devices.count=150", "servers.count=2", NULL};
    struct lab lab;
    lab_open(&lab, keys);
    train(&lab, 0, 100);
    for (uint32_t e = 0; e < 10; e++) {
        (void) search(&lab, 20000 + e);
        load_table_model(&lab.table, &lab.slot.view);
        load_actor_decide(lab.actor, &lab.table, lab.server);
        uint32_t offloading = 0, seen = 0;
        for (uint32_t n = 0; n < 150; n++)
            offloading += lab.server[n] != ENV_LOCAL;
        for (uint32_t i = 0; i < lab.table.count; i++) {
            assert_true(i == 0 || lab.table.who[i - 1] < lab.table.who[i]);
            seen += lab.server[lab.table.who[i]] != ENV_LOCAL;
        }
        assert_int_equal(seen, offloading);
        assert_in_range(offloading, 1, 149);
        assert_in_range(lab.table.count, offloading, 2 * offloading + 2 * 16);
        assert_true(lab.table.count < 150);
    }
    lab_close(&lab);
}

/* Costs that no load changes, in quarters: many gains are equal. By pair. */
static double gain_of(uint32_t episode, uint32_t n, uint32_t m)
{
    struct rng_at at = {.seed = 3, .stream = RNG_SAMPLING, .entity = n, .episode = episode, .slot = m};
    return 0.25 * (double) rng_below(&at, 0, 8) - 0.25;
}

static void fill_alike(void *user, struct load_table *table, uint32_t load, uint32_t first, uint32_t last)
{
    const uint32_t *episode = user;
    for (uint32_t m = first; m <= last; m++)
        for (uint32_t i = 0; i < table->count; i++) {
            size_t at = load_table_at(table, table->who[i], m, load);
            table->cost[at] = 10.0 - gain_of(*episode, table->who[i], m);
            table->split[at] = 0;
        }
}

/* The higher gain is served first; of equals the lower device, and of its own the lower server. */
static bool goes_first(const double *gain, uint32_t servers, const uint32_t *a, const uint32_t *b)
{
    double of_a = gain[a[0] * servers + a[1]], of_b = gain[b[0] * servers + b[1]];
    return of_a != of_b ? of_a > of_b : a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

/* Whoever comes before somebody that a server takes is taken there, or where it gains more. */
static void those_who_gain_most_are_admitted_first_each_to_where_it_gains_most(void **state)
{
    (void) state;
    enum { DEVICES = 24, SERVERS = 3 };
    static const char *const keys[] = {"run.seed=3", "devices.count=24", "servers.count=3", NULL};
    struct lab lab;
    uint32_t turned_away = 0, not_to_the_best = 0;
    lab_open(&lab, keys);
    train(&lab, 0, 60);
    for (uint32_t e = 0; e < 30; e++) {
        double gain[DEVICES * SERVERS];
        slot_draw(&lab.slot, e, 0, 0, 0);
        load_table_begin(&lab.table, &lab.slot.view, fill_alike, &e);
        for (uint32_t n = 0; n < DEVICES; n++) {
            lab.table.local_cost[n] = 10.0;
            for (uint32_t m = 0; m < SERVERS; m++)
                gain[n * SERVERS + m] = gain_of(e, n, m);
        }
        load_actor_decide(lab.actor, &lab.table, lab.server);
        for (uint32_t n = 0; n < DEVICES; n++) {
            uint32_t taken[2] = {n, lab.server[n]};
            if (taken[1] == ENV_LOCAL)
                continue;
            assert_true(gain[n * SERVERS + taken[1]] > 0.0);
            for (uint32_t i = 0; i < DEVICES; i++) {
                uint32_t other[2] = {i, taken[1]}, own[2] = {i, lab.server[i]};
                if (!goes_first(gain, SERVERS, other, taken))
                    continue;
                assert_int_not_equal(own[1], ENV_LOCAL);
                assert_true(own[1] == other[1] || goes_first(gain, SERVERS, own, other));
            }
        }
        for (uint32_t n = 0; n < DEVICES; n++)
            for (uint32_t m = 0; m < SERVERS; m++) {
                turned_away += lab.server[n] == ENV_LOCAL && gain[n * SERVERS + m] > 0.0;
                not_to_the_best +=
                    lab.server[n] != ENV_LOCAL && gain[n * SERVERS + m] > gain[n * SERVERS + lab.server[n]];
            }
    }
    assert_true(turned_away > 0 && not_to_the_best > 0); /* or nothing was full */
    lab_close(&lab);
}

static void where_nobody_has_a_task_or_no_server_is_up_all_are_local(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=6", "servers.count=2", NULL};
    struct lab lab;
    lab_open(&lab, keys);
    train(&lab, 0, 20);
    slot_draw(&lab.slot, 1, 1, 0, 0); /* every device is absent */
    load_table_model(&lab.table, &lab.slot.view);
    load_actor_decide(lab.actor, &lab.table, lab.server);
    for (uint32_t n = 0; n < 6; n++)
        assert_int_equal(lab.server[n], ENV_LOCAL);
    slot_draw(&lab.slot, 1, 0, 1, 0); /* every server is down */
    load_table_model(&lab.table, &lab.slot.view);
    load_actor_decide(lab.actor, &lab.table, lab.server);
    for (uint32_t n = 0; n < 6; n++)
        assert_int_equal(lab.server[n], ENV_LOCAL);
    lab_close(&lab);
}

static void its_state_goes_on_with_the_same_bits_and_is_refused_when_cut_or_damaged(void **state)
{
    (void) state;
    static const char *const keys[] = {"devices.count=5", "servers.count=2", NULL};
    struct lab lab, other;
    struct buf bytes = {0}, a = {0}, b = {0};
    lab_open(&lab, keys);
    lab_open(&other, keys);
    train(&lab, 0, 30);
    assert_int_equal(load_actor_save(lab.actor, true, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size += 13) {
        const uint8_t *at = bytes.data;
        size_t left = size;
        assert_int_equal(load_actor_load(other.actor, true, &at, &left, NULL), ERR_TRUNCATED);
    }
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    assert_int_equal(load_actor_load(other.actor, true, &at, &left, NULL), 0);
    assert_int_equal(left, 0);
    train(&lab, 30, 10);
    train(&other, 30, 10);
    assert_int_equal(load_actor_save(lab.actor, true, &a), 0);
    assert_int_equal(load_actor_save(other.actor, true, &b), 0);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    float infinite = INFINITY;
    memcpy(bytes.data + bytes.size - sizeof infinite, &infinite, sizeof infinite);
    at = bytes.data;
    left = bytes.size;
    assert_int_equal(load_actor_load(other.actor, true, &at, &left, NULL), ERR_CORRUPT);
    lab_close(&lab);
    lab_close(&other);
    buf_finish(&bytes);
    buf_finish(&a);
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns_how_many_devices_the_search_sends_where),
        cmocka_unit_test(of_many_devices_those_in_line_alone_get_a_second_look),
        cmocka_unit_test(those_who_gain_most_are_admitted_first_each_to_where_it_gains_most),
        cmocka_unit_test(where_nobody_has_a_task_or_no_server_is_up_all_are_local),
        cmocka_unit_test(its_state_goes_on_with_the_same_bits_and_is_refused_when_cut_or_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
