#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db_internal.h"
#include "db/sql.h"

/* How long opening waits for another writer. A recorder holds the lock for milliseconds at a time. */
#define BUSY_MS 3000

/* Tasks are appended in key order, a few hundred bytes each: 8 KiB pages were the fastest that keep small
 * files small. The WAL is folded back every 16 MiB, which bounds its size; the cache bounds our memory. */
static const char writer_pragmas[] = "PRAGMA synchronous = NORMAL;"
                                     "PRAGMA cache_size = -8192;"
                                     "PRAGMA wal_autocheckpoint = 2048;"
                                     "PRAGMA secure_delete = OFF;"
                                     "PRAGMA foreign_keys = ON;";
static const char reader_pragmas[] = "PRAGMA cache_size = -16384;";

/* SQLite's own words. The connection has those of its last call, which are better; another call may have come in
 * between. */
static const char *reason_of(const struct db *db, int code)
{
    bool last = db->handle != NULL && (sqlite3_errcode(db->handle) & 0xff) == (code & 0xff);
    return last ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
}

/* What the system said to an I/O error; 0: not known. SQLite does not keep it for a commit. */
static int system_error_of(const struct db *db, int last_errno)
{
    int kept = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;
    return kept != 0 ? kept : last_errno;
}

int db_fail(struct db *db, int code, const char *what, struct diag *diag)
{
    int last_errno = errno;
    assert(code != SQLITE_OK && code != SQLITE_ROW);
    const char *reason = reason_of(db, code);
    db->disk_failed = db->disk_failed || (code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_IOERR;
    switch (code & 0xff) {
    case SQLITE_NOMEM: return diag_fail(diag, -ENOMEM, "%s: cannot %s: %s", db->path, what, reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return diag_fail(diag, ERR_DATABASE,
                         "%s: cannot %s: %s, in use by another writer; wait for it or stop it", db->path,
                         what, reason);
    case SQLITE_NOTADB:
        return diag_fail(diag, ERR_TYPE, "%s: is not an SQLite database: %s", db->path, reason);
    case SQLITE_CORRUPT:
        if (last_errno == EIO) /* SQLite tells a sector that cannot be read like this */
            return diag_fail(diag, ERR_DATABASE, "%s: cannot %s: the disk cannot read the file: %s: %s",
                             db->path, what, strerror(EIO), reason);
        return diag_fail(diag, ERR_DATABASE, "%s: cannot %s: the file is damaged: %s", db->path, what,
                         reason);
    case SQLITE_READONLY:
        return diag_fail(diag, ERR_DATABASE, "%s: cannot %s: the file is read-only: %s", db->path, what,
                         reason);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
        int system = system_error_of(db, last_errno);
        return diag_fail(diag, ERR_DATABASE, "%s: cannot %s: %s%s%s", db->path, what, reason,
                         system != 0 ? ": " : "", system != 0 ? strerror(system) : "");
    }
    default: return diag_fail(diag, ERR_DATABASE, "%s: cannot %s: %s", db->path, what, reason);
    }
}

int db_exec(struct db *db, const char *sql, const char *what, struct diag *diag)
{
    assert(db->handle != NULL);
    errno = 0;
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_fail(db, code, what, diag);
}

/* The single integer that `sql` selects. */
static int read_integer(struct db *db, const char *sql, int64_t *ret_value, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int rc = code == SQLITE_ROW ? 0 : db_fail(db, code, "read it", diag);
    (void) sqlite3_finalize(statement); /* repeats the code of the step */
    if (rc == 0)
        *ret_value = value;
    return rc;
}

/* Looks at the path before SQLite does, whose messages for these cases say too little. */
static int check_path(const char *path, enum db_mode mode, struct diag *diag)
{
    struct stat status;
    if (path[0] == '\0')
        return diag_fail(diag, -EINVAL, "the database's file name is empty");
    if (strlen(path) + sizeof "./" > sizeof((struct db *) NULL)->path)
        return diag_fail(diag, -ENAMETOOLONG, "the database's file name is too long");
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return diag_fail(diag, -EISDIR, "%s: is a directory, not a database file", path);
        if (!S_ISREG(status.st_mode))
            return diag_fail(diag, -EINVAL, "%s: is not a regular file", path);
        return 0;
    }
    if (errno != ENOENT || mode != DB_CREATE)
        return diag_fail(diag, -errno, "%s: cannot open the database: %s", path, strerror(errno));
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return 0;
    int length = (int) (slash - path);
    char directory[sizeof((struct db *) NULL)->path];
    (void) snprintf(directory, sizeof directory, "%.*s", length,
                    path); /* shorter than path, whose length was checked */
    if (stat(directory, &status) != 0)
        return diag_fail(diag, -errno, "%s: cannot create the database: directory %s: %s", path, directory,
                         strerror(errno));
    return 0;
}

static int open_handle(struct db *db, const char *path, enum db_mode mode, int wait_ms, struct diag *diag)
{
    static const int flags[] = {
        [DB_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        [DB_READWRITE] = SQLITE_OPEN_READWRITE,
        [DB_READ] = SQLITE_OPEN_READONLY,
    };
    assert((size_t) mode < sizeof flags / sizeof *flags);
    /* "./" keeps SQLite from reading ":memory:" or "file:..." into a plain file name. */
    char name[sizeof db->path];
    (void) snprintf(name, sizeof name, "%s%s", path[0] == '/' ? "" : "./",
                    path); /* length checked by check_path */
    (void) snprintf(db->path, sizeof db->path, "%s", path);
    /* NOMUTEX: one thread at a time uses a connection; the recorder hands its own over as a whole. */
    int code = sqlite3_open_v2(name, &db->handle, flags[mode] | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return db_fail(db, code, "open it", diag);
    (void) sqlite3_extended_result_codes(db->handle, 1); /* cannot fail on an open handle */
    (void) sqlite3_busy_timeout(db->handle, wait_ms);
    if (mode != DB_READ && sqlite3_db_readonly(db->handle, "main") == 1)
        return db_fail(db, SQLITE_READONLY, "write to it", diag);
    return 0;
}

/* Which program's file is it? Only reads, so that another program's file stays unchanged. */
static int identify(struct db *db, enum db_mode mode, int64_t *ret_version, struct diag *diag)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t objects = 0;
    int rc = read_integer(db, "PRAGMA application_id", &application, diag);
    if (rc == 0)
        rc = read_integer(db, "PRAGMA user_version", &version, diag);
    if (rc == 0)
        rc = read_integer(db, "SELECT count(*) FROM sqlite_schema", &objects, diag);
    if (rc != 0)
        return rc;
    bool empty = application == 0 && version == 0 && objects == 0;
    int64_t known = (int64_t) sql_migrations_count;
    if (empty && mode != DB_CREATE)
        return diag_fail(diag, ERR_TYPE, "%s: is empty, not a handoff database", db->path);
    if (!empty && application != DB_APPLICATION_ID)
        return diag_fail(diag, ERR_TYPE, "%s: is an SQLite database of another program (application_id %lld)",
                         db->path, (long long) application);
    if (version > known)
        return diag_fail(
            diag, ERR_VERSION,
            "%s: was written by a newer handoff (database version %lld; this program knows up to %lld)",
            db->path, (long long) version, (long long) known);
    if (!empty && version < known && mode == DB_READ)
        return diag_fail(
            diag, ERR_VERSION,
            "%s: was written by an older handoff (database version %lld, now %lld) and must first be opened "
            "for writing, by any run that records into it",
            db->path, (long long) version, (long long) known);
    *ret_version = version;
    return 0;
}

/* Rows that refer to a run that is not there. */
static int count_orphans(struct db *db, int64_t *ret_orphans, struct diag *diag)
{
    return read_integer(db, "SELECT count(*) FROM pragma_foreign_key_check", ret_orphans, diag);
}

/* The file may have orphans, of a run that was deleted by hand: they are left alone, and none is added. */
static int run_migration(struct db *db, const struct sql_text *migration, struct diag *diag)
{
    int64_t before = 0, after = 0;
    char what[128];
    (void) snprintf(what, sizeof what, "bring it up to date (%s)", migration->name); /* the names are short */
    int rc = count_orphans(db, &before, diag);
    if (rc == 0)
        rc = db_exec(db, migration->text, what, diag);
    if (rc == 0)
        rc = count_orphans(db, &after, diag);
    if (rc == 0 && after > before)
        rc = diag_fail(diag, ERR_CORRUPT, "%s: %s: %lld rows refer to runs that are not there", db->path,
                       migration->name, (long long) after);
    return rc;
}

static int migrate_one(struct db *db, size_t index, struct diag *diag)
{
    assert(index < sql_migrations_count);
    int rc = db_begin(db, diag);
    if (rc != 0)
        return rc;
    int64_t version = 0;
    /* Another process may have been faster between our look and our lock. */
    rc = read_integer(db, "PRAGMA user_version", &version, diag);
    if (rc == 0 && version == (int64_t) index)
        rc = run_migration(db, &sql_migrations[index], diag);
    if (rc == 0)
        rc = db_commit(db, diag);
    if (rc != 0)
        db_rollback(db);
    return rc;
}

/* A migration may make a table anew that others refer to: keys are off meanwhile, which is only possible
 * outside of a transaction, and each migration checks them before it commits. */
static int migrate(struct db *db, int64_t version, struct diag *diag)
{
    int rc = db_exec(db, "PRAGMA foreign_keys = OFF", "configure it", diag);
    for (size_t i = (size_t) version; rc == 0 && i < sql_migrations_count; i++)
        rc = migrate_one(db, i, diag);
    return rc != 0 ? rc : db_exec(db, "PRAGMA foreign_keys = ON", "configure it", diag);
}

static int prepare_writing(struct db *db, int64_t version, struct diag *diag)
{
    int rc = 0;
    if (version == 0)
        rc = db_exec(db, "PRAGMA page_size = 8192", "set the page size", diag);
    if (rc == 0)
        rc = db_exec(db, "PRAGMA journal_mode = WAL", "open it for writing", diag);
    if (rc == 0)
        rc = db_exec(db, writer_pragmas, "configure it", diag);
    if (rc == 0 && version < (int64_t) sql_migrations_count)
        rc = migrate(db, version, diag);
    if (rc != 0)
        return rc;
    /* Another writer is better met now than after the first episode. */
    rc = db_begin(db, diag);
    return rc == 0 ? db_commit(db, diag) : rc;
}

/* The log stays when it could not be folded back, and then it belongs to the file. */
static void name_log(const char *path, struct diag *diag)
{
    struct stat status;
    char log[sizeof((struct db *) NULL)->path + sizeof "-wal"];
    (void) snprintf(log, sizeof log, "%s-wal", path); /* fits */
    if (stat(log, &status) == 0 && status.st_size > 0)
        diag_add(diag, "; keep %s beside it, which holds the rows that were written last", log);
}

/* A process that was killed while it changed the file may have left a journal, from which SQLite first makes the
 * file whole. A reader may not: so it is done before, where it is allowed. */
static void roll_back_journal(const char *path)
{
    struct stat status;
    struct db db = {0};
    char journal[sizeof db.path + sizeof "-journal"];
    int64_t objects = 0;
    (void) snprintf(journal, sizeof journal, "%s-journal", path); /* fits */
    if (stat(journal, &status) != 0 || status.st_size == 0)
        return;
    if (open_handle(&db, path, DB_READWRITE, BUSY_MS, NULL) == 0)
        (void) read_integer(&db, "SELECT count(*) FROM sqlite_schema", &objects, NULL); /* the reader tells */
    (void) sqlite3_close(db.handle); /* no statement is open */
}

int db_open_waiting(struct db *ret_db, const char *path, enum db_mode mode, int wait_ms, struct diag *diag)
{
    int rc = check_path(path, mode, diag);
    if (rc != 0)
        return rc;
    struct db db = {0};
    int64_t version = 0;
    if (mode == DB_READ)
        roll_back_journal(path);
    rc = open_handle(&db, path, mode, wait_ms, diag);
    if (rc == 0)
        rc = identify(&db, mode, &version, diag);
    if (rc == 0)
        rc = mode == DB_READ ? db_exec(&db, reader_pragmas, "configure it", diag)
                             : prepare_writing(&db, version, diag);
    if (rc != 0) {
        (void) sqlite3_close(db.handle); /* no statement is open; the first error stands */
        if (db.disk_failed)              /* else the log may be another process's */
            name_log(path, diag);
        return rc;
    }
    *ret_db = db;
    return 0;
}

int db_open(struct db *ret_db, const char *path, enum db_mode mode, struct diag *diag)
{
    return db_open_waiting(ret_db, path, mode, BUSY_MS, diag);
}

int db_close(struct db *db, struct diag *diag)
{
    if (db == NULL || db->handle == NULL)
        return 0;
    int rc = 0;
    if (sqlite3_db_readonly(db->handle, "main") == 0) {
        if (sqlite3_get_autocommit(db->handle) == 0)
            db_rollback(db);
        /* While others have the file open it must stay in WAL mode; whoever closes last leaves it clean. */
        (void) sqlite3_busy_timeout(db->handle, 0);
        int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db->handle, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
            rc = db_fail(db, code, "fold its log back", diag);
    }
    int code = sqlite3_close(db->handle);
    assert(code == SQLITE_OK); /* else a statement outlived its store */
    if (code != SQLITE_OK)
        (void) sqlite3_close_v2(db->handle); /* lives on until its statements end */
    if (rc != 0)
        name_log(db->path, diag);
    *db = (struct db){0};
    return rc;
}

void db_set_patience(struct db *db, int wait_ms)
{
    (void) sqlite3_busy_timeout(db->handle, wait_ms); /* cannot fail on an open handle */
}

int db_size(struct db *db, uint64_t *ret_bytes, uint64_t *ret_unused, struct diag *diag)
{
    int64_t pages = 0, unused = 0, page_size = 0;
    int rc = read_integer(db, "PRAGMA page_count", &pages, diag);
    if (rc == 0)
        rc = read_integer(db, "PRAGMA freelist_count", &unused, diag);
    if (rc == 0)
        rc = read_integer(db, "PRAGMA page_size", &page_size, diag);
    if (rc != 0)
        return rc;
    *ret_bytes = (uint64_t) pages * (uint64_t) page_size;
    *ret_unused = (uint64_t) unused * (uint64_t) page_size;
    return 0;
}

int db_count_rows(struct db *db, uint64_t *ret_rows, struct diag *diag)
{
    int64_t rows = 0;
    int rc = read_integer(db,
                          "SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM link_sample)"
                          " + (SELECT count(*) FROM answer)",
                          &rows, diag);
    if (rc == 0)
        *ret_rows = (uint64_t) rows; /* the others are few beside these */
    return rc;
}

int db_begin(struct db *db, struct diag *diag)
{
    assert(sqlite3_get_autocommit(db->handle) != 0); /* transactions do not nest */
    return db_exec(db, "BEGIN IMMEDIATE", "write to it", diag);
}

int db_begin_read(struct db *db, struct diag *diag)
{
    assert(sqlite3_get_autocommit(db->handle) != 0);
    return db_exec(db, "BEGIN", "read it", diag);
}

int db_commit(struct db *db, struct diag *diag)
{
    return db_exec(db, "COMMIT", "commit", diag);
}

void db_rollback(struct db *db)
{
    (void) sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL,
                        NULL); /* fails only where none is open: as wished */
}
