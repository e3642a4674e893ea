/* dapo-plus: learns from reports what a task takes at a device, on a link and at a server (outcome_model),
 * and searches each slot's joint decision over what it foresees (load_search). Knows what observations and
 * reports say, and the operator's own objective; no formula of a channel or of a computation.
 *
 * Exploration: `plus.warmup` slots at random, then a device's place is drawn anew with a probability that
 * falls from `plus.explore` as 1 / (1 + slots / plus.explore_slots), and not below `plus.explore_least`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "orchestrator/policy/load_search.h"
#include "orchestrator/policy/outcome_model.h"
#include "orchestrator/policy/policy.h"

#define LOADS_HELD 8u /* loads there is room for at first */

struct dapo_plus {
    struct outcome_model *model;
    struct load_table table;
    struct load_search search;
    struct outcome_task *task; /* [N] as last decided */
    uint32_t *load;            /* [M] of the last decision */
    uint64_t decided;          /* while training */
    bool owes_update;
};

static void destroy(struct policy *policy)
{
    struct dapo_plus *own = policy->state;
    if (own == NULL)
        return;
    outcome_model_destroy(own->model);
    load_table_finish(&own->table);
    load_search_finish(&own->search);
    free(own->task);
    free(own->load);
    free(own);
}

static int create(struct policy *policy, struct diag *diag)
{
    const struct world *world = policy->world;
    const struct scenario *scenario = &world->scenario;
    struct dapo_plus *own = calloc(1, sizeof *own);
    if (own == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    policy->state = own;
    uint64_t slots = scenario->run.episodes * scenario->run.slots;
    struct outcome_config config = {
        .hidden = scenario->plus.hidden,
        .batch = scenario->plus.batch,
        .buffer = scenario->plus.buffer,
        .rate = (float) scenario->plus.rate,
        .final_rate = (float) (scenario->plus.rate * scenario->plus.final_rate),
        .horizon = slots > 0 ? slots * scenario->plus.updates : 1,
        .seed = world->seed,
        .watches = scenario->plus.watch == SWITCH_ON,
    };
    own->task = calloc(world->devices, sizeof *own->task);
    own->load = calloc(world->servers, sizeof *own->load);
    int rc = own->task != NULL && own->load != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = outcome_model_create(&own->model, world, &config);
    if (rc == 0)
        rc = load_table_init(&own->table, world, LOADS_HELD);
    if (rc == 0)
        rc = load_search_init(&own->search, world);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

/* ---- exploration ---- */

static double explore_probability(const struct dapo_plus *own, const struct scenario *scenario)
{
    if (own->decided < scenario->plus.warmup)
        return 1.0;
    double slots = (double) (own->decided - scenario->plus.warmup);
    double now = scenario->plus.explore / (1.0 + slots / (double) scenario->plus.explore_slots);
    return now > scenario->plus.explore_least ? now : scenario->plus.explore_least;
}

/* Any place that the device may have: local, or a covered server after any split. */
static void draw_place(const struct env_view *view, uint32_t n, struct rng_at *at,
                       struct env_decision *decision)
{
    const struct world *world = view->world;
    uint32_t first = (uint32_t) world->scenario.model.min_split, end = load_table_split_end(world, n);
    uint32_t server = rng_below(at, 1, world->servers + 1);
    bool remote =
        server < world->servers && view->covered[(size_t) n * world->servers + server] && first < end;
    decision->server[n] = remote ? server : ENV_LOCAL;
    decision->split[n] = remote ? first + rng_below(at, 2, end - first) : world->llm->layers;
}

static void explore(const struct dapo_plus *own, const struct env_view *view, struct env_decision *decision)
{
    struct rng_at at = {
        .seed = view->world->seed,
        .phase = view->id.phase,
        .stream = RNG_EXPLORATION,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    double probability = explore_probability(own, &view->world->scenario);
    for (uint32_t n = 0; n < view->world->devices; n++) {
        at.entity = n;
        if (env_has_task(view, n) && rng_uniform(&at, 0) < probability)
            draw_place(view, n, &at, decision);
    }
    env_repair(view, decision);
}

/* ---- decisions ---- */

static void remember(struct dapo_plus *own, const struct env_view *view, const struct env_decision *decision)
{
    const struct world *world = view->world;
    memset(own->load, 0, world->servers * sizeof *own->load);
    for (uint32_t n = 0; n < world->devices; n++)
        if (decision->server[n] != ENV_LOCAL)
            own->load[decision->server[n]]++;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = decision->server[n];
        bool remote = m != ENV_LOCAL;
        own->task[n] = (struct outcome_task){
            .device = n,
            .server = m,
            .split = decision->split[n],
            .load = remote ? own->load[m] : 0,
            .tokens = view->tokens[n],
            .gain = remote ? view->gain[(size_t) n * world->servers + m] : 0.0,
        };
    }
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct dapo_plus *own = policy->state;
    const struct scenario *scenario = &policy->world->scenario;
    outcome_model_begin(own->model, &own->table, view);
    load_search_run(&own->search, &own->table,
                    &(struct load_search_options){.starts = (uint32_t) scenario->plus.starts,
                                                  .swaps = scenario->plus.swaps == SWITCH_ON});
    load_search_decide(&own->search, &own->table, ret_decision);
    if (!policy->training)
        return;
    explore(own, view, ret_decision);
    remember(own, view, ret_decision);
    own->decided++;
}

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct dapo_plus *own = policy->state;
    for (size_t i = 0; i < feedback->reports; i++)
        outcome_model_observe(own->model, &own->task[feedback->report[i].device], &feedback->report[i]);
    own->owes_update = true;
}

static void update(struct policy *policy)
{
    struct dapo_plus *own = policy->state;
    for (uint64_t i = 0; i < policy->world->scenario.plus.updates; i++)
        outcome_model_update(own->model);
    own->owes_update = false;
}

/* ---- bytes: this head, the model (outcome_bytes.c), the CRC-32 of both ---- */

struct head {
    char magic[4];
    uint32_t version, full, hidden;
    uint64_t decided, owes_update;
};

static struct head head_of(const struct policy *policy, bool full)
{
    const struct dapo_plus *own = policy->state;
    return (struct head){
        .magic = {'H', 'P', 'L', 'S'},
        .version = 1,
        .full = full ? 1 : 0,
        .hidden = (uint32_t) policy->world->scenario.plus.hidden,
        .decided = full ? own->decided : 0,
        .owes_update = full && own->owes_update ? 1 : 0,
    };
}

static int save(const struct policy *policy, bool full, struct buf *bytes)
{
    const struct dapo_plus *own = policy->state;
    struct head head = head_of(policy, full);
    size_t start = bytes->size;
    int rc = buf_push(bytes, &head, sizeof head);
    if (rc == 0)
        rc = outcome_model_save(own->model, full, bytes);
    uint32_t crc = rc == 0 ? checkpoint_crc32(bytes->data + start, bytes->size - start) : 0;
    return rc != 0 ? rc : buf_push(bytes, &crc, sizeof crc);
}

static int read_all(struct policy *policy, bool full, const void *bytes, size_t size, struct head *ret_head,
                    struct diag *diag)
{
    struct dapo_plus *own = policy->state;
    struct head head = {0}, mine = head_of(policy, full);
    uint32_t crc = 0;
    if (size < sizeof head + sizeof crc || memcmp(bytes, mine.magic, sizeof mine.magic) != 0)
        return diag_fail(diag, ERR_TYPE, "not weights of dapo-plus: they do not begin with \"HPLS\"");
    memcpy(&head, bytes, sizeof head);
    if (head.version != mine.version)
        return diag_fail(diag, ERR_VERSION, "weights of version %u, this program reads version %u",
                         head.version, mine.version);
    if (head.full != mine.full || head.hidden != mine.hidden)
        return diag_fail(diag, ERR_MISMATCH, "weights of networks with %u units, plus.hidden is %u",
                         head.hidden, mine.hidden);
    const uint8_t *at = (const uint8_t *) bytes + sizeof head;
    size_t left = size - sizeof head - sizeof crc;
    memcpy(&crc, (const uint8_t *) bytes + size - sizeof crc, sizeof crc);
    if (checkpoint_crc32(bytes, size - sizeof crc) != crc)
        return diag_fail(diag, ERR_CORRUPT, "weights are damaged: their checksum does not match");
    int rc = outcome_model_load(own->model, full, &at, &left, diag);
    if (rc == 0 && left > 0)
        rc = diag_fail(diag, ERR_MISMATCH, "weights have %zu bytes too many", left);
    *ret_head = head;
    return rc;
}

static int load(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct head head = {0};
    return read_all(policy, false, bytes, size, &head, diag);
}

static int gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes)
{
    struct dapo_plus *own = policy->state;
    return outcome_model_gather(own->model, ret_experience, bytes);
}

static int recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct dapo_plus *own = policy->state;
    return outcome_model_recall(own->model, bytes, size, diag);
}

static int resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag)
{
    struct dapo_plus *own = policy->state;
    struct head head = {0};
    int rc = read_all(policy, true, bytes, size, &head, diag);
    if (rc != 0)
        return rc;
    own->decided = head.decided;
    /* The update that ran while the next episode began: nothing is decided before it is done. */
    if (head.owes_update == 1)
        update(policy);
    return 0;
}

const struct policy_kind policy_dapo_plus = {
    .name = "dapo-plus",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_ROUND,
    .summary = "learns what tasks take from their reports, searches the joint decision",
    .source = "house: docs/learners.md, The outcome learner",
    .create = create,
    .destroy = destroy,
    .decide = decide,
    .learn = learn,
    .update = update,
    .save = save,
    .load = load,
    .gather = gather,
    .recall = recall,
    .resume = resume,
};
