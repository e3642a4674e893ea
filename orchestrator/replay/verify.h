/* A recorded run played again: a policy that decides what was decided, and a sink that compares the outcome
 * with what was recorded, field by field, bit for bit. Both read the same rows, one slot at a time. In
 * queueing mode tasks end in later slots: rows wait until their outcome is known.
 *
 * Of a run in real time the world (tokens, positions), the decisions and their shares are compared like
 * that, and payload sizes of tasks that were done in both; how much longer those took than the model says is
 * gathered.
 *
 * Another arithmetic (another program, or a file from before there was one) gives other last digits and the same
 * decisions. Such tasks are counted apart: they say nothing about the file's honesty. */
#ifndef HANDOFF_ORCHESTRATOR_REPLAY_VERIFY_H
#define HANDOFF_ORCHESTRATOR_REPLAY_VERIFY_H

#include <signal.h>

#include "db/store.h"
#include "orchestrator/replay/clock_gap.h"
#include "orchestrator/session/session.h"

struct verification {
    const struct world *world;
    struct store *store;  /* borrowed; its task reading is ours */
    struct policy policy; /* to put into the session */
    struct db_task *row;  /* [rows] read, and not yet compared; owned */
    size_t rows, capacity;
    struct db_task ahead;             /* the next row, */
    bool any_ahead;                   /* if there is one */
    uint32_t last_episode, last_slot; /* of the last row that was played */
    bool complete;                    /* the run was finished: its rows may not end early */
    volatile sig_atomic_t over;       /* the rows have ended: to put into session.stop */
    int error;                        /* of reading */
    bool in_real_time;    /* it was recorded in real time: what was measured is not compared but related */
    struct clock_gap gap; /* in real time: of the tasks that went as planned */
    uint64_t compared, identical;
    uint64_t rounded;   /* not identical, but by rounding alone: the same decisions, words and counts */
    uint64_t different; /* neither */
    uint64_t otherwise; /* in real time: tasks that nodes were lost to */
    uint64_t unsettled; /* queueing mode, a run that broke off: tasks that ended with it or later */
    char first_difference[512]; /* "" while there is none; one of rounding gives way to another */
    struct diag *diag;
};

int verify_init(struct verification *verification, const struct world *world, struct store *store,
                int64_t run_id, struct diag *diag);
void verify_finish(struct verification *verification);
/* After a session that ended by itself: was every row played? ERR_MISMATCH. */
int verify_end(struct verification *verification);

struct session_sink verify_sink(struct verification *verification);

#endif
