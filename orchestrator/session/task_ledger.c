#include "orchestrator/session/task_ledger.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"

void task_ledger_init(struct task_ledger *ret_ledger, uint32_t tasks_max, bool keeps_answers)
{
    assert(tasks_max > 0);
    *ret_ledger = (struct task_ledger){.tasks_max = tasks_max, .keeps_answers = keeps_answers};
}

/* A prompt is owned by the block that holds its answer, which nobody else can change. */
static void drop_prompt(struct db_answer *answer)
{
    free((void *) (uintptr_t) answer->prompt);
    answer->prompt = NULL;
}

static void finish_block(struct ledger_block *block, uint32_t tasks_max)
{
    for (uint32_t i = 0; block->answer != NULL && i < tasks_max; i++)
        drop_prompt(&block->answer[i]);
    free(block->task);
    free(block->row);
    free(block->answer);
    *block = (struct ledger_block){0};
}

void task_ledger_finish(struct task_ledger *ledger)
{
    for (size_t b = 0; b < ledger->held; b++)
        finish_block(&ledger->block[b], ledger->tasks_max);
    free(ledger->block);
    *ledger = (struct task_ledger){0};
}

int task_ledger_reserve(struct task_ledger *ledger)
{
    if (ledger->count < ledger->held)
        return 0;
    if (array_reserve(&ledger->block, &ledger->capacity, ledger->held + 1) != 0)
        return -ENOMEM;
    struct ledger_block block = {
        .task = calloc(ledger->tasks_max, sizeof *block.task),
        .row = calloc(ledger->tasks_max, sizeof *block.row),
        .answer = ledger->keeps_answers ? calloc(ledger->tasks_max, sizeof *block.answer) : NULL,
    };
    if (block.task == NULL || block.row == NULL || (ledger->keeps_answers && block.answer == NULL)) {
        finish_block(&block, ledger->tasks_max);
        return -ENOMEM;
    }
    ledger->block[ledger->held++] = block;
    return 0;
}

void task_ledger_open(struct task_ledger *ledger, uint64_t round)
{
    assert(ledger->count < ledger->held);
    assert(ledger->count == 0 || ledger->block[ledger->count - 1].round < round);
    struct ledger_block *block = &ledger->block[ledger->count++];
    for (uint32_t i = 0; block->answer != NULL && i < ledger->tasks_max; i++)
        drop_prompt(&block->answer[i]);
    block->round = round;
    block->count = block->open = block->answers = 0;
}

struct open_task *task_ledger_add(struct task_ledger *ledger)
{
    assert(ledger->count > 0);
    struct ledger_block *block = &ledger->block[ledger->count - 1];
    assert(block->count < ledger->tasks_max && block->open == block->count);
    struct open_task *task = &block->task[block->count];
    *task = (struct open_task){
        .row = &block->row[block->count],
        .answer = block->answer != NULL ? &block->answer[block->count] : NULL,
        .round = block->round,
    };
    block->open = ++block->count;
    return task;
}

int task_ledger_keep_prompt(struct open_task *task, const uint32_t *token, size_t tokens)
{
    uint32_t *prompt = tokens > 0 ? malloc(tokens * sizeof *prompt) : NULL;
    if (tokens > 0 && prompt == NULL)
        return -ENOMEM;
    drop_prompt(task->answer);
    if (prompt != NULL)
        memcpy(prompt, token, tokens * sizeof *prompt);
    task->answer->prompt = prompt;
    task->answer->prompt_tokens = (uint32_t) tokens;
    return 0;
}

void task_ledger_gather_answers(struct ledger_block *block)
{
    assert(block->open == 0 && block->answers == 0);
    for (uint32_t i = 0; i < block->count && block->answer != NULL; i++) {
        if (isnan(block->row[i].latency_s))
            continue;
        struct db_answer unfinished = block->answer[block->answers]; /* its prompt is still the block's */
        block->answer[block->answers++] = block->answer[i];
        if (block->answers - 1 != i)
            block->answer[i] = unfinished;
    }
}

void task_ledger_leave(struct task_ledger *ledger, size_t blocks)
{
    assert(blocks <= ledger->count);
    for (size_t i = 0; i < blocks; i++) { /* behind all that have memory: it is used again last */
        struct ledger_block block = ledger->block[0];
        assert(block.open == 0);
        memmove(ledger->block, ledger->block + 1, (ledger->held - 1) * sizeof *ledger->block);
        ledger->block[ledger->held - 1] = block;
    }
    ledger->count -= blocks;
}

size_t task_ledger_tasks(const struct task_ledger *ledger)
{
    size_t tasks = 0;
    for (size_t b = 0; b < ledger->count; b++)
        tasks += ledger->block[b].count;
    return tasks;
}

static struct open_task *find_in(const struct ledger_block *block, uint32_t device)
{
    if (device < block->count && block->row[device].device == device)
        return &block->task[device]; /* every device before it has a task */
    uint32_t low = 0, high = device < block->count ? device : block->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (block->row[middle].device < device)
            low = middle + 1;
        else
            high = middle;
    }
    return low < block->count && block->row[low].device == device ? &block->task[low] : NULL;
}

struct open_task *task_ledger_find(const struct task_ledger *ledger, uint64_t round, uint32_t device)
{
    for (size_t b = ledger->count; b > 0; b--)
        if (ledger->block[b - 1].round == round)
            return find_in(&ledger->block[b - 1], device);
    return NULL;
}
