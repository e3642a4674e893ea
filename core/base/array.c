#include "core/base/array.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define CAPACITY_MIN ((size_t) 8)

/* With AddressSanitizer short arrays have no room to spare: whoever reads behind the last element is seen. */
#ifdef __SANITIZE_ADDRESS__
#define EXACT_MAX ((size_t) 64)
#else
#define EXACT_MAX ((size_t) 0)
#endif

size_t array_capacity(size_t capacity, size_t wanted)
{
    size_t grown = capacity <= SIZE_MAX / 2 ? 2 * capacity : SIZE_MAX;
    grown = grown < CAPACITY_MIN ? CAPACITY_MIN : grown;
    return grown < wanted || wanted <= EXACT_MAX ? wanted : grown;
}

void *array_resized(void *array, size_t count, size_t size, int *rc)
{
    assert(size > 0);
    if (*rc != 0 || count == 0)
        return array;
    void *moved = count <= PTRDIFF_MAX / size ? realloc(array, count * size) : NULL;
    if (moved == NULL)
        *rc = -ENOMEM;
    return moved != NULL ? moved : array;
}

void *array_grown(void *array, size_t *capacity, size_t wanted, size_t size)
{
    assert(wanted > *capacity);
    size_t grown = array_capacity(*capacity, wanted);
    int rc = 0;
    void *moved = array_resized(array, grown, size, &rc);
    if (rc == 0)
        *capacity = grown;
    return moved;
}
