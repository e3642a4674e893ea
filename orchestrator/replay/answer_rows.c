#include "orchestrator/replay/answer_rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

static int read_task(struct answer_rows *rows, struct diag *diag)
{
    int rc = store_tasks_next(rows->store, &rows->next_task, diag);
    rows->task_ahead = rc == 1;
    return rc < 0 ? rc : 0;
}

static int read_answer(struct answer_rows *rows, struct diag *diag)
{
    int rc = store_answers_next(rows->store, &rows->next_answer, diag);
    rows->answer_ahead = rc == 1;
    return rc < 0 ? rc : 0;
}

int answer_rows_open(struct answer_rows *ret_rows, struct store *store, int64_t run_id, struct diag *diag)
{
    *ret_rows = (struct answer_rows){.store = store};
    store_tasks_open(store, run_id);
    store_answers_open(store, run_id);
    int rc = read_task(ret_rows, diag);
    return rc == 0 ? read_answer(ret_rows, diag) : rc;
}

/* Below 0: the task's row comes before the answer's; 0: they are of the same task. */
static int compare_keys(const struct db_task *task, const struct db_answer *answer)
{
    if (task->episode != answer->episode)
        return task->episode < answer->episode ? -1 : 1;
    if (task->slot != answer->slot)
        return task->slot < answer->slot ? -1 : 1;
    return task->device == answer->device ? 0 : task->device < answer->device ? -1 : 1;
}

void answer_rows_finish(struct answer_rows *rows)
{
    free(rows->prompt);
}

/* The next answer is given, with a copy of its prompt: reading on takes the store's away. */
static int give_answer(struct answer_rows *rows, struct diag *diag)
{
    size_t tokens = rows->next_answer.prompt_tokens;
    rows->answer = rows->next_answer;
    if (rows->answer.prompt == NULL)
        return 0;
    int rc = array_reserve(&rows->prompt, &rows->prompt_capacity, tokens > 0 ? tokens : 1);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    memcpy(rows->prompt, rows->answer.prompt, tokens * sizeof *rows->prompt);
    rows->answer.prompt = rows->prompt;
    return 0;
}

int answer_rows_next(struct answer_rows *rows, struct diag *diag)
{
    int order = 0, rc = 0;
    if (rows->task_ahead && rows->answer_ahead)
        order = compare_keys(&rows->next_task, &rows->next_answer);
    rows->has_task = rows->task_ahead && order <= 0;
    rows->has_answer = rows->answer_ahead && order >= 0;
    if (rows->has_task) {
        rows->task = rows->next_task;
        rc = read_task(rows, diag);
    }
    if (rows->has_answer && rc == 0) {
        rc = give_answer(rows, diag);
        rc = rc != 0 ? rc : read_answer(rows, diag);
    }
    return rc != 0 ? rc : rows->has_task || rows->has_answer;
}
