/* A recorded training run: its world, and the weights that were saved on the way. */
#ifndef HANDOFF_ORCHESTRATOR_RUN_TRAINED_RUN_H
#define HANDOFF_ORCHESTRATOR_RUN_TRAINED_RUN_H

#include "core/base/buf.h"
#include "core/model/world.h"
#include "db/rows.h"
#include "orchestrator/host/host.h"
#include "orchestrator/policy/catalog/settings.h"
#include "orchestrator/session/session.h"

/* Which one, and how its policies are played. Texts are borrowed. */
struct trained_run_options {
    const char *path;       /* the database's */
    int64_t run_id;         /* 0: the newest training run */
    const char *checkpoint; /* "best", "last" or an episode's number */
    /* Validates also checkpoints from before the first update, which never are the best: for learning curves. */
    bool validates_unlearned;
    struct host_options host;
};

struct trained_run {
    struct trained_run_options options;
    struct db_run run; /* texts in `texts` */
    struct buf texts;
    struct world world;
    struct settings settings; /* how its policy was set */
    /* The run's checkpoints. */
    uint32_t *episode;
    double *validation_cost; /* NAN: not validated yet */
    size_t checkpoints;
    size_t unlearned; /* so many of them, the first ones, have the weights that training began with */
    struct diag *diag;
};

/* Finish it also when this failed. */
int trained_run_open(struct trained_run *ret_own, const struct trained_run_options *options,
                     struct diag *diag);
void trained_run_finish(struct trained_run *own);

/* Can the policy be played in the run's world, with the checkpoint that was asked for? Plays nothing. */
int trained_run_check(struct trained_run *own, const struct policy_kind *kind, struct diag *diag);

/* The checkpoint that was asked for; the best one is found by validating those not yet validated. One from before the
 * first update is the best only where there is no other. -1 for a policy that takes no weights. */
int trained_run_checkpoint(struct trained_run *own, const struct policy_kind *kind, int64_t *ret_episode);
/* Are the weights after `episode` those that training began with? */
bool trained_run_never_learned(const struct trained_run *own, int64_t episode);
/* Appends a learner's weights after `episode`. */
int trained_run_weights(struct trained_run *own, int64_t episode, struct buf *weights);

/* A fresh learner begins with the weights that were asked for. Its critic, if it has one, its experience and its
 * exploration are those of a beginning. ret_episode: which checkpoint it was. ERR_UNSUPPORTED: it takes none. */
int trained_run_begin(struct trained_run *own, struct policy *policy, int64_t *ret_episode);

/* Drives a policy over a held-out phase of the run's world, and records that. */
int trained_run_play(struct trained_run *own, const struct policy_kind *kind, enum rng_phase phase,
                     int64_t checkpoint, struct session_result *ret_result);

#endif
