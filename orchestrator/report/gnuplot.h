/* gnuplot, as a process. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_GNUPLOT_H
#define HANDOFF_ORCHESTRATOR_REPORT_GNUPLOT_H

#include "core/base/diag.h"

/* Runs `gnuplot -d SCRIPT` in a folder and waits for it: -d leaves out the user's own settings.
 * ERR_NOT_FOUND: there is no gnuplot; -EIO: it failed, and its first words are in `diag`. */
int gnuplot_run(const char *folder, const char *script, struct diag *diag);

#endif
