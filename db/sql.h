/* The SQL files, embedded when the programs are built (embed_sql.py). */
#ifndef HANDOFF_DB_SQL_H
#define HANDOFF_DB_SQL_H

#include <stddef.h>

struct sql_text {
    const char *name; /* the file's name without .sql */
    const char *text;
};

/* schema.sql: what a new database looks like. Databases are made by the migrations; a test compares the two. */
extern const char *const sql_schema;

/* Migration i + 1 leads from user_version i to i + 1. */
extern const struct sql_text sql_migrations[];
extern const size_t sql_migrations_count;

/* queries files, for store_query_*; ?1 is the run where a query has a parameter. */
extern const struct sql_text sql_queries[];
extern const size_t sql_queries_count;

/* The text of a named query ("policy_comparison"), or NULL. */
const char *sql_find_query(const char *name);

#endif
