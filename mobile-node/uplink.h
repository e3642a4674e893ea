/* The real clock's way from one device to one server: a data connection on which activations cross whole, as
 * PIECEs at the pace of their link, followed by their TASK; RESULTs come back on it, behind PIECEs of their
 * own. One task is on its way at a time. */
#ifndef HANDOFF_MOBILE_NODE_UPLINK_H
#define HANDOFF_MOBILE_NODE_UPLINK_H

#include "core/model/link.h"
#include "proto/node/control.h"

struct uplink;

struct uplink_hooks {
    /* The last byte of the task has arrived, by the model, and its TASK has left. */
    void (*on_sent)(void *user);
    /* The connection has closed, and a task was on its way. May be NULL. */
    void (*on_cut)(void *user);
    /* The message dies on return. A nonzero return refuses it, in the words of `diag`. */
    int (*on_result)(void *user, const struct proto_message *result, struct diag *diag);
};

/* All borrowed, and outliving the uplink. Nothing is connected before the first task. */
int uplink_create(struct uplink **ret_uplink, struct node_control *control, uint32_t device, uint32_t server,
                  const struct uplink_hooks *hooks, void *user);
/* Closes the connection; the uplink goes with it. NULL-safe. */
void uplink_destroy(struct uplink *uplink);

/* Sends `bytes` of activations and then the TASK (fewer than it declares when an old server passes on some)
 * over a link of rates and times of the wall. Gives up a task that is still on its way. A server that cannot
 * be reached is as if it had died: the orchestrator notices by itself. */
int uplink_send(struct uplink *uplink, const struct proto_message *task, uint64_t bytes,
                const struct link_params *params, struct diag *diag);
/* Takes hold at once; 0: nothing leaves until the next rate. */
void uplink_set_rate(struct uplink *uplink, double rate_bps);
/* The task on its way, if any, is over; what had left of it is of no use to the server, which goes on to
 * answer for others on the same connection. */
void uplink_stop(struct uplink *uplink);
/* The task on its way, if any, is over: its connection is cut, because bytes of it are under way. */
void uplink_abandon(struct uplink *uplink);
/* Tells the orchestrator the audit's windows that are complete; otherwise done when a RESULT comes. */
void uplink_tell_windows(struct uplink *uplink);
/* A task is on its way. */
bool uplink_is_sending(const struct uplink *uplink);

#endif
