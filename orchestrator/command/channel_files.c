#include "orchestrator/command/channel_files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"

int channel_files_check(const char *flag, const char *path, struct diag *diag)
{
    struct buf folder = {0};
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    if (path == NULL)
        return 0;
    int rc =
        buf_printf(&folder, "%.*s/", slash != NULL ? (int) (slash - path) : 1, slash != NULL ? path : ".");
    if (rc == 0 && access((const char *) folder.data, W_OK) != 0)
        rc = diag_fail(diag, -ENOENT, "%s: '%s' cannot be written there", flag, path);
    buf_finish(&folder);
    return rc;
}
