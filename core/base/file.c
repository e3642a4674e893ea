#include "core/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"

static int fail_errno(const char *path, struct diag *diag)
{
    int code = errno != 0 ? -errno : -EIO;
    return diag_fail(diag, code, "%s: %s", path, strerror(-code));
}

static int read_all(FILE *file, const char *path, size_t limit_bytes, struct buf *text, struct diag *diag)
{
    for (;;) {
        int rc = buf_reserve(text, 65536);
        if (rc != 0)
            return diag_fail(diag, rc, "%s: out of memory", path);
        errno = 0;
        size_t got = fread(text->data + text->size, 1, 65535, file);
        text->size += got;
        if (text->size > limit_bytes)
            return diag_fail(diag, ERR_TOO_BIG, "%s: larger than the limit of %zu bytes", path, limit_bytes);
        if (got == 0)
            break;
    }
    if (ferror(file) != 0)
        return fail_errno(path, diag);
    text->data[text->size] = '\0';
    return 0;
}

int file_read(const char *path, size_t limit_bytes, struct buf *ret_text, struct diag *diag)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail_errno(path, diag);
    struct buf text = {0};
    struct stat info;
    int rc = 0;
    if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode))
        rc = diag_fail(diag, -EISDIR, "%s: is a directory, a file was expected", path);
    if (rc == 0)
        rc = read_all(file, path, limit_bytes, &text, diag);
    (void) fclose(file); /* opened for reading: nothing can be lost */
    if (rc != 0) {
        buf_finish(&text);
        return rc;
    }
    *ret_text = text;
    return 0;
}
