#include "body.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/scan.h"

/* _POSIX_C_SOURCE hides MAP_ANONYMOUS; an unlinked temporary file is as good. */
static void *map_zeroed(size_t size)
{
    char path[] = "/tmp/handoff-fence-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0 || ftruncate(fd, (off_t) size) != 0)
        abort();
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    (void) close(fd); /* the mapping keeps the file */
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

void fence_init(struct fence *fence)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t size = (PROTO_BODY_MAX + 4096 + page - 1) / page * page;
    *fence = (struct fence){.memory = map_zeroed(size + page), .size = size};
    if (mprotect(fence->memory + size, page, PROT_NONE) != 0)
        abort();
}

void fence_finish(struct fence *fence)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    (void) munmap(fence->memory, fence->size + page); /* the test is over */
    proto_scratch_finish(&fence->scratch);
}

struct verdict fence_decode(struct fence *fence, const void *body, size_t size)
{
    if (size > fence->size)
        abort();
    struct verdict verdict = {0};
    uint8_t *copy = fence->memory + fence->size - size;
    if (size > 0)
        memcpy(copy, body, size);
    verdict.rc = proto_decode(copy, size, &fence->scratch, &verdict.message, &verdict.refusal, &verdict.diag);
    verdict.scratch_capacity = fence->scratch.lists.capacity;
    return verdict;
}

static void push(struct buf *out, const void *bytes, size_t size)
{
    if (buf_push(out, bytes, size) != 0)
        abort();
}

/* Sets where the index-th value of the array starts and ends. */
static void find_value(const uint8_t *body, size_t size, size_t index, size_t *ret_start, size_t *ret_end)
{
    struct scan_item array;
    if (scan_head(body, size, &array) != 0 || array.type != SCAN_ARRAY || index >= array.items)
        abort();
    size_t start = array.head, length = 0;
    for (size_t i = 0; i <= index; i++) {
        start += length;
        if (scan_skip(body + start, size - start, &length) != 0)
            abort();
    }
    *ret_start = start;
    *ret_end = start + length;
}

void body_replace(const uint8_t *body, size_t size, size_t index, const void *raw, size_t raw_size,
                  struct buf *out)
{
    size_t start = 0, end = 0;
    find_value(body, size, index, &start, &end);
    push(out, body, start);
    push(out, raw, raw_size);
    push(out, body + end, size - end);
}

static size_t push_array_head(const uint8_t *body, size_t size, long change, struct buf *out)
{
    struct scan_item array;
    if (scan_head(body, size, &array) != 0)
        abort();
    size_t count = (size_t) ((long) array.items + change);
    uint8_t head[] = {0xdc, (uint8_t) (count >> 8), (uint8_t) count};
    push(out, head, sizeof head);
    return array.head;
}

void body_extend(const uint8_t *body, size_t size, size_t count, const void *extra, size_t extra_size,
                 struct buf *out)
{
    size_t head = push_array_head(body, size, (long) count, out);
    push(out, body + head, size - head);
    push(out, extra, extra_size);
}

void body_shorten(const uint8_t *body, size_t size, struct buf *out)
{
    struct scan_item array;
    size_t start = 0, end = 0;
    if (scan_head(body, size, &array) != 0)
        abort();
    find_value(body, size, array.items - 1, &start, &end);
    size_t head = push_array_head(body, size, -1, out);
    push(out, body + head, start - head);
}
