#include "orchestrator/policy/plus/load_actor.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/rl/deep_sets.h"

#define KEPT_MAX 256u       /* slots to learn from: the last ones [house] */
#define KEPT_MIN 16u        /* of very large ones no fewer [house] */
#define KEPT_PAIRS 1000000u /* and otherwise so many (device, server) pairs in all: 8 MB [house] */
#define TABLES 4u           /* of them in a step [house] */
#define COST_UNIT 0.05      /* differences below count as they are, larger by their logarithm [house] */
#define ENTITY 16u          /* of initial weights: behind the outcome model's */
#define EMPTY 0.5f          /* added to a load before its logarithm is taken */
#define NEXT_IN_LINE 16u    /* devices in a server's line: so many, and twice as many as it takes [house] */
static const uint32_t loads[] = {1, 4}; /* that the actor looks at [house: docs/benchmarks.md] */
#define LOADS (sizeof loads / sizeof *loads)

/* One slot as the network wants it: a set for each server, of the devices that it covers. */
struct lesson {
    uint32_t *members; /* [M] */
    float *x;          /* [members of all][LOADS] squeezed differences of cost */
    float *target;     /* [M] logarithm of EMPTY more than the load */
};

/* What a device would gain at a server that takes as many as it should. */
struct bid {
    double gain;
    uint32_t device, server;
};

struct load_actor {
    const struct world *world;
    struct deep_sets *net;
    struct lesson now;            /* target: what the network says */
    struct lesson kept[KEPT_MAX]; /* of `slots`; made when first needed */
    uint32_t slots;
    uint64_t watched, steps;
    uint32_t *quota; /* [M] devices that each server may still take */
    struct bid *bid; /* [N][M] */
    bool *in_line;   /* [N] */
};

static void lesson_finish(struct lesson *lesson)
{
    free(lesson->members);
    free(lesson->x);
    free(lesson->target);
    *lesson = (struct lesson){0};
}

static int lesson_init(struct lesson *lesson, const struct world *world)
{
    size_t pairs = (size_t) world->devices * world->servers;
    lesson->members = calloc(world->servers, sizeof *lesson->members);
    lesson->x = calloc(pairs * LOADS, sizeof *lesson->x);
    lesson->target = calloc(world->servers, sizeof *lesson->target);
    bool whole = lesson->members != NULL && lesson->x != NULL && lesson->target != NULL;
    if (!whole)
        lesson_finish(lesson);
    return whole ? 0 : -ENOMEM;
}

static uint32_t slots_kept(size_t pairs)
{
    assert(pairs > 0);
    size_t slots = KEPT_PAIRS / pairs;
    if (slots < KEPT_MIN)
        return KEPT_MIN;
    return slots < KEPT_MAX ? (uint32_t) slots : KEPT_MAX;
}

int load_actor_create(struct load_actor **ret_actor, const struct world *world, size_t hidden, float rate)
{
    size_t pairs = (size_t) world->devices * world->servers;
    struct load_actor *own = calloc(1, sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    own->world = world;
    own->slots = slots_kept(pairs);
    own->quota = calloc(world->servers, sizeof *own->quota);
    own->bid = calloc(pairs, sizeof *own->bid);
    own->in_line = calloc(world->devices, sizeof *own->in_line);
    struct deep_sets_config config = {
        .features = LOADS,
        .hidden = hidden,
        .members_max = pairs,
        .sets_max = world->servers,
        .rate = rate,
        .seed = world->seed,
        .entity = ENTITY,
    };
    bool whole = own->quota != NULL && own->bid != NULL && own->in_line != NULL;
    int rc = whole ? lesson_init(&own->now, world) : -ENOMEM;
    if (rc == 0)
        rc = deep_sets_create(&own->net, &config);
    if (rc != 0) {
        load_actor_destroy(own);
        return rc;
    }
    *ret_actor = own;
    return 0;
}

void load_actor_destroy(struct load_actor *actor)
{
    if (actor == NULL)
        return;
    deep_sets_destroy(actor->net);
    lesson_finish(&actor->now);
    for (uint32_t i = 0; i < KEPT_MAX; i++)
        lesson_finish(&actor->kept[i]);
    free(actor->quota);
    free(actor->bid);
    free(actor->in_line);
    free(actor);
}

/* ---- looking ---- */

/* Costs span decades above 0 and not below: this keeps small ones apart and large ones in bounds. */
static float squeeze(double difference)
{
    float size = elementary_log1pf((float) (fabs(difference) / COST_UNIT)) * 0.25f;
    return difference < 0.0 ? -size : size;
}

static size_t members_of(const struct load_actor *own, const struct lesson *lesson)
{
    size_t all = 0;
    for (uint32_t m = 0; m < own->world->servers; m++)
        all += lesson->members[m];
    return all;
}

static void look(struct load_actor *own, struct load_table *table)
{
    uint32_t servers = own->world->servers;
    float *x = own->now.x;
    for (size_t k = 0; k < LOADS; k++)
        (void) load_table_need_all(table, loads[k]); /* the table holds the first loads from the beginning */
    for (uint32_t m = 0; m < servers; m++) {
        own->now.members[m] = 0;
        for (uint32_t i = 0; i < table->count; i++) {
            uint32_t n = table->who[i];
            if (!(table->cost[load_table_at(table, n, m, loads[0])] < HUGE_VAL))
                continue;
            for (size_t k = 0; k < LOADS; k++)
                x[k] = squeeze(table->cost[load_table_at(table, n, m, loads[k])] - table->local_cost[n]);
            x += LOADS;
            own->now.members[m]++;
        }
        assert(own->now.members[m] <= own->world->devices);
    }
}

static struct deep_sets_table table_of(const struct load_actor *own, const struct lesson *lesson)
{
    return (struct deep_sets_table){.sets = own->world->servers, .members = lesson->members, .x = lesson->x};
}

/* ---- deciding ---- */

/* own->quota: how many each server should take. */
static void fill_quota(struct load_actor *own)
{
    struct deep_sets_table sets = table_of(own, &own->now);
    deep_sets_predict(own->net, &sets, own->now.target);
    for (uint32_t m = 0; m < own->world->servers; m++) {
        float most = (float) own->now.members[m];
        float quota = elementary_expf(own->now.target[m]); /* EMPTY more: rounds */
        own->quota[m] = (uint32_t) (quota < most ? quota : most);
        assert(own->quota[m] <= own->now.members[m]);
    }
}

/* The higher gain first; of equals the lower device. */
static bool is_before(const struct bid *a, const struct bid *b)
{
    if (a->gain != b->gain)
        return a->gain > b->gain;
    return a->device != b->device ? a->device < b->device : a->server < b->server;
}

static int by_gain(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : is_before(b, a) ? 1 : 0;
}

/* The best bids for server m under the load that it should have (where that is none, under 1), twice as many
 * and NEXT_IN_LINE more, into ret_bid; returns how many. None: out of memory. */
static uint32_t line_up(const struct load_actor *own, struct load_table *table, uint32_t m,
                        struct bid *ret_bid)
{
    uint32_t load = own->quota[m] > 0 ? own->quota[m] : 1, most = 2 * own->quota[m] + NEXT_IN_LINE, count = 0;
    if (!load_table_need(table, m, load))
        return 0;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t n = table->who[i];
        double cost = table->cost[load_table_at(table, n, m, load)];
        struct bid bid = {.gain = table->local_cost[n] - cost, .device = n, .server = m};
        if (!(cost < HUGE_VAL) || (count == most && !is_before(&bid, &ret_bid[count - 1])))
            continue;
        uint32_t at = count < most ? count++ : count - 1;
        for (; at > 0 && is_before(&bid, &ret_bid[at - 1]); at--)
            ret_bid[at] = ret_bid[at - 1];
        ret_bid[at] = bid;
    }
    assert(count <= own->world->devices); /* a server's part of own->bid */
    return count;
}

/* Those who gain most first, each to where it gains most of all servers whose quota is not used up. */
static void admit(struct load_actor *own, uint32_t count, uint32_t *ret_server)
{
    qsort(own->bid, count, sizeof *own->bid, by_gain);
    for (uint32_t i = 0; i < count; i++) {
        const struct bid *bid = &own->bid[i];
        own->in_line[bid->device] = true;
        if (!(bid->gain > 0.0) || ret_server[bid->device] != ENV_LOCAL || own->quota[bid->server] == 0)
            continue;
        ret_server[bid->device] = bid->server;
        own->quota[bid->server]--;
    }
}

static void narrow(const struct load_actor *own, struct load_table *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->count; i++)
        if (own->in_line[table->who[i]])
            table->who[count++] = table->who[i];
    assert(count <= table->count);
    table->count = count;
}

void load_actor_decide(struct load_actor *actor, struct load_table *table, uint32_t *ret_server)
{
    assert(table->devices == actor->world->devices && table->servers == actor->world->servers);
    uint32_t bids = 0;
    for (uint32_t n = 0; n < actor->world->devices; n++)
        ret_server[n] = ENV_LOCAL;
    look(actor, table);
    fill_quota(actor);
    for (uint32_t m = 0; m < actor->world->servers; m++)
        bids += line_up(actor, table, m, actor->bid + bids);
    memset(actor->in_line, 0, actor->world->devices * sizeof *actor->in_line);
    admit(actor, bids, ret_server);
    narrow(actor, table);
}

/* ---- learning ---- */

void load_actor_watch(struct load_actor *actor, struct load_table *table, const uint32_t *load)
{
    assert(actor->slots > 0 && actor->slots <= KEPT_MAX);
    struct lesson *lesson = &actor->kept[actor->watched % actor->slots];
    uint32_t servers = actor->world->servers;
    if (table->count == 0 || (lesson->x == NULL && lesson_init(lesson, actor->world) != 0))
        return; /* out of memory: there will be other slots */
    look(actor, table);
    memcpy(lesson->members, actor->now.members, servers * sizeof *lesson->members);
    memcpy(lesson->x, actor->now.x, members_of(actor, lesson) * LOADS * sizeof *lesson->x);
    for (uint32_t m = 0; m < servers; m++)
        lesson->target[m] = elementary_logf((float) load[m] + EMPTY);
    actor->watched++;
}

void load_actor_update(struct load_actor *actor)
{
    uint64_t kept = actor->watched < actor->slots ? actor->watched : actor->slots;
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
        assert(lesson->x != NULL); /* what was watched was kept */
        struct deep_sets_table sets = table_of(actor, lesson);
        (void) deep_sets_add_gradient(actor->net, &sets, lesson->target);
    }
    deep_sets_step(actor->net, TABLES);
    actor->steps++;
}

/* ---- bytes: the network's; with `full` u64 watched, u64 steps, and what is kept ---- */

static int save_lesson(const struct load_actor *own, const struct lesson *lesson, struct buf *bytes)
{
    uint32_t servers = own->world->servers;
    int rc = buf_push(bytes, lesson->members, servers * sizeof *lesson->members);
    if (rc == 0)
        rc = buf_push(bytes, lesson->x, members_of(own, lesson) * LOADS * sizeof *lesson->x);
    return rc != 0 ? rc : buf_push(bytes, lesson->target, servers * sizeof *lesson->target);
}

int load_actor_save(const struct load_actor *actor, bool full, struct buf *bytes)
{
    int rc = deep_sets_save(actor->net, full, bytes);
    if (rc != 0 || !full)
        return rc;
    rc = buf_push(bytes, &actor->watched, sizeof actor->watched);
    if (rc == 0)
        rc = buf_push(bytes, &actor->steps, sizeof actor->steps);
    for (uint64_t i = 0; i < actor->slots && i < actor->watched && rc == 0; i++)
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

static bool are_numbers(const float *value, size_t count)
{
    bool numbers = true;
    for (size_t i = 0; i < count; i++)
        numbers = numbers && isfinite(value[i]);
    return numbers;
}

static int load_lesson(struct load_actor *own, struct lesson *lesson, const uint8_t **bytes, size_t *size,
                       struct diag *diag)
{
    uint32_t servers = own->world->servers, devices = own->world->devices;
    int rc = lesson->x == NULL ? lesson_init(lesson, own->world) : 0;
    if (rc == 0)
        rc = take(bytes, size, lesson->members, servers * sizeof *lesson->members, diag);
    for (uint32_t m = 0; m < servers && rc == 0; m++)
        if (lesson->members[m] > devices)
            rc = diag_fail(diag, ERR_MISMATCH, "an actor's state is of %u devices, here are %u",
                           lesson->members[m], devices);
    if (rc != 0)
        return rc;
    size_t numbers = members_of(own, lesson) * LOADS;
    rc = take(bytes, size, lesson->x, numbers * sizeof *lesson->x, diag);
    if (rc == 0)
        rc = take(bytes, size, lesson->target, servers * sizeof *lesson->target, diag);
    if (rc == 0 && !(are_numbers(lesson->x, numbers) && are_numbers(lesson->target, servers)))
        rc = diag_fail(diag, ERR_CORRUPT, "an actor's state is damaged");
    return rc;
}

int load_actor_load(struct load_actor *actor, bool full, const uint8_t **bytes, size_t *size,
                    struct diag *diag)
{
    int rc = deep_sets_load(actor->net, full, bytes, size, diag);
    if (rc != 0 || !full)
        return rc;
    rc = take(bytes, size, &actor->watched, sizeof actor->watched, diag);
    if (rc == 0)
        rc = take(bytes, size, &actor->steps, sizeof actor->steps, diag);
    for (uint64_t i = 0; i < actor->slots && i < actor->watched && rc == 0; i++)
        rc = load_lesson(actor, &actor->kept[i], bytes, size, diag);
    return rc;
}
