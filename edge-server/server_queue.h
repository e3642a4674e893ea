/* One edge server in queueing mode, as a pure state machine. It is a station (core/model/station) that serves
 * tasks first come first served, or all at once with equal shares. Tasks stay until they are done.
 *
 * ALLOT begins a slot, TASKs come at any time, and COMPUTED says that what the last COMPUTE named is done. END
 * asks how the server stands: ADVANCED. The core does not know the clock. In virtual time its driver
 * (server_queue_virtual) knows from ALLOT which tasks arrive when, lives through the slot, and feeds END at its
 * end. In real time (server_queue_real) END follows ALLOT at once, and tells of the slot before.
 *
 * A server that misses an ALLOT, or is given a slot number that does not follow, forgets its tasks. The
 * orchestrator has given them to others. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_QUEUE_H
#define HANDOFF_EDGE_SERVER_SERVER_QUEUE_H

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "proto/message.h"

/* Tasks at once: as many as an ALLOT can tell of (messages.def). */
#define SERVER_QUEUE_TASKS_MAX 100000u

enum server_queue_event_kind {
    SERVER_QUEUE_ON_MESSAGE, /* ALLOT, of which the lists are not read; TASK; REVOKE, which changes nothing here */
    SERVER_QUEUE_ON_COMPUTED, /* the last COMPUTE has ended; when its task was forgotten nothing changes */
    SERVER_QUEUE_ON_END,      /* tells ADVANCED */
};

struct server_queue_event {
    enum server_queue_event_kind kind;
    double now_s; /* seconds of the model since the episode's start; an ALLOT alone may set them back */
    bool appends; /* the actions of the step before stay, in front of the new ones */
    const struct proto_message *message; /* borrowed for the call */
};

enum server_queue_action_kind {
    SERVER_QUEUE_ANSWER, /* send the RESULT `message` to `device` */
    SERVER_QUEUE_TELL,   /* send `message` to the orchestrator */
    SERVER_QUEUE_COMPUTE, /* run the layers of `work`, then feed COMPUTED; replaces one that runs. The same work
                             again: its end has moved. With equal shares others, which end later, run as well */
};

struct server_queue_action {
    enum server_queue_action_kind kind;
    uint32_t device;
    struct slot_id id; /* ANSWER: the task's slot, which names its link's draws */
    struct layer_work work;
    double due_s;                 /* COMPUTE: when it ends by the model, on the scale of now_s; maybe past */
    struct proto_message message; /* lists point into the core and live until its next step */
};

/* The core's own list, valid until its next step. */
struct server_queue_actions {
    size_t count;
    struct server_queue_action *list;
};

struct server_queue;

/* Borrows `world`; `number` is one of its servers. -ENOMEM. */
int server_queue_create(struct server_queue **ret_queue, const struct world *world, uint32_t number);
void server_queue_destroy(struct server_queue *queue);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and nothing changed; or -ENOMEM. */
int server_queue_step(struct server_queue *queue, const struct server_queue_event *event,
                      struct server_queue_actions *ret_actions, struct diag *diag);

/* Would the step refuse this TASK? For a shell that holds `held` other TASKs back, and wants to hold this one
 * too: later its connection may be gone, and could not be refused. 0; ERR_RANGE: no such device or split;
 * ERR_STATE: too many tasks. */
int server_queue_check_task(const struct server_queue *queue, const struct msg_task *task, size_t held,
                            struct diag *diag);

#endif
