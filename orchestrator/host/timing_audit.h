/* Takes what nodes tell of their links, loops and layers (LINK_AUDIT, LOOP_AUDIT, COMPUTE_AUDIT), and what the orchestrator's own
 * loop tells: to the verdict, and to the session's sinks.
 *
 * Each sample becomes a row, so a node may not tell as many as it likes. A window of a link is at least 20 ms of real
 * time long, and a device has one link at a time; an interval of a loop or of layers is about a second long. Hence the time since
 * the run began bounds how many there are. In virtual time there is nothing to audit. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_TIMING_AUDIT_H
#define HANDOFF_ORCHESTRATOR_HOST_TIMING_AUDIT_H

#include "core/model/audit.h"
#include "orchestrator/session/session.h"
#include "proto/message.h"

struct timing_audit {
    const struct session_sinks *sinks; /* borrowed */
    struct audit audit;
    bool in_real_time;
    double elapsed_s; /* real time since the run began; the owner keeps it */
    uint32_t devices, servers;
    uint64_t *windows; /* [2 * devices] told of each device's way up, then of each one's way down */
    /* [devices + servers] intervals told by each process, of its loop and of its layers: at its first node's number */
    uint64_t *loops, *jobs;
};

int timing_audit_init(struct timing_audit *ret_audit, const struct session_sinks *sinks,
                      const struct world *world);
/* Takes a zeroed one too. */
void timing_audit_finish(struct timing_audit *audit);

bool timing_audit_takes(const struct proto_message *message);

/* `role` and `number`: the node that speaks; its message is about nodes of the world. With a diagnosis: ERR_RANGE for
 * lists that do not match, and for more samples than there can be; ERR_STATE in virtual time. Or the first sink's
 * error. */
int timing_audit_take(struct timing_audit *audit, const struct proto_message *message, const char *role,
                      uint32_t number, struct diag *diag);
int timing_audit_loop(struct timing_audit *audit, const struct audit_loop *sample);

#endif
