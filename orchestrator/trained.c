#include "orchestrator/trained.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/parse.h"
#include "orchestrator/archive.h"
#include "orchestrator/lab.h"
#include "orchestrator/play.h"

#define CHECKPOINTS_MAX 100000u

/* ---- reading the run ---- */

static int take_checkpoint(void *user, const struct db_checkpoint *row)
{
    struct trained *own = user;
    if (own->checkpoints >= CHECKPOINTS_MAX)
        return diag_fail(own->diag, ERR_TOO_BIG, "more than %u checkpoints", CHECKPOINTS_MAX);
    size_t count = own->checkpoints + 1;
    uint32_t *episode = realloc(own->episode, count * sizeof *episode);
    if (episode != NULL)
        own->episode = episode;
    double *cost = realloc(own->validation_cost, count * sizeof *cost);
    if (cost != NULL)
        own->validation_cost = cost;
    if (episode == NULL || cost == NULL)
        return diag_fail(own->diag, -ENOMEM, "out of memory");
    own->episode[own->checkpoints] = row->episode;
    own->validation_cost[own->checkpoints++] = row->validation_cost;
    return 0;
}

/* Opens the file for the time of one call: recording needs it for itself. */
static int with_store(struct trained *own, enum db_mode mode,
                      int (*work)(struct trained *own, struct store *store))
{
    struct archive archive = {0};
    int rc = archive_open(&archive, own->path, mode, own->diag);
    if (rc == 0)
        rc = work(own, archive.store);
    int close_rc = archive_close(&archive, own->diag);
    return rc != 0 ? rc : close_rc;
}

static int read_run(struct trained *own, struct store *store)
{
    int rc = store_read_run(store, own->cli->run, &own->run, &own->texts, own->diag);
    if (rc == 0 && own->run.kind != DB_RUN_TRAIN)
        rc = diag_fail(own->diag, ERR_STATE, "%s: run %lld is no training run; name the one it belongs to",
                       own->path, (long long) own->run.run_id);
    if (rc == 0)
        rc = lab_world_recorded(&own->world, store, &own->run, own->diag);
    return rc != 0 ? rc : store_each_checkpoint(store, own->run.run_id, take_checkpoint, own, own->diag);
}

static int write_validation(struct trained *own, struct store *store)
{
    int rc = 0;
    for (size_t i = 0; i < own->checkpoints && rc == 0; i++)
        if (!isnan(own->validation_cost[i]))
            rc = store_set_validation_cost(store, own->run.run_id, own->episode[i], own->validation_cost[i],
                                           own->diag);
    return rc;
}

int trained_weights(struct trained *own, int64_t episode, struct buf *weights)
{
    struct archive archive = {0};
    struct db_checkpoint row;
    int rc = archive_open(&archive, own->path, DB_READ, own->diag);
    if (rc == 0)
        rc = store_read_checkpoint(archive.store, own->run.run_id, episode, &row, weights, own->diag);
    (void) archive_close(&archive, NULL); /* only read */
    return rc;
}

/* ---- one policy over one phase ---- */

int trained_play(struct trained *own, const struct policy_kind *kind, enum rng_phase phase,
                 int64_t checkpoint, struct session_result *ret_result)
{
    const struct scenario *scenario = &own->world.scenario;
    bool test = phase == RNG_TEST;
    struct buf weights = {0};
    int64_t run_id = 0;
    struct play play = {
        .cli = own->cli,
        .world = &own->world,
        .kind = kind,
        .weights = checkpoint >= 0 ? &weights : NULL,
        .row =
            {
                .path = own->path,
                .kind = test ? DB_RUN_TEST : DB_RUN_VALIDATE,
                .parent_run_id = own->run.run_id,
                .checkpoint_episode = checkpoint,
                .phase = phase,
                .episodes = (uint32_t) (test ? scenario->evaluation.test_episodes
                                             : scenario->evaluation.validate_episodes),
                .slots =
                    (uint32_t) (test ? scenario->evaluation.test_slots : scenario->evaluation.validate_slots),
            },
        .record_tasks = test,
    };
    int rc = checkpoint >= 0 ? trained_weights(own, checkpoint, &weights) : 0;
    if (rc == 0)
        rc = play_record(&play, ret_result, &run_id, own->diag);
    buf_finish(&weights);
    return rc;
}

/* ---- choosing a checkpoint ---- */

static int validate_all(struct trained *own, const struct policy_kind *kind)
{
    int rc = 0;
    for (size_t i = 0; i < own->checkpoints && rc == 0; i++) {
        struct session_result result;
        if (!isnan(own->validation_cost[i]))
            continue;
        rc = trained_play(own, kind, RNG_VALIDATE, own->episode[i], &result);
        if (rc == 0)
            own->validation_cost[i] = result.mean_cost;
    }
    return rc != 0 ? rc : with_store(own, DB_READWRITE, write_validation);
}

static int pick_checkpoint(struct trained *own, const struct policy_kind *kind, int64_t *ret_episode)
{
    const char *wish = own->cli->checkpoint;
    uint64_t number = 0;
    if (own->checkpoints == 0)
        return diag_fail(own->diag, ERR_NOT_FOUND, "%s: run %lld has no checkpoint of %s", own->path,
                         (long long) own->run.run_id, kind->name);
    if (strcmp(wish, "last") == 0) {
        *ret_episode = own->episode[own->checkpoints - 1];
        return 0;
    }
    if (strcmp(wish, "best") == 0) {
        int rc = validate_all(own, kind);
        size_t best = 0;
        for (size_t i = 1; i < own->checkpoints && rc == 0; i++)
            best = own->validation_cost[i] < own->validation_cost[best] ? i : best;
        *ret_episode = own->episode[best];
        return rc;
    }
    if (parse_u64(wish, &number) != 0)
        return diag_fail(own->diag, ERR_SYNTAX, "--checkpoint: '%s' is neither best, last nor an episode",
                         wish);
    for (size_t i = 0; i < own->checkpoints; i++)
        if (own->episode[i] == number) {
            *ret_episode = (int64_t) number;
            return 0;
        }
    return diag_fail(
        own->diag, ERR_NOT_FOUND, "run %lld has no checkpoint after episode %llu; its last is %u",
        (long long) own->run.run_id, (unsigned long long) number, own->episode[own->checkpoints - 1]);
}

int trained_checkpoint(struct trained *own, const struct policy_kind *kind, int64_t *ret_episode)
{
    *ret_episode = -1;
    if (!policy_is_trained(kind))
        return 0;
    if (strcmp(policy_weights_of(kind), own->run.policy) != 0)
        return diag_fail(own->diag, ERR_NOT_FOUND, "run %lld trained %s: it has no weights for %s",
                         (long long) own->run.run_id, own->run.policy, kind->name);
    return pick_checkpoint(own, kind, ret_episode);
}

int trained_open(struct trained *ret_own, const struct cli *cli, struct diag *diag)
{
    *ret_own = (struct trained){.cli = cli, .path = cli->db, .diag = diag};
    return with_store(ret_own, DB_READ, read_run);
}

void trained_finish(struct trained *own)
{
    world_finish(&own->world);
    buf_finish(&own->texts);
    free(own->episode);
    free(own->validation_cost);
}
