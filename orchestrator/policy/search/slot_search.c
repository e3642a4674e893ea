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
    uint32_t *server, *split; /* [count]; ENV_LOCAL: local */
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
    uint32_t *member, *member_split; /* [N] scratch: a group as forecast_server wants it */
};

static int plan_init(struct plan *plan, const struct world *world)
{
    plan->server = calloc(world->devices, sizeof *plan->server);
    plan->split = calloc(world->devices, sizeof *plan->split);
    plan->group_cost = calloc(world->servers, sizeof *plan->group_cost);
    return plan->server != NULL && plan->split != NULL && plan->group_cost != NULL ? 0 : -ENOMEM;
}

static void plan_finish(struct plan *plan)
{
    free(plan->server);
    free(plan->split);
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
    free(search->member_split);
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
    own->member_split = calloc(world->devices, sizeof *own->member_split);
    bool whole = own->who != NULL && own->local_cost != NULL && own->member != NULL &&
                 own->member_split != NULL && forecast_init(&own->forecast, world, source) == 0 &&
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

/* Of the plan's group at server m, with place `extra` (split after `extra_split` layers) in it and without
 * place `without`; own->count: none. */
static double group_cost(struct slot_search *own, const struct plan *plan, uint32_t m, uint32_t without,
                         uint32_t extra, uint32_t extra_split)
{
    assert(m < own->forecast.world->servers && without <= own->count && extra <= own->count);
    uint32_t members = 0;
    double work = 0.0, kept = 0.0, cost = 0.0;
    for (uint32_t i = 0; i < own->count; i++) {
        bool here = i == extra || (plan->server[i] == m && i != without);
        if (!here)
            continue;
        own->member[members] = own->who[i];
        own->member_split[members] = i == extra ? extra_split : plan->split[i];
        work += forecast_work(&own->forecast, m, own->who[i], own->member_split[members]);
        kept += forecast_kept(&own->forecast, own->who[i], own->member_split[members++]);
    }
    assert(members <= own->count);
    if (members == 0)
        return 0.0;
    if (forecast_server(&own->forecast, m, own->member, own->member_split, members, &cost) != 0)
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
        plan->group_cost[m] = group_cost(own, plan, m, own->count, own->count, 0);
}

/* ---- moves ---- */

struct choice {
    uint32_t server, split;
    double change; /* of the total, to be there instead of nowhere */
};

/* The best of a server's splits for place i, which is not there now. */
static void try_server(struct slot_search *own, const struct plan *plan, uint32_t i, uint32_t m,
                       double alone_cost, struct choice *best)
{
    const struct world *world = own->forecast.world;
    uint32_t first = 0, last = 0;
    env_splits_range(own->forecast.view, own->who[i], &first, &last);
    assert(m < world->servers);
    for (uint32_t s = first; s <= last; s++) {
        double change = group_cost(own, plan, m, i, i, s) - alone_cost;
        if (change < best->change)
            *best = (struct choice){.server = m, .split = s, .change = change};
    }
}

/* Moves place i to where it is best, the others as they are. */
static bool move(struct slot_search *own, struct plan *plan, uint32_t i)
{
    const struct world *world = own->forecast.world;
    const bool *covered = own->forecast.view->covered + (size_t) own->who[i] * world->servers;
    uint32_t from = plan->server[i];
    assert(i < own->count && (from == ENV_LOCAL || from < world->servers));
    double left_cost = from == ENV_LOCAL ? 0.0 : group_cost(own, plan, from, i, own->count, 0);
    double present = from == ENV_LOCAL ? own->local_cost[i] : plan->group_cost[from] - left_cost;
    struct choice best = {.server = ENV_LOCAL, .split = world->llm->layers, .change = own->local_cost[i]};
    for (uint32_t m = 0; m < world->servers; m++)
        if (covered[m])
            try_server(own, plan, i, m, m == from ? left_cost : plan->group_cost[m], &best);
    if (!(best.change < present - GAIN_MIN))
        return false;
    if (from != ENV_LOCAL)
        plan->group_cost[from] = left_cost;
    plan->server[i] = best.server;
    plan->split[i] = best.split;
    if (best.server != ENV_LOCAL)
        plan->group_cost[best.server] = group_cost(own, plan, best.server, own->count, own->count, 0);
    return true;
}

static void exchange(struct plan *plan, uint32_t i, uint32_t j)
{
    uint32_t server = plan->server[i], split = plan->split[i];
    plan->server[i] = plan->server[j];
    plan->split[i] = plan->split[j];
    plan->server[j] = server;
    plan->split[j] = split;
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
    if (a == b || !is_allowed(own, i, b, plan->split[j]) || !is_allowed(own, j, a, plan->split[i]))
        return false;
    double before = (a == ENV_LOCAL ? own->local_cost[i] : plan->group_cost[a]) +
                    (b == ENV_LOCAL ? own->local_cost[j] : plan->group_cost[b]);
    exchange(plan, i, j);
    double cost_a = a == ENV_LOCAL ? own->local_cost[j] : group_cost(own, plan, a, own->count, own->count, 0);
    double cost_b = b == ENV_LOCAL ? own->local_cost[i] : group_cost(own, plan, b, own->count, own->count, 0);
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

static uint32_t random_split(const struct slot_search *own, uint32_t i, uint32_t start)
{
    uint32_t first = 0, last = 0;
    struct rng_at at = place_of(own, i);
    env_splits_range(own->forecast.view, own->who[i], &first, &last);
    return last > first ? first + rng_below(&at, STARTS + start, last - first + 1) : first;
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
    const struct world *world = own->forecast.world;
    for (uint32_t i = 0; i < own->count; i++) {
        plan->server[i] = start == 0 ? ENV_LOCAL : random_server(own, i, start);
        plan->split[i] = plan->server[i] == ENV_LOCAL ? world->llm->layers : random_split(own, i, start);
    }
}

static void keep(struct slot_search *own)
{
    size_t size = own->count * sizeof *own->best.server;
    memcpy(own->best.server, own->plan.server, size);
    memcpy(own->best.split, own->plan.split, size);
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
    }
    for (uint32_t i = 0; i < own->count; i++) {
        ret_decision->split[own->who[i]] = own->best.split[i];
        ret_decision->server[own->who[i]] = own->best.server[i];
    }
    env_repair(view, ret_decision);
}
