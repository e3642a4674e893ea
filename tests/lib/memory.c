#include "tests/lib/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t blocks, calls, failing;
static atomic_bool failed;

void memory_fail_at(size_t n)
{
    atomic_store(&calls, 0);
    atomic_store(&failed, false);
    atomic_store(&failing, n);
}

bool memory_has_failed(void)
{
    atomic_store(&failing, 0);
    return atomic_load(&failed);
}

size_t memory_blocks(void)
{
    return atomic_load(&blocks);
}

#ifdef MEMORY_IS_SANITIZED

bool memory_can_fail(void)
{
    return false;
}

#else

/* glibc's own. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

bool memory_can_fail(void)
{
    return true;
}

static bool fails(void)
{
    size_t n = atomic_load(&failing);
    if (n == 0 || atomic_fetch_add(&calls, 1) + 1 != n)
        return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    if (memory != NULL)
        atomic_fetch_add(&blocks, 1);
    return memory;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    if (fails())
        return NULL;
    void *moved = __libc_realloc(memory, size);
    return memory == NULL ? counted(moved) : moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory = aligned_alloc(alignment, size);
    if (memory == NULL)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}

void free(void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub(&blocks, 1);
    __libc_free(memory);
}

#endif
