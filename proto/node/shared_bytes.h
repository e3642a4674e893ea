/* Bytes that several owners keep: a task's activations belong to the task, to the job that reads or writes them, and to
 * what sends them. The last owner frees them. Counting is no matter of threads: only the loop's thread takes and gives. */
#ifndef HANDOFF_PROTO_NODE_SHARED_BYTES_H
#define HANDOFF_PROTO_NODE_SHARED_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct shared_bytes {
    size_t owners, size;
    uint8_t data[];
};

/* Some of them: `size` from `at` on. Whoever keeps it owns a share. bytes NULL: none. */
struct shared_slice {
    struct shared_bytes *bytes;
    size_t at, size;
};

/* Zeros, with one owner. NULL: no memory. */
struct shared_bytes *shared_bytes_create(size_t size);
/* One owner more. NULL-safe, as the next. */
struct shared_bytes *shared_bytes_take(struct shared_bytes *bytes);
/* One owner less; the pointer is the caller's no more. */
void shared_bytes_give(struct shared_bytes *bytes);

#endif
