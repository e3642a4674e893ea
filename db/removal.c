#include "db/removal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "db/db.h"
#include "db/db_internal.h"

#define NAMED_MAX 8u /* runs and jobs that a refusal names */

/* The tables whose rows belong to one run; a test compares the list with the schema. Tasks, the most, are removed
 * episode by episode, so that somebody can be told how far it is. */
static const char *const own[] = {
    "answer",         "event",          "checkpoint", "experience", "link_sample",
    "process_sample", "compute_sample", "episode",    "node",       "run",
};

static const char plan_sql[] =
    "WITH RECURSIVE asked (run_id) AS (SELECT value FROM json_each(?1)),"
    " removed (run_id) AS (SELECT run_id FROM asked"
    "  UNION SELECT r.run_id FROM removed AS d JOIN run AS r ON r.parent_run_id = d.run_id)"
    " SELECT d.run_id, d.run_id IN (SELECT run_id FROM asked), coalesce(r.kind, ''), coalesce(r.policy, ''),"
    " (SELECT count(*) FROM episode AS e WHERE e.run_id = d.run_id),"
    " (SELECT count(*) FROM task AS t WHERE t.run_id = d.run_id)"
    " FROM removed AS d LEFT JOIN run AS r ON r.run_id = d.run_id ORDER BY d.run_id";

/* What a run that was removed by hand may have left behind. */
static const char remains_sql[] = "SELECT EXISTS (SELECT 1 FROM node WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM event WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM checkpoint WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM experience WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM link_sample WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM process_sample WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM compute_sample WHERE run_id = ?1)"
                                  " OR EXISTS (SELECT 1 FROM answer WHERE run_id = ?1)";

#define NAMES_A_RUN                                                                                          \
    " WHERE train_run_id IN (SELECT value FROM json_each(?1))"                                               \
    " OR test_run_id IN (SELECT value FROM json_each(?1))"                                                   \
    " OR validate_run_id IN (SELECT value FROM json_each(?1))"

static const char jobs_sql[] =
    "SELECT sweep_id, (SELECT name FROM sweep AS s WHERE s.sweep_id = job.sweep_id),"
    " number FROM job" NAMES_A_RUN " ORDER BY sweep_id, number";

static const char renew_sql[] =
    "UPDATE job SET status = 'waiting', worker = NULL, started_utc = NULL, finished_utc = NULL, wall_s = "
    "NULL,"
    " cpu_s = NULL, train_run_id = NULL, test_run_id = NULL, validate_run_id = NULL, p95_latency_s = NULL,"
    " error = NULL" NAMES_A_RUN;

static const char tasks_sql[] = "DELETE FROM task WHERE run_id = ?1 AND episode ="
                                " (SELECT min(episode) FROM task WHERE run_id = ?1)";

static int prepare(struct db *db, const char *sql, sqlite3_stmt **ret_statement, struct diag *diag)
{
    int code = sqlite3_prepare_v2(db->handle, sql, -1, ret_statement, NULL);
    return code == SQLITE_OK ? 0 : db_fail(db, code, "remove runs", diag);
}

/* 1: a row, 0: none is left. */
static int step(struct db *db, sqlite3_stmt *statement, struct diag *diag)
{
    errno = 0;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : db_fail(db, code, "remove runs", diag);
}

static int prepare_for_ids(struct removal *removal, const char *sql, sqlite3_stmt **ret_statement,
                           struct diag *diag)
{
    int rc = prepare(removal->db, sql, ret_statement, diag);
    if (rc != 0)
        return rc;
    int code = sqlite3_bind_text(*ret_statement, 1, (const char *) removal->ids.data, (int) removal->ids.size,
                                 SQLITE_STATIC);
    return code == SQLITE_OK ? 0 : db_fail(removal->db, code, "remove runs", diag);
}

static int print_id(struct buf *ids, int64_t run_id)
{
    return buf_printf(ids, "%s%lld", ids->size == 0 ? "[" : ",", (long long) run_id);
}

/* A longer word is cut: they are for people. */
static void copy_word(char *ret_word, sqlite3_stmt *statement, int column)
{
    const char *text = (const char *) sqlite3_column_text(statement, column);
    (void) snprintf(ret_word, REMOVAL_WORD_MAX, "%s", text != NULL ? text : "");
}

static int read_runs(struct removal *removal, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare_for_ids(removal, plan_sql, &statement, diag);
    while (rc == 0 && (rc = step(removal->db, statement, diag)) == 1) {
        struct removal_run run = {
            .run_id = sqlite3_column_int64(statement, 0),
            .asked = sqlite3_column_int(statement, 1) != 0,
            .episodes = (uint64_t) sqlite3_column_int64(statement, 4),
            .tasks = (uint64_t) sqlite3_column_int64(statement, 5),
        };
        copy_word(run.kind, statement, 2);
        copy_word(run.policy, statement, 3);
        rc = array_reserve(&removal->run, &removal->run_capacity, removal->runs + 1);
        if (rc == 0)
            removal->run[removal->runs++] = run;
    }
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    return rc;
}

/* The plan finds whatever it is asked for: is there anything of it? */
static int check_run(struct removal *removal, const struct removal_run *run, struct diag *diag)
{
    if (run->kind[0] != '\0' || run->episodes > 0 || run->tasks > 0)
        return 0;
    sqlite3_stmt *statement = NULL;
    int rc = prepare(removal->db, remains_sql, &statement, diag);
    if (rc == 0) {
        (void) sqlite3_bind_int64(statement, 1, run->run_id); /* an integer takes no memory */
        rc = step(removal->db, statement, diag);
    }
    bool remains = rc == 1 && sqlite3_column_int(statement, 0) != 0;
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    if (rc < 0 || remains)
        return rc < 0 ? rc : 0;
    return diag_fail(diag, ERR_NOT_FOUND, "%s: holds no run %lld", removal->db->path,
                     (long long) run->run_id);
}

static int read_jobs(struct removal *removal, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare_for_ids(removal, jobs_sql, &statement, diag);
    while (rc == 0 && (rc = step(removal->db, statement, diag)) == 1) {
        struct removal_job job = {
            .sweep_id = sqlite3_column_int64(statement, 0),
            .number = (uint32_t) sqlite3_column_int64(statement, 2), /* written from a uint32_t */
        };
        copy_word(job.sweep, statement, 1);
        rc = array_reserve(&removal->job, &removal->job_capacity, removal->jobs + 1);
        if (rc == 0)
            removal->job[removal->jobs++] = job;
    }
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    return rc;
}

int removal_look(const char *path, const int64_t *run_id, size_t count, struct diag *diag)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc != ERR_STATE; i++) {
        struct claim claim = claim_none;
        rc = claim_take(&claim, path, run_id[i], diag);
        claim_release(&claim);
    }
    return rc == ERR_STATE ? rc : 0;
}

int removal_plan(struct removal *ret_removal, struct db *db, const int64_t *run_id, size_t count,
                 struct diag *diag)
{
    assert(count > 0);
    *ret_removal = (struct removal){.db = db};
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = print_id(&ret_removal->ids, run_id[i]);
    if (rc == 0)
        rc = buf_printf(&ret_removal->ids, "]");
    if (rc == 0)
        rc = read_runs(ret_removal, diag);
    for (size_t i = 0; i < ret_removal->runs && rc == 0; i++)
        rc = check_run(ret_removal, &ret_removal->run[i], diag);
    buf_clear(&ret_removal->ids);
    for (size_t i = 0; i < ret_removal->runs && rc == 0; i++)
        rc = print_id(&ret_removal->ids, ret_removal->run[i].run_id);
    if (rc == 0)
        rc = buf_printf(&ret_removal->ids, "]");
    if (rc == 0)
        rc = read_jobs(ret_removal, diag);
    return rc == -ENOMEM ? diag_fail(diag, rc, "%s: out of memory", db->path) : rc;
}

/* "run 2, run 3, job 4 of sweep 'x' and 7 more" */
static int name_dependents(const struct removal *removal, struct buf *text)
{
    size_t named = 0, more = 0;
    int rc = 0;
    for (size_t i = 0; i < removal->runs && rc == 0; i++) {
        if (removal->run[i].asked)
            continue;
        if (named >= NAMED_MAX)
            more++;
        else
            rc = buf_printf(text, "%srun %lld", named++ > 0 ? ", " : "", (long long) removal->run[i].run_id);
    }
    for (size_t i = 0; i < removal->jobs && rc == 0; i++) {
        if (named >= NAMED_MAX)
            more++;
        else
            rc = buf_printf(text, "%sjob %u of sweep '%s'", named++ > 0 ? ", " : "", removal->job[i].number,
                            removal->job[i].sweep);
    }
    if (rc == 0 && more > 0)
        rc = buf_printf(text, " and %zu more", more);
    return rc;
}

static int refuse_dependents(const struct removal *removal, const char *flag, struct diag *diag)
{
    struct buf names = {0};
    int rc = name_dependents(removal, &names);
    if (rc == 0 && names.size > 0)
        rc = diag_fail(
            diag, ERR_STATE,
            "%s: these depend on what is to be removed: %s; %s removes such runs too, and lets such "
            "jobs wait to be played again",
            removal->db->path, (const char *) names.data, flag);
    buf_finish(&names);
    return rc;
}

static int claim(struct removal *removal, int (*take)(struct claim *, const char *, int64_t, struct diag *),
                 int64_t number, struct diag *diag)
{
    int rc = array_reserve(&removal->claim, &removal->claim_capacity, removal->claims + 1);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: out of memory", removal->db->path);
    struct claim *claim = &removal->claim[removal->claims++];
    *claim = claim_none;
    return take(claim, removal->db->path, number, diag);
}

int removal_check(struct removal *removal, bool with_dependents, const char *flag, struct diag *diag)
{
    int rc = with_dependents ? 0 : refuse_dependents(removal, flag, diag);
    for (size_t i = 0; i < removal->runs && rc == 0; i++)
        rc = claim(removal, claim_take, removal->run[i].run_id, diag);
    for (size_t i = 0; i < removal->jobs && rc == 0; i++) /* in the order of sweeps */
        if (i == 0 || removal->job[i].sweep_id != removal->job[i - 1].sweep_id)
            rc = claim(removal, claim_take_sweep, removal->job[i].sweep_id, diag);
    return rc;
}

/* How many rows a statement over one run has removed. */
static int remove_rows(struct removal *removal, sqlite3_stmt *statement, int64_t run_id, uint64_t *ret_rows,
                       struct diag *diag)
{
    (void) sqlite3_bind_int64(statement, 1, run_id); /* an integer takes no memory */
    int rc = step(removal->db, statement, diag);
    assert(rc != 1); /* it returns no rows */
    if (rc == 0)
        *ret_rows = (uint64_t) sqlite3_changes(removal->db->handle);
    (void) sqlite3_reset(statement); /* repeats the code of the step */
    return rc;
}

static int remove_tasks(struct removal *removal, int (*tell)(void *user, uint64_t tasks), void *user,
                        uint64_t *ret_tasks, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    uint64_t tasks = 0;
    int rc = prepare(removal->db, tasks_sql, &statement, diag);
    for (size_t i = 0; i < removal->runs && rc == 0; i++) {
        uint64_t rows = 0;
        do {
            rc = remove_rows(removal, statement, removal->run[i].run_id, &rows, diag);
            tasks += rc == 0 ? rows : 0;
            if (rc == 0 && tell != NULL)
                rc = tell(user, tasks);
        } while (rc == 0 && rows > 0);
    }
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    *ret_tasks = tasks;
    return rc;
}

static int remove_own(struct removal *removal, const char *table, uint64_t *rows, struct diag *diag)
{
    char sql[96];
    sqlite3_stmt *statement = NULL;
    (void) snprintf(sql, sizeof sql, "DELETE FROM %s WHERE run_id = ?1", table); /* the names are short */
    int rc = prepare(removal->db, sql, &statement, diag);
    for (size_t i = 0; i < removal->runs && rc == 0; i++) {
        uint64_t some = 0;
        rc = remove_rows(removal, statement, removal->run[i].run_id, &some, diag);
        *rows += some;
    }
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    return rc;
}

static int renew_jobs(struct removal *removal, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare_for_ids(removal, renew_sql, &statement, diag);
    if (rc == 0)
        rc = step(removal->db, statement, diag);
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    return rc;
}

int removal_carry_out(struct removal *removal, int (*tell)(void *user, uint64_t tasks), void *user,
                      uint64_t *ret_rows, struct diag *diag)
{
    uint64_t rows = 0;
    assert(sqlite3_get_autocommit(removal->db->handle) == 0); /* in a transaction */
    /* A parent may go before its child: keys are looked at when all is gone. */
    int rc = db_exec(removal->db, "PRAGMA defer_foreign_keys = ON", "remove runs", diag);
    if (rc == 0)
        rc = renew_jobs(removal, diag);
    if (rc == 0)
        rc = remove_tasks(removal, tell, user, &rows, diag);
    for (size_t i = 0; i < sizeof own / sizeof *own && rc == 0; i++)
        rc = remove_own(removal, own[i], &rows, diag);
    if (rc == 0)
        *ret_rows = rows;
    return rc;
}

void removal_finish(struct removal *removal)
{
    for (size_t i = 0; i < removal->claims; i++)
        claim_release(&removal->claim[i]);
    free(removal->claim);
    free(removal->run);
    free(removal->job);
    buf_finish(&removal->ids);
    *removal = (struct removal){0};
}
