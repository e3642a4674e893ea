/* A policy driven through streams of a world, in most cases a recorded run's and without learning, and
 * recorded as a run: what `evaluate`, `replay --policy`, `twin` and `sweep` have in common. */
#ifndef HANDOFF_ORCHESTRATOR_PLAY_H
#define HANDOFF_ORCHESTRATOR_PLAY_H

#include "orchestrator/cli.h"
#include "orchestrator/host_tcp.h"
#include "orchestrator/record.h"

struct play {
    const struct cli *cli; /* host, progress */
    const struct world *world;
    const struct policy_kind *kind;
    const struct buf *weights; /* a learner's; NULL: none */
    struct policy *instead;    /* decides in the kind's name; NULL: the kind itself */
    struct record_run row;     /* `policy` and `host` are filled in */
    bool record_tasks;
    uint32_t learn_every; /* learns on the way, with a checkpoint after so many episodes; 0: does not learn */
    const struct session_fault *fault; /* [fault_count] */
    size_t fault_count;
};

/* Plays and records; the run's id is known once it was opened (0 before). Interrupted: -EINTR, and the run is
 * marked. */
int play_record(const struct play *play, struct session_result *ret_result, int64_t *ret_run_id,
                struct diag *diag);

/* Runs a session in the host that the command line asks for; a policy that asks gets an agent to ask first.
 * `on_joined` (may be NULL) is called once, before the first slot, and may refuse by returning a code; its
 * `host` is NULL in the memory host. */
int play_host(const struct cli *cli, const struct session *session,
              int (*on_joined)(void *user, const struct host_tcp *host), void *user,
              struct session_result *ret_result, struct diag *diag);

#endif
