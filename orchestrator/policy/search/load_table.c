#include "orchestrator/policy/search/load_table.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/search/own_cost.h"

int load_table_init(struct load_table *ret_table, const struct world *world, uint32_t loads)
{
    assert(loads > 0);
    size_t row = (size_t) world->devices * world->servers;
    struct load_table table = {.devices = world->devices, .servers = world->servers, .loads = loads};
    table.who = calloc(world->devices, sizeof *table.who);
    table.local_cost = calloc(world->devices, sizeof *table.local_cost);
    table.cost = calloc(row * loads, sizeof *table.cost);
    table.split = calloc(row * loads, sizeof *table.split);
    table.coding = calloc(row * loads, sizeof *table.coding);
    table.filled = calloc((size_t) loads * world->servers, sizeof *table.filled);
    *ret_table = table;
    bool whole = table.who != NULL && table.local_cost != NULL && table.cost != NULL && table.split != NULL &&
                 table.coding != NULL && table.filled != NULL;
    return whole ? 0 : -ENOMEM;
}

void load_table_finish(struct load_table *table)
{
    free(table->who);
    free(table->local_cost);
    free(table->cost);
    free(table->split);
    free(table->coding);
    free(table->filled);
    *table = (struct load_table){0};
}

void load_table_begin(struct load_table *table, const struct env_view *view, load_table_fill *fill,
                      void *user)
{
    assert(view->world->devices == table->devices && view->world->servers == table->servers);
    table->view = view;
    table->fill = fill;
    table->user = user;
    table->count = 0;
    memset(table->filled, 0, (size_t) table->loads * table->servers * sizeof *table->filled);
    for (uint32_t n = 0; n < table->devices; n++)
        if (env_has_task(view, n))
            table->who[table->count++] = n;
}

static bool grow(struct load_table *table, uint32_t loads)
{
    assert(loads > table->loads);
    size_t row = (size_t) table->devices * table->servers;
    int rc = 0;
    array_resize(&table->cost, row * loads, &rc);
    array_resize(&table->split, row * loads, &rc);
    array_resize(&table->coding, row * loads, &rc);
    array_resize(&table->filled, (size_t) loads * table->servers, &rc);
    if (rc != 0)
        return false;
    memset(table->coding + row * table->loads, 0, row * (loads - table->loads) * sizeof *table->coding);
    memset(table->filled + (size_t) table->loads * table->servers, 0,
           (size_t) (loads - table->loads) * table->servers * sizeof *table->filled);
    table->loads = loads;
    return true;
}

static bool has_room(struct load_table *table, uint32_t load)
{
    return load <= table->loads || grow(table, load + load / 2);
}

bool load_table_need(struct load_table *table, uint32_t server, uint32_t load)
{
    assert(server < table->servers && load <= table->devices + 1); /* a trial may count one device twice */
    if (load == 0)
        return true;
    if (!has_room(table, load))
        return false;
    bool *filled = &table->filled[(size_t) (load - 1) * table->servers + server];
    if (!*filled)
        table->fill(table->user, table, load, server, server);
    *filled = true;
    return true;
}

bool load_table_need_all(struct load_table *table, uint32_t load)
{
    assert(load > 0 && table->servers > 0);
    if (!has_room(table, load))
        return false;
    bool *filled = table->filled + (size_t) (load - 1) * table->servers;
    table->fill(table->user, table, load, 0, table->servers - 1);
    for (uint32_t m = 0; m < table->servers; m++)
        filled[m] = true;
    return true;
}

/* ---- the true model ---- */

typedef double cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan);

static void fill_place(struct load_table *table, uint32_t n, uint32_t m, uint32_t load, cost_of *cost_of_plan)
{
    const struct env_view *view = table->view;
    const struct world *world = view->world;
    size_t at = load_table_at(table, n, m, load);
    double share = 1.0 / (double) load;
    struct task_plan plan = {.server = m, .bandwidth_share = share, .compute_share = share};
    uint32_t first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    table->cost[at] = HUGE_VAL;
    table->split[at] = world->llm->layers;
    table->coding[at] = 0;
    if (!view->covered[(size_t) n * world->servers + m])
        return;
    for (plan.coding = 0; plan.coding < world->codings.count; plan.coding++)
        for (plan.split = first; plan.split <= last; plan.split++) {
            double cost = cost_of_plan(view, n, &plan);
            if (cost < table->cost[at]) {
                table->cost[at] = cost;
                table->split[at] = plan.split;
                table->coding[at] = plan.coding;
            }
        }
}

static void fill_columns(struct load_table *table, uint32_t load, uint32_t first, uint32_t last,
                         cost_of *cost_of_plan)
{
    assert(first <= last && last < table->servers && load > 0 && load <= table->loads);
    for (uint32_t m = first; m <= last; m++)
        for (uint32_t i = 0; i < table->count; i++)
            fill_place(table, table->who[i], m, load, cost_of_plan);
}

static void fill_model(void *user, struct load_table *table, uint32_t load, uint32_t first, uint32_t last)
{
    (void) user;
    fill_columns(table, load, first, last, own_cost_of);
}

static void fill_truth(void *user, struct load_table *table, uint32_t load, uint32_t first, uint32_t last)
{
    (void) user;
    fill_columns(table, load, first, last, own_cost_truly);
}

static void fill_local(struct load_table *table, cost_of *cost_of_plan)
{
    const struct task_plan local = {.split = table->view->world->llm->layers};
    for (uint32_t i = 0; i < table->count; i++)
        table->local_cost[table->who[i]] = env_splits_allow_local(table->view, table->who[i])
                                               ? cost_of_plan(table->view, table->who[i], &local)
                                               : LOAD_TABLE_BARRED;
}

void load_table_model(struct load_table *table, const struct env_view *view)
{
    load_table_begin(table, view, fill_model, NULL);
    fill_local(table, own_cost_of);
}

void load_table_truth(struct load_table *table, const struct env_view *view)
{
    load_table_begin(table, view, fill_truth, NULL);
    fill_local(table, own_cost_truly);
}

void load_table_enter(const struct load_table *table, uint32_t device, uint32_t server, uint32_t load,
                      struct env_decision *decision)
{
    assert(device < table->devices);
    assert(server == ENV_LOCAL || (server < table->servers && load > 0 && load <= table->loads));
    bool local = server == ENV_LOCAL;
    decision->server[device] = server;
    decision->split[device] =
        local ? table->view->world->llm->layers : table->split[load_table_at(table, device, server, load)];
    decision->coding[device] = local ? 0 : table->coding[load_table_at(table, device, server, load)];
}
