/* Answers of the memory host, where nodes really compute: one engine computes each task that has ended, its device's
 * layers and its server's. Virtual time does not notice. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_HOST_ANSWERS_H
#define HANDOFF_ORCHESTRATOR_HOST_HOST_ANSWERS_H

#include "core/base/diag.h"
#include "orchestrator/session/session.h"
#include "proto/message.h"

struct host_answers;

/* *ret_answers is NULL where compute.kind is not `model`. Errors are those of compute_open. */
int host_answers_open(struct host_answers **ret_answers, const struct session *session, struct diag *diag);
/* NULL is allowed. */
void host_answers_close(struct host_answers *answers);

/* Writes the answer of the task in that row, and what was measured, into its report. The answer is borrowed until the
 * next call. Errors are those of compute_answer; the sentence names the task. */
int host_answers_fill(struct host_answers *answers, const struct db_task *row, struct msg_report *report,
                      struct diag *diag);

#endif
