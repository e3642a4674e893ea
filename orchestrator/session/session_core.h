/* The orchestrator as a pure state machine: grants slots, gathers observations, asks the policy, hands out
 * decisions, gathers reports, makes rows. No clock, no socket, no file. Both hosts run this code.
 *
 *   START
 *     │ GRANT slot t                    all observations in,           all reports and
 *     ▼                                 and the last update done       ADVANCED in
 *   OBSERVING ──────────► LEARNING ───────────────────────► EXECUTING ───────────────┐
 *     ▲    (waits for LEARNED      DECISION to each device,   REPORT, ADVANCED       │ rows of the slot
 *     │     if an update runs)     ALLOT to each server, LEARN                       │
 *     └──────────────────────────────────────────────────────────────────────────────┘ next slot, or DONE
 *
 * The observation that closes an episode goes from LEARNING to the next episode's OBSERVING, or to DONE.
 *
 * Learning has a fixed delay in every host: decide(t+1) uses the weights after the update from transitions up
 * to t-1, and waits for that update. The update LEARN asks for may run while the slot is on the wire. The
 * episode of a policy that learns, or hears outcomes, is closed by one more observation
 * (observe_only), taken before anything is reset.
 *
 * Whoever takes part is decided anew for each slot: a node that is lost (PEER_LOST) is left out until it is
 * back (PEER_BACK), one that the scenario has down (core/model/faults) until the scenario says otherwise. The
 * scenario strikes once a slot is decided: a struck server gets no ALLOT, a struck device no DECISION, and
 * each task that cannot reach its server is told RECOVER behind its DECISION.
 *
 * A task whose server is lost goes on as faults.recovery says; in virtual time everything that the server did
 * in the slot is taken back, so that it does not matter when in the slot it was lost; in real time
 * (keeps_reports) what was reported before stays done.
 *
 * A session may begin with a later episode (first_episode): what went before it was played by another, and
 * the policy is as it was then.
 *
 * When every device is lost the session is abandoned: the slot gets its rows, the episode is closed, a
 * learner saves.
 *
 * The places of devices.guests count as lost from the start. A guest may wish for its own split, which takes the
 * place of the policy's.
 *
 * In queueing mode (session_queue.h) slots tick, and a task lives as long as it takes.
 *
 * A device that is lost during a slot loses its task of that slot, whatever of it has arrived: in OBSERVING
 * it takes no part, in EXECUTING its task gets a status that says so. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_CORE_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_CORE_H

#include "orchestrator/session/session.h"
#include "proto/message.h"

enum session_state { SESSION_NEW, SESSION_OBSERVING, SESSION_LEARNING, SESSION_EXECUTING, SESSION_DONE };

enum session_event_kind {
    SESSION_ON_START,
    SESSION_ON_MESSAGE, /* OBSERVATION, PASSED, REPORT, ADVANCED; the shell has checked that the sender owns the
                        number in it */
    SESSION_ON_LEARNED,   /* the update that LEARN started is done */
    SESSION_ON_PEER_LOST, /* device or server `number` */
    SESSION_ON_PEER_BACK, /* the same: it is here again, and takes part from the next slot */
    SESSION_ON_CONTINUE,  /* CONTINUE was executed */
};

struct session_event {
    enum session_event_kind kind;
    const struct proto_message *message;
    bool is_server;
    uint32_t number;
    bool keeps_reports; /* PEER_LOST of a server, real time: what was reported before it stays done */
    const char *why;    /* PEER_LOST: for the event row; borrowed until its EVENT action is executed */
};

enum session_action_kind {
    SESSION_DO_GRANT,       /* send the SLOT `message` to every mobile process */
    SESSION_DO_TELL_DEVICE, /* send `message` to device `number` */
    SESSION_DO_TELL_SERVER, /* send `message` to server `number` */
    SESSION_DO_LEARN,       /* run policy_update, then feed LEARNED */
    SESSION_DO_TASKS, /* hand `tasks`, rows of one slot in order of device, and their answers to the sinks */
    SESSION_DO_EPISODE,      /* hand core->episode_row to the sinks */
    SESSION_DO_EVENT,        /* hand `event` to the sinks */
    SESSION_DO_CHECKPOINT,   /* save the policy after episode `number`, whose EPISODE follows */
    SESSION_DO_AWAIT_DEVICE, /* the scenario brings device `number` back: GRANT must not overtake its return */
    SESSION_DO_AWAIT_SERVER, /* likewise */
    SESSION_DO_CONTINUE,     /* nobody has to say anything: feed CONTINUE, not within this step */
    SESSION_DO_FINISH,       /* the session is over */
};

struct session_action {
    enum session_action_kind kind;
    uint32_t number;
    union {
        struct proto_message
            message; /* GRANT, TELL; lists point into the core and live until the next slot is decided */
        struct {
            const struct db_task *row; /* [count], the core's own until the next slot is decided */
            size_t count;
            const struct db_answer
                *answer; /* [answers] of those that were finished, likewise; compute.kind model */
            size_t answers;
        } tasks; /* TASKS */
        struct db_event
            event; /* EVENT; its `detail` is borrowed from the PEER_LOST that led to it, or the core's */
    };
};

/* The core's own list, valid until its next step; in mode round at most SESSION_ACTIONS_PER_NODE (devices +
 * servers) + SESSION_ACTIONS_EXTRA long. */
#define SESSION_ACTIONS_PER_NODE 8u
#define SESSION_ACTIONS_EXTRA 10u
struct session_actions {
    size_t count, capacity;
    struct session_action *list;
};

struct session_core;

int session_core_create(struct session_core **ret_core, const struct session *session);
void session_core_destroy(struct session_core *core);

/* 0 and actions; or ERR_STATE / ERR_RANGE with a diagnosis, and nothing changed. */
int session_core_step(struct session_core *core, const struct session_event *event,
                      struct session_actions *ret_actions, struct diag *diag);

enum session_state session_core_state(const struct session_core *core);
/* The slot in progress, for progress bars, faults and deadlines in shells. */
struct slot_id session_core_slot(const struct session_core *core);
/* The row so far of the task that a device was given in a round; NULL: it is not in progress. For a shell that computes
 * its answer: the key, the tokens and the split are there. Borrowed until the next step. */
const struct db_task *session_core_task(const struct session_core *core, uint32_t device, uint64_t round);
const struct session_result *session_core_result(const struct session_core *core);
/* Still owed to the slot in progress: a shell's watchdog names these nodes. */
bool session_core_waits_for(const struct session_core *core, bool is_server, uint32_t number);

/* Executes one of the recording actions (TASKS, EPISODE, EVENT, CHECKPOINT) on the session's sinks, in
 * order: 0, or the first error. Others do nothing. */
int session_core_record(const struct session_core *core, const struct session_action *action,
                        double episode_wall_s);

#endif
