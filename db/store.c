#include "db/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/row_text.h"
#include "db/store_internal.h"

static const char insert_task[] = "INSERT INTO task (run_id"
#include "db/task_names.def"
                                  ") VALUES (?"
#define TASK(name, kind, unit, role, meaning) ", ?"
#include "db/task.def"
                                  ")";
static const char select_tasks[] = "SELECT run_id"
#include "db/task_names.def"
                                   " FROM task WHERE run_id = ? ORDER BY episode, slot, device";

/* Every statement there is. A run's columns stand in the order of struct db_run, and so on. */
static const char *const sql[STATEMENT_COUNT] = {
    [INSERT_RUN] =
        "INSERT INTO run (" RUN_COLUMNS ", prompt_tokens, prompt_bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [FINISH_RUN] = "UPDATE run SET status = ?, trusted = ?, untrusted_reason = ? WHERE run_id = ?",
    [INSERT_NODE] =
        "INSERT INTO node (run_id, role, number, flops, power_w, transmit_power_w, x_m, y_m, max_split,"
        " memory_bytes, requests, address, rate_trace, place_trace, tier)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_TASK] = insert_task,
    [INSERT_ANSWER] =
        "INSERT INTO answer (run_id, " ANSWER_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_EPISODE] =
        "INSERT INTO episode (run_id, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s,"
        " p99_latency_s, mean_energy_j, mean_cost, episode_return, optimum_cost, tasks, deadline_misses,"
        " failures, repairs, wall_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_EVENT] = "INSERT INTO event (" EVENT_COLUMNS ")"
                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_CHECKPOINT] = "INSERT INTO checkpoint (run_id, episode, weights, learner, validation_cost)"
                          " VALUES (?, ?, ?, ?, ?)",
    [INSERT_LINK_SAMPLE] = "INSERT INTO link_sample (run_id, device, server, direction, start_s, duration_s,"
                           " set_bps, achieved_bps) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [INSERT_PROCESS_SAMPLE] = "INSERT INTO process_sample (run_id, role, number, start_s, duration_s,"
                              " lag_max_s, lag_mean_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [INSERT_COMPUTE_SAMPLE] =
        "INSERT INTO compute_sample (run_id, role, number, start_s, duration_s, jobs,"
        " late_jobs, computed_s, late_s, worst_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [CLEAR_LEARNERS] = "UPDATE checkpoint SET learner = NULL"
                       " WHERE run_id = ? AND episode <> ? AND learner IS NOT NULL",
    [SET_SURROGATE] = "UPDATE run SET surrogate = ? WHERE run_id = ?",
    [SET_UPDATES] = "UPDATE run SET updates = ? WHERE run_id = ?",
    [SET_VALIDATION_COST] = "UPDATE checkpoint SET validation_cost = ? WHERE run_id = ? AND episode = ?",
    [SELECT_RUN] =
        "SELECT run_id, " RUN_COLUMNS
        " FROM run WHERE run_id = coalesce(nullif(?, 0), (SELECT max(run_id) FROM run WHERE kind = 'train'),"
        " (SELECT max(run_id) FROM run))",
    [SELECT_RUNS] = "SELECT run_id, " RUN_COLUMNS " FROM run ORDER BY run_id",
    [SELECT_NODES] =
        "SELECT run_id, role, number, flops, power_w, transmit_power_w, x_m, y_m, max_split, memory_bytes,"
        " requests, address, rate_trace, place_trace, tier FROM node WHERE run_id = ? ORDER BY role, number",
    [SELECT_PROMPT] = "SELECT prompt_tokens, prompt_bytes FROM run WHERE run_id = ?",
    [SELECT_TASKS] = select_tasks,
    [SELECT_ANSWERS] =
        "SELECT run_id, " ANSWER_COLUMNS " FROM answer WHERE run_id = ? ORDER BY episode, slot, device",
    [SELECT_EVENTS] = "SELECT " EVENT_COLUMNS " FROM event WHERE run_id = ? ORDER BY event_id",
    [SELECT_CHECKPOINTS] =
        "SELECT run_id, episode, length(weights), coalesce(length(learner), 0), validation_cost"
        " FROM checkpoint WHERE run_id = ? ORDER BY episode",
    [SELECT_WEIGHTS] =
        "SELECT run_id, episode, length(weights), coalesce(length(learner), 0), validation_cost, weights"
        " FROM checkpoint WHERE run_id = ?1 AND episode = CASE WHEN ?2 < 0 THEN"
        " (SELECT max(episode) FROM checkpoint WHERE run_id = ?1) ELSE ?2 END",
    [SELECT_LEARNER] = "SELECT run_id, episode, length(weights), length(learner), validation_cost, learner"
                       " FROM checkpoint WHERE run_id = ?1 AND episode ="
                       " (SELECT max(episode) FROM checkpoint WHERE run_id = ?1 AND learner IS NOT NULL)",
    [SELECT_TWIN_PARTS] =
        "SELECT part, tasks, virtual_mean, real_mean, mape_pct, off_pct FROM twin_comparison"
        " WHERE run_id = ?",
    [INSERT_EXPERIENCE] = "INSERT INTO experience (run_id, episode, first_transition, transition_count,"
                          " transitions) VALUES (?, ?, ?, ?, ?)",
    [INSERT_LEAK] =
        "INSERT OR REPLACE INTO leak (model, format, channel, level, split, attack, tokens, seeds,"
        " found, version, measured_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [FORGET_EXPERIENCE_BEFORE] =
        "DELETE FROM experience WHERE run_id = ? AND first_transition + transition_count <= ?",
    [SELECT_EXPERIENCE] = "SELECT run_id, episode, first_transition, transition_count, transitions"
                          " FROM experience WHERE run_id = ? ORDER BY episode",
    [SELECT_PROGRESS] =
        "SELECT coalesce((SELECT max(episode) FROM episode WHERE run_id = ?1 AND slots = ?2), -1),"
        " coalesce((SELECT max(episode) FROM checkpoint WHERE run_id = ?1 AND learner IS NOT NULL), -1)",
    [SELECT_ELAPSED] = "SELECT total(wall_s) FROM episode WHERE run_id = ?1 AND episode <= ?2",
    /* Only a run whose episode is still there, and that did not finish, unless that was known (?4). */
    [RESUME_RUN] = "UPDATE run SET status = 'running', config_json = ?1,"
                   " updates = CASE WHEN ?3 < 0 AND updates IS NOT NULL THEN 0 ELSE updates END"
                   " WHERE run_id = ?2 AND (status <> 'finished' OR ?4)"
                   " AND (?3 < 0 OR EXISTS (SELECT 1 FROM episode WHERE run_id = ?2 AND episode = ?3))",
    [REWIND_LINK_SAMPLES] = "DELETE FROM link_sample WHERE run_id = ?1 AND start_s >="
                            " (SELECT total(wall_s) FROM episode WHERE run_id = ?1 AND episode <= ?2)",
    [REWIND_PROCESS_SAMPLES] = "DELETE FROM process_sample WHERE run_id = ?1 AND start_s >="
                               " (SELECT total(wall_s) FROM episode WHERE run_id = ?1 AND episode <= ?2)",
    [REWIND_COMPUTE_SAMPLES] = "DELETE FROM compute_sample WHERE run_id = ?1 AND start_s >="
                               " (SELECT total(wall_s) FROM episode WHERE run_id = ?1 AND episode <= ?2)",
    [REWIND_ANSWERS] = "DELETE FROM answer WHERE run_id = ? AND episode > ?",
    [REWIND_TASKS] = "DELETE FROM task WHERE run_id = ? AND episode > ?",
    [REWIND_EVENTS] = "DELETE FROM event WHERE run_id = ? AND episode > ?",
    [REWIND_CHECKPOINTS] = "DELETE FROM checkpoint WHERE run_id = ? AND episode > ?",
    [REWIND_EXPERIENCE] = "DELETE FROM experience WHERE run_id = ? AND episode > ?",
    [REWIND_EPISODES] = "DELETE FROM episode WHERE run_id = ? AND episode > ?",
    [SELECT_SWEEP] = "SELECT sweep_id, text FROM sweep WHERE name = ?",
    [INSERT_SWEEP] = "INSERT INTO sweep (name, text, version, created_utc) VALUES (?, ?, ?, ?)",
    [INSERT_JOB] = "INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed,"
                   " settings_json, trained_by, status, attempts)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0)",
    [SELECT_JOBS] = "SELECT number, experiment, axis, value, policy, sees, seed, settings_json, trained_by,"
                    " status, attempts, wall_s, cpu_s, train_run_id, test_run_id, validate_run_id, error"
                    " FROM job WHERE sweep_id = ? ORDER BY number",
    [RENEW_JOBS] = "UPDATE job SET status = 'waiting', error = NULL"
                   " WHERE sweep_id = ? AND status IN ('running', 'failed')",
    /* Their run was deleted by hand. */
    [RENEW_LOST_JOBS] =
        "UPDATE job SET status = 'waiting', worker = NULL, started_utc = NULL, finished_utc = NULL, wall_s = "
        "NULL,"
        " cpu_s = NULL, train_run_id = NULL, test_run_id = NULL, validate_run_id = NULL, p95_latency_s = "
        "NULL,"
        " error = NULL WHERE sweep_id = ? AND EXISTS (SELECT 1 FROM (SELECT train_run_id AS run_id"
        " UNION ALL SELECT test_run_id UNION ALL SELECT validate_run_id) AS named"
        " WHERE run_id IS NOT NULL AND run_id NOT IN (SELECT r.run_id FROM run AS r))",
    [START_JOB] = "UPDATE job SET status = 'running', attempts = attempts + 1, worker = ?, started_utc = ?"
                  " WHERE sweep_id = ? AND number = ?",
    [END_JOB] = "UPDATE job SET status = ?, finished_utc = ?, wall_s = ?, cpu_s = ?, error = ?"
                " WHERE sweep_id = ? AND number = ?",
};

static const char *const kinds[] = {
    [DB_RUN_TRAIN] = "train", [DB_RUN_VALIDATE] = "validate",
    [DB_RUN_TEST] = "test",   [DB_RUN_COUNTERFACTUAL] = "counterfactual",
    [DB_RUN_TWIN] = "twin",
};
static const char *const statuses[] = {
    [DB_RUNNING] = "running",
    [DB_FINISHED] = "finished",
    [DB_ABORTED] = "aborted",
};

static const char *const phases[] = {
    [RNG_TRAIN] = "train",
    [RNG_VALIDATE] = "validate",
    [RNG_TEST] = "test",
};

static int find_text(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return (int) i;
    return -1;
}

const char *store_kind_text(int kind)
{
    return kind >= 0 && (size_t) kind < sizeof kinds / sizeof *kinds ? kinds[kind] : NULL;
}

static const char *status_text(int status)
{
    return status >= 0 && (size_t) status < sizeof statuses / sizeof *statuses ? statuses[status] : NULL;
}

int store_find_kind(const char *text)
{
    return find_text(kinds, sizeof kinds / sizeof *kinds, text);
}

int store_find_status(const char *text)
{
    return find_text(statuses, sizeof statuses / sizeof *statuses, text);
}

int store_find_phase(const char *text)
{
    return find_text(phases, sizeof phases / sizeof *phases, text);
}

int store_create(struct store **ret_store, struct db *db, struct diag *diag)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return diag_fail(diag, -ENOMEM, "%s: out of memory", db->path);
    store->db = db;
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        assert(sql[i] != NULL);
        int code =
            sqlite3_prepare_v3(db->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statement[i], NULL);
        if (code != SQLITE_OK) {
            int rc = db_fail(db, code, "prepare a statement", diag);
            store_destroy(store);
            return rc;
        }
    }
    *ret_store = store;
    return 0;
}

void store_destroy(struct store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        (void) sqlite3_finalize(store->statement[i]); /* repeats an error that was reported */
    free(store);
}

struct binder store_start(struct store *store, enum statement statement)
{
    assert(statement < STATEMENT_COUNT);
    return (struct binder){.statement = store->statement[statement], .index = 0, .code = SQLITE_OK};
}

int store_step(struct store *store, struct binder *binder, const char *what, struct diag *diag)
{
    errno = 0;
    int code = binder->code == SQLITE_OK ? sqlite3_step(binder->statement) : binder->code;
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : db_fail(store->db, code, what, diag);
}

void store_reset(struct binder *binder)
{
    (void) sqlite3_reset(binder->statement); /* repeats the code of the step */
}

int store_run(struct store *store, struct binder *binder, const char *what, struct diag *diag)
{
    assert(binder->code != SQLITE_OK || binder->index == sqlite3_bind_parameter_count(binder->statement));
    int rc = store_step(store, binder, what, diag);
    assert(rc != 1); /* it returns no rows */
    store_reset(binder);
    return rc;
}

int store_insert_run(struct store *store, const struct db_run *run, int64_t *ret_run_id, struct diag *diag)
{
    if (run->seed > INT64_MAX)
        return diag_fail(diag, ERR_RANGE, "seed %llu is too large: at most %lld",
                         (unsigned long long) run->seed, (long long) INT64_MAX);
    struct binder binder = store_start(store, INSERT_RUN);
    binder_text(&binder, store_kind_text((int) run->kind));
    binder_text(&binder, run->scenario_name);
    binder_text(&binder, run->scenario);
    binder_text(&binder, run->config_json);
    binder_integer(&binder, (int64_t) run->seed);
    binder_text(&binder, run->policy);
    binder_integer_or_null(&binder, run->parent_run_id, 0);
    binder_integer_or_null(&binder, run->checkpoint_episode, -1);
    binder_text(&binder, phases[run->phase]);
    binder_text(&binder, run->host);
    binder_text(&binder, run->real_clock ? "real" : "virtual");
    binder_real(&binder, run->time_scale);
    binder_text(&binder, run->queue ? "queue" : "round");
    binder_text(&binder, run->version);
    binder_text(&binder, run->cpu);
    binder_text(&binder, run->started_utc);
    binder_text(&binder, status_text((int) run->status));
    binder_integer(&binder, run->trusted);
    binder_text(&binder, run->trusted ? NULL : run->untrusted_reason);
    binder_text(&binder, run->policy_sees);
    binder_integer_or_null(&binder, run->updates, -1);
    binder_text(&binder, run->vector_path);
    binder_text(&binder, run->libc);
    binder_text(&binder, run->linalg);
    binder_integer_or_null(&binder, run->arithmetic, 0);
    binder_text(&binder, run->surrogate);
    binder_blob(&binder, run->prompt, run->prompt_tokens * sizeof *run->prompt);
    binder_blob(&binder, run->prompt_bytes, run->prompt_bytes != NULL ? run->prompt_tokens : 0);
    int rc = store_run(store, &binder, "record a run", diag);
    if (rc == 0)
        *ret_run_id = sqlite3_last_insert_rowid(store->db->handle);
    return rc;
}

/* An UPDATE that met no row names a row that is not there. */
static int check_changed(struct store *store, const char *what, int64_t run_id, struct diag *diag)
{
    if (sqlite3_changes(store->db->handle) > 0)
        return 0;
    return diag_fail(diag, ERR_NOT_FOUND, "%s: run %lld has no such %s", store->db->path, (long long) run_id,
                     what);
}

int store_finish_run(struct store *store, int64_t run_id, enum db_run_status status, bool trusted,
                     const char *reason, struct diag *diag)
{
    assert(status != DB_RUNNING && (trusted || reason != NULL));
    struct binder binder = store_start(store, FINISH_RUN);
    binder_text(&binder, status_text((int) status));
    binder_integer(&binder, trusted);
    binder_text(&binder, trusted ? NULL : reason);
    binder_integer(&binder, run_id);
    int rc = store_run(store, &binder, "finish a run", diag);
    return rc == 0 ? check_changed(store, "row", run_id, diag) : rc;
}

int store_insert_node(struct store *store, const struct db_node *node, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_NODE);
    binder_integer(&binder, node->run_id);
    binder_text(&binder, node->is_server ? "server" : "device");
    binder_integer(&binder, node->number);
    binder_real(&binder, node->flops);
    binder_real(&binder, node->power_w);
    binder_real(&binder, node->transmit_power_w);
    binder_real(&binder, node->x_m);
    binder_real(&binder, node->y_m);
    binder_integer_or_null(&binder, node->max_split, -1);
    binder_real(&binder, node->memory_bytes);
    binder_blob(&binder, node->requests, node->request_count * sizeof *node->requests);
    binder_text(&binder, node->address);
    binder_blob(&binder, node->rate_trace, node->rate_trace_size);
    binder_blob(&binder, node->place_trace, node->place_trace_size);
    binder_text(&binder, node->tier);
    return store_run(store, &binder, "record a node", diag);
}

/* Kinds of task.def. */
#define BIND_WHOLE(binder, value) binder_integer(binder, value)
#define BIND_SERVER(binder, value) binder_integer_or_null(binder, value, DB_SERVER_NULL)
#define BIND_FLAG(binder, value) binder_integer(binder, value)
#define BIND_REAL(binder, value) binder_real(binder, value)
#define BIND_STATUS(binder, value) binder_text(binder, db_task_status_text(value))

int store_insert_task(struct store *store, const struct db_task *task, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_TASK);
#define TASK_RUN(name, unit, meaning) binder_integer(&binder, task->name);
#define TASK(name, kind, unit, role, meaning) BIND_##kind(&binder, task->name);
#include "db/task.def"
    return store_run(store, &binder, "record a task", diag);
}

int store_insert_answer(struct store *store, const struct db_answer *answer, struct diag *diag)
{
    assert(answer->tokens <= DB_ANSWER_MAX);
    struct binder binder = store_start(store, INSERT_ANSWER);
    binder_integer(&binder, answer->run_id);
    binder_integer(&binder, answer->episode);
    binder_integer(&binder, answer->slot);
    binder_integer(&binder, answer->device);
    binder_integer(&binder, answer->tokens);
    if (answer->is_kept)
        binder_blob(&binder, answer->token, answer->tokens * sizeof *answer->token);
    else
        binder_text(&binder, NULL);
    binder_real(&binder, answer->first_token_s);
    binder_real(&binder, answer->device_layer_s);
    binder_real(&binder, answer->server_layer_s);
    binder_integer(&binder, (int64_t) answer->activation_bytes);
    binder_integer(&binder, answer->overridden);
    binder_blob(&binder, answer->prompt, answer->prompt_tokens * sizeof *answer->prompt); /* NULL: none */
    return store_run(store, &binder, "record an answer", diag);
}

int store_insert_episode(struct store *store, const struct db_episode *episode, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_EPISODE);
    binder_integer(&binder, episode->run_id);
    binder_integer(&binder, episode->episode);
    binder_integer(&binder, episode->slots);
    binder_real(&binder, episode->mean_latency_s);
    binder_real(&binder, episode->p50_latency_s);
    binder_real(&binder, episode->p95_latency_s);
    binder_real(&binder, episode->p99_latency_s);
    binder_real(&binder, episode->mean_energy_j);
    binder_real(&binder, episode->mean_cost);
    binder_real(&binder, episode->episode_return);
    binder_real(&binder, episode->optimum_cost);
    binder_integer(&binder, (int64_t) episode->tasks);
    binder_integer(&binder, (int64_t) episode->deadline_misses);
    binder_integer(&binder, (int64_t) episode->failures);
    binder_integer(&binder, (int64_t) episode->repairs);
    binder_real(&binder, episode->wall_s);
    return store_run(store, &binder, "record an episode", diag);
}

int store_insert_event(struct store *store, const struct db_event *event, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_EVENT);
    binder_integer(&binder, event->run_id);
    binder_integer(&binder, event->episode);
    binder_integer(&binder, event->slot);
    binder_text(&binder, db_event_phase_text(event->phase));
    binder_text(&binder, db_event_kind_text(event->kind));
    binder_text(&binder, db_event_role_text(event->role));
    binder_integer_or_null(&binder, event->number, DB_EVENT_NULL);
    binder_text(&binder, db_event_action_text(event->action));
    binder_integer_or_null(&binder, event->until_slot, DB_EVENT_NULL);
    binder_integer_or_null(&binder, event->from_server, DB_EVENT_NULL);
    binder_integer_or_null(&binder, event->to_server, DB_EVENT_NULL);
    binder_integer_or_null(&binder, event->task_slot, DB_EVENT_NULL);
    binder_real(&binder, event->speed);
    binder_text(&binder, event->detail);
    return store_run(store, &binder, "record an event", diag);
}

int store_insert_leak(struct store *store, const struct db_leak *leak, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_LEAK);
    binder_text(&binder, leak->model);
    binder_text(&binder, leak->format);
    binder_text(&binder, leak->channel);
    binder_real(&binder, leak->level);
    binder_integer(&binder, leak->split);
    binder_text(&binder, leak->attack);
    binder_integer(&binder, (int64_t) leak->tokens);
    binder_integer(&binder, (int64_t) leak->seeds);
    binder_integer(&binder, (int64_t) leak->found);
    binder_text(&binder, leak->version);
    binder_text(&binder, leak->measured_utc);
    return store_run(store, &binder, "record what leaks", diag);
}

int store_insert_link_sample(struct store *store, int64_t run_id, const struct db_link_sample *sample,
                             struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_LINK_SAMPLE);
    binder_integer(&binder, run_id);
    binder_integer(&binder, sample->device);
    binder_integer(&binder, sample->server);
    binder_text(&binder, sample->down ? "down" : "up");
    binder_real(&binder, sample->start_s);
    binder_real(&binder, sample->duration_s);
    binder_real(&binder, sample->set_bps);
    binder_real(&binder, sample->achieved_bps);
    return store_run(store, &binder, "record a link's sample", diag);
}

int store_insert_process_sample(struct store *store, int64_t run_id, const struct db_process_sample *sample,
                                struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_PROCESS_SAMPLE);
    binder_integer(&binder, run_id);
    binder_text(&binder, sample->role);
    binder_integer_or_null(&binder, sample->number, -1);
    binder_real(&binder, sample->start_s);
    binder_real(&binder, sample->duration_s);
    binder_real(&binder, sample->lag_max_s);
    binder_real(&binder, sample->lag_mean_s);
    return store_run(store, &binder, "record a process's sample", diag);
}

int store_insert_compute_sample(struct store *store, int64_t run_id, const struct db_compute_sample *sample,
                                struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_COMPUTE_SAMPLE);
    binder_integer(&binder, run_id);
    binder_text(&binder, sample->role);
    binder_integer(&binder, sample->number);
    binder_real(&binder, sample->start_s);
    binder_real(&binder, sample->duration_s);
    binder_integer(&binder, sample->jobs);
    binder_integer(&binder, sample->late_jobs);
    binder_real(&binder, sample->computed_s);
    binder_real(&binder, sample->late_s);
    binder_real(&binder, sample->worst_s);
    return store_run(store, &binder, "record a process's sample", diag);
}

int store_insert_checkpoint(struct store *store, const struct db_checkpoint *checkpoint, struct diag *diag)
{
    if (checkpoint->learner != NULL) {
        struct binder clear = store_start(store, CLEAR_LEARNERS);
        binder_integer(&clear, checkpoint->run_id);
        binder_integer(&clear, checkpoint->episode);
        int rc = store_run(store, &clear, "record a checkpoint", diag);
        if (rc != 0)
            return rc;
    }
    struct binder binder = store_start(store, INSERT_CHECKPOINT);
    binder_integer(&binder, checkpoint->run_id);
    binder_integer(&binder, checkpoint->episode);
    binder_blob(&binder, checkpoint->weights, checkpoint->weights_size);
    binder_blob(&binder, checkpoint->learner, checkpoint->learner_size);
    binder_real(&binder, checkpoint->validation_cost);
    int rc = store_run(store, &binder, "record a checkpoint", diag);
    if (rc != 0 || !checkpoint->has_updates)
        return rc;
    binder = store_start(store, SET_UPDATES);
    binder_integer(&binder, (int64_t) checkpoint->updates);
    binder_integer(&binder, checkpoint->run_id);
    return store_run(store, &binder, "record a checkpoint", diag);
}

int store_set_surrogate(struct store *store, int64_t run_id, const char *table, struct diag *diag)
{
    struct binder binder = store_start(store, SET_SURROGATE);
    binder_text(&binder, table);
    binder_integer(&binder, run_id);
    int rc = store_run(store, &binder, "record a surrogate", diag);
    return rc == 0 ? check_changed(store, "row", run_id, diag) : rc;
}

int store_set_validation_cost(struct store *store, int64_t run_id, uint32_t episode, double cost,
                              struct diag *diag)
{
    struct binder binder = store_start(store, SET_VALIDATION_COST);
    binder_real(&binder, cost);
    binder_integer(&binder, run_id);
    binder_integer(&binder, episode);
    int rc = store_run(store, &binder, "record a validation cost", diag);
    return rc == 0 ? check_changed(store, "checkpoint", run_id, diag) : rc;
}
