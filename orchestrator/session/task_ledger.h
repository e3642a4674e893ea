/* The ledger of open tasks: those that have been decided and whose slot's rows have not been handed out. A slot's
 * tasks are a block; blocks are in order of slots, a block's tasks in order of device. In mode round there is one block,
 * from a slot's decision to its end. Private to this folder.
 *
 * A block's memory is used again. Its rows stay as they are after it has left, until a later block needs the memory:
 * whoever records them has time until the next slot is decided. */
#ifndef HANDOFF_ORCHESTRATOR_SESSION_TASK_LEDGER_H
#define HANDOFF_ORCHESTRATOR_SESSION_TASK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/rows.h"

/* A task from its decision to the end of its slot's block. */
struct open_task {
    struct db_task *row; /* its block's */
    struct db_answer
        *answer; /* likewise; NULL: the ledger keeps none. It is known when the task is reported */
    uint64_t round;
    uint32_t at_server; /* where it is now; ENV_LOCAL: all of it runs on its device */
    uint32_t attempt;   /* RECOVERs told */
    bool ended;         /* reported, lost or expired */
    bool settled;       /* and counted */
    bool there;         /* its server was told that it comes; queueing mode: it has arrived there */
    bool orphan;        /* its server is lost: how it goes on is not said yet */
    bool awaited;       /* its REPORT is owed */
    /* Queueing mode: */
    bool sent;        /* nothing of it is left to be sent, though an old server may still pass it on */
    bool stays;       /* its device's trace has begun anew since: it is not handed over */
    bool passing;     /* it arrives at its server in this slot */
    double arrival_s; /* while passing */
    double joules;    /* told by its device so far */
    double server_j;  /* likewise by its server */
    double cost;      /* counted so far */
};

/* The tasks that were decided in one slot, in order of device. */
struct ledger_block {
    uint64_t round;
    uint32_t count, open;   /* open: not yet settled */
    struct open_task *task; /* [count], owned */
    struct db_task *row;    /* [count], owned */
    struct db_answer *
        answer; /* [count], owned; NULL: none are kept. Of tasks in order; when it leaves, of its finished tasks
                                 alone: [answers] */
    uint32_t answers;
};

struct task_ledger {
    /* [count] in order of slots; those from there to `held` have memory and no tasks; owned */
    struct ledger_block *block;
    size_t count, held, capacity;
    uint32_t tasks_max; /* of a block */
    bool keeps_answers; /* its tasks are really computed (compute.kind model) */
};

/* An empty ledger whose blocks have up to `tasks_max` tasks. */
void task_ledger_init(struct task_ledger *ret_ledger, uint32_t tasks_max, bool keeps_answers);
void task_ledger_finish(struct task_ledger *ledger);
/* Makes room for one more block, so that what left since the last call stays as it is. 0 or -ENOMEM. */
int task_ledger_reserve(struct task_ledger *ledger);

/* Begins the next block, for which room was reserved. */
void task_ledger_open(struct task_ledger *ledger, uint64_t round);
/* Another task of the newest block, with a row and nothing known. */
struct open_task *task_ledger_add(struct task_ledger *ledger);
/* Keeps the prompt of a guest's answer with it, in place of an earlier one; tokens 0: none. -ENOMEM. */
int task_ledger_keep_prompt(struct open_task *task, const uint32_t *token, size_t tokens);
/* Gathers the answers of a block's finished tasks at the beginning of its list: it is about to leave. */
void task_ledger_gather_answers(struct ledger_block *block);
/* The first blocks leave, all of whose tasks are settled. */
void task_ledger_leave(struct task_ledger *ledger, size_t blocks);

/* How many tasks there are. */
size_t task_ledger_tasks(const struct task_ledger *ledger);
/* The task that a device was given in a round; NULL: none that is still in the ledger. */
struct open_task *task_ledger_find(const struct task_ledger *ledger, uint64_t round, uint32_t device);

/* A place among all tasks, in order of slots and devices. Zeroed: before the first. */
struct ledger_place {
    size_t block; /* of the task that was last given */
    uint32_t next;
};
/* The next one; NULL: that was the last. */
static inline struct open_task *task_ledger_next(const struct task_ledger *ledger, struct ledger_place *place)
{
    while (place->block < ledger->count && place->next == ledger->block[place->block].count)
        *place = (struct ledger_place){.block = place->block + 1};
    return place->block < ledger->count ? &ledger->block[place->block].task[place->next++] : NULL;
}

#endif
