#include "orchestrator/policy/search/load_search.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/env_splits.h"

#define ROUNDS_MAX 100u /* far above what is ever needed (3 to 8) */
#define GAIN_MIN 1e-12  /* a move must gain more than rounding */
#define START_LOAD 8u   /* devices at a server that a random start expects at most [house] */

int load_search_init(struct load_search *ret_search, const struct world *world)
{
    struct load_search search = {.devices = world->devices, .servers = world->servers};
    search.server = calloc(world->devices, sizeof *search.server);
    search.best = calloc(world->devices, sizeof *search.best);
    search.load = calloc(world->servers, sizeof *search.load);
    search.best_load = calloc(world->servers, sizeof *search.best_load);
    search.group = calloc(3 * (size_t) world->servers, sizeof *search.group);
    *ret_search = search;
    bool whole = search.server != NULL && search.best != NULL && search.load != NULL &&
                 search.best_load != NULL && search.group != NULL;
    return whole ? 0 : -ENOMEM;
}

void load_search_finish(struct load_search *search)
{
    free(search->server);
    free(search->best);
    free(search->load);
    free(search->best_load);
    free(search->group);
    *search = (struct load_search){0};
}

/* ---- costs ---- */

/* What the devices at m cost together if there were `load` of them. */
static double sum_at(const struct load_search *search, struct load_table *table, uint32_t m, uint32_t load)
{
    if (!load_table_need(table, m, load))
        return HUGE_VAL; /* out of memory: that load is out of reach */
    if (load == 0)
        return 0.0;
    const double *cost = table->cost + load_table_at(table, 0, m, load);
    double sum = 0.0;
    for (uint32_t i = 0; i < table->count; i++)
        sum += search->server[table->who[i]] == m ? cost[table->who[i]] : 0.0;
    return sum;
}

static void price_group(struct load_search *search, struct load_table *table, uint32_t m)
{
    uint32_t load = search->load[m];
    double *group = search->group + 3 * (size_t) m;
    group[0] = load > 0 ? sum_at(search, table, m, load - 1) : 0.0;
    group[1] = sum_at(search, table, m, load);
    group[2] = sum_at(search, table, m, load + 1);
}

static double cost_at(const struct load_table *table, uint32_t n, uint32_t m, uint32_t load)
{
    if (m == ENV_LOCAL)
        return table->local_cost[n];
    return load <= table->loads ? table->cost[load_table_at(table, n, m, load)] : HUGE_VAL;
}

static double total(const struct load_search *search, const struct load_table *table)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < table->count; i++)
        if (search->server[table->who[i]] == ENV_LOCAL)
            sum += table->local_cost[table->who[i]];
    for (uint32_t m = 0; m < search->servers; m++)
        sum += search->group[3 * (size_t) m + 1];
    return sum;
}

/* ---- moves ---- */

/* Of all, if device n were at m instead of nowhere. */
static double entry_cost(const struct load_search *search, const struct load_table *table, uint32_t n,
                         uint32_t m)
{
    const double *group = search->group + 3 * (size_t) m;
    return cost_at(table, n, m, search->load[m] + 1) + group[2] - group[1];
}

/* What all cost less if device n left the place where it is. */
static double leave_gain(const struct load_search *search, const struct load_table *table, uint32_t n)
{
    uint32_t m = search->server[n];
    if (m == ENV_LOCAL)
        return table->local_cost[n];
    const double *group = search->group + 3 * (size_t) m;
    uint32_t load = search->load[m];
    assert(load > 0); /* the device itself is there */
    double others = load > 1 ? group[0] - cost_at(table, n, m, load - 1) : 0.0;
    return group[1] - others;
}

static void put(struct load_search *search, struct load_table *table, uint32_t n, uint32_t to)
{
    uint32_t from = search->server[n];
    search->server[n] = to;
    if (from != ENV_LOCAL) {
        assert(search->load[from] > 0);
        search->load[from]--;
        price_group(search, table, from);
    }
    if (to != ENV_LOCAL) {
        search->load[to]++;
        price_group(search, table, to);
    }
}

static bool move(struct load_search *search, struct load_table *table, uint32_t n)
{
    uint32_t from = search->server[n], best = from;
    double present = leave_gain(search, table, n), least = present - GAIN_MIN;
    if (from != ENV_LOCAL && table->local_cost[n] < least) {
        least = table->local_cost[n];
        best = ENV_LOCAL;
    }
    for (uint32_t m = 0; m < search->servers; m++) {
        double cost = m == from ? HUGE_VAL : entry_cost(search, table, n, m);
        if (cost < least) {
            least = cost;
            best = m;
        }
    }
    if (best == from)
        return false;
    put(search, table, n, best);
    return true;
}

/* Exchanges the places of two devices if that helps: loads stay as they are. */
static bool swap(struct load_search *search, struct load_table *table, uint32_t n, uint32_t o)
{
    uint32_t a = search->server[n], b = search->server[o];
    if (a == b)
        return false;
    uint32_t load_a = a == ENV_LOCAL ? 0 : search->load[a], load_b = b == ENV_LOCAL ? 0 : search->load[b];
    double before = cost_at(table, n, a, load_a) + cost_at(table, o, b, load_b);
    double after = cost_at(table, n, b, load_b) + cost_at(table, o, a, load_a);
    if (!(after < before - GAIN_MIN))
        return false;
    search->server[n] = b;
    search->server[o] = a;
    if (a != ENV_LOCAL)
        price_group(search, table, a);
    if (b != ENV_LOCAL)
        price_group(search, table, b);
    return true;
}

static void descend(struct load_search *search, struct load_table *table, bool swaps, uint32_t rounds)
{
    bool moved = true;
    for (uint32_t round = 0; moved && round < rounds; round++) {
        moved = false;
        for (uint32_t i = 0; i < table->count; i++)
            moved = move(search, table, table->who[i]) || moved;
        for (uint32_t i = 0; swaps && i < table->count && !moved; i++)
            for (uint32_t j = i + 1; j < table->count; j++)
                moved = swap(search, table, table->who[i], table->who[j]) || moved;
    }
}

/* ---- starts ---- */

/* Any covered server with equal probability, or local; of many devices so few that servers are not crowded. */
static uint32_t random_server(const struct load_table *table, uint32_t n, uint32_t start)
{
    const struct env_view *view = table->view;
    struct slot_id id = view->id;
    struct rng_at at = {view->world->seed, id.phase, RNG_POLICY, n, id.episode, id.slot};
    uint32_t crowd =
        table->count / START_LOAD > table->servers + 1 ? table->count / START_LOAD : table->servers + 1;
    uint32_t pick = rng_below(&at, start, crowd);
    uint32_t first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    bool possible =
        pick < table->servers && view->covered[(size_t) n * table->servers + pick] && first <= last;
    return possible ? pick : ENV_LOCAL;
}

static void count_loads(struct load_search *search, struct load_table *table)
{
    assert(table->devices == search->devices && table->servers == search->servers);
    memset(search->load, 0, search->servers * sizeof *search->load);
    for (uint32_t i = 0; i < table->count; i++)
        if (search->server[table->who[i]] != ENV_LOCAL)
            search->load[search->server[table->who[i]]]++;
    for (uint32_t m = 0; m < search->servers; m++)
        price_group(search, table, m);
}

static void keep_if_better(struct load_search *search, const struct load_table *table)
{
    double cost = total(search, table);
    if (!(cost < search->best_cost - GAIN_MIN))
        return;
    search->best_cost = cost;
    memcpy(search->best, search->server, search->devices * sizeof *search->best);
    memcpy(search->best_load, search->load, search->servers * sizeof *search->best_load);
}

void load_search_run(struct load_search *search, struct load_table *table,
                     const struct load_search_options *options)
{
    uint32_t starts = options->starts + (options->warm != NULL ? 1 : 0);
    assert(options->starts > 0); /* all-local: its cost is finite */
    search->best_cost = HUGE_VAL;
    for (uint32_t start = 0; start < starts; start++) {
        for (uint32_t n = 0; n < search->devices; n++) {
            bool random = start > 0 && start < options->starts;
            search->server[n] = start == options->starts ? options->warm[n]
                                : random                 ? random_server(table, n, start)
                                                         : ENV_LOCAL;
        }
        count_loads(search, table);
        descend(search, table, options->swaps, ROUNDS_MAX);
        keep_if_better(search, table);
    }
}

void load_search_polish(struct load_search *search, struct load_table *table, const uint32_t *server,
                        uint32_t rounds)
{
    memcpy(search->server, server, search->devices * sizeof *search->server);
    count_loads(search, table);
    descend(search, table, true, rounds);
    search->best_cost = HUGE_VAL;
    keep_if_better(search, table);
}

void load_search_decide(const struct load_search *search, const struct load_table *table,
                        struct env_decision *ret_decision)
{
    for (uint32_t n = 0; n < search->devices; n++) {
        ret_decision->split[n] = table->view->world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i], m = search->best[n];
        assert(m == ENV_LOCAL || search->best_load[m] > 0);
        load_table_enter(table, n, m, m != ENV_LOCAL ? search->best_load[m] : 0, ret_decision);
    }
    env_repair(table->view, ret_decision);
}
