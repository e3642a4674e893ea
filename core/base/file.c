#include "core/base/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/array.h"
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
    assert(text->size < text->capacity);
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

static int write_all(FILE *file, const void *bytes, size_t size)
{
    errno = 0;
    if (size > 0 && fwrite(bytes, 1, size, file) != size)
        return errno != 0 ? -errno : -EIO;
    if (fflush(file) != 0 || fsync(fileno(file)) != 0)
        return errno != 0 ? -errno : -EIO;
    return 0;
}

static int write_and_move(const char *path, const char *beside, const void *bytes, size_t size)
{
    FILE *file = fopen(beside, "wb");
    if (file == NULL)
        return -errno;
    int rc = write_all(file, bytes, size);
    if (fclose(file) != 0 && rc == 0)
        rc = errno != 0 ? -errno : -EIO;
    if (rc == 0 && rename(beside, path) != 0)
        rc = -errno;
    if (rc != 0)
        (void) remove(beside); /* half a file is of no use */
    return rc;
}

int file_replace(const char *path, const void *bytes, size_t size, struct diag *diag)
{
    struct buf beside = {0};
    int rc = buf_printf(&beside, "%s.new", path);
    if (rc == 0)
        rc = write_and_move(path, (const char *) beside.data, bytes, size);
    buf_finish(&beside);
    return rc != 0 ? diag_fail(diag, rc, "%s: cannot write: %s", path, err_text(rc)) : 0;
}

void file_names_finish(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->path[i]);
    free(names->path);
    *names = (struct file_names){0};
}

/* Takes the path's ownership, also on failure. */
static int add_name(struct file_names *names, char *path)
{
    int rc = path != NULL ? 0 : -ENOMEM;
    array_resize(&names->path, names->count + 1, &rc);
    if (rc != 0) {
        free(path);
        return rc;
    }
    names->path[names->count++] = path;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int list_folder(DIR *folder, const char *path, size_t limit, struct file_names *names,
                       struct diag *diag)
{
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        struct stat info;
        struct buf name = {0};
        if (entry->d_name[0] == '.')
            continue;
        int rc = buf_printf(&name, "%s/%s", path, entry->d_name);
        bool regular = rc == 0 && stat((const char *) name.data, &info) == 0 && S_ISREG(info.st_mode);
        if (rc == 0 && regular && names->count >= limit)
            rc = diag_fail(diag, ERR_TOO_BIG, "%s: more than %zu files", path, limit);
        else if (rc == 0 && regular)
            rc = add_name(names, strdup((const char *) name.data));
        buf_finish(&name);
        if (rc != 0)
            return diag_fail(diag, rc, "%s: %s", path, err_text(rc));
    }
    if (names->count == 0)
        return diag_fail(diag, ERR_NOT_FOUND, "%s: a folder without files", path);
    qsort(names->path, names->count, sizeof *names->path, by_bytes);
    return 0;
}

int file_list(const char *path, size_t limit, struct file_names *ret_names, struct diag *diag)
{
    struct file_names names = {0};
    DIR *folder = opendir(path);
    int rc = 0;
    if (folder != NULL) {
        rc = list_folder(folder, path, limit, &names, diag);
        (void) closedir(folder); /* only read */
    } else if (errno == ENOTDIR) {
        rc = add_name(&names, strdup(path));
    } else {
        rc = fail_errno(path, diag);
    }
    if (rc != 0) {
        file_names_finish(&names);
        return diag_fail(diag, rc, "%s: %s", path, err_text(rc));
    }
    assert(names.count > 0);
    *ret_names = names;
    return 0;
}
