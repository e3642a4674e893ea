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
 * Virtual time: the core itself ends jobs. After the DECISION nothing more comes from outside in a slot. So the
 * core runs ahead to the slot's end, delivers what arrives in it, and tells PASSED. Real time (in_real_time):
 * the shell is told which jobs to begin, and says when they have ended.
 *
 * A device that misses a SLOT, or is given a slot number that does not follow, forgets its tasks. The
 * orchestrator counts them as lost. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_QUEUE_H
#define HANDOFF_MOBILE_NODE_DEVICE_QUEUE_H

#include "core/base/diag.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/station.h"
#include "proto/message.h"

enum device_queue_event_kind {
    DEVICE_QUEUE_ON_MESSAGE,  /* SLOT, HANDOVER, RECOVER, DECISION, RESULT */
    DEVICE_QUEUE_ON_COMPUTED, /* in_real_time: the last COMPUTE has ended */
    DEVICE_QUEUE_ON_SENT,     /* in_real_time: the last SEND has ended */
    DEVICE_QUEUE_ON_WAITED,   /* in_real_time: the last WAIT has ended */
    DEVICE_QUEUE_ON_STEP,     /* in_real_time: the last FOLLOW has ended */
    DEVICE_QUEUE_ON_CUT, /* in_real_time: the connection of the last SEND has closed; the next event sends the
                            task again from its beginning, unless its server is lost by then */
};

struct device_queue_event {
    enum device_queue_event_kind kind;
    double
        now_s; /* in_real_time: seconds of the model since the episode's first SLOT; virtual time: not read, but
                     for RESULT its finish_s */
    const struct proto_message *message; /* borrowed for the call */
};

enum device_queue_action_kind {
    DEVICE_QUEUE_TELL,    /* send `message` to the orchestrator */
    DEVICE_QUEUE_DELIVER, /* virtual time: send the TASK `message` to `server`, where it arrives in this slot */
    /* in_real_time */
    DEVICE_QUEUE_COMPUTE, /* feed COMPUTED after duration_s; replaces one that runs */
    DEVICE_QUEUE_SEND,    /* send `bits` and then the TASK `message` to `server`, then feed SENT */
    DEVICE_QUEUE_RATE,    /* the present SEND goes on at rate_bps; 0: it stands still */
    DEVICE_QUEUE_STOP,    /* stop the present SEND to `server` */
    DEVICE_QUEUE_WAIT,    /* feed WAITED after duration_s; replaces one that runs */
    DEVICE_QUEUE_FOLLOW, /* feed STEP after duration_s, when the trace's rate changes; replaces one that runs */
};

struct device_queue_action {
    enum device_queue_action_kind kind;
    uint32_t server;
    struct slot_id id; /* SEND: the task's slot, which names its link's draws */
    double duration_s, bits, rate_bps;
    struct proto_message message; /* lists point into the core and live until its next step */
};

/* The core's own list, valid until its next step. */
struct device_queue_actions {
    size_t count;
    struct device_queue_action *list;
};

struct device_queue;

/* Borrows `world`; `number` is one of its devices. -ENOMEM. */
int device_queue_create(struct device_queue **ret_queue, const struct world *world, uint32_t number,
                        bool in_real_time);
void device_queue_destroy(struct device_queue *queue);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and nothing changed; or -ENOMEM. */
int device_queue_step(struct device_queue *queue, const struct device_queue_event *event,
                      struct device_queue_actions *ret_actions, struct diag *diag);

#endif
