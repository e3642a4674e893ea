/* Frame bodies taken apart and put together wrongly, and a decoder call that faults on the first byte read
 * too far. */
#ifndef HANDOFF_TESTS_UNIT_PROTO_BODY_H
#define HANDOFF_TESTS_UNIT_PROTO_BODY_H

#include "core/base/buf.h"
#include "proto/message.h"

/* What proto_decode said. */
struct verdict {
    int rc;
    enum proto_refusal refusal;
    struct proto_message message; /* borrows from the fence and the scratch */
    struct diag diag;
    size_t scratch_capacity;
};

/* Memory whose last byte is followed by a page that must not be touched. */
struct fence {
    uint8_t *memory;
    size_t size;
    struct proto_scratch scratch;
};

void fence_init(struct fence *fence);
void fence_finish(struct fence *fence);

/* Decodes a copy that ends exactly at the forbidden page. */
struct verdict fence_decode(struct fence *fence, const void *body, size_t size);

/* Appends `body` with its index-th value (0: the id) replaced by raw bytes. */
void body_replace(const uint8_t *body, size_t size, size_t index, const void *raw, size_t raw_size,
                  struct buf *out);
/* Appends `body` with `extra` raw bytes, said to be `count` more values, behind the last one. */
void body_extend(const uint8_t *body, size_t size, size_t count, const void *extra, size_t extra_size,
                 struct buf *out);
/* Appends `body` without its last value; the array's head says so. */
void body_shorten(const uint8_t *body, size_t size, struct buf *out);

#endif
