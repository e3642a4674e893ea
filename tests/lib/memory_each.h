/* Something is made again and again, and each time another of its allocations fails. */
#ifndef HANDOFF_TESTS_LIB_MEMORY_EACH_H
#define HANDOFF_TESTS_LIB_MEMORY_EACH_H

#include <stddef.h>

#include "core/base/diag.h"

/* Makes it, and unmakes what was made. -ENOMEM where memory ran out. */
typedef int memory_maker(void *user, struct diag *diag);

/* Fails where the code is another, a block is left behind, or fewer than `least` allocations were made to fail. Where none
 * can (memory_can_fail), it is made once. */
void memory_each(memory_maker *make, void *user, size_t least);

#endif
