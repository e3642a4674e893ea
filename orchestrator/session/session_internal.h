/* The state of the session's core, shared by the files of this folder and private to them. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_INTERNAL_H

#include "orchestrator/session/episode_stats.h"
#include "orchestrator/session/session_core.h"

struct task_ledger;

struct session_core {
    struct session session; /* as given; world and policy borrowed */
    enum session_state state;
    struct slot_id id;
    uint64_t round;
    bool closing;         /* the slot in progress is the observation that closes an episode */
    bool updating;        /* LEARN was asked for and LEARNED has not come */
    bool transition_open; /* the policy has decided, and not yet learned from it */
    bool outcome_due;     /* the policy has decided, and not yet heard the outcome */
    double reward;        /* of the last slot */
    /* Tasks finished since the last decision: [outcomes] of [outcome_capacity], which is N at least. In queueing
     * mode it is at least the number of tasks in the ledger. */
    struct policy_outcome *outcome;
    size_t outcomes, outcome_capacity;

    bool *device_alive;    /* [N] takes part in the slot: neither lost nor down by the scenario */
    bool *server_alive;    /* [M] */
    bool *device_lost;     /* [N] really lost, not by the scenario */
    bool *server_lost;     /* [M] */
    bool *device_back;     /* [N] lost, and here again: takes part from the next slot */
    bool *server_back;     /* [M] */
    uint32_t *at_server;   /* [N] where the task in progress is now; ENV_LOCAL: at its device */
    uint32_t *attempt;     /* [N] RECOVERs told in this slot */
    bool *device_owes;     /* [N] an OBSERVATION or a REPORT */
    bool *server_owes;     /* [M] an ADVANCED */
    uint32_t owed;         /* how many nodes owe something */
    uint32_t devices_left; /* not lost, or back */
    bool stop_after_slot;

    struct env_view view;
    struct env_decision decision;
    bool *reported;                /* [N] */
    double *cost;                  /* [N] of reported tasks */
    enum db_task_status *status;   /* [N] of the task when its report comes */
    uint32_t *load;                /* [M] */
    struct db_task *task;          /* [N] rows of the slot */
    struct db_episode episode_row; /* last finished episode */
    struct episode_stats stats;
    uint32_t *allot_device; /* [N] lists of the ALLOT messages, server after server */
    double *allot_share;    /* [N] */

    bool any_back;                 /* a node is back */
    bool any_attempt;              /* a device has been told RECOVER in this slot */
    struct session_action *action; /* [action_capacity] SESSION_ACTIONS_PER_NODE (N + M) + extra, or more */
    size_t action_capacity;
    struct session_result result;
    struct task_ledger *queue; /* queueing mode; NULL in mode round */
    int error;                 /* out of memory in this step */
    double cost_sum;           /* over done tasks, in order of slot and device */
    uint64_t done;
};

/* Every change of state. It must be one that session_core.h shows. */
void session_set_state(struct session_core *core, enum session_state next);
/* A node owes something from now on, or no longer: `owes` is its place in device_owes or server_owes. Both do
 * nothing when that is so already. */
void session_set_owed(struct session_core *core, bool *owes);
void session_clear_owed(struct session_core *core, bool *owes);
/* Does the task of the device reach the server to which it was sent, and is it there to send it? */
bool session_faults_takes(const struct session_core *core, uint32_t device, uint32_t server);
/* The slot is over: counts what was saved. */
void session_faults_end(struct session_core *core);
/* An event about no node. `detail` lives until its action is executed. */
void session_event_of_policy(struct session_core *core, enum db_event_kind kind, const char *detail,
                             struct session_actions *actions);
/* A task of device n, decided in `slot`, goes on elsewhere. */
struct session_move {
    enum db_event_action action;
    uint32_t from, to; /* servers; `to` ENV_LOCAL: its device does the rest */
};
void session_event_of_move(struct session_core *core, const struct db_task *row,
                           const struct session_move *move, struct session_actions *actions);
/* A task is finished: the policy will hear of it when it learns. `moved`: handed over to another server. */
void session_add_outcome(struct session_core *core, const struct db_task *row, bool moved);
/* Appends an action to the core's list. */
struct session_action *session_core_push(struct session_actions *actions, enum session_action_kind kind,
                                         uint32_t number);

/* ---- session_faults.c: nodes that go and come ---- */

/* A session that begins with a later episode: whom the one before it left down? */
void session_faults_resume(struct session_core *core);
/* A slot is about to be granted: who takes part in it? */
void session_faults_begin(struct session_core *core, struct session_actions *actions);
/* Will the scenario take the node down in the slot that has been decided? */
bool session_faults_strike(const struct session_core *core, bool is_server, uint32_t number);
/* The slot has been decided and told: whom the scenario strikes in it. */
void session_faults_strike_all(struct session_core *core, struct session_actions *actions);
/* Mode round: that, and what becomes of the tasks. */
void session_faults_execute(struct session_core *core, struct session_actions *actions);
/* PEER_LOST of a node that exists; false: no news. */
bool session_faults_lose(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions);
void session_faults_back(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions);

#endif
