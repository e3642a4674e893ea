/* An edge server in queueing mode in real time. Its core says when the next task will be done, and is told when
 * that time has come. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_QUEUE_REAL_H
#define HANDOFF_EDGE_SERVER_SERVER_QUEUE_REAL_H

#include "edge-server/served_tasks.h"
#include "edge-server/server_queue.h"
#include "proto/node/control.h"

struct server_queue_real;

/* Borrows all. `answer` sends the RESULT of an ANSWER action to its device. -ENOMEM. */
int server_queue_real_open(struct server_queue_real **ret_real, struct node_control *control,
                           struct server_queue *queue,
                           int (*answer)(void *user, const struct server_queue_action *action), void *user);
/* May come before or after the alarms are closed. NULL-safe. */
void server_queue_real_close(struct server_queue_real *real);

/* Feeds ALLOT, TASK or REVOKE; a TASK whose activations are still being passed on waits here for them. */
int server_queue_real_take(struct server_queue_real *real, const struct proto_message *message,
                           struct diag *diag);

/* With real layers: a task ends when the model says so and when it has really been computed. */
void server_queue_real_set_tasks(struct server_queue_real *real, struct served_tasks *tasks);
void server_queue_real_computed(struct server_queue_real *real, const struct layer_work *work,
                                const struct compute_job_result *result);

#endif
