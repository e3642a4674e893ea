/* One edge server in queueing mode in virtual time. ALLOT says which tasks arrive in the slot, and when. When each
 * has come or been revoked, the server lives through the slot at once: arrivals in order of (time, device, round),
 * a RESULT for each task that is finished, then ADVANCED. ALLOT tells all that the server needs of a task. It
 * waits for the TASK itself because the task has to cross the link. It serves a revoked task too: how much of a
 * lost device's task had arrived must not matter.
 *
 * The core (server_queue) knows nothing of this. Pure; the memory host and the edge server's shell use it alike. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_QUEUE_VIRTUAL_H
#define HANDOFF_EDGE_SERVER_SERVER_QUEUE_VIRTUAL_H

#include "edge-server/server_queue.h"

struct server_queue_virtual;

/* Borrows `world`; `number` is one of its servers. -ENOMEM. */
int server_queue_virtual_create(struct server_queue_virtual **ret_server, const struct world *world,
                                uint32_t number);
void server_queue_virtual_destroy(struct server_queue_virtual *server); /* NULL-safe */

/* Takes ALLOT, TASK or REVOKE, and hands out all actions of its core in order of time. Their owner sends what TELL
 * and ANSWER say, and may look at COMPUTE. The list is valid until the next call. Errors are those of
 * server_queue_step. */
int server_queue_virtual_take(struct server_queue_virtual *server, const struct proto_message *message,
                              struct server_queue_actions *ret_actions, struct diag *diag);

#endif
