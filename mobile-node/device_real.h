/* One device in real time: what its core asks for takes as long as the model says, its activations cross
 * the network, and what really passed is told to the core. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_REAL_H
#define HANDOFF_MOBILE_NODE_DEVICE_REAL_H

#include "mobile-node/device_core.h"
#include "mobile-node/uplink.h"
#include "proto/node/control.h"

struct device_real {
    struct node_control *control; /* borrowed: loop, alarms, the orchestrator, who the servers are */
    struct device_core *core;
    struct wire_alarm job;           /* the layers being computed, or a pause */
    enum device_event_kind job_ends; /* what it is fed with */
    uint64_t task_ns;                /* when the task began: the arrival of its DECISION */
    uint64_t step_ns;                /* when the present computation or transfer began */
    uint32_t server;                 /* of the present transfer */
    struct uplink **uplink;          /* [M], owned; NULL: not used yet */
    struct uplink_hooks hooks;
};

/* Borrows all; `device` stays where it is. */
int device_real_open(struct device_real *device, struct node_control *control, struct device_core *core);
void device_real_close(struct device_real *device);
/* The server has moved, or come back: its old connection is of no use any more. */
void device_real_hang_up(struct device_real *device, uint32_t server);

/* Feeds SLOT, DECISION or RECOVER and sets going what the core asks for. */
int device_real_take(struct device_real *device, const struct proto_message *message, struct diag *diag);

#endif
