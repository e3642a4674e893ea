/* Progress on stderr for anything over two seconds: a bar with ETA on a terminal, a plain line every few
 * seconds elsewhere, nothing when quiet. */
#ifndef HANDOFF_CORE_BASE_PROGRESS_H
#define HANDOFF_CORE_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label; /* borrowed */
    uint64_t total;    /* units of work in all */
    uint64_t start_ns;
    uint64_t shown_ns; /* when it was last drawn; 0: never */
    bool terminal;
    bool quiet;
};

void progress_start(struct progress *progress, const char *label, uint64_t total, bool quiet);

/* Draws if it is time to. `note` (may be NULL) stands behind the bar, e.g. the last episode's cost. */
void progress_update(struct progress *progress, uint64_t done, const char *note);

/* Clears the bar, or closes with a plain line if one was shown. */
void progress_stop(struct progress *progress, uint64_t done);

#endif
