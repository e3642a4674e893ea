#include "orchestrator/policy/distilled.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/scorer.h"

#define KEPT 64u      /* slots to learn from: the last ones [house] */
#define TABLES 4u     /* of them in a step [house] */
#define SOFTNESS 0.05 /* cost that makes a place 1/e as good [house: docs/benchmarks.md] */
#define ENTITY 16u    /* of initial weights: behind the outcome model's */
static const uint32_t loads[] = {1, 2, 4}; /* that the actor looks at [house] */
#define LOADS (sizeof loads / sizeof *loads)
#define FEATURES (LOADS + 1) /* and how many devices there are to a server */

/* One slot as the scorer wants it. */
struct lesson {
    uint32_t rows;
    float *x;      /* [N][M][FEATURES] */
    bool *mask;    /* [N][M] */
    float *target; /* [N][M + 1] */
};

/* A row, and how likely its likeliest place is. */
struct ranked {
    uint32_t row;
    float sureness;
};

struct distilled {
    const struct world *world;
    struct scorer *scorer;
    struct lesson now;        /* without a target */
    struct lesson kept[KEPT]; /* made when first needed */
    uint64_t watched, steps;
    float *score;         /* [N][M + 1] */
    float *room;          /* [M] */
    struct ranked *order; /* [N] */
    double *more;         /* [M + 1] */
};

static void lesson_finish(struct lesson *lesson)
{
    free(lesson->x);
    free(lesson->mask);
    free(lesson->target);
    *lesson = (struct lesson){0};
}

static int lesson_init(struct lesson *lesson, const struct world *world)
{
    size_t pairs = (size_t) world->devices * world->servers;
    lesson->x = calloc(pairs * FEATURES, sizeof *lesson->x);
    lesson->mask = calloc(pairs, sizeof *lesson->mask);
    lesson->target = calloc(pairs + world->devices, sizeof *lesson->target);
    bool whole = lesson->x != NULL && lesson->mask != NULL && lesson->target != NULL;
    if (!whole)
        lesson_finish(lesson);
    return whole ? 0 : -ENOMEM;
}

int distilled_create(struct distilled **ret_distilled, const struct world *world, size_t hidden, float rate)
{
    struct distilled *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = world;
    own->score = calloc((size_t) world->devices * (world->servers + 1), sizeof *own->score);
    own->room = calloc(world->servers, sizeof *own->room);
    own->order = calloc(world->devices, sizeof *own->order);
    own->more = calloc(world->servers + 1, sizeof *own->more);
    struct scorer_config config = {
        .features = FEATURES,
        .hidden = hidden,
        .rows_max = world->devices,
        .columns_max = world->servers,
        .rate = rate,
        .seed = world->seed,
        .entity = ENTITY,
    };
    int rc = own->score != NULL && own->more != NULL && own->room != NULL && own->order != NULL
                 ? lesson_init(&own->now, world)
                 : -ENOMEM;
    if (rc == 0)
        rc = scorer_create(&own->scorer, &config);
    if (rc != 0) {
        distilled_destroy(own);
        return rc;
    }
    *ret_distilled = own;
    return 0;
}

void distilled_destroy(struct distilled *actor)
{
    if (actor == NULL)
        return;
    scorer_destroy(actor->scorer);
    lesson_finish(&actor->now);
    for (uint32_t i = 0; i < KEPT; i++)
        lesson_finish(&actor->kept[i]);
    free(actor->score);
    free(actor->more);
    free(actor->room);
    free(actor->order);
    free(actor);
}

/* ---- looking ---- */

/* Costs span decades above 0 and not below: this keeps small ones apart and large ones in bounds. */
static float squeeze(double difference)
{
    float size = log1pf((float) (fabs(difference) / SOFTNESS)) * 0.25f;
    return difference < 0.0 ? -size : size;
}

static void look(struct distilled *own, struct load_table *table)
{
    uint32_t servers = own->world->servers;
    float crowd = logf((float) (table->count + 1) / (float) (servers * 3)); /* about 0 for dapo [house] */
    for (size_t k = 0; k < LOADS; k++)
        (void) load_table_need_all(table, loads[k]); /* there is room for the first loads */
    own->now.rows = table->count;
    for (uint32_t i = 0; i < table->count; i++)
        for (uint32_t m = 0; m < servers; m++) {
            size_t pair = (size_t) i * servers + m;
            uint32_t n = table->who[i];
            float *x = own->now.x + pair * FEATURES;
            own->now.mask[pair] = table->cost[load_table_at(table, n, m, 1)] < HUGE_VAL;
            for (size_t k = 0; k < LOADS; k++) {
                double cost = table->cost[load_table_at(table, n, m, loads[k])];
                x[k] = own->now.mask[pair] ? squeeze(cost - table->local_cost[n]) : 0.0f;
            }
            x[LOADS] = crowd;
        }
}

static struct scorer_table table_of(const struct distilled *own, const struct lesson *lesson)
{
    return (struct scorer_table){
        .rows = lesson->rows, .columns = own->world->servers, .x = lesson->x, .mask = lesson->mask};
}

/* How many each server should have: what the rows' probabilities add up to. The scores become probabilities.
 */
static void fill_room(struct distilled *own, const struct load_table *table)
{
    uint32_t servers = own->world->servers, options = servers + 1;
    for (uint32_t m = 0; m < servers; m++)
        own->room[m] = 0.5f; /* to the nearest */
    for (uint32_t i = 0; i < table->count; i++) {
        float *score = own->score + (size_t) i * options, top = score[servers], norm = 0.0f;
        for (uint32_t m = 0; m < servers; m++)
            top = score[m] > top ? score[m] : top;
        for (uint32_t m = 0; m < options; m++) {
            score[m] = expf(score[m] - top);
            norm += score[m];
        }
        for (uint32_t m = 0; m < options; m++)
            score[m] /= norm;
        for (uint32_t m = 0; m < servers; m++)
            own->room[m] += score[m];
        own->order[i] = (struct ranked){.row = i, .sureness = 1.0f / norm};
    }
}

static int by_sureness(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->sureness != right->sureness)
        return left->sureness > right->sureness ? -1 : 1;
    return left->row < right->row ? -1 : 1;
}

/* The surest devices first, each to the likeliest place that has room left: all that think alike do not go to
 * the same place. */
static void assign(struct distilled *own, const struct load_table *table, uint32_t *ret_server,
                   uint32_t *ret_load)
{
    uint32_t servers = own->world->servers;
    fill_room(own, table);
    qsort(own->order, table->count, sizeof *own->order, by_sureness);
    for (uint32_t i = 0; i < table->count; i++) {
        const float *likely = own->score + (size_t) own->order[i].row * (servers + 1);
        uint32_t best = servers;
        for (uint32_t m = 0; m < servers; m++)
            if (own->room[m] >= 1.0f && likely[m] > likely[best])
                best = m;
        if (best == servers)
            continue;
        ret_server[table->who[own->order[i].row]] = best;
        own->room[best] -= 1.0f;
        ret_load[best]++;
    }
}

void distilled_decide(struct distilled *actor, struct load_table *table, uint32_t *ret_server,
                      uint32_t *ret_load)
{
    uint32_t servers = actor->world->servers;
    memset(ret_load, 0, servers * sizeof *ret_load);
    for (uint32_t n = 0; n < actor->world->devices; n++)
        ret_server[n] = ENV_LOCAL;
    if (table->count == 0)
        return;
    look(actor, table);
    struct scorer_table pairs = table_of(actor, &actor->now);
    scorer_score(actor->scorer, &pairs, actor->score);
    assign(actor, table, ret_server, ret_load);
}

/* ---- learning ---- */

static void fill_target(const struct distilled *own, float *target)
{
    uint32_t options = own->world->servers + 1;
    double least = own->more[0], norm = 0.0;
    for (uint32_t m = 1; m < options; m++)
        least = own->more[m] < least ? own->more[m] : least;
    for (uint32_t m = 0; m < options; m++)
        norm += exp((least - own->more[m]) / SOFTNESS);
    for (uint32_t m = 0; m < options; m++)
        target[m] = (float) (exp((least - own->more[m]) / SOFTNESS) / norm);
}

void distilled_watch(struct distilled *actor, struct load_table *table, struct load_search *search)
{
    struct lesson *lesson = &actor->kept[actor->watched % KEPT];
    uint32_t servers = actor->world->servers;
    size_t pairs = (size_t) table->count * servers;
    if (table->count == 0 || (lesson->x == NULL && lesson_init(lesson, actor->world) != 0))
        return; /* out of memory: there will be other slots */
    look(actor, table);
    load_search_settle(search, table);
    lesson->rows = table->count;
    memcpy(lesson->x, actor->now.x, pairs * FEATURES * sizeof *lesson->x);
    memcpy(lesson->mask, actor->now.mask, pairs * sizeof *lesson->mask);
    for (uint32_t i = 0; i < table->count; i++) {
        load_search_changes(search, table, table->who[i], actor->more);
        fill_target(actor, lesson->target + (size_t) i * (servers + 1));
    }
    actor->watched++;
}

void distilled_update(struct distilled *actor)
{
    uint64_t kept = actor->watched < KEPT ? actor->watched : KEPT;
    struct rng_at at = {
        .seed = actor->world->seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .entity = 1,
        .episode = (uint32_t) (actor->steps >> 32),
        .slot = (uint32_t) actor->steps,
    };
    if (kept == 0)
        return;
    for (uint32_t i = 0; i < TABLES; i++) {
        const struct lesson *lesson = &actor->kept[rng_below(&at, i, (uint32_t) kept)];
        struct scorer_table pairs = table_of(actor, lesson);
        (void) scorer_add_gradient(actor->scorer, &pairs, lesson->target);
    }
    scorer_step(actor->scorer, TABLES);
    actor->steps++;
}

/* ---- bytes: the scorer's; with `full` u64 watched, u64 steps, and what is kept, oldest slot number first
 * ---- */

static int save_lesson(const struct distilled *own, const struct lesson *lesson, struct buf *bytes)
{
    size_t pairs = (size_t) lesson->rows * own->world->servers;
    int rc = buf_push(bytes, &lesson->rows, sizeof lesson->rows);
    if (rc == 0)
        rc = buf_push(bytes, lesson->x, pairs * FEATURES * sizeof *lesson->x);
    if (rc == 0)
        rc = buf_push(bytes, lesson->mask, pairs * sizeof *lesson->mask);
    return rc != 0 ? rc : buf_push(bytes, lesson->target, (pairs + lesson->rows) * sizeof *lesson->target);
}

int distilled_save(const struct distilled *actor, bool full, struct buf *bytes)
{
    int rc = scorer_save(actor->scorer, full, bytes);
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, &actor->watched, sizeof actor->watched);
    if (rc == 0)
        rc = buf_push(bytes, &actor->steps, sizeof actor->steps);
    for (uint64_t i = 0; i < KEPT && i < actor->watched && rc == 0; i++)
        rc = save_lesson(actor, &actor->kept[i], bytes);
    return rc;
}

static int take(const uint8_t **bytes, size_t *size, void *ret, size_t wanted, struct diag *diag)
{
    if (*size < wanted)
        return diag_fail(diag, ERR_TRUNCATED, "an actor's state ends too early");
    memcpy(ret, *bytes, wanted);
    *bytes += wanted;
    *size -= wanted;
    return 0;
}

static bool is_lesson_possible(const struct distilled *own, const struct lesson *lesson)
{
    size_t pairs = (size_t) lesson->rows * own->world->servers;
    bool possible = true;
    for (size_t i = 0; i < pairs * FEATURES; i++)
        possible = possible && isfinite(lesson->x[i]);
    for (size_t i = 0; i < pairs + lesson->rows; i++)
        possible = possible && lesson->target[i] >= 0.0f && lesson->target[i] <= 1.0f;
    return possible;
}

static int load_lesson(struct distilled *own, struct lesson *lesson, const uint8_t **bytes, size_t *size,
                       struct diag *diag)
{
    uint32_t rows = 0;
    int rc = lesson->x == NULL ? lesson_init(lesson, own->world) : 0;
    if (rc == 0)
        rc = take(bytes, size, &rows, sizeof rows, diag);
    if (rc == 0 && rows > own->world->devices)
        rc = diag_fail(diag, ERR_MISMATCH, "an actor's state is of %u devices, here are %u", rows,
                       own->world->devices);
    size_t pairs = (size_t) rows * own->world->servers;
    if (rc == 0)
        rc = take(bytes, size, lesson->x, pairs * FEATURES * sizeof *lesson->x, diag);
    for (size_t i = 0; i < pairs && rc == 0; i++) {
        uint8_t takes_part = 0;
        rc = take(bytes, size, &takes_part, sizeof takes_part, diag);
        lesson->mask[i] = takes_part != 0;
    }
    if (rc == 0)
        rc = take(bytes, size, lesson->target, (pairs + rows) * sizeof *lesson->target, diag);
    lesson->rows = rc == 0 ? rows : 0;
    return rc != 0 || is_lesson_possible(own, lesson)
               ? rc
               : diag_fail(diag, ERR_CORRUPT, "an actor's state is damaged");
}

int distilled_load(struct distilled *actor, bool full, const uint8_t **bytes, size_t *size, struct diag *diag)
{
    int rc = scorer_load(actor->scorer, full, bytes, size, diag);
    if (rc != 0 || !full)
        return rc;
    rc = take(bytes, size, &actor->watched, sizeof actor->watched, diag);
    if (rc == 0)
        rc = take(bytes, size, &actor->steps, sizeof actor->steps, diag);
    for (uint64_t i = 0; i < KEPT && i < actor->watched && rc == 0; i++)
        rc = load_lesson(actor, &actor->kept[i], bytes, size, diag);
    return rc;
}
