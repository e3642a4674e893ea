/* export: a run's rows as CSV or JSON. */
#include "orchestrator/command/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "db/experiment_file.h"
#include "db/sql.h"

/* Where rows go as they are read: a long run's do not fit in memory. */
static int write_bytes(void *user, const void *bytes, size_t size)
{
    errno = 0;
    if (fwrite(bytes, 1, size, user) == size)
        return 0;
    return errno != 0 ? -errno : -EIO;
}

static int write_rows(const struct cli *cli, struct store *store, const char *what, int64_t run_id,
                      struct diag *diag)
{
    FILE *file = cli->output != NULL ? fopen(cli->output, "wb") : stdout;
    if (file == NULL)
        return diag_fail(diag, -errno, "%s: %s", cli->output, strerror(errno));
    int (*stream)(struct store *, const char *, int64_t, int (*)(void *, const void *, size_t), void *,
                  struct diag *) = cli->csv && !cli->json ? store_stream_csv : store_stream_json;
    int rc = stream(store, sql_find_query(what), run_id, write_bytes, file, diag);
    if (cli->output == NULL && ferror(stdout) != 0) {
        process_print_failed(-rc); /* told when the process ends */
        return 0;
    }
    if (cli->output == NULL)
        return rc;
    errno = 0;
    if (fclose(file) != 0 && rc == 0)
        rc = errno != 0 ? -errno : -EIO;
    return rc != 0 ? diag_fail(diag, rc, "%s: cannot write: %s", cli->output, err_text(rc)) : 0;
}

int command_export(const struct cli *cli, struct diag *diag)
{
    const char *what = cli->word_count > 0 ? cli->word[0] : "tasks";
    if (strcmp(what, "tasks") != 0 && strcmp(what, "episodes") != 0 && strcmp(what, "events") != 0 &&
        strcmp(what, "answers") != 0)
        return command_status(diag_fail(diag, ERR_UNKNOWN,
                                        "export what? '%s' is none of tasks, episodes, events, answers",
                                        what),
                              diag);
    struct experiment_file file = {0};
    struct db_run run;
    struct buf texts = {0};
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0)
        rc = store_read_run(file.store, cli->run, &run, &texts, diag);
    if (rc == 0)
        rc = write_rows(cli, file.store, what, run.run_id, diag);
    (void) experiment_file_close(&file, NULL); /* only read */
    buf_finish(&texts);
    return command_status(rc, diag);
}
