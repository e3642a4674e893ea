/* Takes what nodes tell of their links and loops (LINK_AUDIT, LOOP_AUDIT), and what the orchestrator's own
 * loop tells: to the verdict, and to the session's sinks. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_TIMING_AUDIT_H
#define HANDOFF_ORCHESTRATOR_HOST_TIMING_AUDIT_H

#include "core/model/audit.h"
#include "orchestrator/session/session.h"
#include "proto/message.h"

struct timing_audit {
    const struct session_sinks *sinks; /* borrowed */
    struct audit audit;
};

bool timing_audit_takes(const struct proto_message *message);

/* `role` and `number`: the node that speaks. ERR_RANGE with a diagnosis for lists that do not match; or the
 * first sink's error. */
int timing_audit_take(struct timing_audit *audit, const struct proto_message *message, const char *role,
                      uint32_t number, struct diag *diag);
int timing_audit_loop(struct timing_audit *audit, const struct audit_loop *sample);

#endif
