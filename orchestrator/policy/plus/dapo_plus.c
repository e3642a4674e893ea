/* dapo-plus: learns from reports what a task takes at a device, on a link and at a server (outcome_model),
 * and searches each slot's joint decision over what it foresees (load_search). Knows what observations and
 * reports say, and the operator's own objective; no formula of a channel or of a computation.
 *
 * Exploration: `plus.warmup` slots at random, then a device's place is drawn anew with a probability that
 * falls from `plus.explore` as 1 / (1 + slots / plus.explore_slots), and not below `plus.explore_least`. In
 * queueing mode only in slots whose costs do not count: random places crowd servers, and would make the best
 * price look lower than it is without them.
 *
 * Queueing mode (dapo_plus_queue): the same model tells what parts take alone, a forecast composes them, and
 * work has a price that is learned (learned_price). */
#include <assert.h>
#include <string.h>

#include "core/model/env_splits.h"
#include "core/model/task_features.h"
#include "orchestrator/policy/plus/dapo_plus_parts.h"

/* ---- exploration ---- */

static double explore_probability(const struct dapo_plus *own, const struct plus_settings *settings)
{
    if (own->decided < settings->plus.warmup)
        return 1.0;
    if (own->queue != NULL && !learned_price_is_settling(&own->queue->price))
        return 0.0;
    double slots = (double) (own->decided - settings->plus.warmup);
    double now = settings->plus.explore / (1.0 + slots / (double) settings->plus.explore_slots);
    return now > settings->plus.explore_least ? now : settings->plus.explore_least;
}

/* Any place that the device may have: local (which env_repair mends where it is not allowed), or a covered server after
 * any split, in any coding. */
static void draw_place(const struct env_view *view, uint32_t n, struct rng_at *at,
                       struct env_decision *decision)
{
    const struct world *world = view->world;
    uint32_t first = 0, last = 0;
    env_splits_range(view, n, &first, &last);
    uint32_t server = rng_below(at, 1, world->servers + 1);
    bool remote =
        server < world->servers && view->covered[(size_t) n * world->servers + server] && first <= last;
    decision->server[n] = remote ? server : ENV_LOCAL;
    decision->split[n] = remote ? first + rng_below(at, 2, last - first + 1) : world->llm->layers;
    decision->coding[n] = remote ? rng_below(at, 3, world->codings.count) : 0;
}

static void explore(const struct policy *policy, const struct env_view *view, struct env_decision *decision)
{
    struct rng_at at = {
        .seed = view->world->seed,
        .phase = view->id.phase,
        .stream = RNG_EXPLORATION,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    double probability = explore_probability(policy->state, plus_settings_of(policy));
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
        assert(!remote || (m < world->servers && own->load[m] > 0));
        own->task[n] = (struct outcome_task){
            .device = n,
            .server = m,
            .split = decision->split[n],
            .load = remote ? own->load[m] : 0,
            .coding = decision->coding[n],
            .tokens = view->tokens[n],
            .sending = &own->sending[n],
            .sendings = remote ? 1 : 0,
        };
        own->sending[n] = (struct outcome_sending){
            .gain = remote ? task_features_gain(view->gain[(size_t) n * world->servers + m]) : 0.0f,
            .load = own->task[n].load,
            .share = 1.0f,
        };
    }
}

static void search(const struct policy *policy, const struct env_view *view,
                   struct env_decision *ret_decision)
{
    struct dapo_plus *own = policy->state;
    const struct plus_settings *settings = plus_settings_of(policy);
    outcome_model_begin(own->model, &own->table, view);
    load_search_run(&own->search, &own->table,
                    &(struct load_search_options){.starts = (uint32_t) settings->plus.starts,
                                                  .swaps = settings->plus.swaps == SWITCH_ON});
    load_search_decide(&own->search, &own->table, ret_decision);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct dapo_plus *own = policy->state;
    if (own->queue != NULL)
        dapo_plus_queue_decide(own->queue, own->model, view, policy->training, ret_decision);
    else
        search(policy, view, ret_decision);
    if (!policy->training)
        return;
    if (own->queue == NULL && own->decided >= plus_settings_of(policy)->plus.warmup)
        load_actor_watch(own->actor, &own->table, own->search.best_load);
    explore(policy, view, ret_decision);
    if (own->queue != NULL)
        dapo_plus_queue_remember(own->queue, view, ret_decision);
    else
        remember(own, view, ret_decision);
    own->decided++;
}

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct dapo_plus *own = policy->state;
    own->owes_update = true;
    if (own->queue != NULL) {
        dapo_plus_queue_learn(own->queue, own->model, feedback,
                              own->decided > plus_settings_of(policy)->plus.warmup);
        return;
    }
    assert(policy->training && own->decided > 0);
    for (size_t i = 0; i < feedback->outcomes; i++)
        outcome_model_observe(own->model, &own->task[feedback->outcome[i].device], &feedback->outcome[i]);
}

static void update(struct policy *policy)
{
    struct dapo_plus *own = policy->state;
    for (uint64_t i = 0; i < plus_settings_of(policy)->plus.updates; i++)
        outcome_model_update(own->model);
    for (uint64_t i = 0; i < plus_settings_of(policy)->plus.actor_updates && own->queue == NULL; i++)
        load_actor_update(own->actor);
    own->owes_update = false;
}

static uint64_t updates(const struct policy *policy)
{
    const struct dapo_plus *own = policy->state;
    return outcome_model_updates(own->model);
}

/* The first reports are enough, also while decisions are still drawn. */
static struct policy_first_update first_update(const void *settings, uint32_t devices)
{
    (void) settings;
    (void) devices;
    return (struct policy_first_update){1, "plus.batch"};
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
    const struct dapo_plus *own = policy->state;
    int rc = dapo_plus_resume(policy, bytes, size, diag);
    /* The update that ran while the next episode began: nothing is decided before it is done. */
    if (rc == 0 && own->owes_update)
        update(policy);
    return rc;
}

const struct policy_kind policy_dapo_plus = {
    .name = "dapo-plus",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_ANY_MODE,
    .summary = "learns what tasks take from their reports, searches the joint decision",
    .source = "house: docs/learners.md, The outcome learner",
    .settings = &plus_settings_part,
    .create = dapo_plus_create,
    .destroy = dapo_plus_destroy,
    .decide = decide,
    .learn = learn,
    .update = update,
    .updates = updates,
    .first_update = first_update,
    .save = dapo_plus_save,
    .load = dapo_plus_load,
    .gather = gather,
    .recall = recall,
    .resume = resume,
};
