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

#endif
