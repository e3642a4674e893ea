/* One edge server in mode round, as a pure state machine. ALLOT says which tasks will come, and each one's share
 * of the server. A task is served from the moment it arrives. When each has been served or revoked, ADVANCED is
 * told.
 *
 *            ALLOT                            last COMPUTED or REVOKE
 *   IDLE ───────────► SERVING ──────────────────────────────────────────────────► IDLE
 *                     COMPUTE each TASK that arrives, RESULT each COMPUTED    ADVANCED
 *                     (early TASKs wait for their ALLOT)
 *
 * A prompt may come in chunks (chunks.h), a TASK each, in order. They are computed one after the other, each as
 * soon as it is there and the one before is done; the RESULT follows the last. It says what computing adds behind
 * the last one's arrival (edge_s), and what the whole server spent (busy_s).
 *
 * A TASK that brings a share was sent on by a device whose server was lost. It is served like the others, but no
 * ADVANCED waits for it. A server that the scenario slows down takes longer.
 *
 * Each task has its own share of the server (A10), so tasks do not queue in mode round: queue_s is 0, and the
 * order in which they arrive does not matter. */
#ifndef HANDOFF_EDGE_SERVER_SERVER_CORE_H
#define HANDOFF_EDGE_SERVER_SERVER_CORE_H

#include "core/base/diag.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "proto/message.h"

enum server_state { SERVER_IDLE, SERVER_SERVING };

enum server_event_kind {
    SERVER_ON_ALLOT,    /* message ALLOT */
    SERVER_ON_TASK,     /* message TASK */
    SERVER_ON_REVOKE,   /* message REVOKE */
    SERVER_ON_COMPUTED, /* the job of `device` in `round` ended; elapsed_s; a device has one at a time */
};

struct server_event {
    enum server_event_kind kind;
    uint32_t device;                     /* COMPUTED */
    uint64_t round;                      /* COMPUTED: of its COMPUTE action */
    double elapsed_s;                    /* COMPUTED: >= 0; virtual time: the model's duration */
    const struct proto_message *message; /* ALLOT, TASK, REVOKE; borrowed for the call */
};

enum server_action_kind {
    SERVER_DO_COMPUTE, /* run the layers of `work` for duration_s, then feed COMPUTED */
    SERVER_DO_ANSWER,  /* send the RESULT `message` of a task of slot `id` to `device` */
    SERVER_DO_TELL,    /* send `message` to the orchestrator */
};

struct server_action {
    enum server_action_kind kind;
    uint32_t device;        /* ANSWER */
    struct slot_id id;      /* ANSWER */
    struct layer_work work; /* COMPUTE */
    double duration_s;
    struct proto_message message;
};

/* The list is the core's own, at most devices + 1 long, and valid until the next step. COMPUTED has a second
 * list: a shell may walk a list of COMPUTE actions and feed each COMPUTED on the way. A COMPUTED whose task was
 * revoked meanwhile changes nothing. */
struct server_actions {
    size_t count;
    struct server_action *list;
};

struct server_core;

/* Borrows `world`; `number` is one of its servers. -ENOMEM. */
int server_core_create(struct server_core **ret_core, const struct world *world, uint32_t number);
void server_core_destroy(struct server_core *core);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and nothing changed. */
int server_core_step(struct server_core *core, const struct server_event *event,
                     struct server_actions *ret_actions, struct diag *diag);

#endif
