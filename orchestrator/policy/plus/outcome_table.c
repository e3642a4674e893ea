/* What a learned outcome model foresees, as a load_table. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/elementary.h"
#include "core/base/simd_clones.h"
#include "core/model/cost.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/plus/outcome_internal.h"

static bool reserve_spent(struct outcome_spent *spent, size_t count)
{
    int rc = 0;
    array_resize(&spent->s, 2 * count, &rc);
    if (rc != 0)
        return false;
    spent->j = spent->s + count;
    return true;
}

bool outcome_table_reserve(struct outcome_model *own, size_t rows)
{
    if (rows <= own->rows_max)
        return true;
    int rc = 0;
    array_resize(&own->x, rows * TASK_FEATURES_MAX, &rc);
    array_resize(&own->y, rows * OUTCOME_OUTPUTS, &rc);
    bool whole = rc == 0 && reserve_spent(&own->link, rows);
    own->rows_max = whole ? rows : own->rows_max;
    return whole;
}

/* own->y from own->x. */
static void predict(struct outcome_model *own, enum task_part part, size_t rows)
{
    size_t inputs = task_features_count(own->world, part);
    assert(rows <= own->rows_max);
    for (size_t row = 0; row < rows; row += OUTCOME_ROWS) {
        size_t count = rows - row < OUTCOME_ROWS ? rows - row : OUTCOME_ROWS;
        regressor_predict(own->part[part], count, own->x + row * inputs, own->y + row * OUTCOME_OUTPUTS);
    }
}

/* Row `row` of the predictions, at place `at`. */
static void enter(const struct outcome_model *own, size_t row, const float *shift,
                  const struct outcome_spent *spent, size_t at)
{
    const float *y = own->y + row * OUTCOME_OUTPUTS;
    spent->s[at] = elementary_expf(y[0] + shift[0]);
    spent->j[at] = elementary_expf(y[1] + shift[1]);
}

/* ---- devices ---- */

static struct outcome_weights weights_of(const struct outcome_model *own, uint32_t n)
{
    const struct scenario *scenario = &own->world->scenario;
    uint32_t layers = own->world->llm->layers;
    size_t full = (size_t) n * (layers + 1) + layers;
    double deadline_s = scenario->objective.deadline_s;
    return (struct outcome_weights){
        .per_s = (float) cost_normalised(scenario, 1.0, 0.0, (double) own->device.s[full], 1.0),
        .per_j = (float) cost_normalised(scenario, 0.0, 1.0, 1.0, (double) own->device.j[full]),
        .served = (float) scenario->objective.server_energy,
        .deadline_s = (float) deadline_s,
        .late = deadline_s > 0.0 ? (float) (scenario->objective.deadline_penalty / deadline_s) : 0.0f,
    };
}

static float *sizes_of(const struct outcome_model *own, uint32_t n, uint32_t coding)
{
    return own->size + ((size_t) n * own->world->codings.count + coding) * own->runs;
}

bool outcome_table_device(struct outcome_model *own, uint32_t n, uint32_t tokens)
{
    uint32_t layers = own->world->llm->layers;
    size_t first = (size_t) n * (layers + 1);
    size_t inputs = task_features_count(own->world, TASK_DEVICE);
    assert(n < own->world->devices);
    if (own->device_tokens[n] == tokens)
        return true;
    if (!outcome_table_reserve(own, layers))
        return false;
    for (uint32_t s = 1; s <= layers; s++)
        task_features_device(own->world, n, tokens, s, own->x + (s - 1) * inputs);
    predict(own, TASK_DEVICE, layers);
    own->device.s[first] = own->device.j[first] = 0.0f;
    for (uint32_t s = 1; s <= layers; s++)
        enter(own, s - 1, own->device_shift.node[n].shift, &own->device, first + s);
    for (uint32_t coding = 0; coding < own->world->codings.count; coding++)
        for (uint32_t r = 0; r < own->runs; r++)
            sizes_of(own, n, coding)[r] =
                task_features_size(task_features_bits(own->world, tokens, own->run[r].first, coding));
    own->weights[n] = weights_of(own, n);
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
        int rc = 0;
        array_resize(&own->server, own->server_max + 1, &rc);
        if (rc != 0)
            return NULL;
        own->server[own->server_max++] = (struct outcome_servers){0};
    }
    assert(own->server_count < own->server_max);
    struct outcome_servers *added = &own->server[own->server_count++];
    added->tokens = tokens;
    added->loads = 0;
    return added;
}

/* What is there is made anew: a column's place depends on how many there are. */
static bool reserve_loads(const struct outcome_model *own, struct outcome_servers *servers, uint32_t loads)
{
    size_t row = (size_t) own->world->servers * own->world->llm->layers;
    if (loads <= servers->loads_max)
        return true;
    if (!reserve_spent(&servers->spent, row * (loads + loads / 2)))
        return false;
    servers->loads_max = loads + loads / 2;
    servers->loads = 0;
    return true;
}

static void fill_load(struct outcome_model *own, struct outcome_servers *servers, uint32_t load)
{
    uint32_t layers = own->world->llm->layers, count = own->world->servers;
    size_t rows = (size_t) count * layers, inputs = task_features_count(own->world, TASK_SERVER);
    assert(load > 0 && load <= servers->loads_max && rows <= own->rows_max);
    for (uint32_t m = 0; m < count; m++)
        for (uint32_t s = 0; s < layers; s++)
            task_features_server(own->world, m, load, servers->tokens, s,
                                 own->x + ((size_t) m * layers + s) * inputs);
    predict(own, TASK_SERVER, rows);
    for (size_t row = 0; row < rows; row++)
        enter(own, row, own->server_shift.node[row / layers].shift, &servers->spent, (load - 1) * rows + row);
}

const struct outcome_servers *outcome_table_servers(struct outcome_model *own, uint32_t tokens,
                                                    uint32_t loads)
{
    struct outcome_servers *servers = find_servers(own, tokens);
    size_t rows = (size_t) own->world->servers * own->world->llm->layers;
    if (servers == NULL)
        servers = add_servers(own, tokens);
    if (servers == NULL || !reserve_loads(own, servers, loads) || !outcome_table_reserve(own, rows))
        return NULL;
    for (; servers->loads < loads; servers->loads++)
        fill_load(own, servers, servers->loads + 1);
    return servers;
}

/* ---- links ---- */

size_t outcome_table_put(struct outcome_model *own, const struct outcome_way *way, size_t row)
{
    size_t inputs = task_features_count(own->world, TASK_LINK);
    struct task_way feature = {.gain = own->gain[(size_t) way->device * own->world->servers + way->server],
                               .load = way->load};
    uint32_t codings = own->world->codings.count;
    assert(own->device_tokens[way->device] > 0 && row + (size_t) codings * own->runs <= own->rows_max);
    for (uint32_t coding = 0; coding < codings; coding++) {
        const float *size = sizes_of(own, way->device, coding);
        feature.margin = own->margin[coding];
        for (uint32_t r = 0; r < own->runs; r++, row++) {
            feature.size = size[r];
            task_features_link(own->world, &feature, own->x + row * inputs);
        }
    }
    return row;
}

void outcome_table_links(struct outcome_model *own, size_t rows)
{
    static const float none[OUTCOME_OUTPUTS] = {0.0f};
    predict(own, TASK_LINK, rows);
    for (size_t row = 0; row < rows; row++)
        enter(own, row, none, &own->link, row);
}

/* ---- the table ---- */

#define LANES 8u /* splits that are looked at side by side */
_Static_assert(OUTCOME_LAYERS_MAX % LANES == 0, "best_choice rounds a row of costs up to whole lanes");

/* One device at one server under one load. */
struct place {
    uint32_t device;
    size_t link;                      /* its first row there */
    const float *server_s, *server_j; /* by split */
};

struct choice {
    uint32_t split, coding;
    float cost;
};

/* The least of cost[count], a whole number of LANES, and where; of equals the first. */
static inline uint32_t argmin(const float *cost, uint32_t count, float *ret_least)
{
    float least[LANES];
    uint32_t at[LANES], best = 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        least[lane] = HUGE_VALF;
        at[lane] = lane;
    }
    for (uint32_t first = 0; first < count; first += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++) {
            bool better = cost[first + lane] < least[lane];
            at[lane] = better ? first + lane : at[lane];
            least[lane] = better ? cost[first + lane] : least[lane];
        }
    for (uint32_t lane = 1; lane < LANES; lane++)
        if (least[lane] < least[best] || (least[lane] == least[best] && at[lane] < at[best]))
            best = lane;
    *ret_least = least[best];
    return at[best];
}

/* Costs of splits first .. end, whose way to the server takes the same. */
static inline void fill_costs(const struct outcome_weights *weights, const float *restrict device_s,
                              const float *restrict device_j, const float *restrict server_s,
                              const float *restrict server_j, const float *way, uint32_t first, uint32_t end,
                              float *restrict ret_cost)
{
    const struct outcome_weights w = *weights;
    const float way_s = way[0], way_j = way[1];
    for (uint32_t s = first; s < end; s++) {
        float seconds = device_s[s] + way_s + server_s[s];
        float joules = device_j[s] + way_j + w.served * server_j[s];
        float over_s = seconds - w.deadline_s;
        over_s = over_s > 0.0f ? over_s : 0.0f;
        ret_cost[s] = w.per_s * seconds + w.per_j * joules + w.late * over_s;
    }
}

float *outcome_table_damage(const struct outcome_model *own, uint32_t n, uint32_t coding)
{
    return own->damage + ((size_t) n * own->world->codings.count + coding) * (own->world->llm->layers + 1);
}

/* What costs least there: of equals the lowest coding, then the lowest split; the split is L when nothing is possible. */
SIMD_CLONES static struct choice best_choice(const struct outcome_model *own, const struct env_view *view,
                                             const struct place *place)
{
    uint32_t layers = own->world->llm->layers, n = place->device, least = 0, last = 0;
    uint32_t lanes = (layers + LANES - 1) / LANES * LANES;
    env_splits_range(view, n, &least, &last);
    size_t device_row = (size_t) n * (layers + 1), link = place->link;
    struct choice best = {.split = layers, .cost = HUGE_VALF};
    for (uint32_t coding = 0; coding < own->world->codings.count; coding++, link += own->runs) {
        float cost[OUTCOME_LAYERS_MAX], lowest = HUGE_VALF;
        for (uint32_t s = 0; s < lanes; s++)
            cost[s] = HUGE_VALF;
        for (uint32_t r = 0; r < own->runs; r++) {
            uint32_t first = own->run[r].first > least ? own->run[r].first : least;
            uint32_t end = own->run[r].end < last + 1 ? own->run[r].end : last + 1;
            const float way[] = {own->link.s[link + r], own->link.j[link + r]};
            fill_costs(&own->weights[n], own->device.s + device_row, own->device.j + device_row,
                       place->server_s, place->server_j, way, first, end, cost);
        }
        for (uint32_t s = least; s <= last && own->damage != NULL; s++)
            cost[s] += outcome_table_damage(own, n, coding)[s];
        uint32_t split = argmin(cost, lanes, &lowest);
        if (lowest < best.cost)
            best = (struct choice){split, coding, lowest};
    }
    return best;
}

static void fill_column(struct outcome_model *own, struct load_table *table, uint32_t m, uint32_t load,
                        size_t link)
{
    const struct env_view *view = table->view;
    uint32_t layers = own->world->llm->layers;
    size_t server_row = ((size_t) (load - 1) * own->world->servers + m) * layers;
    size_t rows = (size_t) own->runs * own->world->codings.count;
    assert(link + table->count * rows <= own->rows_max);
    for (uint32_t i = 0; i < table->count; i++, link += rows) {
        uint32_t n = table->who[i];
        size_t at = load_table_at(table, n, m, load);
        struct choice best = {.split = layers, .cost = HUGE_VALF};
        if (view->covered[(size_t) n * own->world->servers + m]) {
            const struct outcome_spent *spent = &find_servers(own, view->tokens[n])->spent;
            const struct place place = {n, link, spent->s + server_row, spent->j + server_row};
            best = best_choice(own, view, &place);
        }
        table->split[at] = best.split;
        table->coding[at] = best.coding;
        table->cost[at] = (double) best.cost;
    }
}

static void forbid_column(struct load_table *table, uint32_t m, uint32_t load)
{
    for (uint32_t i = 0; i < table->count; i++)
        table->cost[load_table_at(table, table->who[i], m, load)] = HUGE_VAL;
}

static void fill(void *user, struct load_table *table, uint32_t load, uint32_t first, uint32_t last)
{
    struct outcome_model *own = user;
    size_t rows = 0, column = (size_t) table->count * own->runs * own->world->codings.count;
    assert(load > 0 && first <= last && last < own->world->servers);
    struct outcome_way way = {.load = task_features_load(load)};
    bool whole = outcome_table_reserve(own, (last - first + 1) * column);
    for (uint32_t i = 0; i < table->count && whole; i++)
        whole = own->device_tokens[table->who[i]] > 0 && /* 0: memory ran out in outcome_model_begin */
                outcome_table_servers(own, table->view->tokens[table->who[i]], load) != NULL;
    for (way.server = first; way.server <= last && whole; way.server++)
        for (uint32_t i = 0; i < table->count; i++) {
            way.device = table->who[i];
            rows = outcome_table_put(own, &way, rows);
        }
    outcome_table_links(own, rows);
    for (uint32_t m = first; m <= last; m++)
        if (whole)
            fill_column(own, table, m, load, (m - first) * column);
        else /* out of memory: nothing but what is known */
            forbid_column(table, m, load);
}

/* What is kept holds no longer. */
static void forget(struct outcome_model *own)
{
    memset(own->device_tokens, 0, own->world->devices * sizeof *own->device_tokens);
    own->server_count = 0;
    own->shown = own->version;
}

/* The condition is that of the channel of the largest gain, whatever server it will be. */
static void foresee_damage(struct outcome_model *own, const struct env_view *view, uint32_t n)
{
    uint32_t layers = own->world->llm->layers;
    for (uint32_t coding = 0; coding < own->world->codings.count; coding++) {
        float *damage = outcome_table_damage(own, n, coding);
        outcome_damage_foresee(&own->learned_damage, coding, view->channel[n], damage);
        for (uint32_t s = 0; s <= layers; s++)
            damage[s] = (float) cost_damage(&own->world->scenario, (double) damage[s]);
    }
}

void outcome_model_look(struct outcome_model *model, const struct env_view *view)
{
    if (model->shown != model->version)
        forget(model);
    for (size_t pair = 0; pair < (size_t) model->world->devices * model->world->servers; pair++)
        model->gain[pair] = view->covered[pair] ? task_features_gain(view->gain[pair]) : 0.0f;
    for (uint32_t n = 0; n < model->world->devices && model->damage != NULL; n++)
        if (view->present[n])
            foresee_damage(model, view, n);
}

void outcome_model_begin(struct outcome_model *model, struct load_table *table, const struct env_view *view)
{
    const struct scenario *scenario = &model->world->scenario;
    uint32_t layers = model->world->llm->layers;
    outcome_model_look(model, view);
    load_table_begin(table, view, fill, model);
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i];
        bool known = outcome_table_device(model, n, view->tokens[n]);
        double full_s = (double) model->device.s[(size_t) n * (layers + 1) + layers];
        table->local_cost[n] = known ? 1.0 + cost_lateness(scenario, full_s) : 1.0;
        if (!env_splits_allow_local(view, n))
            table->local_cost[n] = LOAD_TABLE_BARRED;
    }
}
