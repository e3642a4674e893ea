/* One mobile device in mode round, as a pure state machine: an event goes in, a bounded list of actions comes
 * out. It has no clock, no socket and no file, and draws from core/base/rng only. Both hosts, memory and TCP,
 * run this code.
 *
 *             SLOT                DECISION             COMPUTED            SENT              RESULT
 *   IDLE ───────────► OBSERVED ───────────► COMPUTING ──────────► SENDING ───────► WAITING ───────────► IDLE
 *     ▲  observation              layers 1..s      │   TASK to server       (server runs s+1..L)   report │
 *     └────────────────────────────────────────────┘ s = L: report at once ◄──────────────────────────────┘
 *
 * In chunks (chunks.h) COMPUTED of each but the last keeps it COMPUTING: it SENDs that chunk, and COMPUTEs the next
 * meanwhile. SENT tells of the last chunk alone. After a loss the prompt goes whole.
 *
 * SLOT is accepted in every state. It tells a device whose task was lost with its server to abandon the task.
 * Any other event out of its state is ERR_STATE, and the shell closes the connection that brought it.
 *
 * A task whose server is lost goes on when RECOVER says how. That depends on where the device is then:
 *
 *   COMPUTING, SENDING    What is under way ends first; then as from WAITING. With after_s = 0 (the loss was
 *                         noticed in real time) ABANDON what is being sent at once, and go on when all is computed.
 *   WAITING, IDLE         WAIT until after_s has passed since the task arrived (PAUSING). Then COMPUTE layers
 *                         s+1..L, or SEND the activations to another server.
 *
 * RECOVER may come in IDLE because in virtual time everything that a lost server did in the slot is taken back.
 * A RESULT from a server that was given up changes nothing. A device that is down in the scenario (faults.h)
 * says nothing. A TASK that will not be received is sent `undelivered`. */
#ifndef HANDOFF_MOBILE_NODE_DEVICE_CORE_H
#define HANDOFF_MOBILE_NODE_DEVICE_CORE_H

#include "core/base/diag.h"
#include "core/model/cost.h"
#include "core/model/device_slot.h"
#include "core/model/layer_work.h"
#include "core/model/world.h"
#include "mobile-node/device_messages.h"
#include "proto/message.h"

enum device_state {
    DEVICE_IDLE,
    DEVICE_OBSERVED,
    DEVICE_COMPUTING,
    DEVICE_SENDING,
    DEVICE_WAITING,
    DEVICE_PAUSING, /* its server is lost; the time until that is noticed passes */
};

enum device_event_kind {
    DEVICE_ON_SLOT,     /* message SLOT */
    DEVICE_ON_DECISION, /* message DECISION for this device */
    DEVICE_ON_COMPUTED, /* the compute job ended; elapsed_s */
    DEVICE_ON_SENT,     /* the task (its last chunk) has left; elapsed_s is its time on the link */
    DEVICE_ON_RESULT,   /* message RESULT for this device */
    DEVICE_ON_RECOVER,  /* message RECOVER for this device */
    DEVICE_ON_WAITED,   /* the pause is over */
};

struct device_event {
    enum device_event_kind kind;
    double now_s;     /* seconds since the slot's start, which is when its DECISION came */
    double elapsed_s; /* >= 0. COMPUTED, SENT: how long it really took; virtual time: the model's duration.
                         RESULT: virtual time: how long it took to come (now_s is when it was sent); real
                         time: 0 (now_s is when it came) */
    const struct proto_message *message; /* SLOT, DECISION, RESULT, RECOVER; borrowed for the call */
};

enum device_action_kind {
    DEVICE_DO_TELL,    /* send `message` to the orchestrator */
    DEVICE_DO_COMPUTE, /* run the layers of `work` for duration_s, then feed COMPUTED */
    DEVICE_DO_SEND, /* send the TASK `message` to `server` over a link that takes duration_s, then feed SENT */
    DEVICE_DO_WAIT,    /* let duration_s pass, then feed WAITED */
    DEVICE_DO_ABANDON, /* real time only: stop what is being sent */
};

struct device_action {
    enum device_action_kind kind;
    uint32_t server;   /* SEND */
    bool undelivered;  /* SEND: the scenario has cut the link, or the server is down: it is not received */
    bool more;         /* SEND: chunks will follow this one, and it is not told when it has left */
    double duration_s; /* COMPUTE, SEND, WAIT: the model's duration; SEND: with the wait for chunks ahead */
    struct layer_work work; /* COMPUTE */
    /* TELL, SEND. Lists point into the core and live until its next step. A TASK's payload is empty: the shell
     * knows how many bytes it sends. */
    struct proto_message message;
};

#define DEVICE_ACTIONS_MAX 3

struct device_actions {
    size_t count;
    struct device_action list[DEVICE_ACTIONS_MAX];
};

struct device_core {
    const struct world *world; /* borrowed; parameters of `number` and of all servers must be filled in */
    uint32_t number;           /* n */
    enum device_state state;
    uint64_t round;
    struct slot_id id;
    bool moving; /* mobility holds the state at `id` */
    struct mobility mobility;
    struct device_slot slot;
    struct device_own own; /* a guest's */
    struct task_plan plan; /* the decision, then as RECOVER changes it */
    double channel; /* condition of the channel, as decided: RECOVER does not change it, nor the task's row */
    struct task_times times;
    double rate_bps;
    double payload_bits;
    uint32_t chunks, computed; /* of the present attempt: how many there are; layers 1..s are done of */
    uint32_t packets;          /* that its chunks before the present one have taken */
    double free_s,
        arrived_s;           /* when the last one leaves the link free, and arrives, since the slot's start */
    double aired_s, ahead_s; /* the link's work: of chunks so far; of that, before the last was computed */
    double early_s;          /* the sum of ahead_s of all attempts */
    double server_busy_s;    /* as RESULT has it */
    double sent_s;           /* when the task arrived, seconds since the slot's start */
    double transfer_s;       /* of the last transfer */
    double up_s;             /* of all transfers; transmit_s is longer by the way of a RESULT */
    bool has_task;           /* DECISION has come in this slot */
    bool resumed;            /* layers s+1..L are being computed here */
    bool recovering;         /* RECOVER has come, and is not followed yet */
    struct msg_recover recover; /* the last; attempt 0: none in this slot */
    double extra_bits, extra_j; /* of transfers to lost servers */
};

/* Borrows `world`; `number` is one of its devices. */
void device_core_init(struct device_core *core, const struct world *world, uint32_t number);

/* A guest: what it brings to the next slots. */
void device_core_set_own(struct device_core *core, const struct device_own *own);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and neither state nor actions changed. */
int device_core_step(struct device_core *core, const struct device_event *event,
                     struct device_actions *ret_actions, struct diag *diag);

/* How long its task's RESULT takes to come, by the model. */
double device_core_down_s(const struct device_core *core);

/* For logs and refusals. Static storage. */
const char *device_state_name(enum device_state state);

#endif
