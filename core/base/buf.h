/* A growable byte buffer. Owns its bytes; a zeroed struct is an empty buffer. */
#ifndef HANDOFF_CORE_BASE_BUF_H
#define HANDOFF_CORE_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
};

/* Makes space for `extra` more bytes behind `size`. -ENOMEM leaves the buffer as it was. */
int buf_reserve(struct buf *buf, size_t extra);

/* Appends. The source must not lie inside the buffer. */
int buf_push(struct buf *buf, const void *bytes, size_t size);

/* Appends formatted text; no terminating zero is counted in `size`, but one always follows it. */
__attribute__((format(printf, 2, 3))) int buf_printf(struct buf *buf, const char *format, ...);

/* Drops the first `size` bytes and moves the rest to the front. */
void buf_consume(struct buf *buf, size_t size);

/* Takes a text from a library that hands it over in pieces, and does not always ask whether a piece could be kept: the first
 * error stays. */
struct buf_sink {
    struct buf *buf; /* borrowed */
    int rc;
};

/* `user`: the sink. 0, or -1. */
int buf_sink_take(const char *bytes, size_t size, void *user);
/* Puts a zero byte behind the text; it counts. The first error there was, also of this. */
int buf_sink_end(struct buf_sink *sink);

void buf_clear(struct buf *buf);
void buf_finish(struct buf *buf);

#endif
