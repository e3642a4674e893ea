/* handoff-orchestrator: hosts the offloading policy, drives the run, keeps the record. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/diag.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/linalg/vector_path.h"
#include "orchestrator/command/commands.h"

int main(int argc, char **argv)
{
    static int (*const commands[CLI_COMMANDS])(const struct cli *cli, struct diag *diag) = {
        [CLI_RUN] = command_run,       [CLI_EVALUATE] = command_evaluate,
        [CLI_REPLAY] = command_replay, [CLI_SHOW] = command_show,
        [CLI_EXPORT] = command_export, [CLI_TWIN] = command_twin,
        [CLI_SWEEP] = command_sweep,   [CLI_COMPARE] = command_compare,
        [CLI_REPORT] = command_report, [CLI_DELETE] = command_delete,
        [CLI_MODEL] = command_model,   [CLI_GENERATE] = command_generate,
        [CLI_TRAIN] = command_train,   [CLI_PERPLEXITY] = command_perplexity,
        [CLI_LEAK] = command_leak,     [CLI_BOUND] = command_bound,
    };
    struct cli cli;
    struct diag diag = {0};
    process_begin("handoff-orchestrator");
    cli_parse(&cli, argc, argv);
    assert(commands[cli.command] != NULL);
    log_setup("handoff-orchestrator", LOG_WARN);
    bool orphan = cli.die_with_parent && process_die_with_parent() != 0;
    int status = PROCESS_LOST;
    int vector = linalg_vector_choose(getenv(LINALG_VECTOR_VARIABLE), &diag);
    if (!orphan)
        status = vector != 0 ? command_status(vector, &diag) : commands[cli.command](&cli, &diag);
    if (diag.text[0] != '\0' && status != PROCESS_OK)
        (void) fprintf(stderr, "handoff-orchestrator: %s\n", diag.text);
    cli_finish(&cli);
    return status;
}
