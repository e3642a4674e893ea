/* A recorded run, as far as playing it again or going on with it needs it. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_RECORDED_RUN_H
#define HANDOFF_ORCHESTRATOR_SETUP_RECORDED_RUN_H

#include "core/base/buf.h"
#include "db/store.h"
#include "orchestrator/policy/catalog/settings.h"
#include "orchestrator/session/session.h"

struct recorded_run {
    struct db_run run; /* texts in `texts` */
    struct buf texts;
    struct world world;
    struct settings settings; /* how its policy was set */
    enum rng_phase phase;
    uint32_t episodes, slots;
    /* Nodes really lost, and nodes that came back: from the event rows, and from resumptions, for each of which
     * all nodes joined anew. */
    struct session_fault *fault; /* [fault_count] */
    size_t fault_count;
    struct session_guests_task *guests_task; /* [guests_tasks] of the rows */
    size_t guests_tasks;
    struct diag *diag;
};

/* run_id 0: the newest training run. Finish it also when this failed. */
int recorded_run_read(struct recorded_run *ret_recorded, struct store *store, int64_t run_id,
                      struct diag *diag);
void recorded_run_finish(struct recorded_run *recorded);

#endif
