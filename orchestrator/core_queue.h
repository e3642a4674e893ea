/* The orchestrator's core in queueing mode (core_internal.h): what differs from mode round.
 *
 *   SLOT ──► OBSERVATION ──► settle the slot before, decide ──► DECISION ──► PASSED ──► ALLOT ──► ADVANCED,
 * REPORT
 *
 * Virtual time goes the whole way in each slot: devices live through it and say what arrives where (PASSED),
 * servers are told (ALLOT), live through it too and say what they have finished (ADVANCED), whose REPORTs are
 * then owed. By the wall clock (session.by_wall) nobody waits for the end of a slot: tasks arrive and are
 * reported when they are, the next SLOT is granted at its time, and servers are asked how they stand (an
 * ALLOT without tasks) once its observations are in.
 *
 * A slot is settled when the next one has been observed: its reward is minus what the tasks in the system
 * have cost in it, delay by the slot's length, energy as nodes told it; a task that ended brings what is
 * missing to its cost (cost_task), so that the rewards of an episode add up to its tasks' costs, divided by
 * the number of devices. An episode is closed by one more observation, which expires what is unfinished. */
#ifndef HANDOFF_ORCHESTRATOR_CORE_QUEUE_H
#define HANDOFF_ORCHESTRATOR_CORE_QUEUE_H

#include "orchestrator/core_internal.h"

int orch_queue_create(struct orch_core *core);
void orch_queue_destroy(struct orch_core *core);
/* Before each step. -ENOMEM: the step must not be taken. */
int orch_queue_reserve(struct orch_core *core);

/* A slot is granted. */
void orch_queue_grant(struct orch_core *core);
/* The slot before has been observed to its end: core->reward, rows that are complete. */
void orch_queue_settle(struct orch_core *core, struct orch_actions *actions);
/* Before the policy decides: RECOVERs and HANDOVERs of earlier tasks, and what the view says of them. */
void orch_queue_prepare(struct orch_core *core, struct orch_actions *actions);
/* Tasks whose server is lost or has been left go on elsewhere. */
void orch_queue_move(struct orch_core *core, struct orch_actions *actions);
/* It has decided: tasks enter the book, DECISIONs go out, the scenario strikes. */
int orch_queue_begin(struct orch_core *core, struct orch_actions *actions);
/* All have PASSED: ALLOTs. */
void orch_queue_serve(struct orch_core *core, struct orch_actions *actions);
bool orch_queue_is_serving(const struct orch_core *core);
/* By the wall clock: asks the servers how they stand. False: nobody is to be waited for. */
bool orch_queue_asks(struct orch_core *core, struct orch_actions *actions);
void orch_queue_end(struct orch_core *core);
/* Counts what is on its way to each server. */
void orch_queue_look(struct orch_core *core);

int orch_queue_observation(struct orch_core *core, const struct msg_observation *observation,
                           struct diag *diag);
int orch_queue_report(struct orch_core *core, const struct msg_report *report, struct diag *diag);
int orch_queue_passed(struct orch_core *core, const struct msg_passed *passed, struct diag *diag);
int orch_queue_advanced(struct orch_core *core, const struct msg_advanced *advanced, struct diag *diag);

/* The tasks of a node that is lost. */
void orch_queue_lose_server(struct orch_core *core, uint32_t m);
void orch_queue_lose_device(struct orch_core *core, uint32_t n, struct orch_actions *actions);
bool orch_queue_waits_for(const struct orch_core *core, uint32_t device);

#endif
