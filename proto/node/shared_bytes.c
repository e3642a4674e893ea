#include "proto/node/shared_bytes.h"

#include <assert.h>
#include <stdlib.h>

struct shared_bytes *shared_bytes_create(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct shared_bytes))
        return NULL;
    struct shared_bytes *bytes = calloc(1, sizeof *bytes + size);
    if (bytes == NULL)
        return NULL;
    bytes->owners = 1;
    bytes->size = size;
    return bytes;
}

struct shared_bytes *shared_bytes_take(struct shared_bytes *bytes)
{
    if (bytes != NULL)
        bytes->owners++;
    return bytes;
}

void shared_bytes_give(struct shared_bytes *bytes)
{
    if (bytes == NULL)
        return;
    assert(bytes->owners > 0);
    if (--bytes->owners == 0)
        free(bytes);
}
