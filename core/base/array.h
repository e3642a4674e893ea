/* Arrays that grow. An array is a pointer to its elements and, beside it, its capacity: how many elements there
 * is room for. NULL and 0 are an empty array; free() ends one. An array has at most PTRDIFF_MAX bytes.
 *
 * Both macros take the address of the typed pointer, so that no pointer passes as one of another type. They
 * evaluate their arguments more than once. New elements are not initialised. */
#ifndef HANDOFF_CORE_BASE_ARRAY_H
#define HANDOFF_CORE_BASE_ARRAY_H

#include <errno.h>
#include <stddef.h>

/* int array_reserve(T **array, size_t *capacity, size_t wanted)
 *
 * Makes room for at least `wanted` elements, and returns 0 or -ENOMEM. An array that has to grow at least
 * doubles, so that appending one by one takes constant time on average (short ones do not with AddressSanitizer). After
 * -ENOMEM the array and its capacity are as they were. */
#define array_reserve(array, capacity, wanted)                                                               \
    ((wanted) > *(capacity) && (*(array) = array_grown(*(array), (capacity), (wanted), sizeof **(array)),    \
                                (wanted) > *(capacity))                                                      \
         ? -ENOMEM                                                                                           \
         : 0)

/* void array_resize(T **array, size_t count, int *rc)
 *
 * Makes room for exactly `count` elements. It is for arrays that share a capacity (see array_capacity), and for
 * short ones that keep none. It does nothing when *rc is an error already, or when `count` is 0. On failure *rc
 * becomes -ENOMEM and the array is as it was. */
#define array_resize(array, count, rc)                                                                       \
    ((void) (*(array) = array_resized(*(array), (count), sizeof **(array), (rc))))

/* The capacity that array_reserve chooses when it has to grow. */
size_t array_capacity(size_t capacity, size_t wanted);

/* What the macros call. Both return the array, which may have moved; after a failure it is the old one. */
void *array_grown(void *array, size_t *capacity, size_t wanted, size_t size);
void *array_resized(void *array, size_t count, size_t size, int *rc);

#endif
