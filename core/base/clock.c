#include "core/base/clock.h"

#include <assert.h>
#include <time.h>

#include "core/base/units.h"

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    assert(rc == 0);
    (void) rc; /* these clocks exist on every Linux */
    return (uint64_t) now.tv_sec * UNITS_NS_PER_S + (uint64_t) now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_process_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_utc_text(char ret_text[static CLOCK_UTC_TEXT])
{
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) == NULL ||
        strftime(ret_text, CLOCK_UTC_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        ret_text[0] = '\0';
}
