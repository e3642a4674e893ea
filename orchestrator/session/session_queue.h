/* The session's state machine in queueing mode (session_internal.h): what differs from mode round.
 *
 *   SLOT ──► OBSERVATION ──► settle the slot before, decide ──► DECISION
 *        ──► PASSED ──► ALLOT ──► ADVANCED, REPORT
 *
 * Virtual time goes the whole way in each slot: devices live through it and say what arrives where (PASSED),
 * servers are told (ALLOT), live through it too and say what they have finished (ADVANCED), whose REPORTs are
 * then owed. In real time (session.in_real_time) nobody waits for the end of a slot: tasks arrive and are
 * reported when they are, the next SLOT is granted at its time, and servers are asked how they stand (an
 * ALLOT without tasks) once its observations are in.
 *
 * A slot is settled when the next one has been observed: its reward is minus what the tasks in the system
 * have cost in it, delay by the slot's length, energy as nodes told it; a task that ended brings what is
 * missing to its cost (cost_task), so that the rewards of an episode add up to its tasks' costs, divided by
 * the number of devices. An episode is closed by one more observation, which expires what is unfinished. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_QUEUE_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_QUEUE_H

#include "orchestrator/session/session_internal.h"

int session_queue_create(struct session_core *core);
void session_queue_destroy(struct session_core *core);

/* A slot is granted. */
void session_queue_grant(struct session_core *core);
/* The slot before has been observed to its end: core->reward, rows that are complete. */
void session_queue_settle(struct session_core *core, struct session_actions *actions);
/* Before the policy decides: RECOVERs and HANDOVERs of earlier tasks, and what the view says of them. */
void session_queue_prepare(struct session_core *core, struct session_actions *actions);
/* Counts what is on its way to each server. */
void session_queue_look(struct session_core *core);
/* Tasks whose server is lost or has been left go on elsewhere. */
void session_queue_move(struct session_core *core, struct session_actions *actions);
/* It has decided: tasks enter the ledger, DECISIONs go out, the scenario strikes. */
void session_queue_begin(struct session_core *core, struct session_actions *actions);
/* All have PASSED: ALLOTs. */
void session_queue_serve(struct session_core *core, struct session_actions *actions);
/* In real time: asks the servers how they stand. False: nobody is to be waited for. */
bool session_queue_asks(struct session_core *core, struct session_actions *actions);
void session_queue_end(struct session_core *core);

int session_queue_observation(struct session_core *core, const struct msg_observation *observation,
                              struct diag *diag);
int session_queue_passed(struct session_core *core, const struct msg_passed *passed, struct diag *diag);
/* Of a server whose ADVANCED is owed. */
int session_queue_advanced(struct session_core *core, const struct msg_advanced *advanced, struct diag *diag);

/* The tasks of a device that is lost. */
void session_queue_lose_device(struct session_core *core, uint32_t n, struct session_actions *actions);

#endif
