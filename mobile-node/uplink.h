/* Real time: the data connection from one device to one server. A task's activations cross it whole, as PIECEs
 * at the pace of their link; their TASK follows. A RESULT comes back the same way, behind its own PIECEs. One
 * task is on its way at a time. */
#ifndef HANDOFF_MOBILE_NODE_UPLINK_H
#define HANDOFF_MOBILE_NODE_UPLINK_H

#include "core/model/link.h"
#include "proto/node/control.h"
#include "proto/node/shared_bytes.h"

struct uplink;

struct uplink_hooks {
    /* The model says that the task's last byte has arrived, and its TASK has left. */
    void (*on_sent)(void *user);
    /* The connection has closed, and a task was on its way. May be NULL. */
    void (*on_cut)(void *user);
    /* The message dies on return. A nonzero return refuses it, in the words of `diag`. */
    int (*on_result)(void *user, const struct proto_message *result, struct diag *diag);
};

/* Activations of a task, or of a chunk of it. */
struct uplink_load {
    uint64_t bytes;              /* that the pacer counts */
    struct shared_slice content; /* borrowed; none: zeros */
};

/* Everything is borrowed and outlives the uplink. It connects with the first task. -ENOMEM. */
int uplink_create(struct uplink **ret_uplink, struct node_control *control, uint32_t device, uint32_t server,
                  const struct uplink_hooks *hooks, void *user);
/* Closes the connection; the uplink goes with it. NULL-safe. */
void uplink_destroy(struct uplink *uplink);

/* Sends activations, then the TASK. They are fewer than it declares when an old server passes on the
 * rest. With real layers the content crosses, all of it (paced_payload_fill). `params` are rates and times of real time. A task that is still on its way is abandoned. 0 also when
 * the server cannot be reached: the orchestrator notices by itself. Or -ENOMEM. */
int uplink_send(struct uplink *uplink, const struct proto_message *task, const struct uplink_load *load,
                const struct link_params *params, struct diag *diag);
/* Sends the next chunk of the same task behind those before it. 0 also when the connection is gone, as above. */
int uplink_send_on(struct uplink *uplink, const struct proto_message *task, const struct uplink_load *load,
                   struct diag *diag);
/* The rate holds at once, in bit/s of real time. 0: nothing leaves until the next rate. */
void uplink_set_rate(struct uplink *uplink, double rate_bps);
/* Stops the task on its way, if there is one. The server drops what it has of it, and goes on answering for
 * other tasks on the same connection. */
void uplink_stop(struct uplink *uplink);
/* The same, but the connection is closed too, because bytes of the task are under way. */
void uplink_abandon(struct uplink *uplink);
/* Ends the connection, if there is one, with a sentence to the server. A task on its way is cut. */
void uplink_refuse(struct uplink *uplink, const char *text);
/* Tells the orchestrator the audit's complete windows. A RESULT does so too. */
void uplink_tell_windows(struct uplink *uplink);
/* A task is on its way. */
bool uplink_is_sending(const struct uplink *uplink);

#endif
