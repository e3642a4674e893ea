/* What the commands share: exit statuses, and how a result is printed. Standard output is looked at once, when the
 * process ends (core/base/process.h): what could not be written is told there. */
#include <errno.h>
#include <float.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/process.h"
#include "db/experiment_file.h"
#include "db/sql.h"
#include "orchestrator/command/commands.h"

static int status_of(int code)
{
    switch (code) {
    case 0: return PROCESS_OK;
    case ERR_SYNTAX:
    case ERR_RANGE:
    case ERR_UNKNOWN:
    case ERR_DUPLICATE:
    case ERR_TYPE:
    case ERR_UNSUPPORTED:
    case ERR_NOT_FOUND:
    case ERR_STATE:
    case ERR_VERSION:
    case ERR_TOO_BIG:
    case ERR_TRUNCATED:
    case -ENOENT:
    case -EISDIR:
    case -EACCES: return PROCESS_USAGE;
    case -EINTR: return PROCESS_SIGNAL;
    default: return PROCESS_FAILED;
    }
}

int command_status(int code, struct diag *diag)
{
    if (code != 0)
        (void) diag_fail(diag, code, "%s", err_text(code)); /* nobody fails without a word */
    return status_of(code);
}

void command_print_text(const struct buf *text)
{
    errno = 0;
    if (fwrite(text->data, 1, text->size, stdout) != text->size)
        process_print_failed(errno);
}

static int print_json(json_t *value, size_t flags, struct diag *diag)
{
    errno = 0;
    bool whole = value != NULL && json_dumpf(value, stdout, JSON_INDENT(2) | flags) == 0;
    if (whole)
        (void) putchar('\n');
    else if (ferror(stdout) != 0)
        process_print_failed(errno);
    json_decref(value);
    return whole || ferror(stdout) != 0 ? 0 : diag_fail(diag, -ENOMEM, "out of memory");
}

int command_print_json(json_t *value, struct diag *diag)
{
    return print_json(value, 0, diag);
}

int command_print_json_floats(json_t *value, struct diag *diag)
{
    return print_json(value, JSON_REAL_PRECISION(FLT_DECIMAL_DIG), diag);
}

void command_append_json(json_t **rows, json_t *row)
{
    if (json_array_append_new(*rows, row) == 0)
        return;
    json_decref(*rows);
    *rows = NULL;
}

int command_print_query(const struct cli *cli, const char *query, int64_t parameter, struct diag *diag)
{
    struct experiment_file file = {0};
    struct buf text = {0};
    int rc = experiment_file_open(&file, cli->db, DB_READ, diag);
    if (rc == 0 && cli->json)
        rc = store_query_json(file.store, sql_find_query(query), parameter, &text, diag);
    else if (rc == 0)
        rc = store_query_table(file.store, sql_find_query(query), parameter, &text, diag);
    if (rc == 0)
        command_print_text(&text);
    buf_finish(&text);
    (void) experiment_file_close(&file, NULL); /* only read */
    return rc;
}
