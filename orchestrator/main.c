/* handoff-orchestrator: hosts the offloading policy, drives the run, keeps the record. */
#include <errno.h>
#include <stdio.h>

#include "core/base/diag.h"
#include "core/base/log.h"
#include "orchestrator/verbs.h"
#include "proto/wire/process.h"

int main(int argc, char **argv)
{
    static int (*const verbs[CLI_VERBS])(const struct cli *cli, struct diag *diag) = {
        [CLI_RUN] = verb_run,     [CLI_EVALUATE] = verb_evaluate, [CLI_REPLAY] = verb_replay,
        [CLI_SHOW] = verb_show,   [CLI_EXPORT] = verb_export,     [CLI_TWIN] = verb_twin,
        [CLI_SWEEP] = verb_sweep, [CLI_COMPARE] = verb_compare,   [CLI_REPORT] = verb_report,
    };
    struct cli cli;
    struct diag diag = {0};
    cli_parse(&cli, argc, argv);
    log_setup("handoff-orchestrator", LOG_WARN);
    bool orphan = cli.die_with_parent && process_die_with_parent() != 0;
    int status = orphan ? PROCESS_LOST : verbs[cli.verb](&cli, &diag);
    if (cli.verb == CLI_SHOW && status == PROCESS_OK && (fflush(stdout) != 0 || ferror(stdout) != 0))
        status = verb_status(diag_fail(&diag, -EIO, "standard output: cannot write"));
    if (diag.text[0] != '\0' && status != PROCESS_OK)
        (void) fprintf(stderr, "handoff-orchestrator: %s\n", diag.text);
    cli_finish(&cli);
    return status;
}
