/* A policy driven through streams of a world, in most cases a recorded run's and without learning, and
 * recorded as a run: what `evaluate`, `replay --policy`, `twin` and `sweep` have in common. */
#ifndef HANDOFF_ORCHESTRATOR_RUN_RUN_POLICY_H
#define HANDOFF_ORCHESTRATOR_RUN_RUN_POLICY_H

#include "orchestrator/host/host.h"
#include "orchestrator/run/run_record.h"

struct run_policy {
    struct host_options host;
    const struct world *world;
    const struct policy_kind *kind;
    const struct buf *weights; /* a learner's; NULL: none */
    struct policy *instead;    /* decides in the kind's name; NULL: the kind itself */
    struct run_record_row row; /* `policy` and `host` are filled in */
    bool record_tasks;
    uint32_t learn_every; /* learns on the way, with a checkpoint after so many episodes; 0: does not learn */
    const struct session_fault *fault; /* [fault_count] */
    size_t fault_count;
    const struct session_guests_task *guests_task; /* [guests_tasks] */
    size_t guests_tasks;
};

/* Plays and records; the run's id is known once it was opened (0 before). Interrupted: -EINTR, and the run is
 * marked. */
int run_policy_record(const struct run_policy *play, struct session_result *ret_result, int64_t *ret_run_id,
                      struct diag *diag);

#endif
