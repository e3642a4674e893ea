/* A task's row through one slot: as decided, then reported or lost. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_TASK_ROW_H
#define HANDOFF_ORCHESTRATOR_SESSION_TASK_ROW_H

#include "core/model/env.h"
#include "db/rows.h"
#include "orchestrator/session/session_meter.h"
#include "proto/message.h"

/* What was decided for device n; measures unknown (NAN), DB_TASK_DEVICE_LOST until something better is
 * known. */
void task_row_decide(struct db_task *ret_row, const struct env_view *view,
                     const struct env_decision *decision, uint32_t n);

/* What its device reported, priced by cost_task. The row's channel says what its activations met. */
void task_row_report(struct db_task *row, const struct world *world, enum rng_phase phase,
                     const struct msg_report *report);

/* Where its activations crossed, and what was told of them. The row has been reported. */
struct session_crossing task_row_crossing(const struct db_task *row, const struct world *world,
                                          enum rng_phase phase);

/* What a meter says of that, in place of the world's table; `reference` as in struct task_quality. It is priced anew. A
 * quality that is not known costs nothing. */
void task_row_measured(struct db_task *row, const struct world *world,
                       const struct session_crossing *crossing, const struct session_quality *measured,
                       double reference);

/* The answer that its device reported, with real layers; its prompt stays as it is. The row has been reported, too. */
void task_row_answer(struct db_answer *ret_answer, const struct world *world, const struct db_task *row,
                     const struct msg_report *report);

/* Can the server that it names have served the task? `at_server`: where the task was, ENV_LOCAL at its device; NULL:
 * that is the device's to know. 0, ERR_RANGE or ERR_STATE. */
int task_row_check(const struct world *world, const struct msg_report *report, const uint32_t *at_server,
                   struct diag *diag);

/* Its device or server was lost: takes back what was reported. */
void task_row_lose(struct db_task *row, enum db_task_status status);

#endif
