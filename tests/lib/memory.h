/* Makes the n-th allocation of the test itself fail, and counts what is allocated and was not freed. Linked into a test,
 * its functions stand before the C library's. Sanitizers bring their own: there nothing fails. */
#ifndef HANDOFF_TESTS_LIB_MEMORY_H
#define HANDOFF_TESTS_LIB_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* False: built with sanitizers. */
bool memory_can_fail(void);
/* The n-th allocation from now on fails, once; 0: none does. */
void memory_fail_at(size_t n);
/* Has it? Whether it has or not, none fails from now on. */
bool memory_has_failed(void);
/* Blocks that are allocated now. */
size_t memory_blocks(void);

#endif
