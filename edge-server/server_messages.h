/* What both state machines of a server, of mode round and of queueing mode, say and check alike. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_MESSAGES_H
#define HANDOFF_EDGE_SERVER_SERVER_MESSAGES_H

#include "core/base/diag.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "proto/message.h"

/* When a task of the server was served. */
struct server_account {
    uint32_t server;
    double queue_s, edge_s, finish_s;
    double busy_s; /* of the whole server; 0 in mode round */
};

/* RESULT of the task that `work` was the rest of: sets the id and every field. */
void server_tell_result(struct proto_message *ret, const struct layer_work *work,
                        const struct server_account *account);

/* 0; ERR_RANGE: there is no such device, or no layer is left to be run here. */
int server_check_task(const struct world *world, const struct msg_task *task, struct diag *diag);

/* 0; ERR_RANGE: the device has cut its prompt, and not as the scenario says. */
int server_check_cut(const struct world *world, const struct msg_task *task, struct diag *diag);

#endif
