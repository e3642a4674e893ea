/* One device in queueing mode in real time. Jobs that its core begins take as long as the model says, its
 * activations cross the network at the present rate, and the core is told when a job has really ended. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_QUEUE_REAL_H
#define HANDOFF_MOBILE_NODE_DEVICE_QUEUE_REAL_H

#include "mobile-node/device_queue.h"
#include "mobile-node/task_store.h"
#include "mobile-node/uplink.h"
#include "proto/node/control.h"

struct device_queue_real {
    struct node_control *control; /* borrowed: loop, alarms, the orchestrator, who the servers are */
    struct device_queue *queue;
    uint32_t number;
    struct task_store *store; /* compute.kind model; else NULL. Borrowed */
    struct layer_work work;   /* of the last COMPUTE, */
    uint64_t due_ns;          /* and when it is due */
    bool is_due;              /* it is due by the model, and is still being computed */
    struct wire_alarm compute, wait, step;
    uint64_t zero_ns;       /* when the episode's first SLOT came */
    struct uplink **uplink; /* [M], owned; NULL: not used yet */
    struct uplink *sending; /* NULL: nothing is being sent */
    struct uplink_hooks hooks;
};

/* Borrows all; `device` is zeroed, and stays where it is. -ENOMEM. */
int device_queue_real_open(struct device_queue_real *device, struct node_control *control,
                           struct device_queue *queue, uint32_t number);
void device_queue_real_close(struct device_queue_real *device);
/* The server has moved, or come back: closes its old connection. */
void device_queue_real_hang_up(struct device_queue_real *device, uint32_t server);
/* Ends the connection to a server that has said what it may not say. */
void device_queue_real_refuse(struct device_queue_real *device, uint32_t server, const char *text);

/* Feeds SLOT, HANDOVER, RECOVER or DECISION and begins what the core asks for. */
int device_queue_real_take(struct device_queue_real *device, const struct proto_message *message,
                           struct diag *diag);
/* The store has computed layers of one of its tasks: they have ended when the model says so, too. */
void device_queue_real_computed(struct device_queue_real *device, const struct layer_work *work,
                                const struct compute_job_result *result);
void device_queue_real_set_store(struct device_queue_real *device, struct task_store *store);

#endif
