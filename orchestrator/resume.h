/* A training run that did not finish, and what is needed to go on with it: its world and its policy as they
 * were after the last episode that is there with everything. */
#ifndef HANDOFF_ORCHESTRATOR_RESUME_H
#define HANDOFF_ORCHESTRATOR_RESUME_H

#include "orchestrator/cli.h"
#include "orchestrator/past.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/record.h"

struct resume {
    struct past past;
    struct policy policy;  /* set up as it was then */
    bool finished;         /* the run is: nothing is left to do, and nothing else here is set up */
    enum cli_host host;    /* the command line's, or the one that it was in */
    int64_t after_episode; /* the last that is kept; -1: none */
    char *config_json;     /* what the run says of itself from now on */
    struct record_past record;
};

/* Reads the run that the command line names, or the newest training run, and says on stderr where it goes on.
 * Changes nothing in the file but its version. Finish it also when this failed. ERR_STATE: no training run,
 * or one that is being recorded. */
int resume_read(struct resume *ret_resume, const struct cli *cli, struct diag *diag);
void resume_finish(struct resume *resume);

#endif
