/* A session recorded: the `run` and `node` rows, and a session_sink that hands rows to the recorder. */
#ifndef HANDOFF_ORCHESTRATOR_RUN_RUN_RECORD_H
#define HANDOFF_ORCHESTRATOR_RUN_RUN_RECORD_H

#include "db/recorder.h"
#include "orchestrator/policy/catalog/settings.h"
#include "orchestrator/session/session.h"

struct run_record {
    struct recorder *recorder; /* NULL until opened */
    int64_t run_id;
    uint32_t episodes, slots, checkpoint_every; /* of the run */
    /* A checkpoint that waits for its episode's row. */
    bool has_checkpoint;
    struct buf weights, learner, transitions;
    bool has_updates;
    uint64_t updates;         /* behind those weights */
    struct db_answer *answer; /* [answers] that wait for their tasks' rows; owned */
    size_t answers, answer_capacity;
    struct policy_experience experience;
    double offset_s;   /* a run that was resumed: its samples' times go on from here */
    struct diag *diag; /* says what the recorder could not do */
    const char *path;
    char untrusted_reason[AUDIT_TEXT]; /* empty: the run is trusted */
    uint32_t said;                     /* events told on screen */
};

struct run_record_row {
    const char *path;
    enum db_run_kind kind;
    const char *policy;
    const struct settings *settings; /* how policies are set; borrowed */
    int64_t parent_run_id;           /* 0: none */
    int64_t checkpoint_episode;      /* -1: none */
    /* What is behind a learner's weights that play here; of a training see run_record_open. */
    bool has_updates;
    uint64_t updates;
    const char *host; /* "memory" or "tcp" */
    enum rng_phase phase;
    uint32_t episodes, slots;
    uint32_t
        checkpoint_every; /* episodes between those it can be resumed from; 0: none, weights alone are kept */
};

/* A run that goes on: see orchestrator/run/resume.h. */
struct run_record_resumed {
    struct db_rewind rewind;
    double elapsed_s;             /* of its episodes until then */
    bool trusted;                 /* until then */
    const char *untrusted_reason; /* NULL when it was */
};

/* Opens the file and writes the run and its nodes. `address` (may be NULL) tells where a node is. A training has no
 * update at first, and those of its last checkpoint later. */
int run_record_open(struct run_record *ret_record, const struct world *world,
                    const struct run_record_row *run,
                    const char *(*address)(const void *user, bool is_server, uint32_t number),
                    const void *user, struct diag *diag);

/* The same for a run that goes on; of `run` only the path, the episodes, the slots and the checkpoints
 * matter. */
int run_record_resume(struct run_record *ret_record, const struct run_record_row *run,
                      const struct run_record_resumed *resumed, struct diag *diag);

/* The sink; the record must outlive the session. */
struct session_sink run_record_sink(struct run_record *record);

/* What the run row says once it is closed. An untrusted result is named on stderr, too. */
void run_record_judge(struct run_record *record, const struct session_result *result);

/* Writes what is left and closes. NULL-safe members: a record never opened is fine. */
int run_record_close(struct run_record *record, enum db_run_status status, struct recorder_stats *ret_stats,
                     struct diag *diag);

#endif
