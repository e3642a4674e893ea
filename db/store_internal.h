/* What the store's files share: the statements, and how one is bound, run and read. */
#ifndef HANDOFF_DB_STORE_INTERNAL_H
#define HANDOFF_DB_STORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "db/binder.h"

struct db;
struct sqlite3_stmt;

/* Columns of a run but prompt_tokens, which may be large, and of others, in the order in which they are bound and read. */
#define RUN_COLUMNS                                                                                          \
    "kind, scenario_name, scenario, config_json, seed, policy, parent_run_id, checkpoint_episode, phase, "   \
    "host, clock, time_scale, mode, version, cpu, started_utc, status, trusted, untrusted_reason, "          \
    "policy_sees, updates, vector_path, libc, linalg, arithmetic, surrogate"
#define EVENT_COLUMNS                                                                                        \
    "run_id, episode, slot, phase, kind, role, number, action, until_slot, from_server, to_server, "         \
    "task_slot, speed, detail"
#define ANSWER_COLUMNS                                                                                       \
    "episode, slot, device, tokens, answer, first_token_s, device_layer_s, server_layer_s, "                 \
    "activation_bytes, overridden, prompt"

enum statement {
    INSERT_RUN,
    FINISH_RUN,
    INSERT_NODE,
    INSERT_TASK,
    INSERT_ANSWER,
    INSERT_EPISODE,
    INSERT_EVENT,
    INSERT_CHECKPOINT,
    INSERT_LINK_SAMPLE,
    INSERT_PROCESS_SAMPLE,
    INSERT_COMPUTE_SAMPLE,
    CLEAR_LEARNERS,
    SET_UPDATES,
    SET_SURROGATE,
    SET_VALIDATION_COST,
    SELECT_RUN,
    SELECT_RUNS,
    SELECT_NODES,
    SELECT_PROMPT,
    SELECT_TASKS,
    SELECT_ANSWERS,
    SELECT_EVENTS,
    SELECT_CHECKPOINTS,
    SELECT_WEIGHTS,
    SELECT_LEARNER,
    SELECT_TWIN_PARTS,
    INSERT_EXPERIENCE,
    INSERT_LEAK,
    FORGET_EXPERIENCE_BEFORE,
    SELECT_EXPERIENCE,
    SELECT_PROGRESS,
    SELECT_ELAPSED,
    RESUME_RUN,
    REWIND_LINK_SAMPLES,
    REWIND_PROCESS_SAMPLES,
    REWIND_COMPUTE_SAMPLES,
    REWIND_TASKS,
    REWIND_ANSWERS,
    REWIND_EVENTS,
    REWIND_CHECKPOINTS,
    REWIND_EXPERIENCE,
    REWIND_EPISODES,
    SELECT_SWEEP,
    INSERT_SWEEP,
    INSERT_JOB,
    SELECT_JOBS,
    RENEW_JOBS,
    RENEW_LOST_JOBS,
    START_JOB,
    END_JOB,
    STATEMENT_COUNT,
};

struct store {
    struct db *db; /* borrowed */
    struct sqlite3_stmt *statement[STATEMENT_COUNT];
};

/* One of the prepared statements, with nothing bound yet. */
struct binder store_start(struct store *store, enum statement statement);

/* Runs a bound statement that returns no rows, and resets it. `what` completes "cannot ...". */
int store_run(struct store *store, struct binder *binder, const char *what, struct diag *diag);

/* Steps to the next row: 1, or 0 after the last, or an error. The caller resets the statement with
 * store_reset. */
int store_step(struct store *store, struct binder *binder, const char *what, struct diag *diag);
void store_reset(struct binder *binder);

/* Prepares one of db/queries, and binds its parameter if it has one. The caller finalizes the statement. */
int store_start_query(struct store *store, const char *sql, int64_t parameter, struct binder *ret_binder,
                      struct diag *diag);

/* An enum of its text. */
int store_find_kind(const char *text);
int store_find_status(const char *text);
int store_find_phase(const char *text);

#endif
