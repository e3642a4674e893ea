/* The session's state machine in mode round (session_internal.h): what differs from queueing mode.
 *
 *   SLOT ──► OBSERVATION ──► decide ──► ALLOT, DECISION ──► REPORT, ADVANCED ──► count the slot
 *
 * A slot waits for its tasks. Whatever is lost in it goes on, or ends, in the same slot. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_ROUND_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_ROUND_H

#include "orchestrator/session/session_internal.h"

int session_round_create(struct session_core *core);
void session_round_destroy(struct session_core *core);

/* A slot is granted: gives back what tasks held that have ended by its start. */
void session_round_grant(struct session_core *core);
/* The slot has been decided: ALLOTs, DECISIONs, and what the scenario breaks in it. */
void session_round_begin(struct session_core *core, struct session_actions *actions);
/* All have answered: core->reward, rows. */
void session_round_end(struct session_core *core, struct session_actions *actions);
/* The task of a device that is lost in the slot, whatever of it has arrived. */
void session_round_lose_device(struct session_core *core, uint32_t n, struct session_actions *actions);

#endif
