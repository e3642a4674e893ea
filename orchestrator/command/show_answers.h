/* show answers: what a run's layers really said, and where each second went. */
#ifndef HANDOFF_ORCHESTRATOR_COMMAND_SHOW_ANSWERS_H
#define HANDOFF_ORCHESTRATOR_COMMAND_SHOW_ANSWERS_H

#include "core/base/diag.h"
#include "orchestrator/command/cli.h"

/* Those of --run, or of the newest training run. Without its model's tokenizer: token ids in place of text. */
int show_answers(const struct cli *cli, struct diag *diag);

#endif
