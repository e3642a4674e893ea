/* A run's tasks with their answers, in order of episodes, slots and devices. It uses the store's readings of tasks and
 * of answers, of which there is one each at a time. */
#ifndef HANDOFF_ORCHESTRATOR_REPLAY_ANSWER_ROWS_H
#define HANDOFF_ORCHESTRATOR_REPLAY_ANSWER_ROWS_H

#include <stdbool.h>

#include "db/store.h"

struct answer_rows {
    struct store *store; /* borrowed */
    /* What came last. */
    bool has_task, has_answer; /* an answer without a task is of a damaged file */
    struct db_task task;
    struct db_answer answer;
    bool task_ahead, answer_ahead; /* read, and not yet given */
    struct db_task next_task;
    struct db_answer next_answer;
    uint32_t *prompt; /* [prompt_capacity] of `answer`; owned */
    size_t prompt_capacity;
};

/* Finish it also when this failed. */
int answer_rows_open(struct answer_rows *ret_rows, struct store *store, int64_t run_id, struct diag *diag);
void answer_rows_finish(struct answer_rows *rows);
/* 1: a task, its answer, or both; 0: that was the last; or an error. */
int answer_rows_next(struct answer_rows *rows, struct diag *diag);

#endif
