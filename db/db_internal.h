/* The one place where SQLite's codes become ours. */
#ifndef HANDOFF_DB_DB_INTERNAL_H
#define HANDOFF_DB_DB_INTERNAL_H

#include "db/db.h"

/* Translates the failure of the connection's last call, `code` being what it returned; `what` completes
 * "cannot ...". The diagnosis names the file. Never 0. */
int db_fail(struct db *db, int code, const char *what, struct diag *diag);

/* Runs constant SQL that returns no rows. */
int db_exec(struct db *db, const char *sql, const char *what, struct diag *diag);

#endif
