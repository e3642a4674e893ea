#include "orchestrator/run/trained_run.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/model/env.h"
#include "core/base/parse.h"
#include "db/experiment_file.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/run/run_policy.h"
#include "orchestrator/setup/world_setup.h"

#define CHECKPOINTS_MAX 100000u

/* ---- reading the run ---- */

/* The weights that the run's training began with; false when this program cannot make them. */
static bool make_first_weights(const struct trained_run *own, const struct policy_kind *kind,
                               struct buf *weights)
{
    const struct policy_options as_then = {
        .world = &own->world, .settings = settings_values(&own->settings), .training = true};
    struct policy policy = {0};
    bool made = policy_create(&policy, kind, &as_then, NULL) == 0 && kind->save(&policy, false, weights) == 0;
    policy_destroy(&policy);
    return made;
}

/* Weights that are still the first ones have learned nothing, whatever their episode came to. */
static int count_unlearned(struct trained_run *own, struct store *store)
{
    const struct policy_kind *kind = NULL;
    struct buf first = {0}, weights = {0};
    bool same = own->checkpoints > 0 && catalog_find(own->run.policy, &kind, NULL) == 0 &&
                policy_learns(kind) && make_first_weights(own, kind, &first);
    int rc = 0;
    while (rc == 0 && same && own->unlearned < own->checkpoints) {
        struct db_checkpoint row;
        buf_clear(&weights);
        rc = store_read_checkpoint(store, own->run.run_id, own->episode[own->unlearned], &row, &weights,
                                   own->diag);
        same = rc == 0 && weights.size == first.size && memcmp(weights.data, first.data, first.size) == 0;
        own->unlearned += same ? 1 : 0;
    }
    buf_finish(&first);
    buf_finish(&weights);
    return rc;
}

static int take_checkpoint(void *user, const struct db_checkpoint *row)
{
    struct trained_run *own = user;
    if (own->checkpoints >= CHECKPOINTS_MAX)
        return diag_fail(own->diag, ERR_TOO_BIG, "more than %u checkpoints", CHECKPOINTS_MAX);
    size_t count = own->checkpoints + 1;
    int rc = 0;
    array_resize(&own->episode, count, &rc);
    array_resize(&own->validation_cost, count, &rc);
    if (rc != 0)
        return diag_fail(own->diag, rc, "out of memory");
    own->episode[own->checkpoints] = row->episode;
    own->validation_cost[own->checkpoints++] = row->validation_cost;
    return 0;
}

/* Opens the file for the time of one call: recording needs it for itself. */
static int with_store(struct trained_run *own, enum db_mode mode,
                      int (*work)(struct trained_run *own, struct store *store))
{
    struct experiment_file file = {0};
    int rc = experiment_file_open(&file, own->options.path, mode, own->diag);
    if (rc == 0)
        rc = work(own, file.store);
    int close_rc = experiment_file_close(&file, own->diag);
    return rc != 0 ? rc : close_rc;
}

static int read_run(struct trained_run *own, struct store *store)
{
    int rc = store_read_run(store, own->options.run_id, &own->run, &own->texts, own->diag);
    if (rc == 0 && own->run.kind != DB_RUN_TRAIN)
        rc = diag_fail(own->diag, ERR_STATE, "%s: run %lld is no training run; name the one it belongs to",
                       own->options.path, (long long) own->run.run_id);
    if (rc == 0)
        rc = world_setup_read(&own->world, &own->settings, store, &own->run, own->diag);
    if (rc == 0)
        rc = store_each_checkpoint(store, own->run.run_id, take_checkpoint, own, own->diag);
    return rc != 0 ? rc : count_unlearned(own, store);
}

static int write_validation(struct trained_run *own, struct store *store)
{
    int rc = 0;
    for (size_t i = own->unlearned; i < own->checkpoints && rc == 0; i++)
        if (!isnan(own->validation_cost[i]))
            rc = store_set_validation_cost(store, own->run.run_id, own->episode[i], own->validation_cost[i],
                                           own->diag);
    return rc;
}

bool trained_run_never_learned(const struct trained_run *own, int64_t episode)
{
    size_t i = 0;
    while (i < own->checkpoints && (int64_t) own->episode[i] != episode)
        i++;
    assert(i < own->checkpoints);
    return i < own->unlearned;
}

int trained_run_weights(struct trained_run *own, int64_t episode, struct buf *weights)
{
    struct experiment_file file = {0};
    struct db_checkpoint row;
    assert(episode >= 0);
    int rc = experiment_file_open(&file, own->options.path, DB_READ, own->diag);
    if (rc == 0)
        rc = store_read_checkpoint(file.store, own->run.run_id, episode, &row, weights, own->diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}

int trained_run_begin(struct trained_run *own, struct policy *policy, int64_t *ret_episode)
{
    struct buf weights = {0};
    if (!policy_learns(policy->kind))
        return diag_fail(own->diag, ERR_UNSUPPORTED, "--from: %s does not learn: it takes no weights",
                         policy->kind->name);
    assert(policy->training); /* it was made to learn */
    int rc = trained_run_checkpoint(own, policy->kind, ret_episode);
    if (rc == 0)
        rc = trained_run_weights(own, *ret_episode, &weights);
    if (rc == 0) {
        rc = policy->kind->load(policy, weights.data, weights.size, own->diag);
        if (rc != 0)
            diag_prefix(own->diag, "--from: the weights of run %lld do not fit", (long long) own->run.run_id);
    }
    buf_finish(&weights);
    return rc;
}

/* ---- one policy over one phase ---- */

/* What is behind the weights after an episode: known of the first ones, and otherwise as many as the whole training
 * made. A training that began with another's weights and made none is not known to have learned nothing. */
static bool find_updates(const struct trained_run *own, int64_t episode, uint64_t *ret_updates)
{
    bool never = trained_run_never_learned(own, episode);
    if (!never && own->run.updates <= 0)
        return false;
    *ret_updates = never ? 0 : (uint64_t) own->run.updates;
    return true;
}

int trained_run_play(struct trained_run *own, const struct policy_kind *kind, enum rng_phase phase,
                     int64_t checkpoint, struct session_result *ret_result)
{
    const struct scenario *scenario = &own->world.scenario;
    bool test = phase == RNG_TEST;
    assert(test || phase == RNG_VALIDATE); /* held-out phases */
    assert((checkpoint >= 0) == policy_is_trained(kind));
    struct buf weights = {0};
    int64_t run_id = 0;
    uint64_t updates = 0;
    bool has_updates = checkpoint >= 0 && find_updates(own, checkpoint, &updates);
    struct run_policy play = {
        .host = own->options.host,
        .world = &own->world,
        .kind = kind,
        .weights = checkpoint >= 0 ? &weights : NULL,
        .row =
            {
                .path = own->options.path,
                .settings = &own->settings,
                .kind = test ? DB_RUN_TEST : DB_RUN_VALIDATE,
                .parent_run_id = own->run.run_id,
                .checkpoint_episode = checkpoint,
                .has_updates = has_updates,
                .updates = updates,
                .phase = phase,
                .episodes = (uint32_t) (test ? scenario->evaluation.test_episodes
                                             : scenario->evaluation.validate_episodes),
                .slots =
                    (uint32_t) (test ? scenario->evaluation.test_slots : scenario->evaluation.validate_slots),
            },
        .record_tasks = test,
    };
    int rc = checkpoint >= 0 ? trained_run_weights(own, checkpoint, &weights) : 0;
    if (rc == 0)
        rc = run_policy_record(&play, ret_result, &run_id, own->diag);
    buf_finish(&weights);
    return rc;
}

/* ---- choosing a checkpoint ---- */

/* Whoever refuses whole tasks earns nothing for them: a mean over those that are done would praise it. */
static double cost_of(const struct trained_run *own, const struct session_result *result)
{
    return env_reserves(&own->world) ? result->task_cost : result->mean_cost;
}

static int validate_all(struct trained_run *own, const struct policy_kind *kind)
{
    int rc = 0;
    for (size_t i = own->options.validates_unlearned ? 0 : own->unlearned; i < own->checkpoints && rc == 0;
         i++) {
        struct session_result result;
        if (!isnan(own->validation_cost[i]))
            continue;
        rc = trained_run_play(own, kind, RNG_VALIDATE, own->episode[i], &result);
        assert(rc != 0 || result.slots > 0);
        if (rc == 0)
            own->validation_cost[i] = cost_of(own, &result);
    }
    return rc != 0 ? rc : with_store(own, DB_READWRITE, write_validation);
}

static int pick_best(struct trained_run *own, const struct policy_kind *kind, int64_t *ret_episode)
{
    int rc = validate_all(own, kind);
    size_t best = own->unlearned < own->checkpoints ? own->unlearned : own->checkpoints - 1;
    for (size_t i = best + 1; i < own->checkpoints && rc == 0; i++)
        best = own->validation_cost[i] < own->validation_cost[best] ? i : best;
    if (rc == 0)
        *ret_episode = own->episode[best];
    return rc;
}

/* The checkpoint that is named; of "best" the last, which need not be it. */
static int find_checkpoint(const struct trained_run *own, const struct policy_kind *kind,
                           int64_t *ret_episode, struct diag *diag)
{
    const char *wish = own->options.checkpoint;
    uint64_t number = 0;
    if (strcmp(policy_weights_of(kind), own->run.policy) != 0)
        return diag_fail(diag, ERR_NOT_FOUND, "run %lld trained %s: it has no weights for %s",
                         (long long) own->run.run_id, own->run.policy, kind->name);
    if (own->checkpoints == 0)
        return diag_fail(diag, ERR_NOT_FOUND, "%s: run %lld has no checkpoint of %s", own->options.path,
                         (long long) own->run.run_id, kind->name);
    if (strcmp(wish, "last") == 0 || strcmp(wish, "best") == 0) {
        *ret_episode = own->episode[own->checkpoints - 1];
        return 0;
    }
    if (parse_u64(wish, &number) != 0)
        return diag_fail(diag, ERR_SYNTAX, "--checkpoint: '%s' is neither best, last nor an episode", wish);
    for (size_t i = 0; i < own->checkpoints; i++)
        if (own->episode[i] == number) {
            *ret_episode = (int64_t) number;
            return 0;
        }
    return diag_fail(diag, ERR_NOT_FOUND, "run %lld has no checkpoint after episode %llu; its last is %u",
                     (long long) own->run.run_id, (unsigned long long) number,
                     own->episode[own->checkpoints - 1]);
}

int trained_run_checkpoint(struct trained_run *own, const struct policy_kind *kind, int64_t *ret_episode)
{
    int64_t episode = -1;
    int rc = policy_is_trained(kind) ? find_checkpoint(own, kind, &episode, own->diag) : 0;
    if (rc == 0 && policy_is_trained(kind) && strcmp(own->options.checkpoint, "best") == 0)
        rc = pick_best(own, kind, &episode);
    if (rc == 0)
        *ret_episode = episode;
    return rc;
}

int trained_run_check(struct trained_run *own, const struct policy_kind *kind, struct diag *diag)
{
    const struct policy_options options = {.world = &own->world, .settings = settings_values(&own->settings)};
    int64_t episode = -1;
    struct buf weights = {0};
    struct policy policy = {0};
    int rc = policy_is_trained(kind) ? find_checkpoint(own, kind, &episode, diag) : 0;
    if (rc == 0 && episode >= 0)
        rc = trained_run_weights(own, episode, &weights);
    if (rc == 0)
        rc = policy_create(&policy, kind, &options, diag);
    if (rc == 0 && episode >= 0)
        rc = kind->load(&policy, weights.data, weights.size, diag);
    policy_destroy(&policy);
    buf_finish(&weights);
    return rc;
}

int trained_run_open(struct trained_run *ret_own, const struct trained_run_options *options,
                     struct diag *diag)
{
    *ret_own = (struct trained_run){.options = *options, .diag = diag};
    return with_store(ret_own, DB_READ, read_run);
}

void trained_run_finish(struct trained_run *own)
{
    world_finish(&own->world);
    buf_finish(&own->texts);
    free(own->episode);
    free(own->validation_cost);
}
