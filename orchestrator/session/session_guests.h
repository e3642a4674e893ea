/* Guests: devices.guests keeps the last places free. Each counts as lost until a guest has come (PEER_BACK), and again
 * when it has left (PEER_LOST). A guest may wish for its own split. Private to this folder. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_GUESTS_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_GUESTS_H

#include "orchestrator/session/session_internal.h"

/* Of a core whose nodes are there. -ENOMEM. */
int session_guests_create(struct session_core *core);
void session_guests_destroy(struct session_core *core);
/* Is it one of their places? */
bool session_guests_has(const struct session_core *core, const struct session_node *node);
/* Takes what an OBSERVATION wishes. ERR_RANGE: its device is no guest. */
int session_guests_hear(struct session_core *core, const struct msg_observation *observation,
                        struct diag *diag);
/* Does the prompt that a REPORT says is its own go with its task? ERR_RANGE. */
int session_guests_check(const struct session_core *core, const struct db_task *row,
                         const struct msg_report *report, struct diag *diag);
/* The policy has decided: wishes take the place of its splits, and of `local` where there is a server. What is not
 * possible is mended. */
void session_guests_decide(struct session_core *core);

#endif
