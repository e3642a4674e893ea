/* A CSV file with a header line (RFC 4180: fields may be quoted, quotes double inside). Columns are found by
 * name, whatever the case. Row errors name file and line. */
#ifndef HANDOFF_CORE_MODEL_CSV_H
#define HANDOFF_CORE_MODEL_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

#define CSV_COLUMNS_MAX 128u
#define CSV_WANTED_MAX 8u
#define CSV_FIELD_MAX 63u /* longest field that is looked at; others may be of any length */

struct csv {
    const char *path; /* borrowed, for messages */
    struct buf text;  /* owned */
    size_t at;        /* next unread byte */
    unsigned line;    /* of the row at hand, from 1 */
    unsigned next_line;
    size_t columns[CSV_WANTED_MAX]; /* where the wanted ones stand; CSV_ABSENT: nowhere */
    size_t wanted, required;
    size_t header_fields, row_fields; /* in the header; in the row at hand */
};

#define CSV_ABSENT ((size_t) -1)

/* Opens the file and finds the wanted columns in its first line. `why` says who asked ("task.requests_csv"). */
int csv_open(struct csv *csv, const char *path, const char *const *columns, size_t count, const char *why,
             struct diag *diag);

/* The same with columns that may be absent (csv_begin). */
int csv_open_some(struct csv *csv, const char *path, const char *const *columns, size_t count,
                  size_t required, const char *why, struct diag *diag);

/* The same on text in memory, which the csv owns from here on, also on failure. A zero byte follows the text.
 * The first `required` columns must be there; the others may be absent, and their fields are then empty. */
int csv_begin(struct csv *csv, const char *name, struct buf *text, const char *const *columns, size_t count,
              size_t required, const char *why, struct diag *diag);

/* The next row's wanted fields, in the order asked for. 1: a row; 0: the end; negative: malformed. Blank
 * lines are passed over. A missing or overlong field is an error. */
int csv_next(struct csv *csv, char (*ret_fields)[CSV_FIELD_MAX + 1], struct diag *diag);

void csv_close(struct csv *csv);

#endif
