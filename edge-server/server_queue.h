/* One edge server in queueing mode, as a pure state machine. It is a station (core/model/station) that serves
 * tasks first come first served, or all at once with equal shares. Tasks stay until they are done.
 *
 * Virtual time: ALLOT says which tasks arrive in the slot. When each has come or been revoked, the server goes
 * through the slot in one step: arrivals in order of (time, device), a RESULT for each task that is finished,
 * then ADVANCED. ALLOT tells all that the server needs of a task. It waits for the TASK itself because the task
 * has to cross the link. It serves a revoked task too: how much of a lost device's task had arrived must not
 * matter.
 *
 * Real time (in_real_time): tasks come at any time, COMPUTED says that the next one is done, and an ALLOT
 * without tasks asks for ADVANCED.
 *
 * A server that misses an ALLOT, or is given a slot number that does not follow, forgets its tasks. The
 * orchestrator has given them to others. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_QUEUE_H
#define HANDOFF_EDGE_SERVER_SERVER_QUEUE_H

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/model/world.h"
#include "proto/message.h"

/* Tasks at once: as many as an ALLOT can tell of (messages.def). */
#define SERVER_QUEUE_TASKS_MAX 100000u

enum server_queue_event_kind {
    SERVER_QUEUE_ON_MESSAGE,  /* ALLOT, TASK, REVOKE */
    SERVER_QUEUE_ON_COMPUTED, /* in_real_time: the last COMPUTE has ended */
};

struct server_queue_event {
    enum server_queue_event_kind kind;
    double
        now_s; /* in_real_time: seconds of the model since the episode's first ALLOT; virtual time: not read */
    const struct proto_message *message; /* borrowed for the call */
};

enum server_queue_action_kind {
    SERVER_QUEUE_ANSWER,  /* send the RESULT `message` to `device` */
    SERVER_QUEUE_TELL,    /* send `message` to the orchestrator */
    SERVER_QUEUE_COMPUTE, /* in_real_time: feed COMPUTED after duration_s; replaces one that runs */
};

struct server_queue_action {
    enum server_queue_action_kind kind;
    uint32_t device;
    struct slot_id id; /* ANSWER: the task's slot, which names its link's draws */
    double duration_s;
    struct proto_message message; /* lists point into the core and live until its next step */
};

/* The core's own list, valid until its next step. */
struct server_queue_actions {
    size_t count;
    struct server_queue_action *list;
};

struct server_queue;

/* Borrows `world`; `number` is one of its servers. -ENOMEM. */
int server_queue_create(struct server_queue **ret_queue, const struct world *world, uint32_t number,
                        bool in_real_time);
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
