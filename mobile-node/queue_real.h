/* One device in queueing mode by the wall clock: what its core begins takes as long as the model says, its
 * activations cross the network at the rate of the moment, and the core is told what has really ended. */
#ifndef HANDOFF_MOBILE_NODE_QUEUE_REAL_H
#define HANDOFF_MOBILE_NODE_QUEUE_REAL_H

#include "core/node/link.h"
#include "mobile-node/device_queue.h"
#include "mobile-node/uplink.h"

struct queue_real {
    struct node_link *link; /* borrowed: loop, alarms, the orchestrator, who the servers are */
    struct device_queue *queue;
    uint32_t number;
    struct wire_alarm compute, wait, step;
    uint64_t zero_ns;       /* when the episode's first SLOT came */
    struct uplink **uplink; /* [M], owned; NULL: not used yet */
    struct uplink *sending; /* NULL: nothing is being sent */
    struct uplink_hooks hooks;
};

/* Borrows all. */
int queue_real_open(struct queue_real *device, struct node_link *link, struct device_queue *queue,
                    uint32_t number);
void queue_real_close(struct queue_real *device);
/* The server has moved, or come back: its old connection is of no use any more. */
void queue_real_hang_up(struct queue_real *device, uint32_t server);

/* Feeds SLOT, HANDOVER, RECOVER or DECISION and sets going what the core asks for. */
int queue_real_take(struct queue_real *device, const struct proto_message *message, struct diag *diag);

#endif
