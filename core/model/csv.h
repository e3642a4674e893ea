/* A CSV file with a header line (RFC 4180: fields may be quoted, quotes double inside). Columns are found by
 * name, whatever the case. Row errors name file and line. */
#ifndef HANDOFF_CORE_MODEL_CSV_H
#define HANDOFF_CORE_MODEL_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

#define CSV_COLUMNS_MAX 128u
#define CSV_FIELD_MAX 63u /* longest field that is looked at; others may be of any length */

struct csv {
    const char *path; /* borrowed, for messages */
    struct buf text;  /* owned */
    size_t at;        /* next unread byte */
    unsigned line;    /* of the row at hand, from 1 */
    unsigned next_line;
    size_t columns[4]; /* where the wanted ones stand */
    size_t wanted;
};

/* Opens the file and finds the wanted columns in its first line. `why` says who asked ("task.requests_csv").
 */
int csv_open(struct csv *csv, const char *path, const char *const *columns, size_t count, const char *why,
             struct diag *diag);

/* The next row's wanted fields, in the order asked for. 1: a row; 0: the end; negative: malformed. Blank
 * lines are passed over. A missing or overlong field is an error. */
int csv_next(struct csv *csv, char (*ret_fields)[CSV_FIELD_MAX + 1], struct diag *diag);

void csv_close(struct csv *csv);

#endif
