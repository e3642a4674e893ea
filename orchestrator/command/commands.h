/* The commands. Each takes the parsed command line and returns the process's exit status; what went wrong is in
 * `diag`, which main prints. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_COMMANDS_H
#define HANDOFF_ORCHESTRATOR_COMMAND_COMMANDS_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "orchestrator/command/cli.h"

int command_run(const struct cli *cli, struct diag *diag);
int command_evaluate(const struct cli *cli, struct diag *diag);
int command_replay(const struct cli *cli, struct diag *diag);
int command_show(const struct cli *cli, struct diag *diag);
int command_twin(const struct cli *cli, struct diag *diag);
int command_sweep(const struct cli *cli, struct diag *diag);
int command_compare(const struct cli *cli, struct diag *diag);
int command_report(const struct cli *cli, struct diag *diag);
int command_export(const struct cli *cli, struct diag *diag);
int command_delete(const struct cli *cli, struct diag *diag);
int command_model(const struct cli *cli, struct diag *diag);
int command_generate(const struct cli *cli, struct diag *diag);
int command_perplexity(const struct cli *cli, struct diag *diag);
int command_leak(const struct cli *cli, struct diag *diag);
int command_bound(const struct cli *cli, struct diag *diag);
int command_train(const struct cli *cli, struct diag *diag);

/* PROCESS_OK, or the exit status that a code stands for: bad input is PROCESS_USAGE, all else PROCESS_FAILED. A
 * failure that nobody has put into words gets the code's own. */
int command_status(int code, struct diag *diag);

/* These print to stdout. What cannot be written is no error here: it is told when the process ends. */
void command_print_text(const struct buf *text);
/* Takes the value over. NULL: there was no memory to make it. */
int command_print_json(json_t *value, struct diag *diag);
/* The same with 9 digits, as many as a float has. */
int command_print_json_floats(json_t *value, struct diag *diag);
/* Takes the row over. When there is no memory for it, the list becomes NULL and stays so: a list is whole or not
 * there. */
void command_append_json(json_t **rows, json_t *row);

/* Prints one of db/queries for a run to stdout, as a table or (--json) as JSON. */
int command_print_query(const struct cli *cli, const char *query, int64_t parameter, struct diag *diag);

#endif
