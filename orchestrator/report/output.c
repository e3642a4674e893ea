#include "orchestrator/report/output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"

int output_make_folder(const char *folder, struct diag *diag)
{
    struct stat info;
    if (mkdir(folder, 0777) == 0)
        return 0;
    int failed = errno;
    if (failed == EEXIST && stat(folder, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    return diag_fail(diag, -failed, "%s: %s", folder,
                     failed == EEXIST ? "is a file, a folder was expected" : strerror(failed));
}

int output_write(const char *folder, const char *name, const struct buf *text, struct diag *diag)
{
    struct buf path = {0};
    int rc = buf_printf(&path, "%s/%s", folder, name);
    FILE *file = rc == 0 ? fopen((const char *) path.data, "wb") : NULL;
    if (rc == 0 && file == NULL)
        rc = diag_fail(diag, -errno, "%s: %s", (const char *) path.data, strerror(errno));
    if (file != NULL) {
        errno = 0;
        bool written = text->size == 0 || fwrite(text->data, 1, text->size, file) == text->size;
        if (fclose(file) != 0 || !written)
            rc = diag_fail(diag, errno != 0 ? -errno : -EIO, "%s: cannot write: %s", (const char *) path.data,
                           strerror(errno != 0 ? errno : EIO));
    }
    buf_finish(&path);
    return rc;
}
