/* The state of the session's core, shared by the files of this folder and private to them. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_SESSION_INTERNAL_H
#define HANDOFF_ORCHESTRATOR_SESSION_SESSION_INTERNAL_H

#include <assert.h>

#include "core/model/arrivals.h"
#include "orchestrator/session/episode_stats.h"
#include "orchestrator/session/session_core.h"
#include "orchestrator/session/task_ledger.h"
#include "orchestrator/session/waiting_outcomes.h"

/* A device or a server, as the session knows it. */
struct session_node {
    bool is_server;
    uint32_t number;
    bool alive;    /* takes part in the slot: neither lost nor down by the scenario */
    bool lost;     /* really lost, not by the scenario */
    bool back;     /* lost, and here again: takes part from the next slot */
    uint32_t owes; /* answers: an OBSERVATION, a PASSED, an ADVANCED, REPORTs that are awaited */
};

/* Lists of the ALLOT messages, server after server. */
struct allot_lists {
    uint32_t *device;                /* [capacity] */
    double *share;                   /* [capacity] mode round */
    uint32_t *task, *tokens, *split; /* [capacity] queueing mode */
    double *arrival_s;               /* [capacity] likewise */
    size_t used, capacity;
};

struct session_core {
    struct session session; /* as given; world and policy borrowed */
    enum session_state state;
    struct slot_id id;
    uint64_t round;
    bool closing;         /* the slot in progress is the observation that closes an episode */
    bool updating;        /* LEARN was asked for and LEARNED has not come */
    bool transition_open; /* the policy has decided, and not yet learned from it */
    bool outcome_due;     /* the policy has decided, and not yet heard the outcome */
    bool stop_after_slot;
    double reward; /* of the last slot */
    /* Tasks finished since the last decision: [outcomes] of [outcome_capacity], at least the ledger's tasks. */
    struct policy_outcome *outcome;
    size_t outcomes, outcome_capacity;

    struct session_node *device; /* [N], and behind them */
    struct session_node *server; /* [M], in one array: owned by `device` */
    uint32_t owed;               /* by all of them */
    uint32_t devices_left;       /* not lost, or back */
    bool any_back;               /* a node is back */

    struct env_view view;
    struct env_decision decision;
    struct reservations held; /* of servers, where tasks reserve; else of none */
    struct arrivals_walk arrivals;
    struct waiting_outcomes waiting; /* where tasks reserve, and end later than their slot */
    uint32_t *wish;                  /* [N] of the slot's OBSERVATIONs; NULL: the session has no guests */
    uint32_t *load;                  /* [M] */
    struct task_ledger ledger;
    struct allot_lists allot;
    double *cost;   /* [N] mode round: of the slot's tasks */
    bool *reported; /* [N] likewise */

    bool is_queue; /* queueing mode, with all that follows */
    bool serving;  /* of EXECUTING: devices have passed, servers have not advanced */
    bool asked;    /* in real time: servers have been asked in this slot */
    double *share; /* [N][M] of the band */

    struct db_episode episode_row; /* last finished episode */
    struct episode_stats stats;
    bool sums_up;                  /* a sink takes rows of episodes */
    struct session_action *action; /* [action_capacity] SESSION_ACTIONS_PER_NODE (N + M) + extra, or more */
    size_t action_capacity;
    struct session_result result;
    double cost_sum; /* over done tasks, in order of slot and device */
    int meter_code;  /* not 0: the session's meter could not measure, and the session ends */
    uint64_t done;
};

/* The node owes one answer more, or one less. */
static inline void session_owe(struct session_core *core, struct session_node *node)
{
    node->owes++;
    core->owed++;
}
static inline void session_answered(struct session_core *core, struct session_node *node)
{
    assert(node->owes > 0 && core->owed > 0);
    node->owes--;
    core->owed--;
}

/* Appends an action to the core's list. */
static inline struct session_action *session_core_push(struct session_actions *actions,
                                                       enum session_action_kind kind, uint32_t number)
{
    assert(actions->count < actions->capacity);
    struct session_action *action = &actions->list[actions->count++];
    action->kind = kind;
    action->number = number;
    return action;
}

/* A message to a device or server, with its id set. */
static inline struct proto_message *session_tell(const struct session_node *node, enum proto_id id,
                                                 struct session_actions *actions)
{
    enum session_action_kind kind = node->is_server ? SESSION_DO_TELL_SERVER : SESSION_DO_TELL_DEVICE;
    struct proto_message *message = &session_core_push(actions, kind, node->number)->message;
    message->id = id;
    return message;
}

/* ---- session_core.c: the conversation of both modes ---- */

/* Every change of state. It must be one that session_core.h shows. */
void session_set_state(struct session_core *core, enum session_state next);
/* ALLOT to a server: the slot, and the last `count` of the lists' devices. */
struct msg_allot *session_tell_allot(struct session_core *core, uint32_t server, size_t count,
                                     struct session_actions *actions);
/* REVOKE: the server is not to wait for the device. */
void session_tell_revoke(struct session_core *core, uint32_t server, uint32_t device,
                         struct session_actions *actions);

/* ---- session_tasks.c: what becomes of tasks, in both modes ---- */

/* Memory for what the next step may add: actions, tasks, lists. -ENOMEM: the step must not be taken. */
int session_tasks_reserve(struct session_core *core);
/* Of outcomes that are not heard yet alone: where tasks reserve, those of earlier slots may wait. */
int session_tasks_reserve_outcomes(struct session_core *core);
void session_tasks_destroy(struct session_core *core);
/* The tasks that have been decided in this slot enter the ledger. In mode round every device has one, lost where it is
 * absent. */
void session_tasks_open(struct session_core *core);
/* DECISION to every device that is there to hear it. */
void session_tasks_decisions(struct session_core *core, struct session_actions *actions);
/* Its REPORT is owed. */
void session_task_await(struct session_core *core, struct open_task *task);
int session_tasks_report(struct session_core *core, const struct msg_report *report, struct diag *diag);
/* The task has ended without a REPORT. `status`: DB_TASK_EXPIRED, DB_TASK_SERVER_LOST, DB_TASK_DEVICE_LOST. */
void session_task_lose(struct session_core *core, struct open_task *task, enum db_task_status status);
/* What was reported of it in this slot is taken back, unless it is kept; so is all that its server has done for it.
 * What was reported before this slot stays done. False: it has ended. */
bool session_task_take_back(struct session_core *core, struct open_task *task, bool keeps_reports);
/* The tasks of a server that is lost end, or are orphans. */
void session_tasks_orphan(struct session_core *core, uint32_t server, bool keeps_reports);
/* That is said of one task. */
void session_task_orphan(struct session_core *core, struct open_task *task);
/* Orphans go on elsewhere, not before `after_s`. */
void session_tasks_recover(struct session_core *core, double after_s, struct session_actions *actions);
/* Where tasks reserve: the outcomes of those that have ended by the slot's start, or all at an episode's end, are the
 * policy's to hear. */
void session_tasks_hear(struct session_core *core);
/* A task that has ended is counted, and the policy will hear of it. */
void session_task_settle(struct session_core *core, struct ledger_block *block, struct open_task *task);
/* Rows go out in order of slots: a slot's when its last task is settled and those of every earlier one have left. */
void session_tasks_leave(struct session_core *core, struct session_actions *actions);

/* ---- session_faults.c: nodes that go and come ---- */

/* A session that begins with a later episode: whom the one before it left down? */
void session_faults_resume(struct session_core *core);
/* A slot is about to be granted: who takes part in it? */
void session_faults_begin(struct session_core *core, struct session_actions *actions);
/* Will the scenario take the node down in the slot that has been decided? */
bool session_faults_strike(const struct session_core *core, const struct session_node *node);
/* The slot has been decided and told: whom the scenario strikes in it. */
void session_faults_strike_all(struct session_core *core, struct session_actions *actions);
/* PEER_LOST of a node that exists; false: no news. */
bool session_faults_lose(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions);
void session_faults_back(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions);
/* An event about no node. `detail` lives until its action is executed. */
void session_event_of_policy(struct session_core *core, enum db_event_kind kind, const char *detail,
                             struct session_actions *actions);
/* A task goes on elsewhere. */
struct session_move {
    enum db_event_action action;
    uint32_t from, to; /* servers; `to` ENV_LOCAL: its device does the rest */
};
void session_event_of_move(struct session_core *core, const struct db_task *row,
                           const struct session_move *move, struct session_actions *actions);

#endif
