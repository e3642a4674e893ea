/* Whole files in memory, bounded. */
#ifndef HANDOFF_CORE_BASE_FILE_H
#define HANDOFF_CORE_BASE_FILE_H

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

/* Reads a whole file into `ret_text` (finish it with buf_finish), followed by a zero byte that `size` does
 * not count. Refuses a directory, a file above `limit_bytes` (ERR_TOO_BIG) and says which file it was. An
 * empty file is read. */
int file_read(const char *path, size_t limit_bytes, struct buf *ret_text, struct diag *diag);

/* Writes a whole file beside its place (`path`.new), to the disk, and moves it there: whoever reads sees the old file or
 * the new one, and nothing else, whenever this process ends. */
int file_replace(const char *path, const void *bytes, size_t size, struct diag *diag);

/* Names of files, in byte order. Owned: finish it with file_names_finish. */
struct file_names {
    char **path; /* [count] */
    size_t count;
};

/* A folder's regular files, hidden ones left out, as paths; or the one file that `path` is. Subfolders are
 * not entered. Refuses a folder without files (ERR_NOT_FOUND) and one with more than `limit` (ERR_TOO_BIG). */
int file_list(const char *path, size_t limit, struct file_names *ret_names, struct diag *diag);
void file_names_finish(struct file_names *names);

#endif
