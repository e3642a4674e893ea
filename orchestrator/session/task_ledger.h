/* The ledger of queueing mode: the tasks that are in the system, shared by the session_queue files. A slot's tasks
 * are a block; blocks are in order of slots, a block's tasks in order of device. Private to this folder. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_TASK_LEDGER_H
#define HANDOFF_ORCHESTRATOR_SESSION_TASK_LEDGER_H

#include "orchestrator/session/session_internal.h"

/* A task from its decision to the end of its slot's block. Its row is beside it. */
struct open_task {
    uint32_t at_server; /* ENV_LOCAL: all of it runs on its device */
    uint32_t attempt;
    bool ended;       /* reported, lost or expired */
    bool settled;     /* and counted */
    bool there;       /* it has arrived at its server */
    bool sent;        /* nothing of it is left to be sent, though an old server may still pass it on */
    bool stays;       /* its device's trace has begun anew since: it is not handed over */
    bool passing;     /* it arrives there in this slot */
    bool orphan;      /* its server is lost: the next slot says how it goes on */
    bool awaited;     /* its server has finished it: its REPORT is owed */
    double arrival_s; /* while passing */
    double joules;    /* told by its device so far */
    double server_j;  /* likewise by its server */
    double cost;      /* counted so far */
};

/* The tasks that were decided in one slot, in order of device. */
struct ledger_block {
    uint64_t round;
    uint32_t slot, count, open; /* open: not yet settled */
    struct open_task *task;     /* [count], owned */
    struct db_task *row;        /* [count], owned */
};

struct task_ledger {
    bool serving;               /* of EXECUTING: devices have passed, servers have not advanced */
    bool asked;                 /* in real time: servers have been asked in this slot */
    struct ledger_block *block; /* [count] in order of slots; owned */
    size_t count, capacity;
    struct ledger_block *retired; /* rows that are being recorded; freed when a later step settles a slot */
    size_t retired_count, retired_capacity;
    bool retires;      /* in this step, whose actions point to them */
    uint32_t *awaited; /* [N] REPORTs owed after a RESULT */
    double *share;     /* [N][M] */
    /* Lists of the ALLOT messages, server after server; [list_capacity]. */
    uint32_t *list_device, *list_task, *list_tokens, *list_split;
    double *list_arrival;
    size_t list_capacity;
};

/* The task that a device was given in a round, and its block; NULL: none that is still in the ledger. */
struct open_task *task_ledger_find(struct task_ledger *queue, uint64_t round, uint32_t device,
                                   struct ledger_block **ret_block);
struct db_task *task_ledger_row(const struct ledger_block *block, const struct open_task *task);

typedef void task_ledger_work(struct session_core *core, struct ledger_block *block, struct open_task *task,
                              struct session_actions *actions);
/* Calls `work` for every task in the ledger, in order of slots and devices. */
void task_ledger_each(struct session_core *core, struct session_actions *actions, task_ledger_work *work);

/* Enters the tasks that have been decided in this slot. -ENOMEM. */
int task_ledger_open_block(struct session_core *core);
void task_ledger_finish_block(struct ledger_block *block);
/* The task's REPORT is owed no longer. */
void task_ledger_unawait(struct session_core *core, struct open_task *task, uint32_t device);
/* The task has ended without a REPORT. `status`: DB_TASK_EXPIRED, DB_TASK_SERVER_LOST, DB_TASK_DEVICE_LOST. */
void task_ledger_end_task(struct session_core *core, struct db_task *row, struct open_task *task,
                          enum db_task_status status);
double task_ledger_slot_s(const struct session_core *core);
/* The slot in which something happens now: the closing observation is none of its own. */
uint32_t task_ledger_present_slot(const struct session_core *core);

#endif
