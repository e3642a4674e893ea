/* A training run that did not finish, or that shall have more episodes, and what is needed to go on with it: its
 * world and its policy as they were after the last episode that is there with everything. */
#ifndef HANDOFF_ORCHESTRATOR_RUN_RESUME_H
#define HANDOFF_ORCHESTRATOR_RUN_RESUME_H

#include "orchestrator/host/host.h"
#include "orchestrator/policy/policy.h"
#include "orchestrator/quality/meter.h"
#include "orchestrator/run/run_record.h"
#include "orchestrator/setup/recorded_run.h"

struct resume_options {
    const char *path;  /* the database's; borrowed */
    int64_t run_id;    /* 0: the newest training run */
    uint32_t episodes; /* how many the run shall have; 0: as many as were planned */
    bool host_given;
    enum host_kind host; /* if given; else the one that the run was in */
};

struct resume {
    struct recorded_run recorded;
    struct policy policy;  /* set up as it was then */
    bool finished;         /* the run is: nothing is left to do, and nothing else here is set up */
    uint32_t episodes;     /* it has at the end */
    enum host_kind host;   /* as asked for, or the one that it was in */
    int64_t after_episode; /* the last that is kept; -1: none */
    char *config_json;     /* what the run says of itself from now on */
    struct run_record_resumed record;
};

/* Reads the run, and says on stderr where it goes on.
 * Changes nothing in the file but its version. Finish it also when this failed. ERR_STATE: no training run,
 * or one that is being recorded. ERR_RANGE: it has more episodes than it shall have. */
int resume_read(struct resume *ret_resume, const struct resume_options *options, struct diag *diag);
/* A meter remembers what the run's tasks had as quality until then: those of the episodes that are kept. */
int resume_measured(const struct resume *resume, const char *path, struct meter *meter, struct diag *diag);
void resume_finish(struct resume *resume);

#endif
