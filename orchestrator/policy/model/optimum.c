/* The exact optimum of a slot. For a given load vector (K_1..K_M) the devices decouple: device n at server m
 * costs min over s of cost_n(m, s, K_m), so what remains is an assignment of devices to M + 1 columns (local
 * included) with exactly K_m devices in column m. All load vectors are enumerated, those whose relaxation
 * (counts ignored) cannot beat the best one found are skipped. Exact for equal sharing without server memory
 * limits; polynomial for fixed M: O(N^M) vectors. It sees the world: which nodes are slow in the slot
 * (faults_speed). Who is about to be struck or cut off, it does not know.
 *
 * Where a split moves by bounded steps (model.split_step) a slot's best move is not the episode's: then it is dynamic
 * programming over the rest of the episode (split_horizon). */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/load_table.h"
#include "orchestrator/policy/search/server_choice.h"
#include "orchestrator/policy/search/split_horizon.h"

#define VECTORS_MAX 2e6 /* about what a slot can afford; beyond it, say so at the start */

struct optimum {
    uint32_t devices, servers;
    struct split_horizon horizon; /* with model.split_step; all that follows is without */
    struct load_table table;
    uint32_t *load;   /* [M] the vector under trial */
    uint32_t *column; /* [N] column of the i-th device that has a task, M: local */
    uint32_t *best_column, *best_load;
    double best;
    uint32_t *room;  /* [M + 1] free places while assigning */
    double *dist;    /* [M + 1] shortest augmenting path to each column */
    uint32_t *from;  /* [M + 1] column before it on that path; M + 1: the new device itself */
    uint32_t *mover; /* [M + 1] which device moves into it */
    double least;    /* the least cost of the slot's table, where that is negative; else 0 */
};

static void destroy(struct policy *policy)
{
    struct optimum *own = policy->state;
    if (own == NULL)
        return;
    split_horizon_finish(&own->horizon);
    load_table_finish(&own->table);
    free(own->load);
    free(own->column);
    free(own->best_column);
    free(own->best_load);
    free(own->room);
    free(own->dist);
    free(own->from);
    free(own->mover);
    free(own);
}

static double vector_count(uint32_t devices, uint32_t servers)
{
    double count = 1.0;
    for (uint32_t m = 1; m <= servers; m++)
        count *= (double) (devices + m) / (double) m;
    return count;
}

static int create_horizon(struct policy *policy, struct diag *diag)
{
    struct optimum *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    return split_horizon_init(&own->horizon, policy->world, diag);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct scenario *scenario = &policy->world->scenario;
    if (scenario->model.split_step > 0)
        return create_horizon(policy, diag);
    if (scenario->servers.sharing != COMPUTE_EQUAL || scenario->radio.sharing != BANDWIDTH_EQUAL ||
        scenario->servers.memory_gb > 0.0)
        return diag_fail(
            diag, ERR_UNSUPPORTED,
            "is exact only with radio.sharing: equal, servers.sharing: equal and servers.memory_gb: 0");
    size_t devices = policy->world->devices, servers = policy->world->servers;
    if (vector_count((uint32_t) devices, (uint32_t) servers) > VECTORS_MAX)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "%zu devices and %zu servers have too many load vectors (over %g)", devices, servers,
                         VECTORS_MAX);
    struct optimum *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    own->devices = (uint32_t) devices;
    own->servers = (uint32_t) servers;
    own->load = calloc(servers, sizeof *own->load);
    own->column = calloc(devices, sizeof *own->column);
    own->best_column = calloc(devices, sizeof *own->best_column);
    own->best_load = calloc(servers, sizeof *own->best_load);
    own->room = calloc(servers + 1, sizeof *own->room);
    own->dist = calloc(servers + 1, sizeof *own->dist);
    own->from = calloc(servers + 1, sizeof *own->from);
    own->mover = calloc(servers + 1, sizeof *own->mover);
    bool whole = load_table_init(&own->table, policy->world, policy->world->devices) == 0 &&
                 own->load != NULL && own->column != NULL && own->best_column != NULL &&
                 own->best_load != NULL && own->room != NULL && own->dist != NULL && own->from != NULL &&
                 own->mover != NULL;
    return whole ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

/* Cost of the i-th device in a column under the vector on trial. */
static double column_cost(const struct optimum *own, uint32_t i, uint32_t column)
{
    uint32_t n = own->table.who[i];
    if (column == own->servers)
        return own->table.local_cost[n];
    if (own->load[column] == 0)
        return HUGE_VAL;
    return own->table.cost[load_table_at(&own->table, n, column, own->load[column])];
}

/* Cheapest way to move one of the first `placed` devices from column a to column b. */
static double move_cost(const struct optimum *own, uint32_t placed, uint32_t a, uint32_t b,
                        uint32_t *ret_mover)
{
    double best = HUGE_VAL;
    for (uint32_t i = 0; i < placed; i++) {
        if (own->column[i] != a)
            continue;
        double there = column_cost(own, i, b);
        if (there < HUGE_VAL && there - column_cost(own, i, a) < best) {
            best = there - column_cost(own, i, a);
            *ret_mover = i;
        }
    }
    return best;
}

/* Is column c on the path found to column `end`? */
static bool on_path(const struct optimum *own, uint32_t end, uint32_t c)
{
    for (uint32_t at = end; at != own->servers + 1; at = own->from[at])
        if (at == c)
            return true;
    return false;
}

/* Shortest paths from a new device to all columns, through columns whose devices may be moved on
 * (Bellman-Ford). */
static void find_paths(struct optimum *own, uint32_t placed)
{
    uint32_t columns = own->servers + 1;
    for (uint32_t c = 0; c < columns; c++) {
        own->dist[c] = column_cost(own, placed, c);
        own->from[c] = columns;
        own->mover[c] = placed;
    }
    for (uint32_t pass = 0; pass + 1 < columns; pass++)
        for (uint32_t a = 0; a < columns; a++)
            for (uint32_t b = 0; b < columns && own->dist[a] < HUGE_VAL; b++) {
                uint32_t mover = 0;
                double step = a == b ? HUGE_VAL : move_cost(own, placed, a, b, &mover);
                /* The second condition only ever bars a loop that gains a rounding error: there is none that
                 * gains more. */
                if (own->dist[a] + step < own->dist[b] && !on_path(own, a, b)) {
                    own->dist[b] = own->dist[a] + step;
                    own->from[b] = a;
                    own->mover[b] = mover;
                }
            }
}

/* Places devices one by one along cheapest augmenting paths; returns the total, HUGE_VAL when the counts
 * cannot be met. */
static double assign(struct optimum *own)
{
    uint32_t columns = own->servers + 1;
    uint32_t offloading = 0;
    for (uint32_t m = 0; m < own->servers; m++) {
        own->room[m] = own->load[m];
        offloading += own->load[m];
    }
    assert(offloading <= own->table.count);
    own->room[own->servers] = own->table.count - offloading;
    double total = 0.0;
    for (uint32_t i = 0; i < own->table.count; i++) {
        find_paths(own, i);
        uint32_t end = columns;
        for (uint32_t c = 0; c < columns; c++)
            if (own->room[c] > 0 && own->dist[c] < HUGE_VAL &&
                (end == columns || own->dist[c] < own->dist[end]))
                end = c;
        if (end == columns)
            return HUGE_VAL;
        total += own->dist[end];
        own->room[end]--;
        for (uint32_t c = end; c != columns; c = own->from[c])
            own->column[own->mover[c]] = c;
        double rest = own->least * (double) (own->table.count - 1 - i);
        if (total + rest >= own->best)
            return HUGE_VAL; /* the others cost at least that */
    }
    return total;
}

static double relaxed(const struct optimum *own)
{
    double total = 0.0;
    for (uint32_t i = 0; i < own->table.count; i++) {
        double least = column_cost(own, i, own->servers);
        for (uint32_t m = 0; m < own->servers; m++) {
            double cost = column_cost(own, i, m);
            least = cost < least ? cost : least;
        }
        total += least;
    }
    return total;
}

static void try_vectors(struct optimum *own, uint32_t server, uint32_t left)
{
    assert(server <= own->servers && left <= own->table.count);
    if (server < own->servers) {
        for (uint32_t k = 0; k <= left; k++) {
            own->load[server] = k;
            try_vectors(own, server + 1, left - k);
        }
        return;
    }
    if (relaxed(own) >= own->best)
        return;
    double total = assign(own);
    if (total < own->best) {
        own->best = total;
        memcpy(own->best_column, own->column, own->table.count * sizeof *own->column);
        memcpy(own->best_load, own->load, own->servers * sizeof *own->load);
    }
}

static double least_cost(const struct optimum *own)
{
    const struct load_table *table = &own->table;
    double least = 0.0;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i];
        least = table->local_cost[n] < least ? table->local_cost[n] : least;
        for (uint32_t load = 1; load <= table->count; load++)
            for (uint32_t m = 0; m < own->servers; m++) {
                double cost = table->cost[load_table_at(table, n, m, load)];
                least = cost < least ? cost : least;
            }
    }
    return least;
}

static void decide_horizon(struct optimum *own, const struct env_view *view,
                           struct env_decision *ret_decision)
{
    uint32_t server = env_has_task(view, 0) ? server_choice_best_channel(view, 0) : ENV_LOCAL;
    bool local = server == ENV_LOCAL;
    ret_decision->server[0] = server;
    ret_decision->split[0] = local
                                 ? view->world->llm->layers
                                 : split_horizon_best(&own->horizon, view, server, split_horizon_slots(view));
    env_repair(view, ret_decision);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct optimum *own = policy->state;
    if (own->horizon.count > 0) {
        decide_horizon(own, view, ret_decision);
        return;
    }
    load_table_truth(&own->table, view);
    for (uint32_t load = 1; load <= own->table.count; load++)
        (void) load_table_need_all(&own->table, load); /* it holds all loads from the beginning */
    own->least = least_cost(own);
    own->best = HUGE_VAL;
    try_vectors(own, 0, own->table.count);
    for (uint32_t n = 0; n < own->devices; n++) {
        ret_decision->split[n] = policy->world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
    }
    for (uint32_t i = 0; i < own->table.count && own->best < HUGE_VAL; i++) {
        uint32_t n = own->table.who[i], m = own->best_column[i];
        if (m != own->servers)
            load_table_enter(&own->table, n, m, own->best_load[m], ret_decision);
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_optimum = {
    .name = "optimum",
    .sees = POLICY_SEES_WORLD,
    .modes = POLICY_MODE_ROUND,
    .summary = "exact: every load vector, the best assignment for each; with model.split_step the best moves",
    .source = "load-vector enumeration with min-cost assignment (docs/model.md)",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
