/* One mobile device in queueing mode, as a pure state machine. A task may take many slots. Each goes through
 * its stages by itself. The processor and the radio are stations (core/model/station), where tasks wait for one
 * another.
 *
 *             DECISION with a task
 *                  │
 *             COMPUTING ──► SENDING ──► COMING ──────► SERVED ──► DONE
 *              layers 1..s   radio       what an old     RESULT     REPORT
 *                  └── s = L: DONE ──►   server passes on is still on its way
 *
 * RECOVER takes a task from any stage back to COMPUTING (layers s+1..L here) or SENDING (to another server).
 *
 * Every SLOT is answered with an OBSERVATION: position, channels, task, backlog, and the energy that unfinished
 * tasks have cost since the last. HANDOVER and RECOVER for tasks of earlier slots follow. The DECISION comes
 * last: the new task's split and server, and the shares of bandwidth for everything sent in this slot.
 *
 * The core does not know the clock. After each event it says what it waits for, and when that is due by the
 * model: COMPUTE, SEND, WAIT, FOLLOW. Whoever drives it says when it has really ended. After the DECISION nothing
 * more comes from outside in a slot of virtual time, so its driver (device_queue_virtual) ends all that is due in
 * the slot, and then feeds END, which tells PASSED. In real time (device_queue_real) no END is fed.
 *
 * A device that misses a SLOT, or is given a slot number that does not follow, forgets its tasks. The
 * orchestrator counts them as lost. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_QUEUE_H
#define HANDOFF_MOBILE_NODE_DEVICE_QUEUE_H

#include "core/base/diag.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "core/model/station.h"
#include "mobile-node/device_messages.h"
#include "proto/message.h"

enum device_queue_event_kind {
    DEVICE_QUEUE_ON_MESSAGE,  /* SLOT, HANDOVER, RECOVER, DECISION, RESULT */
    DEVICE_QUEUE_ON_COMPUTED, /* the last COMPUTE has ended */
    DEVICE_QUEUE_ON_SENT,     /* the last SEND has ended: the last bit has arrived */
    DEVICE_QUEUE_ON_WAITED,   /* the last WAIT has ended */
    DEVICE_QUEUE_ON_STEP,     /* the last FOLLOW has ended */
    DEVICE_QUEUE_ON_CUT, /* the connection of the last SEND has closed; the next event sends the task again
                                 from its beginning, unless its server is lost by then */
    DEVICE_QUEUE_ON_END, /* the slot is over: tells PASSED */
};

/* What has ended but is not waited for any more changes nothing. */
struct device_queue_event {
    enum device_queue_event_kind kind;
    double now_s; /* seconds of the model since the episode's first SLOT; a SLOT alone may set them back */
    double
        way_s; /* RESULT: how long it was under way (device_queue_way_s); NAN: that is not known, and the time
                     that no other part of the task accounts for is taken */
    bool appends;                        /* the actions of the step before stay, in front of the new ones */
    const struct proto_message *message; /* borrowed for the call */
};

enum device_queue_action_kind {
    DEVICE_QUEUE_TELL, /* send `message` to the orchestrator */
    DEVICE_QUEUE_DELIVER, /* the task is at `server` now, as TASK `message` says. Whose SEND carries nothing sends it
                             now; where activations cross, it has gone behind the last of them */
    /* Each replaces the one of its kind that runs. */
    DEVICE_QUEUE_COMPUTE, /* run the layers of `work`, then feed COMPUTED. The same work again: its end has moved */
    DEVICE_QUEUE_SEND,   /* send `bits` and then the TASK `message` to `server`, then feed SENT */
    DEVICE_QUEUE_RATE,   /* the present SEND goes on at rate_bps; 0: it stands still */
    DEVICE_QUEUE_STOP,   /* stop the present SEND to `server` */
    DEVICE_QUEUE_WAIT,   /* feed WAITED */
    DEVICE_QUEUE_FOLLOW, /* feed STEP: the trace's rate changes then */
};

struct device_queue_action {
    enum device_queue_action_kind kind;
    uint32_t server;
    struct slot_id id; /* SEND: the task's slot, which names its link's draws */
    struct layer_work work;
    /* When it ends by the model, on the scale of now_s; it may be past. INFINITY: not as things stand. SEND and
     * RATE: when the last bit has left; losses, jitter and delay come on top. */
    double due_s;
    double bits, rate_bps;
    struct proto_message message; /* lists point into the core and live until its next step */
};

/* The core's own list, valid until its next step. */
struct device_queue_actions {
    size_t count;
    struct device_queue_action *list;
};

struct device_queue;

/* Borrows `world`; `number` is one of its devices. -ENOMEM. */
int device_queue_create(struct device_queue **ret_queue, const struct world *world, uint32_t number);
void device_queue_destroy(struct device_queue *queue);

/* A guest: what it brings to the next slots. */
void device_queue_set_own(struct device_queue *queue, const struct device_own *own);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and nothing changed; or -ENOMEM. */
int device_queue_step(struct device_queue *queue, const struct device_queue_event *event,
                      struct device_queue_actions *ret_actions, struct diag *diag);

/* How long a RESULT is under way by the model; 0 when its task is not here. */
double device_queue_way_s(struct device_queue *queue, const struct msg_result *result);

#endif
