/* One experiment's SQLite file: open, create, migrate, close. */
#ifndef HANDOFF_DB_DB_H
#define HANDOFF_DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"

#define DB_APPLICATION_ID 0x68616e64 /* "hand" */

struct sqlite3;
struct db {
    struct sqlite3 *handle; /* owned */
    char path[4096];
    bool disk_failed; /* a call met a full disk or an I/O error */
};

enum db_mode {
    DB_CREATE,    /* read-write; a missing or empty file becomes a new database; WAL while open */
    DB_READWRITE, /* read-write; the file must exist */
    DB_READ,      /* read-only; the file must exist */
};

/* Opens and, where writing is allowed, migrates to the present version, each step in one transaction.
 * Refuses, saying so: a file that is no database, another program's database, one of a newer version, one in
 * use by another writer. */
int db_open(struct db *ret_db, const char *path, enum db_mode mode, struct diag *diag);

/* The same, with another time to wait for another writer of the file than db_open's, then and later. */
#define DB_PATIENCE_MS 60000 /* of whoever writes beside a run that is being recorded */
int db_open_waiting(struct db *ret_db, const char *path, enum db_mode mode, int wait_ms, struct diag *diag);

/* Folds the WAL back so that one clean file remains, and closes. Where that fails, the diagnosis names the log,
 * which must be kept; it does so behind an earlier diagnosis, too. NULL-safe on a zeroed struct. */
int db_close(struct db *db, struct diag *diag);

void db_set_patience(struct db *db, int wait_ms);

/* BEGIN IMMEDIATE / COMMIT / ROLLBACK */
int db_begin(struct db *db, struct diag *diag);
/* From now on all reads see the file as it is at the first of them, whoever writes to it, until db_commit or
 * db_rollback. */
int db_begin_read(struct db *db, struct diag *diag);
int db_commit(struct db *db, struct diag *diag);
void db_rollback(struct db *db);

/* How large the content is, and how much of that is free for new rows. */
int db_size(struct db *db, uint64_t *ret_bytes, uint64_t *ret_unused, struct diag *diag);
/* Rows of all tables, about: how much work it is to write them anew. */
int db_count_rows(struct db *db, uint64_t *ret_rows, struct diag *diag);
/* Writes the whole content anew without what is free (VACUUM), whole or not at all; others cannot write meanwhile.
 * -ENOSPC: the disk has too little space for that, which is known before it begins. `tell` may be NULL; it hears a
 * number that grows with the work, about four for each row, and a result other than 0 ends the work with it. */
int db_compact(struct db *db, int (*tell)(void *user, uint64_t steps), void *user, struct diag *diag);

#endif
