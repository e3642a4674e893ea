/* What a learned outcome model foresees, as a load_table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/cost.h"
#include "orchestrator/policy/outcome_internal.h"

static bool reserve_rows(struct outcome_model *own, size_t rows)
{
    if (rows <= own->rows_max)
        return true;
    float *x = realloc(own->x, rows * TASK_FEATURES_MAX * sizeof *x);
    own->x = x != NULL ? x : own->x;
    float *y = realloc(own->y, rows * OUTCOME_OUTPUTS * sizeof *y);
    own->y = y != NULL ? y : own->y;
    struct outcome_spent *link = realloc(own->link, rows * sizeof *link);
    own->link = link != NULL ? link : own->link;
    bool whole = x != NULL && y != NULL && link != NULL;
    own->rows_max = whole ? rows : own->rows_max;
    return whole;
}

/* own->y from own->x. */
static void predict(struct outcome_model *own, enum task_part part, size_t rows)
{
    size_t inputs = task_features_count(part);
    for (size_t row = 0; row < rows; row += OUTCOME_ROWS) {
        size_t count = rows - row < OUTCOME_ROWS ? rows - row : OUTCOME_ROWS;
        regressor_predict(own->part[part], count, own->x + row * inputs, own->y + row * OUTCOME_OUTPUTS);
    }
}

static struct outcome_spent spent_at(const struct outcome_model *own, size_t row, const float *shift)
{
    const float *y = own->y + row * OUTCOME_OUTPUTS;
    return (struct outcome_spent){.s = expf(y[0] + shift[0]), .j = expf(y[1] + shift[1])};
}

/* ---- devices ---- */

static bool fill_device(struct outcome_model *own, uint32_t n, uint32_t tokens)
{
    uint32_t layers = own->world->llm->layers;
    struct outcome_spent *spent = own->device + (size_t) n * (layers + 1);
    size_t inputs = task_features_count(TASK_DEVICE);
    if (own->device_tokens[n] == tokens)
        return true;
    if (!reserve_rows(own, layers))
        return false;
    for (uint32_t s = 1; s <= layers; s++)
        task_features_device(own->world, n, tokens, s, own->x + (s - 1) * inputs);
    predict(own, TASK_DEVICE, layers);
    spent[0] = (struct outcome_spent){0};
    for (uint32_t s = 1; s <= layers; s++)
        spent[s] = spent_at(own, s - 1, own->device_shift.node[n].shift);
    own->device_tokens[n] = tokens;
    return true;
}

/* ---- servers ---- */

static struct outcome_servers *find_servers(const struct outcome_model *own, uint32_t tokens)
{
    for (size_t i = 0; i < own->server_count; i++)
        if (own->server[i].tokens == tokens)
            return &own->server[i];
    return NULL;
}

static struct outcome_servers *add_servers(struct outcome_model *own, uint32_t tokens)
{
    if (own->server_count == own->server_max) {
        struct outcome_servers *grown = realloc(own->server, (own->server_max + 1) * sizeof *grown);
        if (grown == NULL)
            return NULL;
        own->server = grown;
        own->server[own->server_max++] = (struct outcome_servers){0};
    }
    struct outcome_servers *added = &own->server[own->server_count++];
    added->tokens = tokens;
    added->loads = 0;
    return added;
}

static bool reserve_loads(const struct outcome_model *own, struct outcome_servers *servers, uint32_t loads)
{
    size_t row = (size_t) own->world->servers * own->world->llm->layers;
    if (loads <= servers->loads_max)
        return true;
    struct outcome_spent *grown = realloc(servers->spent, row * loads * sizeof *grown);
    if (grown == NULL)
        return false;
    servers->spent = grown;
    servers->loads_max = loads;
    return true;
}

static void fill_load(struct outcome_model *own, struct outcome_servers *servers, uint32_t load)
{
    uint32_t layers = own->world->llm->layers, count = own->world->servers;
    size_t rows = (size_t) count * layers, inputs = task_features_count(TASK_SERVER);
    for (uint32_t m = 0; m < count; m++)
        for (uint32_t s = 0; s < layers; s++)
            task_features_server(own->world, m, load, servers->tokens, s,
                                 own->x + ((size_t) m * layers + s) * inputs);
    predict(own, TASK_SERVER, rows);
    for (size_t row = 0; row < rows; row++)
        servers->spent[(load - 1) * rows + row] =
            spent_at(own, row, own->server_shift.node[row / layers].shift);
}

/* All servers for a prompt length, up to a load. */
static bool fill_servers(struct outcome_model *own, uint32_t tokens, uint32_t loads)
{
    struct outcome_servers *servers = find_servers(own, tokens);
    size_t rows = (size_t) own->world->servers * own->world->llm->layers;
    if (servers == NULL)
        servers = add_servers(own, tokens);
    if (servers == NULL || !reserve_loads(own, servers, loads) || !reserve_rows(own, rows))
        return false;
    for (; servers->loads < loads; servers->loads++)
        fill_load(own, servers, servers->loads + 1);
    return true;
}

/* ---- links ---- */

/* own->link: [M][count][classes], for one load. */
static void fill_links(struct outcome_model *own, const struct load_table *table, const struct env_view *view,
                       uint32_t load)
{
    static const float none[OUTCOME_OUTPUTS] = {0.0f};
    const struct world *world = own->world;
    size_t inputs = task_features_count(TASK_LINK), rows = 0;
    for (uint32_t m = 0; m < world->servers; m++)
        for (uint32_t i = 0; i < table->count; i++) {
            uint32_t n = table->who[i];
            double gain = view->gain[(size_t) n * world->servers + m];
            for (uint32_t c = 0; c < own->classes; c++)
                task_features_link(gain, load,
                                   task_features_bits(world, view->tokens[n], own->class_split[c]),
                                   own->x + rows++ * inputs);
        }
    predict(own, TASK_LINK, rows);
    for (size_t row = 0; row < rows; row++)
        own->link[row] = spent_at(own, row, none);
}

/* ---- the table ---- */

/* The operator's objective of one device, as factors. */
struct weights {
    float per_s, per_j, served, deadline_s, late;
};

static struct weights weights_of(const struct outcome_model *own, uint32_t n)
{
    const struct scenario *scenario = &own->world->scenario;
    uint32_t layers = own->world->llm->layers;
    struct outcome_spent full = own->device[(size_t) n * (layers + 1) + layers];
    double deadline_s = scenario->objective.deadline_s;
    return (struct weights){
        .per_s = (float) cost_normalised(scenario, 1.0, 0.0, (double) full.s, 1.0),
        .per_j = (float) cost_normalised(scenario, 0.0, 1.0, 1.0, (double) full.j),
        .served = (float) scenario->objective.server_energy,
        .deadline_s = (float) deadline_s,
        .late = deadline_s > 0.0 ? (float) (scenario->objective.deadline_penalty / deadline_s) : 0.0f,
    };
}

/* One device at one server under one load: the split of least cost. */
static void fill_place(const struct outcome_model *own, struct load_table *table, uint32_t n, size_t at,
                       const struct outcome_spent *link, const struct outcome_spent *server)
{
    const struct world *world = own->world;
    uint32_t layers = world->llm->layers, end = load_table_split_end(world, n), split = layers;
    const struct outcome_spent *device = own->device + (size_t) n * (layers + 1);
    const struct weights weights = weights_of(own, n);
    float least = HUGE_VALF;
    for (uint32_t s = (uint32_t) world->scenario.model.min_split; s < end; s++) {
        struct outcome_spent way = link[own->class_of[s]];
        float seconds = device[s].s + way.s + server[s].s;
        float joules = device[s].j + way.j + weights.served * server[s].j;
        float over_s = seconds > weights.deadline_s ? seconds - weights.deadline_s : 0.0f;
        float cost = weights.per_s * seconds + weights.per_j * joules + weights.late * over_s;
        split = cost < least ? s : split;
        least = cost < least ? cost : least;
    }
    table->cost[at] = split < layers ? (double) least : HUGE_VAL;
    table->split[at] = split;
}

static void fill_column(struct outcome_model *own, struct load_table *table, const struct env_view *view,
                        uint32_t load)
{
    const struct world *world = own->world;
    uint32_t layers = world->llm->layers;
    const struct outcome_spent *link = own->link;
    for (uint32_t m = 0; m < world->servers; m++)
        for (uint32_t i = 0; i < table->count; i++, link += own->classes) {
            uint32_t n = table->who[i];
            size_t at = load_table_at(table, n, m, load);
            table->cost[at] = HUGE_VAL;
            table->split[at] = layers;
            if (!view->covered[(size_t) n * world->servers + m])
                continue;
            const struct outcome_servers *servers = find_servers(own, view->tokens[n]);
            fill_place(own, table, n, at, link,
                       servers->spent + ((size_t) (load - 1) * world->servers + m) * layers);
        }
}

static void forbid(struct load_table *table, uint32_t first, uint32_t last)
{
    size_t row = (size_t) table->devices * table->servers;
    for (size_t at = first * row; at < last * row; at++)
        table->cost[at] = HUGE_VAL;
}

static void fill(void *user, struct load_table *table, const struct env_view *view, uint32_t first,
                 uint32_t last)
{
    struct outcome_model *own = user;
    bool whole = reserve_rows(own, (size_t) table->count * table->servers * own->classes);
    for (uint32_t i = 0; i < table->count && whole; i++)
        whole = fill_servers(own, view->tokens[table->who[i]], last);
    if (!whole) { /* out of memory: nothing but what is known */
        forbid(table, first, last);
        return;
    }
    for (uint32_t load = first + 1; load <= last; load++) {
        fill_links(own, table, view, load);
        fill_column(own, table, view, load);
    }
}

/* What is kept holds no longer. */
static void forget(struct outcome_model *own)
{
    memset(own->device_tokens, 0, own->world->devices * sizeof *own->device_tokens);
    own->server_count = 0;
    own->shown = own->version;
}

void outcome_model_begin(struct outcome_model *model, struct load_table *table, const struct env_view *view)
{
    const struct scenario *scenario = &model->world->scenario;
    uint32_t layers = model->world->llm->layers;
    if (model->shown != model->version)
        forget(model);
    load_table_begin(table, view, fill, model);
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i];
        bool known = fill_device(model, n, view->tokens[n]);
        double full_s = (double) model->device[(size_t) n * (layers + 1) + layers].s;
        table->local_cost[n] = known ? 1.0 + cost_lateness(scenario, full_s) : 1.0;
    }
}
