#include "orchestrator/policy/model/whole_bound.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/assign/box_search.h"
#include "core/assign/packing.h"
#include "core/assign/transport.h"
#include "core/base/array.h"
#include "core/base/err.h"
#include "orchestrator/policy/search/whole_tasks.h"

#define ROUNDS_MAX 12u
#define ROWS_MAX 600u  /* of the program: a step takes the cube of it */
#define FIRST_GAP 1e-2 /* of the first program: its columns are no more than a beginning */
#define PROGRAM_GAP (0.25 * WHOLE_BOUND_GAP) /* of the others */
#define SEARCH_GAP (0.4 * WHOLE_BOUND_GAP)   /* of the tasks' searches together */
#define STEP_GAP 2e-5   /* of the bound: a proof that closes the gap by less is the last */
#define DROP 0.1        /* of a task's mean worth: columns that give so much less than its best are dropped */
#define GIVE 0.01       /* of a task's mean worth: prices are no more exact, when whole tasks play */
#define SLOPE_STEP 2e-3 /* of a share */
#define TOLERANCE_LEAST 1e-12
#define FIT_ROUNDING 1e-12
#define ROUNDING_S 1e-9 /* an end so little after a slot's start is before it */

/* The columns to begin with, in full shares; more are found. */
static const double first_compute[] = {1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2};
static const double first_band[] = {1.0, 0.5, 0.2, 0.06};

/* What a column stands for. */
struct way {
    uint32_t server, end;
    double part[RESERVED_KINDS];
};

/* The column of a task at a server that gives most; -INFINITY: there is none. */
struct best_way {
    double reduced, compute, band;
};

struct finder {
    const struct whole_episode *whole; /* borrowed */
    uint32_t slots, servers, spans;
    struct packing packing;  /* row (span M + server) RESERVED_KINDS + kind */
    struct packing_use *use; /* [spans RESERVED_KINDS] of the column at hand */
    uint32_t *span;          /* [slots] of an arrival; `spans`: of none */
    double *weight;          /* [slots] of an arrival in its span */
    double *until; /* [servers][RESERVED_KINDS][slots + 1] price of holding all from the beginning to there */
    struct way *way; /* [ways] by the tag of the column */
    size_t ways, way_room;
    struct best_way *best_way; /* [tasks][servers] */
    /* The search at hand. */
    uint32_t task, server;
};

static void finish(struct finder *finder)
{
    packing_finish(&finder->packing);
    free(finder->use);
    free(finder->span);
    free(finder->weight);
    free(finder->until);
    free(finder->way);
    free(finder->best_way);
}

/* That a task takes of the server. */
static double memory_of(const struct finder *finder, uint32_t server)
{
    const struct world *world = finder->whole->world;
    return world->scenario.reserve.memory_need * world->server[server].full_share;
}

static uint32_t row_of(const struct finder *finder, uint32_t span, uint32_t server, unsigned kind)
{
    return (span * finder->servers + server) * RESERVED_KINDS + kind;
}

static bool comes_back(const struct finder *finder)
{
    return finder->whole->world->scenario.reserve.returns != RETURNS_OFF;
}

/* Where nothing comes back, what is held at the last arrival is all that counts. */
static void divide_slots(struct finder *finder)
{
    uint32_t count[WHOLE_BOUND_SPANS] = {0};
    for (uint32_t s = 0; s < finder->slots; s++) {
        bool counts = comes_back(finder) || s + 1 == finder->slots;
        finder->span[s] = counts ? (uint32_t) ((uint64_t) s * finder->spans / finder->slots) : finder->spans;
        if (counts)
            count[finder->span[s]]++;
    }
    for (uint32_t s = 0; s < finder->slots; s++)
        finder->weight[s] = finder->span[s] < finder->spans ? 1.0 / count[finder->span[s]] : 0.0;
}

static uint32_t spans_of(const struct world *world, uint32_t slots)
{
    uint32_t most = ROWS_MAX / (world->servers * RESERVED_KINDS);
    if (world->scenario.reserve.returns == RETURNS_OFF || most < 2)
        return 1;
    most = most < WHOLE_BOUND_SPANS ? most : WHOLE_BOUND_SPANS;
    return slots < most ? slots : most;
}

static int init(struct finder *ret, const struct whole_episode *whole)
{
    const struct world *world = whole->world;
    uint32_t slots = whole->tasks / world->devices;
    *ret = (struct finder){
        .whole = whole,
        .slots = slots,
        .servers = world->servers,
        .spans = spans_of(world, slots),
    };
    ret->use = calloc((size_t) ret->spans * RESERVED_KINDS, sizeof *ret->use);
    ret->span = calloc(slots, sizeof *ret->span);
    ret->weight = calloc(slots, sizeof *ret->weight);
    ret->until = calloc((size_t) ret->servers * RESERVED_KINDS * (slots + 1), sizeof *ret->until);
    ret->best_way = calloc((size_t) whole->tasks * ret->servers, sizeof *ret->best_way);
    if (ret->best_way == NULL || ret->use == NULL || ret->span == NULL || ret->weight == NULL ||
        ret->until == NULL ||
        packing_init(&ret->packing, whole->tasks, ret->spans * ret->servers * RESERVED_KINDS) != 0)
        return -ENOMEM;
    /* Parts are rounded down (reservations.h): so much more than the whole may be asked for. */
    for (uint32_t r = 0; r < ret->packing.rows; r++)
        ret->packing.capacity[r] = 1.0 + (double) whole->tasks / (double) RESERVATIONS_WHOLE;
    divide_slots(ret);
    return 0;
}

/* The first slot, later than its own, in which a task holds nothing any more that gives back after held_s. */
static uint32_t end_of(const struct finder *finder, uint32_t task, double held_s)
{
    const struct whole_episode *whole = finder->whole;
    if (!comes_back(finder))
        return finder->slots;
    double until_s = whole->task[task].start_s + held_s - ROUNDING_S;
    uint32_t from = whole->task[task].slot + 1, to = finder->slots;
    while (from < to) { /* slots begin one after the other */
        uint32_t middle = from + (to - from) / 2;
        if (whole->task[(size_t) middle * whole->world->devices].start_s < until_s)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* A column of a task at a server with these parts; nothing if it is worth nothing. -ENOMEM. */
static int add(struct finder *finder, uint32_t task, uint32_t server,
               const double part[static RESERVED_KINDS])
{
    double held_s = 0.0;
    double worth = whole_episode_worth(finder->whole, task, server, part, &held_s);
    uint32_t uses = 0;
    if (!(worth > 0.0))
        return 0;
    uint32_t end = end_of(finder, task, held_s);
    for (uint32_t s = finder->whole->task[task].slot; s < end;) {
        uint32_t span = finder->span[s];
        double weight = 0.0;
        for (; s < end && finder->span[s] == span; s++)
            weight += finder->weight[s];
        for (unsigned kind = 0; span < finder->spans && kind < RESERVED_KINDS; kind++)
            finder->use[uses++] =
                (struct packing_use){row_of(finder, span, server, kind), weight * part[kind]};
    }
    const struct packing_column column = {
        .worth = worth, .task = task, .tag = (uint32_t) finder->ways, .uses = uses};
    if (array_reserve(&finder->way, &finder->way_room, finder->ways + 1) != 0)
        return -ENOMEM;
    finder->way[finder->ways++] =
        (struct way){server, end, {part[RESERVED_COMPUTE], part[RESERVED_BAND], part[RESERVED_MEMORY]}};
    return packing_add(&finder->packing, &column, finder->use);
}

static int add_first_at(struct finder *finder, uint32_t task, uint32_t server)
{
    double full = finder->whole->world->server[server].full_share;
    for (size_t c = 0; c < sizeof first_compute / sizeof *first_compute; c++)
        for (size_t b = 0; b < sizeof first_band / sizeof *first_band; b++) {
            const double part[RESERVED_KINDS] = {full * first_compute[c], full * first_band[b],
                                                 memory_of(finder, server)};
            if (add(finder, task, server, part) != 0)
                return -ENOMEM;
        }
    return 0;
}

static int add_first(struct finder *finder)
{
    int rc = 0;
    for (uint32_t i = 0; i < finder->whole->tasks; i++)
        for (uint32_t m = 0; m < finder->servers && rc == 0; m++)
            rc = add_first_at(finder, i, m);
    return rc;
}

/* ---- at the prices ---- */

static double *until_of(const struct finder *finder, uint32_t server, unsigned kind)
{
    return &finder->until[((size_t) server * RESERVED_KINDS + kind) * (finder->slots + 1)];
}

static void add_up_prices(struct finder *finder)
{
    for (uint32_t m = 0; m < finder->servers; m++)
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
            double *until = until_of(finder, m, kind);
            for (uint32_t s = 0; s < finder->slots; s++) {
                uint32_t span = finder->span[s];
                double price =
                    span < finder->spans ? finder->packing.price[row_of(finder, span, m, kind)] : 0.0;
                until[s + 1] = until[s] + finder->weight[s] * price;
            }
        }
}

static struct box_value value_of(void *user, const double x[static 2])
{
    const struct finder *finder = user;
    const double part[RESERVED_KINDS] = {x[0], x[1], memory_of(finder, finder->server)};
    double price[RESERVED_KINDS], held_s = 0.0;
    double worth = whole_episode_worth(finder->whole, finder->task, finder->server, part, &held_s);
    uint32_t from = finder->whole->task[finder->task].slot, end = end_of(finder, finder->task, held_s);
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        const double *until = until_of(finder, finder->server, kind);
        price[kind] = until[end] - until[from];
    }
    return (struct box_value){.worth = worth - price[RESERVED_MEMORY] * memory_of(finder, finder->server),
                              .per = {price[RESERVED_COMPUTE], price[RESERVED_BAND]}};
}

/* Worth is concave where a task is in time (whole_episode.h): from here on it rises less than it did up to here. */
static void slope_of(void *user, const double x[static 2], double worth, double ret_slope[static 2])
{
    const struct finder *finder = user;
    for (unsigned d = 0; d < 2; d++) {
        double step = SLOPE_STEP * x[d], held_s = 0.0;
        double part[RESERVED_KINDS] = {x[0], x[1], memory_of(finder, finder->server)};
        part[d] += step;
        ret_slope[d] = 0.0;
        if (part[d] > 1.0)
            continue;
        double rise = whole_episode_worth(finder->whole, finder->task, finder->server, part, &held_s) - worth;
        ret_slope[d] = rise > 0.0 ? rise / step : 0.0;
    }
}

/* Asks what the task gives at the server. */
static struct box_question ask(struct finder *finder, uint32_t task, uint32_t server)
{
    finder->task = task;
    finder->server = server;
    return (struct box_question){.value = value_of, .user = finder, .high = {1.0, 1.0}};
}

static int add_found(struct finder *finder, const struct box_answer *answer)
{
    const double part[RESERVED_KINDS] = {answer->x[0], answer->x[1], memory_of(finder, finder->server)};
    return add(finder, finder->task, finder->server, part);
}

static void find_best_ways(struct finder *finder)
{
    size_t pairs = (size_t) finder->whole->tasks * finder->servers;
    for (size_t i = 0; i < pairs; i++)
        finder->best_way[i] = (struct best_way){.reduced = -(double) INFINITY};
    for (size_t k = 0; k < finder->packing.columns; k++) {
        const struct packing_column *column = &finder->packing.column[k];
        const struct way *way = &finder->way[column->tag];
        struct best_way *best = &finder->best_way[(size_t) column->task * finder->servers + way->server];
        double reduced = packing_reduced(&finder->packing, column);
        if (reduced > best->reduced)
            *best = (struct best_way){reduced, way->part[RESERVED_COMPUTE], way->part[RESERVED_BAND]};
    }
}

/* Better shares near the columns become columns. ret_gain: by how much the bound must be above what the columns say, as far
 * as that shows. */
static int climb_all(struct finder *finder, double *ret_gain)
{
    *ret_gain = 0.0;
    find_best_ways(finder);
    for (uint32_t i = 0; i < finder->whole->tasks; i++) {
        double most = finder->packing.best[i];
        for (uint32_t m = 0; m < finder->servers; m++) {
            const struct best_way *way = &finder->best_way[(size_t) i * finder->servers + m];
            if (!(way->reduced > -(double) INFINITY))
                continue;
            const struct box_question question = ask(finder, i, m);
            const struct box_answer answer =
                box_search_climb(&question, (double[2]){way->compute, way->band});
            if (!(answer.given > finder->packing.best[i]))
                continue;
            if (add_found(finder, &answer) != 0)
                return -ENOMEM;
            most = answer.given > most ? answer.given : most;
        }
        *ret_gain += most - finder->packing.best[i];
        finder->packing.best[i] = most;
    }
    return 0;
}

/* The most that the task gives at any server with any shares, at least 0. What gives more than its columns becomes one. */
static int best_of(struct finder *finder, uint32_t task, double tolerance, double *ret_best)
{
    double floor = finder->packing.best[task];
    *ret_best = floor;
    for (uint32_t m = 0; m < finder->servers; m++) {
        struct box_question question = ask(finder, task, m);
        question.slope = slope_of;
        question.floor = floor;
        question.tolerance = tolerance;
        const struct box_answer answer = box_search(&question);
        *ret_best = answer.bound > *ret_best ? answer.bound : *ret_best;
        if (answer.given > floor && add_found(finder, &answer) != 0)
            return -ENOMEM;
        floor = answer.given > floor ? answer.given : floor;
    }
    return 0;
}

/* The bound at the prices. */
static int bound_all(struct finder *finder, double tolerance, double *ret_bound)
{
    double bound = 0.0;
    for (uint32_t r = 0; r < finder->packing.rows; r++)
        bound += finder->packing.capacity[r] * finder->packing.price[r];
    for (uint32_t i = 0; i < finder->whole->tasks; i++) {
        double best;
        if (best_of(finder, i, tolerance, &best) != 0)
            return -ENOMEM;
        bound += best;
    }
    *ret_bound = bound;
    return 0;
}

/* ---- what fits ---- */

/* What the columns' x hold at most at any arrival, as a part of what there is; at least 1. -ENOMEM. */
static int excess_of(const struct finder *finder, double *ret_excess)
{
    size_t lines = (size_t) finder->servers * RESERVED_KINDS, slots = finder->slots;
    double *change = calloc(lines * (slots + 1), sizeof *change);
    if (change == NULL)
        return -ENOMEM;
    for (size_t k = 0; k < finder->packing.columns; k++) {
        const struct packing_column *column = &finder->packing.column[k];
        const struct way *way = &finder->way[column->tag];
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
            double *line = &change[((size_t) way->server * RESERVED_KINDS + kind) * (slots + 1)];
            line[finder->whole->task[column->task].slot] += column->x * way->part[kind];
            line[way->end] -= column->x * way->part[kind];
        }
    }
    *ret_excess = 1.0;
    for (size_t i = 0; i < lines; i++) {
        double held = 0.0;
        for (size_t s = 0; s < slots; s++) {
            held += change[i * (slots + 1) + s];
            *ret_excess = held > *ret_excess ? held : *ret_excess;
        }
    }
    free(change);
    return 0;
}

/* What is held now of each server and kind, as the arrivals go by. */
struct play {
    double *held; /* [servers][RESERVED_KINDS] */
    double *back; /* [slots + 1][servers][RESERVED_KINDS] what comes back there */
};

static bool fits(const struct play *play, const struct way *way)
{
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        if (play->held[(size_t) way->server * RESERVED_KINDS + kind] + way->part[kind] > 1.0 + FIT_ROUNDING)
            return false;
    return true;
}

static void take(const struct finder *finder, struct play *play, const struct way *way)
{
    size_t lines = (size_t) finder->servers * RESERVED_KINDS;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++) {
        size_t line = (size_t) way->server * RESERVED_KINDS + kind;
        play->held[line] += way->part[kind];
        play->back[way->end * lines + line] += way->part[kind];
    }
}

/* Of a task's columns, which begin at `k` and end before `next`, the one that gives most of those that fit, and no less than
 * `least`. */
static double play_task(const struct finder *finder, struct play *play, size_t k, size_t next, double least)
{
    const struct packing_column *column = finder->packing.column, *best = NULL;
    double most = least;
    for (; k < next; k++) {
        double reduced = packing_reduced(&finder->packing, &column[k]);
        if (reduced >= most && fits(play, &finder->way[column[k].tag])) {
            most = reduced;
            best = &column[k];
        }
    }
    if (best == NULL)
        return 0.0;
    take(finder, play, &finder->way[best->tag]);
    return best->worth;
}

/* Whole tasks in order of arrival, each with what gives most at the prices of all that fits. The columns are in order of
 * task, and so of arrival. What gives a little less than nothing is taken too: the prices are no more exact. -ENOMEM. */
static int play_all(const struct finder *finder, double least, double *ret_worth)
{
    size_t lines = (size_t) finder->servers * RESERVED_KINDS;
    const struct packing *packing = &finder->packing;
    struct play play = {.held = calloc(lines, sizeof *play.held),
                        .back = calloc(lines * (finder->slots + 1), sizeof *play.back)};
    int rc = play.held != NULL && play.back != NULL ? 0 : -ENOMEM;
    uint32_t now = 0;
    *ret_worth = 0.0;
    for (size_t k = 0, next; rc == 0 && k < packing->columns; k = next) {
        uint32_t task = packing->column[k].task;
        for (next = k; next < packing->columns && packing->column[next].task == task;)
            next++;
        for (; now < finder->whole->task[task].slot; now++)
            for (size_t i = 0; i < lines; i++)
                play.held[i] -= play.back[(now + 1) * lines + i];
        *ret_worth += play_task(finder, &play, k, next, least);
    }
    free(play.held);
    free(play.back);
    return rc;
}

/* The transportation problem of full shares. */
static int assign_full(const struct whole_episode *whole, double *ret_worth)
{
    const struct world *world = whole->world;
    size_t servers = world->servers;
    struct transport_solver solver = {0};
    double *worth = calloc((size_t) whole->tasks * servers, sizeof *worth);
    uint32_t *place = calloc(whole->tasks, sizeof *place), *room = calloc(servers, sizeof *room);
    int rc = worth != NULL && place != NULL && room != NULL
                 ? transport_init(&solver, whole->tasks, world->servers)
                 : -ENOMEM;
    if (rc == 0) {
        whole_episode_full(whole, worth);
        for (uint32_t m = 0; m < servers; m++)
            room[m] = whole_tasks_room(world, m);
        const struct transport problem = {
            .tasks = whole->tasks, .places = world->servers, .worth = worth, .room = room};
        *ret_worth = transport_solve(&solver, &problem, place);
        transport_finish(&solver);
    }
    free(worth);
    free(place);
    free(room);
    return rc;
}

/* ---- all of it ---- */

/* What the program says can be had: in parts that fit at every arrival, and by whole tasks. */
static int have(struct finder *finder, const struct packing_result *result, struct whole_bound *best)
{
    double excess = 1.0, played = 0.0, least = -GIVE * result->bound / finder->whole->tasks;
    int rc = excess_of(finder, &excess);
    rc = rc != 0 ? rc : play_all(finder, least, &played);
    best->played = fmax(best->played, played);
    best->attained = fmax(best->attained, fmax(played, result->attained / excess));
    return rc;
}

/* One program, and what its prices say of all shares. The bound is not asked for before the columns are good: proving it
 * takes longest. */
static int go_round(struct finder *finder, struct whole_bound *best)
{
    struct packing_result result;
    double gain = 0.0, bound = (double) INFINITY;
    int rc = packing_solve(&finder->packing, best->rounds > 0 ? PROGRAM_GAP : FIRST_GAP, &result);
    rc = rc != 0 ? rc : have(finder, &result, best);
    if (rc != 0)
        return rc;
    best->rounds++;
    packing_drop(&finder->packing, DROP * result.bound / finder->whole->tasks);
    add_up_prices(finder);
    rc = climb_all(finder, &gain);
    if (rc != 0 || (gain > SEARCH_GAP * result.bound && best->rounds < ROUNDS_MAX))
        return rc;
    double tolerance = SEARCH_GAP * result.bound / finder->whole->tasks;
    rc = bound_all(finder, tolerance > 0.0 ? tolerance : TOLERANCE_LEAST, &bound);
    best->bound = fmin(best->bound, bound);
    return rc;
}

/* Until the gap is closed, or a proof shows that it hardly closes any more. */
static int find(struct finder *finder, struct whole_bound *best)
{
    int rc = add_first(finder);
    double before = (double) INFINITY; /* the gap */
    while (rc == 0 && best->rounds < ROUNDS_MAX) {
        rc = go_round(finder, best);
        if (!(best->bound < (double) INFINITY))
            continue;
        double gap = best->bound - best->attained;
        if (gap <= WHOLE_BOUND_GAP * best->bound || gap > before - STEP_GAP * best->bound)
            return rc;
        before = gap;
    }
    return rc;
}

int whole_bound_find(const struct whole_episode *whole, struct whole_bound *ret_bound, struct diag *diag)
{
    struct whole_bound best = {.bound = (double) INFINITY, .full_shares = (double) NAN};
    struct finder finder;
    assert(whole->tasks > 0);
    if (whole->world->scenario.reserve.returns == RETURNS_STAGE)
        return diag_fail(diag, ERR_UNSUPPORTED,
                         "takes what a task holds to come back at once: reserve.returns must be off or end");
    int rc = init(&finder, whole);
    if (rc == 0)
        rc = find(&finder, &best);
    if (rc == 0 && !comes_back(&finder))
        rc = assign_full(whole, &best.full_shares);
    finish(&finder);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    *ret_bound = best;
    return 0;
}
