/* The folder that a report is written into. */
#ifndef HANDOFF_ORCHESTRATOR_REPORT_OUTPUT_H
#define HANDOFF_ORCHESTRATOR_REPORT_OUTPUT_H

#include "core/base/buf.h"
#include "core/base/diag.h"

/* Makes the folder unless it is there. */
int output_make_folder(const char *folder, struct diag *diag);

/* Writes a whole file into it, over what was there under that name. */
int output_write(const char *folder, const char *name, const struct buf *text, struct diag *diag);

#endif
