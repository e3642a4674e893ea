/* A query's result as text for people (table) and for programs (JSON, CSV). */
#include "db/store.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/store_internal.h"

/* Where the text goes: it gathers in `text` and, where there is a sink, moves on in pieces of about
 * FLUSH_BYTES. */
struct output {
    struct buf *text;
    int (*sink)(void *user, const void *bytes, size_t size); /* NULL: keep everything */
    void *user;
};

#define FLUSH_BYTES ((size_t) 256 * 1024)

static int flush(struct output *output, size_t threshold)
{
    if (output->sink == NULL || output->text->size == 0 || output->text->size < threshold)
        return 0;
    int rc = output->sink(output->user, output->text->data, output->text->size);
    buf_clear(output->text);
    return rc;
}

int store_start_query(struct store *store, const char *sql, int64_t parameter, struct binder *ret_binder,
                      struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    assert(sql != NULL);
    int code = sqlite3_prepare_v2(store->db->handle, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return db_fail(store->db, code, "answer a query", diag);
    if (sqlite3_stmt_readonly(statement) == 0) {
        (void) sqlite3_finalize(statement); /* never stepped */
        return diag_fail(diag, ERR_DATABASE, "%s: a query may only read", store->db->path);
    }
    struct binder binder = {.statement = statement, .index = 0, .code = SQLITE_OK};
    assert(sqlite3_bind_parameter_count(statement) <= 1);
    if (sqlite3_bind_parameter_count(statement) > 0)
        binder_integer(&binder, parameter);
    *ret_binder = binder;
    return 0;
}

/* The shortest of 15, 16 or 17 digits that reads back as the same bits. */
static int push_real(struct buf *text, double value)
{
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        (void) snprintf(digits, sizeof digits, "%.*g", precision,
                        value); /* 17 digits, sign, exponent: < 32 */
        if (strtod(digits, NULL) == value)
            break;
    }
    return buf_push(text, digits, strlen(digits));
}

static json_t *json_of_text(const char *text, size_t size)
{
    json_t *value = json_stringn(text, size);
    if (value != NULL || text == NULL)
        return value;
    /* Not UTF-8 (a peer's bytes in a detail): keep what is ASCII. */
    char *clean = malloc(size + 1);
    if (clean == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++)
        clean[i] = (unsigned char) text[i] < 0x80 ? text[i] : '?';
    value = json_stringn(clean, size);
    free(clean);
    return value;
}

/* NULL: out of memory. JSON has no infinity: null. Blobs are not shown. */
static json_t *json_of_column(sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return json_integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: {
        double value = sqlite3_column_double(statement, column);
        return isfinite(value) ? json_real(value) : json_null();
    }
    case SQLITE_TEXT: {
        const char *text = (const char *) sqlite3_column_text(statement, column);
        return json_of_text(text, (size_t) sqlite3_column_bytes(statement, column));
    }
    default: return json_null();
    }
}

static int push_json_row(sqlite3_stmt *statement, struct buf *text)
{
    json_t *object = json_object();
    int rc = object != NULL ? 0 : -ENOMEM;
    int columns = sqlite3_column_count(statement);
    for (int i = 0; rc == 0 && i < columns; i++)
        if (json_object_set_new(object, sqlite3_column_name(statement, i), json_of_column(statement, i)) != 0)
            rc = -ENOMEM;
    struct buf_sink sink = {.buf = text}; /* jansson does not ask whether a key could be written */
    if (rc == 0 && json_dump_callback(object, buf_sink_take, &sink, JSON_COMPACT) != 0)
        rc = -ENOMEM;
    json_decref(object);
    return rc != 0 ? rc : sink.rc;
}

static int write_json(struct store *store, struct binder *binder, struct output *output, struct diag *diag)
{
    int rc = buf_push(output->text, "[", 1);
    bool first = true;
    while (rc == 0 && (rc = store_step(store, binder, "answer a query", diag)) == 1) {
        rc = buf_printf(output->text, first ? "\n  " : ",\n  ");
        if (rc == 0)
            rc = push_json_row(binder->statement, output->text);
        if (rc == 0)
            rc = flush(output, FLUSH_BYTES);
        first = false;
        if (rc != 0)
            break;
    }
    return rc == 0 ? buf_printf(output->text, first ? "]\n" : "\n]\n") : rc;
}

/* RFC 4180: quoted where it must be, quotes doubled. */
static int push_csv_text(struct buf *text, const char *value)
{
    if (strpbrk(value, ",\"\r\n") == NULL)
        return buf_push(text, value, strlen(value));
    int rc = buf_push(text, "\"", 1);
    for (; rc == 0 && *value != '\0'; value++) {
        if (*value == '"')
            rc = buf_push(text, "\"", 1);
        if (rc == 0)
            rc = buf_push(text, value, 1);
    }
    return rc == 0 ? buf_push(text, "\"", 1) : rc;
}

static int push_csv_value(sqlite3_stmt *statement, int column, struct buf *text)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return buf_printf(text, "%lld", sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: return push_real(text, sqlite3_column_double(statement, column));
    case SQLITE_TEXT: {
        const char *value = (const char *) sqlite3_column_text(statement, column);
        return value != NULL ? push_csv_text(text, value) : -ENOMEM;
    }
    default: return 0;
    }
}

static int write_csv(struct store *store, struct binder *binder, struct output *output, struct diag *diag)
{
    int columns = sqlite3_column_count(binder->statement);
    int rc = 0;
    for (int i = 0; rc == 0 && i < columns; i++) {
        rc = push_csv_text(output->text, sqlite3_column_name(binder->statement, i));
        if (rc == 0)
            rc = buf_printf(output->text, i + 1 < columns ? "," : "\r\n");
    }
    while (rc == 0 && (rc = store_step(store, binder, "answer a query", diag)) == 1) {
        rc = 0;
        for (int i = 0; rc == 0 && i < columns; i++) {
            rc = push_csv_value(binder->statement, i, output->text);
            if (rc == 0)
                rc = buf_printf(output->text, i + 1 < columns ? "," : "\r\n");
        }
        if (rc == 0)
            rc = flush(output, FLUSH_BYTES);
        if (rc != 0)
            return rc;
    }
    return rc;
}

/* A table's cells, one after the other, each ended by a zero byte; row 0 is the head. */
struct cells {
    struct buf text;
    int columns;
    size_t *width; /* a column's widest cell, in characters */
    bool *number;  /* a column holding only numbers stands to the right */
    size_t rows;
};

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char) *text & 0xc0) != 0x80; /* a UTF-8 continuation byte takes no column */
    return count;
}

static int push_cell(struct cells *cells, int column, const char *value)
{
    size_t at = cells->text.size;
    assert(column < cells->columns);
    int rc = buf_push(&cells->text, value, strlen(value) + 1);
    if (rc != 0)
        return rc;
    for (char *c = (char *) cells->text.data + at; *c != '\0'; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            *c = ' ';
    size_t width = count_characters((const char *) cells->text.data + at);
    if (width > cells->width[column])
        cells->width[column] = width;
    return 0;
}

/* About four digits, without an exponent where a person would not write one. */
static void format_for_people(double value, char text[static 40])
{
    double size = fabs(value);
    if (size >= 1e-3 && size < 1e3)
        (void) snprintf(text, 40, "%.3f", value); /* none of these reaches 40 characters */
    else if (size >= 1e3 && size < 1e7)
        (void) snprintf(text, 40, "%.1f", value);
    else
        (void) snprintf(text, 40, "%.4g", value);
}

static int push_cell_row(struct cells *cells, sqlite3_stmt *statement)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < cells->columns; i++) {
        char number[40];
        const char *value = "-";
        switch (sqlite3_column_type(statement, i)) {
        case SQLITE_FLOAT:
            format_for_people(sqlite3_column_double(statement, i), number);
            value = number;
            break;
        case SQLITE_INTEGER:
            (void) snprintf(number, sizeof number, "%lld",
                            sqlite3_column_int64(statement, i)); /* 20 characters */
            value = number;
            break;
        case SQLITE_TEXT:
            cells->number[i] = false;
            value = (const char *) sqlite3_column_text(statement, i);
            break;
        default: break;
        }
        rc = value != NULL ? push_cell(cells, i, value) : -ENOMEM;
    }
    cells->rows++;
    return rc;
}

static int read_cells(struct store *store, struct binder *binder, struct cells *cells, struct diag *diag)
{
    cells->columns = sqlite3_column_count(binder->statement);
    cells->width = calloc((size_t) cells->columns + 1, sizeof *cells->width);
    cells->number = calloc((size_t) cells->columns + 1, sizeof *cells->number);
    if (cells->width == NULL || cells->number == NULL)
        return -ENOMEM;
    int rc = 0;
    for (int i = 0; rc == 0 && i < cells->columns; i++) {
        cells->number[i] = true;
        rc = push_cell(cells, i, sqlite3_column_name(binder->statement, i));
    }
    cells->rows = 1;
    while (rc == 0 && (rc = store_step(store, binder, "answer a query", diag)) == 1)
        rc = push_cell_row(cells, binder->statement);
    return rc;
}

static int push_spaces(struct buf *text, size_t count)
{
    return buf_printf(text, "%*s", (int) count, "");
}

static int write_cells(const struct cells *cells, struct buf *text)
{
    const char *cell = (const char *) cells->text.data;
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < cells->rows; row++) {
        for (int i = 0; rc == 0 && i < cells->columns; i++) {
            assert(cell < (const char *) cells->text.data + cells->text.size);
            assert(count_characters(cell) <= cells->width[i]);
            size_t spaces = cells->width[i] - count_characters(cell);
            bool last = i + 1 == cells->columns;
            if (cells->number[i])
                rc = push_spaces(text, spaces);
            if (rc == 0)
                rc = buf_push(text, cell, strlen(cell));
            if (rc == 0 && !cells->number[i] && !last)
                rc = push_spaces(text, spaces);
            if (rc == 0)
                rc = buf_printf(text, last ? "\n" : "  ");
            cell += strlen(cell) + 1;
        }
    }
    assert(rc != 0 || cell == (const char *) cells->text.data + cells->text.size);
    return rc;
}

static int write_table(struct store *store, struct binder *binder, struct output *output, struct diag *diag)
{
    struct cells cells = {0};
    int rc = read_cells(store, binder, &cells, diag);
    if (rc == 0)
        rc = write_cells(&cells, output->text);
    free(cells.number);
    free(cells.width);
    buf_finish(&cells.text);
    return rc;
}

static int answer(struct store *store, const char *sql, int64_t parameter, struct output *output,
                  int (*write)(struct store *, struct binder *, struct output *, struct diag *),
                  struct diag *diag)
{
    struct binder binder;
    int rc = store_start_query(store, sql, parameter, &binder, diag);
    if (rc != 0)
        return rc;
    rc = write(store, &binder, output, diag);
    if (rc == 0)
        rc = flush(output, 0);
    (void) sqlite3_finalize(binder.statement); /* repeats the code of the step */
    return rc == -ENOMEM ? diag_fail(diag, rc, "%s: out of memory", store->db->path) : rc;
}

int store_query_json(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                     struct diag *diag)
{
    return answer(store, sql, parameter, &(struct output){.text = text}, write_json, diag);
}

int store_query_table(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                      struct diag *diag)
{
    return answer(store, sql, parameter, &(struct output){.text = text}, write_table, diag);
}

int store_query_csv(struct store *store, const char *sql, int64_t parameter, struct buf *text,
                    struct diag *diag)
{
    return answer(store, sql, parameter, &(struct output){.text = text}, write_csv, diag);
}

int store_stream_json(struct store *store, const char *sql, int64_t parameter,
                      int (*sink)(void *user, const void *bytes, size_t size), void *user, struct diag *diag)
{
    struct buf text = {0};
    int rc = answer(store, sql, parameter, &(struct output){&text, sink, user}, write_json, diag);
    buf_finish(&text);
    return rc;
}

int store_stream_csv(struct store *store, const char *sql, int64_t parameter,
                     int (*sink)(void *user, const void *bytes, size_t size), void *user, struct diag *diag)
{
    struct buf text = {0};
    int rc = answer(store, sql, parameter, &(struct output){&text, sink, user}, write_csv, diag);
    buf_finish(&text);
    return rc;
}
