/* delete: removes runs with all that is their own, in one transaction, and gives the space back where that is asked
 * for. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "core/base/progress.h"
#include "db/db.h"
#include "db/removal.h"
#include "orchestrator/setup/stop_signal.h"

#define STEPS_PER_ROW 4u /* of SQLite's machine, about, when a file is made smaller */

struct deletion {
    const struct cli *cli;
    struct db db;
    struct removal removal;
    struct progress progress;
    uint64_t rows;
    uint64_t bytes_before, bytes_after; /* of the file */
    struct diag *diag;
};

static uint64_t file_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t) status.st_size : 0;
}

static int on_tasks_removed(void *user, uint64_t tasks)
{
    struct deletion *deletion = user;
    progress_update(&deletion->progress, tasks, NULL);
    if (!stop_signal_raised())
        return 0;
    return diag_fail(deletion->diag, -EINTR, "%s: interrupted: nothing was removed", deletion->cli->db);
}

static int on_compacted(void *user, uint64_t steps)
{
    struct deletion *deletion = user;
    progress_update(&deletion->progress, steps, NULL);
    if (!stop_signal_raised())
        return 0;
    return diag_fail(deletion->diag, -EINTR,
                     "%s: interrupted: what was to be removed is, but the file is as large",
                     deletion->cli->db);
}

static uint64_t tasks_in_all(const struct removal *removal)
{
    uint64_t tasks = 0;
    for (size_t i = 0; i < removal->runs; i++)
        tasks += removal->run[i].tasks;
    return tasks;
}

static int plan(struct deletion *deletion)
{
    const struct cli *cli = deletion->cli;
    int rc = removal_plan(&deletion->removal, &deletion->db, cli->runs, cli->run_count, deletion->diag);
    return rc == 0
               ? removal_check(&deletion->removal, cli->with_dependents, "--with-dependents", deletion->diag)
               : rc;
}

static int carry_out(struct deletion *deletion)
{
    uint64_t tasks = tasks_in_all(&deletion->removal);
    progress_start(&deletion->progress, "delete", tasks, deletion->cli->quiet);
    int rc =
        removal_carry_out(&deletion->removal, on_tasks_removed, deletion, &deletion->rows, deletion->diag);
    progress_stop(&deletion->progress, tasks);
    return rc;
}

/* One transaction: a process that is killed in it has removed nothing. */
static int remove_runs(struct deletion *deletion)
{
    int rc = db_begin(&deletion->db, deletion->diag);
    if (rc != 0)
        return rc;
    rc = plan(deletion);
    if (rc == 0)
        rc = carry_out(deletion);
    if (rc == 0)
        rc = db_commit(&deletion->db, deletion->diag);
    if (rc != 0)
        db_rollback(&deletion->db);
    return rc;
}

static int compact(struct deletion *deletion)
{
    uint64_t rows = 0;
    int rc = db_count_rows(&deletion->db, &rows, deletion->diag);
    if (rc != 0)
        return rc;
    progress_start(&deletion->progress, "compact", rows * STEPS_PER_ROW, deletion->cli->quiet);
    rc = db_compact(&deletion->db, on_compacted, deletion, deletion->diag);
    progress_stop(&deletion->progress, rows * STEPS_PER_ROW);
    return rc;
}

/* What the file has after its log is folded back is known when it is closed. */
static int close_file(struct deletion *deletion, int rc)
{
    int close_rc = db_close(&deletion->db, deletion->diag);
    deletion->bytes_after = file_size(deletion->cli->db);
    return rc != 0 ? rc : close_rc;
}

/* ---- telling ---- */

static json_t *json_runs(const struct removal *removal)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < removal->runs; i++) {
        const struct removal_run *run = &removal->run[i];
        command_append_json(&rows, json_pack("{s:I, s:s, s:s, s:b, s:I, s:I}", "run_id",
                                             (json_int_t) run->run_id, "kind", run->kind, "policy",
                                             run->policy, "asked", run->asked, "episodes",
                                             (json_int_t) run->episodes, "tasks", (json_int_t) run->tasks));
    }
    return rows;
}

static json_t *json_jobs(const struct removal *removal)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < removal->jobs; i++)
        command_append_json(&rows, json_pack("{s:s, s:I}", "sweep", removal->job[i].sweep, "job",
                                             (json_int_t) removal->job[i].number));
    return rows;
}

static int tell_json(const struct deletion *deletion)
{
    const struct cli *cli = deletion->cli;
    return command_print_json(
        json_pack("{s:b, s:o, s:o, s:I, s:b, s:I, s:I}", "dry_run", cli->dry_run, "runs",
                  json_runs(&deletion->removal), "jobs", json_jobs(&deletion->removal), "rows",
                  (json_int_t) deletion->rows, "compacted", cli->compact && !cli->dry_run, "bytes_before",
                  (json_int_t) deletion->bytes_before, "bytes_after", (json_int_t) deletion->bytes_after),
        deletion->diag);
}

static void tell_runs(const struct deletion *deletion)
{
    const char *done = deletion->cli->dry_run ? "would be removed" : "removed";
    for (size_t i = 0; i < deletion->removal.runs; i++) {
        const struct removal_run *run = &deletion->removal.run[i];
        if (run->kind[0] == '\0')
            (void) printf("run %lld: %s, what a deletion by hand has left: %llu episodes, %llu tasks\n",
                          (long long) run->run_id, done, (unsigned long long) run->episodes,
                          (unsigned long long) run->tasks);
        else
            (void) printf("run %lld: %s, %s, %s, %llu episodes, %llu tasks\n", (long long) run->run_id, done,
                          run->kind, run->policy, (unsigned long long) run->episodes,
                          (unsigned long long) run->tasks);
    }
    for (size_t i = 0; i < deletion->removal.jobs; i++)
        (void) printf("job %u of sweep %s: %s\n", deletion->removal.job[i].number,
                      deletion->removal.job[i].sweep,
                      deletion->cli->dry_run ? "would wait to be played again" : "waits to be played again");
}

static int tell(const struct deletion *deletion)
{
    const struct cli *cli = deletion->cli;
    if (cli->json)
        return tell_json(deletion);
    tell_runs(deletion);
    if (cli->dry_run)
        return 0;
    (void) printf("%s: %llu rows removed, %.1f MB before, %.1f MB now%s\n", cli->db,
                  (unsigned long long) deletion->rows, 1e-6 * (double) deletion->bytes_before,
                  1e-6 * (double) deletion->bytes_after,
                  cli->compact ? "" : "; new rows take the free space, --compact gives it back");
    return 0;
}

int command_delete(const struct cli *cli, struct diag *diag)
{
    struct deletion deletion = {.cli = cli, .diag = diag, .bytes_before = file_size(cli->db)};
    if (cli->run_count == 0 && !cli->compact)
        return command_status(
            diag_fail(diag, ERR_SYNTAX, "delete which run? --run R is needed, see `show runs`"), diag);
    (void) process_raise_file_limit(); /* each run and sweep takes a descriptor (db/claim.h) */
    stop_signal_catch();
    int rc = removal_look(cli->db, cli->runs, cli->run_count, diag);
    if (rc != 0)
        return command_status(rc, diag);
    /* Another process may be recording: it is waited for as long as it waits for us. */
    rc = db_open_waiting(&deletion.db, cli->db, cli->dry_run ? DB_READ : DB_READWRITE, DB_PATIENCE_MS, diag);
    if (rc == 0 && cli->run_count > 0)
        rc = cli->dry_run ? plan(&deletion) : remove_runs(&deletion);
    if (rc == 0 && cli->compact && !cli->dry_run)
        rc = compact(&deletion);
    rc = close_file(&deletion, rc);
    if (rc == 0)
        rc = tell(&deletion);
    removal_finish(&deletion.removal); /* behind the database: see db/claim.h */
    return command_status(rc, diag);
}
