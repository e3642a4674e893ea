#include "core/base/progress.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/units.h"

#define BAR_CELLS 28u
#define FIRST_SHOWN_NS (UNITS_NS_PER_S / 2)
#define TERMINAL_EVERY_NS (UNITS_NS_PER_S / 10)
#define PLAIN_EVERY_NS (4 * UNITS_NS_PER_S)

void progress_start(struct progress *progress, const char *label, uint64_t total, bool quiet)
{
    *progress = (struct progress){
        .label = label,
        .total = total > 0 ? total : 1,
        .start_ns = clock_monotonic_ns(),
        .terminal = isatty(STDERR_FILENO) == 1,
        .quiet = quiet,
    };
}

static void draw_bar(const struct progress *progress, uint64_t done, double elapsed_s, const char *eta,
                     const char *note)
{
    char bar[BAR_CELLS + 1];
    assert(done <= progress->total);
    uint64_t filled = done * BAR_CELLS / progress->total;
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    (void) fprintf(stderr, "\r\033[K%s [%s] %3u%%  %.0f s, ETA %s  %s", progress->label, bar,
                   (unsigned) (done * 100 / progress->total), elapsed_s, eta, note);
}

void progress_update(struct progress *progress, uint64_t done, const char *note)
{
    if (progress->quiet)
        return;
    assert(progress->total > 0); /* progress_start has been called */
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t since_ns = now_ns - (progress->shown_ns != 0 ? progress->shown_ns : progress->start_ns);
    uint64_t every_ns = progress->terminal ? TERMINAL_EVERY_NS : PLAIN_EVERY_NS;
    if (since_ns < (progress->terminal && progress->shown_ns == 0 ? FIRST_SHOWN_NS : every_ns))
        return;
    progress->shown_ns = now_ns;
    if (done > progress->total)
        done = progress->total;
    double elapsed_s = units_ns_to_s(now_ns - progress->start_ns);
    char eta[32] = "?"; /* unknown: nothing is done yet */
    if (done > 0)
        (void) snprintf(eta, sizeof eta, "%.0f s",
                        elapsed_s * (double) (progress->total - done) / (double) done);
    if (progress->terminal)
        draw_bar(progress, done, elapsed_s, eta, note != NULL ? note : "");
    else
        (void) fprintf(stderr, "%s: %u%%, %.0f s, ETA %s  %s\n", progress->label,
                       (unsigned) (done * 100 / progress->total), elapsed_s, eta, note != NULL ? note : "");
    (void) fflush(stderr);
}

void progress_stop(struct progress *progress, uint64_t done)
{
    if (progress->quiet || progress->shown_ns == 0)
        return;
    assert(progress->total > 0);
    double elapsed_s = units_ns_to_s(clock_monotonic_ns() - progress->start_ns);
    if (progress->terminal)
        (void) fprintf(stderr, "\r\033[K");
    (void) fprintf(stderr, "%s: %u%% in %.1f s\n", progress->label, (unsigned) (done * 100 / progress->total),
                   elapsed_s);
}
