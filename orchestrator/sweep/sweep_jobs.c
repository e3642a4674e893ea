#include "orchestrator/sweep/sweep_jobs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "orchestrator/setup/provenance.h"

/* ---- the workers' own files: FILE.parts/SWEEP-JOB-ATTEMPT.db ---- */

/* NULL: out of memory. `name` may be empty: the folder itself. */
static char *part_path(const struct sweep_jobs *jobs, const char *name)
{
    struct buf text = {0};
    if (buf_printf(&text, "%s.parts%s%s", jobs->path, name[0] != '\0' ? "/" : "", name) == 0)
        return (char *) text.data;
    buf_finish(&text);
    return NULL;
}

/* Removes what begins with `prefix`: a part and what SQLite has beside it, or all parts of the sweep. */
static void remove_parts(const struct sweep_jobs *jobs, const char *prefix)
{
    char *folder = part_path(jobs, "");
    DIR *directory = folder != NULL ? opendir(folder) : NULL;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        char *path = part_path(jobs, entry->d_name);
        if (path != NULL)
            (void) unlink(path); /* one that stays is removed when the sweep goes on */
        free(path);
    }
    if (directory != NULL)
        (void) closedir(directory);
    free(folder);
}

static int make_folder(struct sweep_jobs *jobs)
{
    char *folder = part_path(jobs, "");
    int rc = folder == NULL ? -ENOMEM : mkdir(folder, 0777) == 0 || errno == EEXIST ? 0 : -errno;
    if (rc != 0)
        diag_fail(jobs->diag, rc, "%s.parts: cannot make this folder: %s", jobs->path, err_text(rc));
    jobs->has_folder = rc == 0;
    free(folder);
    return rc;
}

static void drop_part(const struct sweep_jobs *jobs, const char *part)
{
    const char *slash = part != NULL ? strrchr(part, '/') : NULL;
    if (slash != NULL)
        remove_parts(jobs, slash + 1);
}

/* ---- reading ---- */

static struct sweep_job *job_of(const struct sweep_jobs *jobs, const struct sweep_cell *cell)
{
    assert(cell->number > 0 && cell->number <= jobs->grid->count);
    return &jobs->job[cell->number - 1];
}

/* What a job may become: it waits, is played, and ends or waits again. One whose trainer failed or was skipped
 * shares that end without being played. DONE, FAILED and SKIPPED are ends. */
static void set_status(struct sweep_job *job, enum db_job_status next)
{
    static const unsigned allowed[] = {
        [DB_JOB_WAITING] = 1u << DB_JOB_RUNNING | 1u << DB_JOB_FAILED | 1u << DB_JOB_SKIPPED,
        [DB_JOB_RUNNING] =
            1u << DB_JOB_DONE | 1u << DB_JOB_FAILED | 1u << DB_JOB_SKIPPED | 1u << DB_JOB_WAITING,
        [DB_JOB_DONE] = 0,
        [DB_JOB_FAILED] = 0,
        [DB_JOB_SKIPPED] = 0,
    };
    assert((size_t) job->status < sizeof allowed / sizeof *allowed);
    assert((allowed[job->status] >> next & 1u) != 0);
    job->status = next;
}

/* The text is the same, so that a job which is not is a sign of another program's version. */
static int take_job(void *user, const struct db_job *row)
{
    struct sweep_jobs *jobs = user;
    bool is_known = row->number > 0 && row->number <= jobs->grid->count;
    const struct sweep_cell *cell = is_known ? &jobs->grid->cell[row->number - 1] : NULL;
    if (cell == NULL || strcmp(cell->experiment->name, row->experiment) != 0 || cell->seed != row->seed ||
        strcmp(cell->kind->name, row->policy) != 0 || strcmp(cell->settings_json, row->settings_json) != 0)
        return diag_fail(jobs->diag, ERR_MISMATCH, "%s: job %u is another one than this program would make",
                         jobs->path, row->number);
    struct sweep_job *job = job_of(jobs, cell);
    *job = (struct sweep_job){
        .status = row->status,
        .attempts = row->attempts,
        .wall_s = row->wall_s,
        .cpu_s = row->cpu_s,
        .train_run_id = row->train_run_id,
        .error = row->error != NULL ? strdup(row->error) : NULL,
    };
    return row->error != NULL && job->error == NULL ? diag_fail(jobs->diag, -ENOMEM, "out of memory") : 0;
}

/* Names the first line in which the file's sweep and the recorded one differ. */
static int compare_texts(const struct sweep_jobs *jobs, const char *now, const char *then)
{
    unsigned line = 1;
    size_t start = 0, i = 0;
    for (; now[i] == then[i] && now[i] != '\0'; i++)
        if (now[i] == '\n') {
            line++;
            start = i + 1;
        }
    if (now[i] == then[i])
        return 0;
    return diag_fail(
        jobs->diag, ERR_STATE,
        "%s: holds a sweep '%s' of another content: line %u of its text was '%.*s', now it is '%.*s'; "
        "give this one another name, or take another file",
        jobs->path, jobs->grid->file->name, line, (int) strcspn(then + start, "\n"), then + start,
        (int) strcspn(now + start, "\n"), now + start);
}

/* ERR_NOT_FOUND: no sweep has the name, and nothing is said about it. */
static int find(struct sweep_jobs *jobs, const char *text)
{
    struct buf then = {0};
    struct diag unsaid = {0};
    int rc = store_find_sweep(jobs->file.store, jobs->grid->file->name, &jobs->sweep_id, &then, &unsaid);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        diag_fail(jobs->diag, rc, "%s", diag_text(&unsaid, rc));
    if (rc == 0)
        rc = compare_texts(jobs, text, (const char *) then.data);
    buf_finish(&then);
    return rc;
}

static int insert(struct sweep_jobs *jobs, const char *text)
{
    char now[CLOCK_UTC_TEXT];
    clock_utc_text(now);
    const struct db_sweep sweep = {
        .name = jobs->grid->file->name, .text = text, .version = provenance_version(), .created_utc = now};
    int rc = store_insert_sweep(jobs->file.store, &sweep, &jobs->sweep_id, jobs->diag);
    for (size_t i = 0; i < jobs->grid->count && rc == 0; i++) {
        const struct sweep_cell *cell = &jobs->grid->cell[i];
        const struct db_job job = {
            .sweep_id = jobs->sweep_id,
            .number = cell->number,
            .experiment = cell->experiment->name,
            .axis = cell->axis,
            .value = cell->value,
            .policy = cell->kind->name,
            .sees = policy_sees_name(cell->kind->sees),
            .seed = cell->seed,
            .settings_json = cell->settings_json,
            .trained_by = cell->trained_by,
        };
        rc = store_insert_job(jobs->file.store, &job, jobs->diag);
    }
    return rc;
}

static int find_or_insert(struct sweep_jobs *jobs, const char *text)
{
    int rc = db_begin(&jobs->file.db, jobs->diag);
    if (rc != 0)
        return rc;
    rc = find(jobs, text);
    if (rc == ERR_NOT_FOUND)
        rc = insert(jobs, text);
    if (rc == 0)
        rc = db_commit(&jobs->file.db, jobs->diag);
    if (rc != 0)
        db_rollback(&jobs->file.db);
    return rc;
}

static int blank(struct sweep_jobs *ret_jobs, const char *path, const struct sweep_grid *grid,
                 struct diag *diag)
{
    *ret_jobs = (struct sweep_jobs){.grid = grid, .path = path, .claim = claim_none, .diag = diag};
    ret_jobs->job = calloc(grid->count, sizeof *ret_jobs->job);
    if (ret_jobs->job == NULL)
        return diag_fail(diag, -ENOMEM, "out of memory");
    for (size_t i = 0; i < grid->count; i++)
        ret_jobs->job[i].wall_s = ret_jobs->job[i].cpu_s = (double) NAN;
    return 0;
}

int sweep_jobs_open(struct sweep_jobs *ret_jobs, const char *path, const struct sweep_grid *grid,
                    const char *text, struct diag *diag)
{
    char prefix[32];
    int rc = blank(ret_jobs, path, grid, diag);
    if (rc == 0)
        rc = experiment_file_open(&ret_jobs->file, path, DB_CREATE, diag);
    if (rc == 0)
        rc = find_or_insert(ret_jobs, text);
    if (rc == 0)
        rc = claim_take_sweep(&ret_jobs->claim, path, ret_jobs->sweep_id, diag);
    if (rc == 0)
        rc = make_folder(ret_jobs);
    if (rc != 0)
        return rc;
    (void) snprintf(prefix, sizeof prefix, "%lld-", (long long) ret_jobs->sweep_id); /* 20 digits at most */
    remove_parts(ret_jobs, prefix);
    rc = store_renew_jobs(ret_jobs->file.store, ret_jobs->sweep_id, diag);
    return rc == 0 ? store_each_job(ret_jobs->file.store, ret_jobs->sweep_id, take_job, ret_jobs, diag) : rc;
}

int sweep_jobs_look(struct sweep_jobs *ret_jobs, const char *path, const struct sweep_grid *grid,
                    const char *text, struct diag *diag)
{
    int rc = blank(ret_jobs, path, grid, diag);
    if (rc != 0 || access(path, F_OK) != 0)
        return rc;
    rc = experiment_file_open(&ret_jobs->file, path, DB_READ, diag);
    if (rc == 0)
        rc = find(ret_jobs, text);
    if (rc == ERR_NOT_FOUND)
        return 0;
    return rc == 0 ? store_each_job(ret_jobs->file.store, ret_jobs->sweep_id, take_job, ret_jobs, diag) : rc;
}

int sweep_jobs_close(struct sweep_jobs *jobs, struct diag *diag)
{
    int rc = experiment_file_close(&jobs->file, diag);
    char *folder = jobs->has_folder ? part_path(jobs, "") : NULL;
    if (folder != NULL)
        (void) rmdir(folder); /* stays while another sweep has parts in it */
    free(folder);
    claim_release(&jobs->claim); /* behind the database: see claim.h */
    for (size_t i = 0; jobs->job != NULL && i < jobs->grid->count; i++)
        free(jobs->job[i].error);
    free(jobs->job);
    jobs->job = NULL;
    return rc;
}

/* ---- writing ---- */

static struct db_job row_of(const struct sweep_jobs *jobs, const struct sweep_cell *cell)
{
    const struct sweep_job *job = job_of(jobs, cell);
    assert(cell->trained_by <= jobs->grid->count && cell->trained_by != cell->number);
    return (struct db_job){
        .sweep_id = jobs->sweep_id,
        .number = cell->number,
        .status = job->status,
        .wall_s = job->wall_s,
        .cpu_s = job->cpu_s,
        .train_run_id = cell->trained_by > 0 ? jobs->job[cell->trained_by - 1].train_run_id : 0,
        .error = job->error,
    };
}

int sweep_jobs_start(struct sweep_jobs *jobs, const struct sweep_cell *cell, char **ret_part)
{
    char now[CLOCK_UTC_TEXT], host[64] = "", worker[96], name[64];
    struct sweep_job *job = job_of(jobs, cell);
    const struct db_job row = row_of(jobs, cell);
    (void) gethostname(host, sizeof host - 1); /* a longer name is cut */
    (void) snprintf(worker, sizeof worker, "%s:%ld", host, (long) getpid());
    (void) snprintf(name, sizeof name, "%lld-%u-%u.db", (long long) jobs->sweep_id, cell->number,
                    job->attempts + 1); /* fits: 20 and twice 10 digits at most */
    char *part = part_path(jobs, name);
    if (part == NULL)
        return diag_fail(jobs->diag, -ENOMEM, "out of memory");
    clock_utc_text(now);
    int rc = store_start_job(jobs->file.store, &row, worker, now, jobs->diag);
    if (rc != 0) {
        free(part);
        return rc;
    }
    set_status(job, DB_JOB_RUNNING);
    job->attempts++;
    *ret_part = part;
    return 0;
}

/* Run ids of a merged part are known from its row. */
static int note_runs(void *user, const struct db_job *row)
{
    struct sweep_jobs *jobs = user;
    if (row->number == 0 || row->number > jobs->grid->count)
        return diag_fail(jobs->diag, ERR_CORRUPT, "%s: job %u does not exist", jobs->path, row->number);
    jobs->job[row->number - 1].train_run_id = row->train_run_id;
    return 0;
}

int sweep_jobs_merge(struct sweep_jobs *jobs, const struct sweep_cell *cell, const char *part)
{
    char now[CLOCK_UTC_TEXT];
    const struct db_job row = row_of(jobs, cell);
    const struct store_part what = {
        .path = part, .tasks = sweep_grid_keeps_tasks(cell), .validation = cell->experiment->curve};
    clock_utc_text(now);
    int rc = store_merge_part(jobs->file.store, &row, &what, now, jobs->diag);
    if (rc == 0 && cell->trains)
        rc = store_each_job(jobs->file.store, jobs->sweep_id, note_runs, jobs, jobs->diag);
    if (rc == 0)
        set_status(job_of(jobs, cell), DB_JOB_DONE);
    drop_part(jobs, part);
    return rc;
}

int sweep_jobs_end(struct sweep_jobs *jobs, const struct sweep_cell *cell, enum db_job_status status,
                   const char *error, const char *part)
{
    char now[CLOCK_UTC_TEXT];
    struct sweep_job *job = job_of(jobs, cell);
    set_status(job, status);
    free(job->error);
    job->error = error != NULL ? strdup(error) : NULL;
    drop_part(jobs, part);
    if (error != NULL && job->error == NULL)
        return diag_fail(jobs->diag, -ENOMEM, "out of memory");
    const struct db_job row = row_of(jobs, cell);
    clock_utc_text(now);
    return store_end_job(jobs->file.store, &row, now, jobs->diag);
}

struct best {
    uint32_t episode;
    double cost; /* NAN: none yet */
};

static int take_better(void *user, const struct db_checkpoint *row)
{
    struct best *best = user;
    if (isnan(best->cost) || row->validation_cost < best->cost)
        *best = (struct best){.episode = row->episode, .cost = row->validation_cost};
    return 0;
}

int sweep_jobs_weights(struct sweep_jobs *jobs, const struct sweep_cell *cell, struct buf *weights,
                       int64_t *ret_checkpoint, int64_t *ret_updates)
{
    struct best best = {.cost = (double) NAN};
    struct db_checkpoint row;
    struct db_run run;
    struct buf texts = {0};
    int64_t run_id = job_of(jobs, cell)->train_run_id;
    assert(cell->trains && job_of(jobs, cell)->status == DB_JOB_DONE);
    int rc = store_each_checkpoint(jobs->file.store, run_id, take_better, &best, jobs->diag);
    if (rc == 0)
        rc = store_read_checkpoint(jobs->file.store, run_id, best.episode, &row, weights, jobs->diag);
    if (rc == 0)
        rc = store_read_run(jobs->file.store, run_id, &run, &texts, jobs->diag);
    if (rc == 0) {
        *ret_checkpoint = best.episode;
        *ret_updates = run.updates;
    }
    buf_finish(&texts);
    return rc;
}
