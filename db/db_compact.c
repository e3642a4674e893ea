/* Gives the space of removed rows back to the file system. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/base/err.h"
#include "db/db.h"
#include "db/db_internal.h"

#define STEPS_PER_CALL 10000 /* of SQLite's machine: some milliseconds */

struct listener {
    int (*tell)(void *user, uint64_t steps);
    void *user;
    uint64_t steps;
    int rc;
};

static int on_progress(void *user)
{
    struct listener *listener = user;
    listener->steps += STEPS_PER_CALL;
    listener->rc = listener->tell(listener->user, listener->steps);
    return listener->rc != 0;
}

/* Where SQLite puts its temporary files: the first of these that is a folder it can write into. */
static const char *temporary_folder(void)
{
    const char *const folders[] = {getenv("SQLITE_TMPDIR"), getenv("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"};
    struct stat status;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (folders[i] != NULL && stat(folders[i], &status) == 0 && S_ISDIR(status.st_mode) &&
            access(folders[i], W_OK | X_OK) == 0)
            return folders[i];
    return ".";
}

/* The folder that a path lies in. */
static void folder_of(const char *path, char ret_folder[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        (void) snprintf(ret_folder, PATH_MAX, ".");
    else
        (void) snprintf(ret_folder, PATH_MAX, "%.*s", slash == path ? 1 : (int) (slash - path), path);
}

/* A folder whose space is not known counts as large enough: SQLite says so when it is not. */
static int check_space(const struct db *db, const char *folder, uint64_t needed, struct diag *diag)
{
    struct statvfs info;
    if (statvfs(folder, &info) != 0 || info.f_bavail >= needed / info.f_frsize + 1)
        return 0;
    double free_mb = 1e-6 * (double) info.f_bavail * (double) info.f_frsize;
    return diag_fail(diag, -ENOSPC,
                     "%s: making it smaller needs %.1f MB for a while in %s, where %.1f MB are free",
                     db->path, 1e-6 * (double) needed, folder, free_mb);
}

/* The new file is made in the temporary folder, and goes through the log beside the old one. */
static int check_folders(struct db *db, uint64_t size, struct diag *diag)
{
    char folder[PATH_MAX];
    const char *temporary = temporary_folder();
    struct stat here, there;
    folder_of(db->path, folder);
    bool shared = stat(folder, &here) == 0 && stat(temporary, &there) == 0 && here.st_dev == there.st_dev;
    int rc = check_space(db, folder, shared ? 2 * size : size, diag);
    return rc != 0 || shared ? rc : check_space(db, temporary, size, diag);
}

int db_compact(struct db *db, int (*tell)(void *user, uint64_t steps), void *user, struct diag *diag)
{
    struct listener listener = {.tell = tell, .user = user};
    uint64_t bytes = 0, unused = 0;
    int rc = db_size(db, &bytes, &unused, diag);
    if (rc == 0)
        rc = check_folders(db, bytes - unused, diag);
    if (rc != 0)
        return rc;
    if (tell != NULL)
        sqlite3_progress_handler(db->handle, STEPS_PER_CALL, on_progress, &listener);
    struct diag why = {0};
    rc = db_exec(db, "VACUUM", "make it smaller", &why);
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
    if (listener.rc != 0)
        return listener.rc; /* whoever ended it knows why */
    return rc != 0 ? diag_fail(diag, rc, "%s", diag_text(&why, rc)) : 0;
}
