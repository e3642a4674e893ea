/* Sweeps and their jobs, and how a job's result comes into the experiment's file. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/store.h"
#include "db/store_internal.h"

static const char *const job_statuses[] = {
    [DB_JOB_WAITING] = "waiting", [DB_JOB_RUNNING] = "running", [DB_JOB_DONE] = "done",
    [DB_JOB_FAILED] = "failed",   [DB_JOB_SKIPPED] = "skipped",
};

const char *store_job_status_text(enum db_job_status status)
{
    assert((size_t) status < sizeof job_statuses / sizeof *job_statuses);
    return job_statuses[status];
}

static double real_at(sqlite3_stmt *statement, int column)
{
    bool is_null = sqlite3_column_type(statement, column) == SQLITE_NULL;
    return is_null ? (double) NAN : sqlite3_column_double(statement, column);
}

/* Empty where a text could not be fetched for lack of memory: check_memory refuses the row. */
static const char *text_at(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *) sqlite3_column_text(statement, column);
    return text != NULL ? text : "";
}

/* Were all texts of the row fetched? */
static int check_memory(const struct store *store, struct diag *diag)
{
    bool lost = (sqlite3_errcode(store->db->handle) & 0xff) == SQLITE_NOMEM;
    return lost ? db_fail(store->db, SQLITE_NOMEM, "read it", diag) : 0;
}

int store_find_sweep(struct store *store, const char *name, int64_t *ret_sweep_id, struct buf *text,
                     struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_SWEEP);
    binder_text(&binder, name);
    int rc = store_step(store, &binder, "read a sweep", diag);
    if (rc == 0)
        rc = diag_fail(diag, ERR_NOT_FOUND, "%s: holds no sweep '%s'", store->db->path, name);
    if (rc == 1) {
        int64_t sweep_id = sqlite3_column_int64(binder.statement, 0);
        rc = buf_printf(text, "%s", text_at(binder.statement, 1));
        if (rc == 0)
            rc = check_memory(store, diag);
        if (rc == 0)
            *ret_sweep_id = sweep_id;
    }
    store_reset(&binder);
    return rc;
}

int store_insert_sweep(struct store *store, const struct db_sweep *sweep, int64_t *ret_sweep_id,
                       struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_SWEEP);
    binder_text(&binder, sweep->name);
    binder_text(&binder, sweep->text);
    binder_text(&binder, sweep->version);
    binder_text(&binder, sweep->created_utc);
    int rc = store_run(store, &binder, "record a sweep", diag);
    if (rc == 0)
        *ret_sweep_id = sqlite3_last_insert_rowid(store->db->handle);
    return rc;
}

int store_insert_job(struct store *store, const struct db_job *job, struct diag *diag)
{
    struct binder binder = store_start(store, INSERT_JOB);
    binder_integer(&binder, job->sweep_id);
    binder_integer(&binder, job->number);
    binder_text(&binder, job->experiment);
    binder_text(&binder, job->axis);
    binder_text(&binder, job->value);
    binder_text(&binder, job->policy);
    binder_text(&binder, job->sees);
    binder_integer(&binder, (int64_t) job->seed);
    binder_text(&binder, job->settings_json);
    binder_integer_or_null(&binder, job->trained_by, 0);
    return store_run(store, &binder, "record a sweep's job", diag);
}

static int find_status(const char *text)
{
    for (size_t i = 0; i < sizeof job_statuses / sizeof *job_statuses; i++)
        if (strcmp(job_statuses[i], text) == 0)
            return (int) i;
    return -1;
}

static struct db_job read_job(sqlite3_stmt *statement, int64_t sweep_id)
{
    assert(sqlite3_column_count(statement) == 17);
    return (struct db_job){
        .sweep_id = sweep_id,
        .number = (uint32_t) sqlite3_column_int64(statement, 0),
        .experiment = text_at(statement, 1),
        .axis = text_at(statement, 2),
        .value = text_at(statement, 3),
        .policy = text_at(statement, 4),
        .sees = text_at(statement, 5),
        .seed = (uint64_t) sqlite3_column_int64(statement, 6),
        .settings_json = text_at(statement, 7),
        .trained_by = (uint32_t) sqlite3_column_int64(statement, 8),
        .attempts = (uint32_t) sqlite3_column_int64(statement, 10),
        .wall_s = real_at(statement, 11),
        .cpu_s = real_at(statement, 12),
        .train_run_id = sqlite3_column_int64(statement, 13),
        .test_run_id = sqlite3_column_int64(statement, 14),
        .validate_run_id = sqlite3_column_int64(statement, 15),
        .error = (const char *) sqlite3_column_text(statement, 16),
    };
}

int store_each_job(struct store *store, int64_t sweep_id, int (*row)(void *user, const struct db_job *job),
                   void *user, struct diag *diag)
{
    struct binder binder = store_start(store, SELECT_JOBS);
    binder_integer(&binder, sweep_id);
    int rc;
    while ((rc = store_step(store, &binder, "read a sweep's jobs", diag)) == 1) {
        struct db_job job = read_job(binder.statement, sweep_id);
        const char *word = text_at(binder.statement, 9);
        if ((rc = check_memory(store, diag)) != 0)
            break;
        int status = find_status(word);
        if (status < 0) {
            rc = diag_fail(diag, ERR_CORRUPT, "%s: job.status is '%s', which is none of its words",
                           store->db->path, word);
            break;
        }
        job.status = (enum db_job_status) status;
        if ((rc = row(user, &job)) != 0)
            break;
    }
    store_reset(&binder);
    return rc;
}

int store_renew_jobs(struct store *store, int64_t sweep_id, struct diag *diag)
{
    struct binder binder = store_start(store, RENEW_LOST_JOBS);
    binder_integer(&binder, sweep_id);
    int rc = store_run(store, &binder, "go on with a sweep", diag);
    if (rc != 0)
        return rc;
    binder = store_start(store, RENEW_JOBS);
    binder_integer(&binder, sweep_id);
    return store_run(store, &binder, "go on with a sweep", diag);
}

int store_start_job(struct store *store, const struct db_job *job, const char *worker, const char *utc,
                    struct diag *diag)
{
    struct binder binder = store_start(store, START_JOB);
    binder_text(&binder, worker);
    binder_text(&binder, utc);
    binder_integer(&binder, job->sweep_id);
    binder_integer(&binder, job->number);
    return store_run(store, &binder, "start a job", diag);
}

int store_end_job(struct store *store, const struct db_job *job, const char *utc, struct diag *diag)
{
    assert(job->status != DB_JOB_RUNNING);
    struct binder binder = store_start(store, END_JOB);
    binder_text(&binder, store_job_status_text(job->status));
    binder_text(&binder, utc);
    binder_real(&binder, job->wall_s);
    binder_real(&binder, job->cpu_s);
    binder_text(&binder, job->error);
    binder_integer(&binder, job->sweep_id);
    binder_integer(&binder, job->number);
    return store_run(store, &binder, "end a job", diag);
}

/* ---- a part ---- */

/* These meet the attached file `part`, so they cannot be prepared beforehand. ?1 is what run ids grow by, ?2
 * the training run of another job (NULL: none), ?3 and ?4 whether validation runs and task rows are taken, ?5
 * and ?6 the job. Rows go in the order of their keys. */
static const char *const merging[] = {
    "INSERT INTO run (run_id, " RUN_COLUMNS ", prompt_tokens, prompt_bytes)"
    " SELECT run_id + ?1, kind, scenario_name, scenario, config_json, seed, policy,"
    " coalesce(parent_run_id + ?1, ?2), checkpoint_episode, phase, host, clock, time_scale, mode, version, "
    "cpu,"
    " started_utc, status, trusted, untrusted_reason, policy_sees, updates, vector_path, libc, linalg, "
    "arithmetic, surrogate, prompt_tokens, prompt_bytes"
    " FROM part.run WHERE ?3 OR kind <> 'validate' ORDER BY run_id",

    "INSERT INTO node (run_id, role, number, flops, power_w, transmit_power_w, x_m, y_m, max_split, "
    "memory_bytes,"
    " requests, address, rate_trace, place_trace, tier)"
    " SELECT run_id + ?1, role, number, flops, power_w, transmit_power_w, x_m, y_m, max_split, memory_bytes,"
    " requests, address, rate_trace, place_trace, tier"
    " FROM part.node WHERE run_id + ?1 IN (SELECT run_id FROM main.run) ORDER BY run_id, role, number",

    "INSERT INTO task (run_id"
#include "db/task_names.def"
    ") SELECT run_id + ?1"
#include "db/task_names.def"
    " FROM part.task WHERE ?4 ORDER BY run_id, episode, slot, device",

    "INSERT INTO answer (run_id, " ANSWER_COLUMNS ") SELECT run_id + ?1, " ANSWER_COLUMNS
    " FROM part.answer WHERE ?4 ORDER BY run_id, episode, slot, device",

    "INSERT INTO episode (run_id, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s, "
    "p99_latency_s,"
    " mean_energy_j, mean_cost, episode_return, optimum_cost, tasks, deadline_misses, failures, repairs, "
    "wall_s)"
    " SELECT run_id + ?1, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s, p99_latency_s,"
    " mean_energy_j, mean_cost, episode_return, optimum_cost, tasks, deadline_misses, failures, repairs, "
    "wall_s"
    " FROM part.episode WHERE run_id + ?1 IN (SELECT run_id FROM main.run) ORDER BY run_id, episode",

    "INSERT INTO event (" EVENT_COLUMNS ")"
    " SELECT run_id + ?1, episode, slot, phase, kind, role, number, action, until_slot, from_server,"
    " to_server, task_slot, speed, detail"
    " FROM part.event WHERE run_id + ?1 IN (SELECT run_id FROM main.run) ORDER BY event_id",

    "INSERT INTO checkpoint (run_id, episode, weights, learner, validation_cost)"
    " SELECT run_id + ?1, episode, weights, NULL, validation_cost FROM part.checkpoint"
    " WHERE episode IN ((SELECT max(episode) FROM part.checkpoint),"
    " (SELECT episode FROM part.checkpoint WHERE validation_cost IS NOT NULL"
    " ORDER BY validation_cost, episode LIMIT 1)) ORDER BY run_id, episode",

    /* The 95th percentile by nearest rank, as in policy_comparison. */
    "WITH done AS (SELECT t.latency_s FROM part.task AS t JOIN part.run AS r ON r.run_id = t.run_id"
    " WHERE r.kind = 'test' AND t.latency_s IS NOT NULL)"
    " UPDATE job SET train_run_id = coalesce(?2, (SELECT run_id + ?1 FROM part.run WHERE kind = 'train')),"
    " test_run_id = (SELECT run_id + ?1 FROM part.run WHERE kind = 'test'),"
    " validate_run_id = (SELECT run_id + ?1 FROM part.run WHERE kind = 'validate' AND checkpoint_episode IS "
    "NULL),"
    " p95_latency_s = (SELECT latency_s FROM done ORDER BY latency_s LIMIT 1"
    " OFFSET (SELECT (95 * count(*) + 99) / 100 - 1 FROM done))"
    " WHERE sweep_id = ?5 AND number = ?6",
};

/* Runs one statement that needs the part, with those of the parameters that it has. */
static int run_merging(struct store *store, const char *text, const int64_t *parameter, struct diag *diag)
{
    struct binder binder = {.code = SQLITE_OK};
    int code = sqlite3_prepare_v2(store->db->handle, text, -1, &binder.statement, NULL);
    if (code != SQLITE_OK)
        return db_fail(store->db, code, "take a part over", diag);
    assert(sqlite3_bind_parameter_count(binder.statement) <= 6);
    for (int i = sqlite3_bind_parameter_count(binder.statement); i > 0; i--) {
        binder.index = i - 1;
        binder_integer_or_null(&binder, parameter[i - 1], i == 2 ? 0 : INT64_MIN);
    }
    int rc = store_step(store, &binder, "take a part over", diag);
    (void) sqlite3_finalize(binder.statement); /* repeats the code of the step */
    return rc;
}

/* The highest number that a run of this file has ever had. */
static int newest_run(struct store *store, int64_t *ret_run_id, struct diag *diag)
{
    static const char sql[] = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'run'";
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int rc = code == SQLITE_ROW ? 0 : db_fail(store->db, code, "take a part over", diag);
    if (rc == 0)
        *ret_run_id = sqlite3_column_int64(statement, 0);
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    return rc;
}

static int take_rows(struct store *store, const struct db_job *job, const struct store_part *part,
                     const char *utc, struct diag *diag)
{
    int64_t before = 0;
    int rc = newest_run(store, &before, diag);
    const int64_t parameter[] = {before,      job->train_run_id, part->validation,
                                 part->tasks, job->sweep_id,     job->number};
    for (size_t i = 0; i < sizeof merging / sizeof *merging && rc == 0; i++)
        rc = run_merging(store, merging[i], parameter, diag);
    struct db_job done = *job;
    done.status = DB_JOB_DONE;
    done.error = NULL;
    return rc == 0 ? store_end_job(store, &done, utc, diag) : rc;
}

static int attach(struct store *store, const char *path, struct diag *diag)
{
    char name[sizeof store->db->path];
    int size = snprintf(name, sizeof name, "%s%s", path[0] == '/' ? "" : "./", path); /* as db_open does */
    struct binder binder = {.code = SQLITE_OK};
    if (size < 0 || (size_t) size >= sizeof name)
        return diag_fail(diag, ERR_TOO_BIG, "%s: the name is too long", path);
    int code = sqlite3_prepare_v2(store->db->handle, "ATTACH ? AS part", -1, &binder.statement, NULL);
    if (code != SQLITE_OK)
        return db_fail(store->db, code, "take a part over", diag);
    binder_text(&binder, name);
    int rc = store_step(store, &binder, "take a part over", diag);
    (void) sqlite3_finalize(binder.statement); /* repeats the code of the step */
    return rc;
}

int store_merge_part(struct store *store, const struct db_job *job, const struct store_part *part,
                     const char *utc, struct diag *diag)
{
    int rc = attach(store, part->path, diag);
    if (rc != 0)
        return rc;
    rc = db_begin(store->db, diag);
    if (rc == 0)
        rc = take_rows(store, job, part, utc, diag);
    if (rc == 0)
        rc = db_commit(store->db, diag);
    if (rc != 0)
        db_rollback(store->db);
    int detach_rc = db_exec(store->db, "DETACH part", "let a part go", rc == 0 ? diag : NULL);
    return rc != 0 ? rc : detach_rc;
}
