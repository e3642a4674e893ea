#include "tests/lib/scarce.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/memory.h"

#define TRIES_MAX 100000u
#define EACH 32u

void scarce_tell(struct scarce_text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text->text + text->size, sizeof text->text - text->size, format, list);
    va_end(list);
    if (size < 0 || (size_t) size >= sizeof text->text - text->size)
        fail_msg("more than %zu bytes are told", sizeof text->text);
    text->size += (size_t) size;
}

/* With allocation `n` failing; 0: with memory. */
static int try_once(const struct scarce_work *work, size_t n, struct scarce_text *given, struct diag *diag,
                    bool *ret_failed)
{
    *given = (struct scarce_text){.size = 0};
    *diag = (struct diag){{0}};
    if (work->prepare != NULL)
        work->prepare(work->user);
    memory_fail_at(n);
    int rc = work->run(work->user, given, diag);
    *ret_failed = memory_has_failed();
    if (work->end != NULL)
        work->end(work->user, rc, given);
    return rc;
}

/* Why the outcome is wrong; NULL: it is not. */
static const char *judge(const struct scarce_work *work, int rc, bool failed, const struct diag *diag)
{
    if (rc != 0 && !failed)
        return "it fails with memory";
    if (rc != 0 && rc != -ENOMEM && (work->also == 0 || rc != work->also))
        return "that is another failure";
    if (rc != 0 && rc != -ENOMEM && diag->text[0] == '\0')
        return "it does not say why";
    if (rc == 0 && diag->text[0] != '\0')
        return "it says why it failed and has not";
    return NULL;
}

/* Each of the first, then ever fewer: what has thousands has them in loops. */
static size_t step_after(const struct scarce_work *work, size_t n)
{
    size_t each = work->each != 0 ? work->each : EACH;
    return n < each ? 1 : 1 + 4 * n / each;
}

void scarce_try(const struct scarce_work *work)
{
    struct scarce_text *whole = malloc(sizeof *whole), *given = malloc(sizeof *given);
    struct diag diag;
    bool failed;
    assert_true(whole != NULL && given != NULL);
    int rc = try_once(work, 0, whole, &diag, &failed); /* libraries keep what they need once */
    if (rc != 0)
        fail_msg("%s: %d, %s", work->name, rc, diag.text);
    size_t before = memory_blocks(), n = 1;
    for (failed = true; failed && n < TRIES_MAX; n += step_after(work, n)) {
        rc = try_once(work, n, given, &diag, &failed);
        const char *why = judge(work, rc, failed, &diag);
        if (why != NULL)
            fail_msg("%s, allocation %zu: %d, \"%s\": %s", work->name, n, rc, diag.text, why);
        if (rc == 0 && strcmp(given->text, whole->text) != 0)
            fail_msg("%s, allocation %zu: gives\n%s\ninstead of\n%s", work->name, n, given->text,
                     whole->text);
        size_t after = memory_blocks(), lost = rc != 0 ? work->lost : 0;
        if (after < before || after > before + lost)
            fail_msg("%s, allocation %zu: %zu blocks, before %zu", work->name, n, after, before);
        before = after;
    }
    if (n >= TRIES_MAX || (n <= work->least && memory_can_fail()))
        fail_msg("%s: %zu allocations, at least %zu and at most %u", work->name, n, work->least, TRIES_MAX);
    free(whole);
    free(given);
}
