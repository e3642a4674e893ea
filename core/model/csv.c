#include "core/model/csv.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/units.h"

#define CSV_BYTES_MAX ((size_t) 256 * UNITS_MB) /* ten times the longest trace that we know of */

static bool at_end(const struct csv *csv)
{
    return csv->at >= csv->text.size;
}

static char peek(const struct csv *csv)
{
    return at_end(csv) ? '\0' : (char) csv->text.data[csv->at];
}

/* Reads one field up to its comma or line end, keeping at most CSV_FIELD_MAX bytes; *ret_size is its true
 * length. 0, or ERR_SYNTAX when a quoted field does not end. */
static int read_field(struct csv *csv, char *field, size_t *ret_size)
{
    size_t size = 0;
    assert(csv->at <= csv->text.size);
    bool quoted = peek(csv) == '"';
    if (quoted)
        csv->at++;
    for (;; csv->at++) {
        if (at_end(csv) && quoted)
            return ERR_SYNTAX;
        if (at_end(csv))
            break;
        char c = peek(csv);
        if (quoted && c == '"') {
            csv->at++;
            if (peek(csv) != '"') {
                quoted = false;
                csv->at--;
                continue;
            }
        } else if (!quoted && (c == ',' || c == '\n')) {
            break;
        }
        if (c == '\n')
            csv->next_line++;
        if (size < CSV_FIELD_MAX)
            field[size] = c;
        size++;
    }
    bool carriage = size > 0 && size <= CSV_FIELD_MAX && field[size - 1] == '\r' && peek(csv) != ',';
    size -= carriage ? 1 : 0;
    field[size < CSV_FIELD_MAX ? size : CSV_FIELD_MAX] = '\0';
    *ret_size = size;
    return 0;
}

/* Steps over the separator; true when the row goes on. */
static bool next_in_row(struct csv *csv)
{
    char separator = peek(csv);
    if (at_end(csv))
        return false;
    csv->at++;
    if (separator == '\n')
        csv->next_line++;
    return separator == ',';
}

static int fail_quote(const struct csv *csv, struct diag *diag)
{
    return diag_fail(diag, ERR_SYNTAX, "%s:%u: a quoted field does not end", csv->path, csv->line);
}

/* Trims blanks and a byte order mark, so that hand-made files are read too. */
static const char *trimmed(char *field)
{
    char *start = strncmp(field, "\xef\xbb\xbf", 3) == 0 ? field + 3 : field;
    start += strspn(start, " \t");
    size_t size = strlen(start);
    while (size > 0 && (start[size - 1] == ' ' || start[size - 1] == '\t'))
        start[--size] = '\0';
    return start;
}

static int find_columns(struct csv *csv, const char *const *columns, size_t count, const char *why,
                        struct diag *diag)
{
    bool found[CSV_WANTED_MAX] = {false};
    bool more = true;
    csv->line = 1;
    size_t fields = 0;
    for (size_t i = 0; more; i++, fields++) {
        char field[CSV_FIELD_MAX + 1];
        size_t size = 0;
        if (read_field(csv, field, &size) != 0)
            return fail_quote(csv, diag);
        if (i >= CSV_COLUMNS_MAX)
            return diag_fail(diag, ERR_TOO_BIG, "%s:1: more than %u columns", csv->path, CSV_COLUMNS_MAX);
        const char *name = trimmed(field);
        for (size_t k = 0; k < count; k++) {
            if (strcasecmp(name, columns[k]) != 0)
                continue;
            if (found[k])
                return diag_fail(diag, ERR_DUPLICATE, "%s:1: column '%s' stands twice", csv->path,
                                 columns[k]);
            found[k] = true;
            csv->columns[k] = i;
        }
        more = next_in_row(csv);
    }
    csv->header_fields = fields;
    for (size_t k = 0; k < count; k++)
        if (!found[k] && k < csv->required)
            return diag_fail(diag, ERR_NOT_FOUND, "%s:1: no column '%s' in the header (%s needs it)",
                             csv->path, columns[k], why);
    return 0;
}

int csv_begin(struct csv *csv, const char *name, struct buf *text, const char *const *columns, size_t count,
              size_t required, const char *why, struct diag *diag)
{
    struct csv opened = {.path = name, .text = *text, .next_line = 1, .wanted = count, .required = required};
    assert(count <= CSV_WANTED_MAX && required <= count);
    assert(text->size == 0 || (text->size < text->capacity && text->data[text->size] == '\0'));
    *text = (struct buf){0};
    for (size_t k = 0; k < count; k++)
        opened.columns[k] = CSV_ABSENT;
    int rc = 0;
    if (opened.text.size == 0)
        rc = diag_fail(diag, ERR_SYNTAX, "%s: is empty, %s needs a header line with column '%s' and rows",
                       name, why, columns[0]);
    if (rc == 0)
        rc = find_columns(&opened, columns, count, why, diag);
    if (rc != 0) {
        csv_close(&opened);
        return rc;
    }
    *csv = opened;
    return 0;
}

int csv_open(struct csv *csv, const char *path, const char *const *columns, size_t count, const char *why,
             struct diag *diag)
{
    return csv_open_some(csv, path, columns, count, count, why, diag);
}

int csv_open_some(struct csv *csv, const char *path, const char *const *columns, size_t count,
                  size_t required, const char *why, struct diag *diag)
{
    struct buf text = {0};
    struct diag cause = {{0}};
    int rc = file_read(path, CSV_BYTES_MAX, &text, &cause);
    if (rc != 0)
        return diag_fail(diag, rc, "%s: %s (name another file in the scenario, or with --set %s=FILE)", why,
                         diag_text(&cause, rc), why);
    return csv_begin(csv, path, &text, columns, count, required, why, diag);
}

/* Over blank lines to the next row; false at the end. */
static bool find_row(struct csv *csv)
{
    while (peek(csv) == '\n' || (peek(csv) == '\r' && csv->text.data[csv->at + 1] == '\n')) {
        csv->at += peek(csv) == '\r' ? 2 : 1;
        csv->next_line++;
    }
    csv->line = csv->next_line;
    return !at_end(csv);
}

int csv_next(struct csv *csv, char (*ret_fields)[CSV_FIELD_MAX + 1], struct diag *diag)
{
    if (!find_row(csv))
        return 0;
    size_t found = 0;
    bool more = true;
    size_t fields = 0;
    size_t present = 0;
    for (size_t k = 0; k < csv->wanted; k++) {
        ret_fields[k][0] = '\0';
        present += csv->columns[k] != CSV_ABSENT ? 1 : 0;
    }
    for (; more; fields++) {
        char field[CSV_FIELD_MAX + 1];
        size_t size = 0;
        if (read_field(csv, field, &size) != 0)
            return fail_quote(csv, diag);
        for (size_t k = 0; k < csv->wanted; k++) {
            if (csv->columns[k] != fields)
                continue;
            if (size > CSV_FIELD_MAX)
                return diag_fail(diag, ERR_TOO_BIG, "%s:%u: field %zu is longer than %u bytes", csv->path,
                                 csv->line, fields + 1, CSV_FIELD_MAX);
            (void) snprintf(ret_fields[k], CSV_FIELD_MAX + 1, "%s",
                            trimmed(field)); /* never longer than field */
            found++;
        }
        more = next_in_row(csv);
    }
    assert(found <= present && csv->at <= csv->text.size);
    csv->row_fields = fields;
    if (found < present)
        return diag_fail(diag, ERR_TRUNCATED, "%s:%u: %zu fields, fewer than the header promises", csv->path,
                         csv->line, fields);
    return 1;
}

void csv_close(struct csv *csv)
{
    buf_finish(&csv->text);
}
