/* show trace FILE: what a trace is like, and a picture of it. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_SHOW_TRACE_H
#define HANDOFF_ORCHESTRATOR_COMMAND_SHOW_TRACE_H

#include "core/base/diag.h"
#include "orchestrator/command/cli.h"

/* Prints to stdout, as text or (--json) as JSON. 0 or a code. */
int show_trace(const struct cli *cli, struct diag *diag);

#endif
