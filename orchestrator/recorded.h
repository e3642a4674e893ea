/* A recorded run played again: a policy that decides what was decided, and a sink that compares what comes of
 * it with what was recorded, field by field, bit for bit. Both read the same rows, one slot at a time. */
#ifndef HANDOFF_ORCHESTRATOR_RECORDED_H
#define HANDOFF_ORCHESTRATOR_RECORDED_H

#include <signal.h>

#include "db/store.h"
#include "orchestrator/session.h"

struct recorded {
    const struct world *world;
    struct store *store;        /* borrowed; its task reading is ours */
    struct policy policy;       /* to put into the session */
    struct db_task *row;        /* [N] rows of the slot in progress */
    bool complete;              /* the run was finished: its rows may not end early */
    volatile sig_atomic_t over; /* the rows have ended: to put into session.stop */
    int error;                  /* of reading */
    uint64_t compared, identical;
    char first_difference[512]; /* "" while there is none */
    struct diag *diag;
};

int recorded_init(struct recorded *recorded, const struct world *world, struct store *store, int64_t run_id,
                  struct diag *diag);
void recorded_finish(struct recorded *recorded);

struct session_sink recorded_sink(struct recorded *recorded);

#endif
