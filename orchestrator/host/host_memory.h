/* The memory host: all three kinds of core in one process, messages handed over as structs, virtual time.
 * Same decisions, same numbers as over TCP, to the last bit. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_HOST_MEMORY_H
#define HANDOFF_ORCHESTRATOR_HOST_HOST_MEMORY_H

#include "orchestrator/session/session.h"

/* Runs the whole session. Faults are injected at their place: OBSERVE before the slot is granted to the node,
 * EXECUTE before any decision of the slot arrives. */
int host_memory_run(const struct session *session, struct session_result *ret_result, struct diag *diag);

#endif
