/* Binds a statement's parameters from left to right. The first failure sticks in `code`, and the rest is skipped.
 * A zeroed binder with a statement is at its first parameter. */
#ifndef HANDOFF_DB_BINDER_H
#define HANDOFF_DB_BINDER_H

#include <stddef.h>
#include <stdint.h>

struct sqlite3_stmt;

struct binder {
    struct sqlite3_stmt *statement;
    int index; /* of the last parameter bound */
    int code;  /* SQLite's */
};

void binder_integer(struct binder *binder, int64_t value);
void binder_integer_or_null(struct binder *binder, int64_t value, int64_t null_value);
void binder_real(struct binder *binder, double value);      /* NAN: NULL */
void binder_text(struct binder *binder, const char *value); /* NULL: NULL; borrowed until the reset */
void binder_blob(struct binder *binder, const void *bytes, size_t size);

#endif
