/* The only place that reads the operating system's clocks. Pure cores never call it: their events carry the
 * time. */
#ifndef HANDOFF_CORE_BASE_CLOCK_H
#define HANDOFF_CORE_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_monotonic_ns(void);

/* Nanoseconds of processor time this process has used, all threads. */
uint64_t clock_process_ns(void);

#define CLOCK_UTC_TEXT 32

/* The time of day, UTC: "2026-11-22T22:43:31Z". "" when the system cannot tell it. */
void clock_utc_text(char ret_text[static CLOCK_UTC_TEXT]);

#endif
