/* One device in queueing mode in virtual time: nobody sleeps, and what its core asks for ends when the model says.
 * The core (device_queue) does not know that. Pure; the memory host and the mobile node's shell use it alike. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_QUEUE_VIRTUAL_H
#define HANDOFF_MOBILE_NODE_DEVICE_QUEUE_VIRTUAL_H

#include "mobile-node/device_queue.h"

struct device_queue_virtual;

/* Borrows `world`; `number` is one of its devices. -ENOMEM. */
int device_queue_virtual_create(struct device_queue_virtual **ret_device, const struct world *world,
                                uint32_t number);
void device_queue_virtual_destroy(struct device_queue_virtual *device); /* NULL-safe */

/* As device_queue_set_own. */
void device_queue_virtual_set_own(struct device_queue_virtual *device, const struct device_own *own);

/* Takes SLOT, HANDOVER, RECOVER, DECISION or RESULT. After a DECISION the device lives through its slot, up to
 * PASSED. Hands out all actions in order of time. Their owner sends what TELL and DELIVER say (a TASK arrives at
 * its DELIVER) and may look at the others: what COMPUTE names is done when an action follows from it. The list is
 * valid until the next call. Errors are those of device_queue_step. */
int device_queue_virtual_take(struct device_queue_virtual *device, const struct proto_message *message,
                              struct device_queue_actions *ret_actions, struct diag *diag);

#endif
