/* export: a run's rows as CSV or JSON. */
#include "orchestrator/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "db/sql.h"
#include "db/store.h"

static int write_text(const char *path, const struct buf *text, struct diag *diag)
{
    FILE *file = path != NULL ? fopen(path, "wb") : stdout;
    if (file == NULL)
        return diag_fail(diag, -errno, "%s: %s", path, strerror(errno));
    bool whole = fwrite(text->data, 1, text->size, file) == text->size && fflush(file) == 0;
    if (path != NULL && fclose(file) != 0)
        whole = false;
    return whole ? 0 : diag_fail(diag, -EIO, "%s: cannot write", path != NULL ? path : "standard output");
}

int verb_export(const struct cli *cli, struct diag *diag)
{
    const char *what = cli->word_count > 0 ? cli->word[0] : "tasks";
    if (strcmp(what, "tasks") != 0 && strcmp(what, "episodes") != 0 && strcmp(what, "events") != 0)
        return verb_status(
            diag_fail(diag, ERR_UNKNOWN, "export what? '%s' is none of tasks, episodes, events", what));
    struct db db = {0};
    struct store *store = NULL;
    struct db_run run;
    struct buf texts = {0}, text = {0};
    int rc = db_open(&db, cli->db != NULL ? cli->db : "results.db", DB_READ, diag);
    if (rc == 0)
        rc = store_create(&store, &db, diag);
    if (rc == 0)
        rc = store_read_run(store, cli->run, &run, &texts, diag);
    if (rc == 0 && cli->csv && !cli->json)
        rc = store_query_csv(store, sql_find_query(what), run.run_id, &text, diag);
    else if (rc == 0)
        rc = store_query_json(store, sql_find_query(what), run.run_id, &text, diag);
    if (rc == 0)
        rc = write_text(cli->output, &text, diag);
    store_destroy(store);
    (void) db_close(&db, NULL); /* only read */
    buf_finish(&texts);
    buf_finish(&text);
    return verb_status(rc);
}
