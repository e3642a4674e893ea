#include "tests/lib/memory_each.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/memory.h"

#define TRIES_MAX 5000u

void memory_each(memory_maker *make, void *user, size_t least)
{
    const size_t before = memory_blocks();
    size_t n = 1;
    for (bool failed = true; failed && n < TRIES_MAX; n++) {
        struct diag diag = {{0}};
        memory_fail_at(n);
        int rc = make(user, &diag);
        failed = memory_has_failed();
        if (rc != (failed ? -ENOMEM : 0) || memory_blocks() != before)
            fail_msg("allocation %zu: %d, \"%s\", %zu blocks, before %zu", n, rc, diag.text, memory_blocks(),
                     before);
    }
    assert_true(n < TRIES_MAX);
    if (memory_can_fail() && n - 2 < least) /* n is one behind the try that went well */
        fail_msg("%zu allocations failed, and should be %zu at least", n - 2, least);
}
