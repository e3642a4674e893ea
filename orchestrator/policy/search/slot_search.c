#include "orchestrator/policy/search/slot_search.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/env_splits.h"
#include "orchestrator/policy/search/load_table.h"

#define STARTS 8u      /* one all-local, the rest random */
#define ROUNDS_MAX 50u /* far above what is ever needed (3 to 6) */
#define GAIN_MIN 1e-12 /* a move must gain more than rounding */

/* A joint decision for the devices that have a task, and what it costs. Groups are lists of places in `who`. */
struct plan {
    uint32_t *server;         /* [count]; ENV_LOCAL: local */
    struct forecast_way *way; /* [count] of those that are not */
    double *group_cost;       /* [M] */
    double local_cost;        /* of all that stay local */
};

struct slot_search {
    struct slot_prices prices;
    struct forecast forecast;
    uint32_t *who; /* [count] devices that have a task, ascending */
    uint32_t count;
    double *local_cost; /* [count] */
    struct plan plan, best;
    /* [N] scratch: a group as forecast_server wants it */
    uint32_t *member;
    struct forecast_way *member_way;
};

static int plan_init(struct plan *plan, const struct world *world)
{
    plan->server = calloc(world->devices, sizeof *plan->server);
    plan->way = calloc(world->devices, sizeof *plan->way);
    plan->group_cost = calloc(world->servers, sizeof *plan->group_cost);
    return plan->server != NULL && plan->way != NULL && plan->group_cost != NULL ? 0 : -ENOMEM;
}

static void plan_finish(struct plan *plan)
{
    free(plan->server);
    free(plan->way);
    free(plan->group_cost);
}

void slot_search_destroy(struct slot_search *search)
{
    if (search == NULL)
        return;
    forecast_finish(&search->forecast);
    plan_finish(&search->plan);
    plan_finish(&search->best);
    free(search->who);
    free(search->local_cost);
    free(search->member);
    free(search->member_way);
    free(search);
}

int slot_search_create(struct slot_search **ret_search, const struct world *world,
                       const struct forecast_source *source)
{
    struct slot_search *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->who = calloc(world->devices, sizeof *own->who);
    own->local_cost = calloc(world->devices, sizeof *own->local_cost);
    own->member = calloc(world->devices, sizeof *own->member);
    own->member_way = calloc(world->devices, sizeof *own->member_way);
    bool whole = own->who != NULL && own->local_cost != NULL && own->member != NULL &&
                 own->member_way != NULL && forecast_init(&own->forecast, world, source) == 0 &&
                 plan_init(&own->plan, world) == 0 && plan_init(&own->best, world) == 0;
    if (!whole) {
        slot_search_destroy(own);
        return -ENOMEM;
    }
    *ret_search = own;
    return 0;
}

int slot_search_create_model(struct policy *policy, struct diag *diag)
{
    const struct forecast_source model = forecast_model(policy->world);
    struct slot_search *search = NULL;
    if (slot_search_create(&search, policy->world, &model) != 0)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = search;
    return 0;
}

void slot_search_destroy_model(struct policy *policy)
{
    slot_search_destroy(policy->state);
}

/* ---- costs ---- */

static const struct forecast_way no_way = {0};

/* Of the plan's group at server m, with place `extra` in it, which goes its way there, and without place `without`;
 * own->count: none. */
static double group_cost(struct slot_search *own, const struct plan *plan, uint32_t m, uint32_t without,
                         uint32_t extra, struct forecast_way extra_way)
{
    assert(m < own->forecast.world->servers && without <= own->count && extra <= own->count);
    uint32_t members = 0;
    double work = 0.0, kept = 0.0, cost = 0.0;
    for (uint32_t i = 0; i < own->count; i++) {
        bool here = i == extra || (plan->server[i] == m && i != without);
        if (!here)
            continue;
        own->member[members] = own->who[i];
        own->member_way[members] = i == extra ? extra_way : plan->way[i];
        work += forecast_work(&own->forecast, m, own->who[i], own->member_way[members].split);
        kept += forecast_kept(&own->forecast, own->who[i], own->member_way[members++].split);
    }
    assert(members <= own->count);
    if (members == 0)
        return 0.0;
    if (forecast_server(&own->forecast, m, own->member, own->member_way, members, &cost) != 0)
        return (double) INFINITY;
    return cost + own->prices.sent * work + own->prices.kept * kept;
}

static double total(const struct slot_search *own, const struct plan *plan)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < own->count; i++)
        sum += plan->server[i] == ENV_LOCAL ? own->local_cost[i] : 0.0;
    for (uint32_t m = 0; m < own->forecast.world->servers; m++)
        sum += plan->group_cost[m];
    return sum;
}

static void price_groups(struct slot_search *own, struct plan *plan)
{
    for (uint32_t m = 0; m < own->forecast.world->servers; m++)
        plan->group_cost[m] = group_cost(own, plan, m, own->count, own->count, no_way);
}

/* ---- moves ---- */

struct choice {
    uint32_t server;
    struct forecast_way way;
    double change; /* of the total, to be there instead of nowhere */
};

/* The best of the ways to a server for place i, which is not there now. */
static void try_server(struct slot_search *own, const struct plan *plan, uint32_t i, uint32_t m,
                       double alone_cost, struct choice *best)
{
    const struct world *world = own->forecast.world;
    uint32_t first = 0, last = 0;
    env_splits_range(own->forecast.view, own->who[i], &first, &last);
    assert(m < world->servers);
    struct forecast_way way = no_way;
    for (way.coding = 0; way.coding < world->codings.count; way.coding++)
        for (way.split = first; way.split <= last; way.split++) {
            double change = group_cost(own, plan, m, i, i, way) - alone_cost;
            if (change < best->change)
                *best = (struct choice){.server = m, .way = way, .change = change};
        }
}

/* Moves place i to where it is best, the others as they are. */
static bool move(struct slot_search *own, struct plan *plan, uint32_t i)
{
    const struct world *world = own->forecast.world;
    const bool *covered = own->forecast.view->covered + (size_t) own->who[i] * world->servers;
    uint32_t from = plan->server[i];
    assert(i < own->count && (from == ENV_LOCAL || from < world->servers));
    double left_cost = from == ENV_LOCAL ? 0.0 : group_cost(own, plan, from, i, own->count, no_way);
    double present = from == ENV_LOCAL ? own->local_cost[i] : plan->group_cost[from] - left_cost;
    struct choice best = {.server = ENV_LOCAL, .change = own->local_cost[i]};
    for (uint32_t m = 0; m < world->servers; m++)
        if (covered[m])
            try_server(own, plan, i, m, m == from ? left_cost : plan->group_cost[m], &best);
    if (!(best.change < present - GAIN_MIN))
        return false;
    if (from != ENV_LOCAL)
        plan->group_cost[from] = left_cost;
    plan->server[i] = best.server;
    plan->way[i] = best.way;
    if (best.server != ENV_LOCAL)
        plan->group_cost[best.server] = group_cost(own, plan, best.server, own->count, own->count, no_way);
    return true;
}

static void exchange(struct plan *plan, uint32_t i, uint32_t j)
{
    const struct forecast_way way = plan->way[i];
    uint32_t server = plan->server[i];
    plan->server[i] = plan->server[j];
    plan->way[i] = plan->way[j];
    plan->server[j] = server;
    plan->way[j] = way;
}

static bool is_allowed(const struct slot_search *own, uint32_t i, uint32_t server, uint32_t split)
{
    const struct env_view *view = own->forecast.view;
    uint32_t n = own->who[i], first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    return server == ENV_LOCAL ||
           (view->covered[(size_t) n * view->world->servers + server] && split >= first && split <= last);
}

/* Exchanges the places of i and j if that helps. */
static bool swap(struct slot_search *own, struct plan *plan, uint32_t i, uint32_t j)
{
    assert(i < j && j < own->count);
    uint32_t a = plan->server[i], b = plan->server[j];
    if (a == b || !is_allowed(own, i, b, plan->way[j].split) || !is_allowed(own, j, a, plan->way[i].split))
        return false;
    double before = (a == ENV_LOCAL ? own->local_cost[i] : plan->group_cost[a]) +
                    (b == ENV_LOCAL ? own->local_cost[j] : plan->group_cost[b]);
    exchange(plan, i, j);
    double cost_a =
        a == ENV_LOCAL ? own->local_cost[j] : group_cost(own, plan, a, own->count, own->count, no_way);
    double cost_b =
        b == ENV_LOCAL ? own->local_cost[i] : group_cost(own, plan, b, own->count, own->count, no_way);
    if (!(cost_a + cost_b < before - GAIN_MIN)) {
        exchange(plan, i, j);
        return false;
    }
    if (a != ENV_LOCAL)
        plan->group_cost[a] = cost_a;
    if (b != ENV_LOCAL)
        plan->group_cost[b] = cost_b;
    return true;
}

static void descend(struct slot_search *own, struct plan *plan)
{
    bool moved = true;
    price_groups(own, plan);
    for (uint32_t round = 0; moved && round < ROUNDS_MAX; round++) {
        moved = false;
        for (uint32_t i = 0; i < own->count; i++)
            moved = move(own, plan, i) || moved;
        for (uint32_t i = 0; i < own->count && !moved; i++)
            for (uint32_t j = i + 1; j < own->count; j++)
                moved = swap(own, plan, i, j) || moved;
    }
}

/* ---- starts ---- */

static struct rng_at place_of(const struct slot_search *own, uint32_t i)
{
    struct slot_id id = own->forecast.view->id;
    return (struct rng_at){own->forecast.world->seed, id.phase, RNG_POLICY, own->who[i], id.episode, id.slot};
}

static struct forecast_way random_way(const struct slot_search *own, uint32_t i, uint32_t start)
{
    uint32_t first = 0, last = 0;
    struct rng_at at = place_of(own, i);
    env_splits_range(own->forecast.view, own->who[i], &first, &last);
    return (struct forecast_way){
        .split = last > first ? first + rng_below(&at, STARTS + start, last - first + 1) : first,
        .coding = rng_below(&at, 2 * STARTS + start, own->forecast.world->codings.count),
    };
}

static uint32_t random_server(const struct slot_search *own, uint32_t i, uint32_t start)
{
    const struct world *world = own->forecast.world;
    struct rng_at at = place_of(own, i);
    uint32_t pick = rng_below(&at, start, world->servers + 1);
    uint32_t first = 0, last = 0;
    env_splits_range(own->forecast.view, own->who[i], &first, &last);
    bool possible = pick < world->servers && is_allowed(own, i, pick, first);
    return possible ? pick : ENV_LOCAL;
}

static void begin(struct slot_search *own, struct plan *plan, uint32_t start)
{
    for (uint32_t i = 0; i < own->count; i++) {
        plan->server[i] = start == 0 ? ENV_LOCAL : random_server(own, i, start);
        plan->way[i] = plan->server[i] == ENV_LOCAL ? no_way : random_way(own, i, start);
    }
}

static void keep(struct slot_search *own)
{
    memcpy(own->best.server, own->plan.server, own->count * sizeof *own->best.server);
    memcpy(own->best.way, own->plan.way, own->count * sizeof *own->best.way);
    memcpy(own->best.group_cost, own->plan.group_cost,
           own->forecast.world->servers * sizeof *own->best.group_cost);
}

static void gather(struct slot_search *own, const struct env_view *view)
{
    forecast_begin(&own->forecast, view);
    own->count = 0;
    for (uint32_t n = 0; n < view->world->devices; n++)
        if (env_has_task(view, n)) {
            own->local_cost[own->count] =
                env_splits_allow_local(view, n)
                    ? forecast_local(&own->forecast, n) +
                          own->prices.kept * forecast_kept(&own->forecast, n, view->world->llm->layers)
                    : LOAD_TABLE_BARRED;
            own->who[own->count++] = n;
        }
}

void slot_search_run(struct slot_search *search, const struct env_view *view, struct slot_prices prices,
                     struct env_decision *ret_decision)
{
    struct slot_search *own = search;
    double best_cost = (double) INFINITY;
    assert(view->world == own->forecast.world);
    assert(prices.sent >= 0.0 && prices.kept >= 0.0);
    own->prices = prices;
    gather(own, view);
    for (uint32_t start = 0; start < STARTS; start++) {
        begin(own, &own->plan, start);
        descend(own, &own->plan);
        double cost = total(own, &own->plan);
        if (start == 0 || cost < best_cost - GAIN_MIN) {
            best_cost = cost;
            keep(own);
        }
    }
    for (uint32_t n = 0; n < view->world->devices; n++) {
        ret_decision->split[n] = view->world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
        ret_decision->coding[n] = 0;
    }
    for (uint32_t i = 0; i < own->count; i++) {
        uint32_t n = own->who[i];
        if (own->best.server[i] == ENV_LOCAL)
            continue;
        ret_decision->split[n] = own->best.way[i].split;
        ret_decision->server[n] = own->best.server[i];
        ret_decision->coding[n] = own->best.way[i].coding;
    }
    env_repair(view, ret_decision);
}
