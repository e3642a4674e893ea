/* One device in mode round in real time. Jobs that its core asks for take as long as the model says, its
 * activations cross the network, and the core is told how long each has really taken. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_REAL_H
#define HANDOFF_MOBILE_NODE_DEVICE_REAL_H

#include "mobile-node/device_core.h"
#include "mobile-node/task_store.h"
#include "mobile-node/uplink.h"
#include "proto/node/control.h"

struct device_real {
    struct node_control *control; /* borrowed: loop, alarms, the orchestrator, who the servers are */
    struct device_core *core;
    struct task_store *store;        /* compute.kind model; else NULL. Borrowed */
    struct wire_alarm job;           /* the layers being computed, or a pause */
    bool is_due;                     /* they are due by the model, and are still being computed */
    enum device_event_kind job_ends; /* the event that tells the core of its end */
    uint64_t task_ns;                /* when the task began: the arrival of its DECISION */
    uint64_t due_ns;                 /* when the job is due */
    uint64_t step_ns;                /* when the present computation or transfer began */
    uint32_t server;                 /* of the present transfer */
    struct uplink **uplink;          /* [M], owned; NULL: not used yet */
    struct uplink_hooks hooks;
};

/* Borrows all; `device` is zeroed, and stays where it is. -ENOMEM. */
int device_real_open(struct device_real *device, struct node_control *control, struct device_core *core);
void device_real_set_store(struct device_real *device, struct task_store *store);
void device_real_close(struct device_real *device);
/* The server has moved, or come back: closes its old connection. */
void device_real_hang_up(struct device_real *device, uint32_t server);
/* Ends the connection to a server that has said what it may not say. */
void device_real_refuse(struct device_real *device, uint32_t server, const char *text);

/* Feeds SLOT, DECISION or RECOVER and begins what the core asks for. */
int device_real_take(struct device_real *device, const struct proto_message *message, struct diag *diag);

/* The store has computed layers of one of its tasks. */
void device_real_computed(struct device_real *device, const struct layer_work *work,
                          const struct compute_job_result *result);

#endif
