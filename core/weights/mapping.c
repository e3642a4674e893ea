#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* madvise */
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/weights/mapping_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "model files are read as they lie in memory");

static int map(int file, struct mapping *ret_mapping, struct diag *diag)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return diag_fail(diag, -errno, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return diag_fail(diag, ERR_TYPE, "is not a regular file");
    if (info.st_size == 0)
        return diag_fail(diag, ERR_TRUNCATED, "is empty");
    if ((uint64_t) info.st_size > PTRDIFF_MAX)
        return diag_fail(diag, ERR_TOO_BIG, "does not fit into the address space");
    void *at = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (at == MAP_FAILED)
        return diag_fail(diag, -errno, "cannot be mapped: %s", strerror(errno));
    *ret_mapping = (struct mapping){.at = at, .size = (uint64_t) info.st_size, .is_mapped = true};
    return 0;
}

int mapping_open(const char *path, struct mapping *ret_mapping, struct diag *diag)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait for a pipe's writer */
    int rc = file >= 0 ? map(file, ret_mapping, diag) : diag_fail(diag, -errno, "%s", strerror(errno));
    if (file >= 0)
        (void) close(file); /* the mapping stays */
    if (rc != 0)
        diag_prefix(diag, "%s", path);
    return rc;
}

void mapping_close(struct mapping *mapping)
{
    if (mapping->is_mapped)
        (void) munmap((void *) (uintptr_t) mapping->at, (size_t) mapping->size);
    *mapping = (struct mapping){0};
}

void mapping_forget(const struct mapping *mapping, const void *at, uint64_t bytes)
{
    const uint8_t *first = at;
    if (!mapping->is_mapped || first < mapping->at || first >= mapping->at + mapping->size)
        return;
    uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), from = (uint64_t) (first - mapping->at);
    uint64_t begin = (from + page - 1) / page * page, end = (from + bytes) / page * page;
    if (begin < end) /* an advice: it may be ignored */
        (void) madvise((void *) (uintptr_t) (mapping->at + begin), (size_t) (end - begin), MADV_DONTNEED);
}
