#include "core/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

#define BYTES_MIN ((size_t) 64)

/* Does a source lie in the memory that growing may move? */
static bool is_inside(const struct buf *buf, const void *bytes)
{
    return (uintptr_t) bytes - (uintptr_t) buf->data < buf->capacity;
}

int buf_reserve(struct buf *buf, size_t extra)
{
    assert(buf->size <= buf->capacity);
    if (extra > SIZE_MAX - buf->size)
        return -ENOMEM;
    size_t wanted = buf->size + extra;
    return array_reserve(&buf->data, &buf->capacity, wanted < BYTES_MIN ? BYTES_MIN : wanted);
}

int buf_push(struct buf *buf, const void *bytes, size_t size)
{
    assert(size == 0 || !is_inside(buf, bytes));
    int rc = buf_reserve(buf, size);
    if (rc != 0)
        return rc;
    if (size > 0)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = length < 0 ? -EINVAL : buf_reserve(buf, (size_t) length + 1);
    if (rc == 0) {
        int written = vsnprintf((char *) buf->data + buf->size, (size_t) length + 1, format, again);
        assert(written == length); /* the same text as was measured */
        (void) written;
        buf->size += (size_t) length;
    }
    va_end(again);
    return rc;
}

void buf_consume(struct buf *buf, size_t size)
{
    assert(size <= buf->size);
    buf->size -= size;
    if (size > 0 && buf->size > 0)
        memmove(buf->data, buf->data + size, buf->size);
}

int buf_sink_take(const char *bytes, size_t size, void *user)
{
    struct buf_sink *sink = user;
    if (sink->rc == 0)
        sink->rc = buf_push(sink->buf, bytes, size);
    return sink->rc == 0 ? 0 : -1;
}

int buf_sink_end(struct buf_sink *sink)
{
    (void) buf_sink_take("", 1, sink); /* remembers */
    return sink->rc;
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

void buf_finish(struct buf *buf)
{
    if (buf == NULL)
        return;
    free(buf->data);
    *buf = (struct buf){0};
}
