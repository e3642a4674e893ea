/* The verbs. Each takes the parsed command line and returns the process's exit status; what went wrong is in
 * `diag`, which main prints. */
#ifndef HANDOFF_ORCHESTRATOR_VERBS_H
#define HANDOFF_ORCHESTRATOR_VERBS_H

#include "core/base/diag.h"
#include "orchestrator/cli.h"

int verb_run(const struct cli *cli, struct diag *diag);
int verb_evaluate(const struct cli *cli, struct diag *diag);
int verb_replay(const struct cli *cli, struct diag *diag);
int verb_show(const struct cli *cli, struct diag *diag);
int verb_twin(const struct cli *cli, struct diag *diag);
int verb_sweep(const struct cli *cli, struct diag *diag);
int verb_compare(const struct cli *cli, struct diag *diag);
int verb_report(const struct cli *cli, struct diag *diag);
int verb_export(const struct cli *cli, struct diag *diag);

/* PROCESS_OK, or the exit status that a code stands for: bad input is PROCESS_USAGE, all else PROCESS_FAILED.
 */
int verb_status(int code);

/* Prints one of db/queries for a run to stdout, as a table or (--json) as JSON. */
int verb_print_query(const struct cli *cli, const char *query, int64_t parameter, struct diag *diag);

#endif
