/* Does something again and again, each time with another allocation that fails. Whichever it is, the work fails and says
 * why, or gives what it gives with memory; and it leaves nothing behind. With sanitizers nothing fails: it is done once. */
#ifndef HANDOFF_TESTS_LIB_SCARCE_H
#define HANDOFF_TESTS_LIB_SCARCE_H

#include <stddef.h>

#include "core/base/diag.h"

/* What a work has given, as text. It does not allocate. */
struct scarce_text {
    char text[1 << 16];
    size_t size;
};

__attribute__((format(printf, 2, 3))) void scarce_tell(struct scarce_text *text, const char *format, ...);

struct scarce_work {
    const char *name;
    void (*prepare)(void *user); /* NULL: nothing. Here nothing fails */
    int (*run)(void *user, struct scarce_text *ret_given, struct diag *diag);
    /* Undoes `prepare`, whatever became of the work, and may tell what is there now. `rc`: what `run` has returned. */
    void (*end)(void *user, int rc, struct scarce_text *ret_given);
    void *user;
    size_t least; /* allocations that there are at least */
    size_t each;  /* allocations that fail one by one, before ever more are skipped; 0: 32 */
    size_t lost;  /* blocks that a library is known to lose when it fails */
    int also;     /* another code that a failure may have, with a diagnosis; 0: none */
};

/* Fails the test at the first allocation whose failure is not told, is told wrongly, or leaves something. A failure is
 * -ENOMEM. */
void scarce_try(const struct scarce_work *work);

#endif
