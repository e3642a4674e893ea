/* A recorded training run: its world, and the weights that were saved on the way. */
#ifndef HANDOFF_ORCHESTRATOR_TRAINED_H
#define HANDOFF_ORCHESTRATOR_TRAINED_H

#include "core/base/buf.h"
#include "core/model/world.h"
#include "db/rows.h"
#include "orchestrator/cli.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/session.h"

struct trained {
    const struct cli *cli;
    const char *path;
    struct db_run run; /* texts in `texts` */
    struct buf texts;
    struct world world;
    /* The run's checkpoints. */
    uint32_t *episode;
    double *validation_cost; /* NAN: not validated yet */
    size_t checkpoints;
    struct diag *diag;
};

/* The run that `cli` names, or the newest. Finish it also when this failed. */
int trained_open(struct trained *ret_own, const struct cli *cli, struct diag *diag);
void trained_finish(struct trained *own);

/* The checkpoint that `cli` asks for; the best one is found by validating those not yet validated. -1 for a
 * policy that takes no weights. */
int trained_checkpoint(struct trained *own, const struct policy_kind *kind, int64_t *ret_episode);
/* Appends a learner's weights after `episode`. */
int trained_weights(struct trained *own, int64_t episode, struct buf *weights);

/* Drives a policy over a held-out phase of the run's world, and records that. */
int trained_play(struct trained *own, const struct policy_kind *kind, enum rng_phase phase,
                 int64_t checkpoint, struct session_result *ret_result);

#endif
