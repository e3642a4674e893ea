/* The ledger of queueing mode: which tasks are in the system, in order of slots and devices. */
#include "orchestrator/session/task_ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_row.h"

double task_ledger_slot_s(const struct session_core *core)
{
    return core->session.world->scenario.run.slot_s;
}

uint32_t task_ledger_present_slot(const struct session_core *core)
{
    assert(!core->closing || core->id.slot > 0);
    return core->closing ? core->id.slot - 1 : core->id.slot;
}

void task_ledger_finish_block(struct ledger_block *block)
{
    free(block->task);
    free(block->row);
}

int session_queue_create(struct session_core *core)
{
    const struct world *world = core->session.world;
    struct task_ledger *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    core->queue = queue;
    queue->awaited = calloc(world->devices, sizeof *queue->awaited);
    queue->share = calloc((size_t) world->devices * world->servers, sizeof *queue->share);
    return queue->awaited == NULL || queue->share == NULL ? -ENOMEM : 0;
}

void session_queue_destroy(struct session_core *core)
{
    struct task_ledger *queue = core->queue;
    if (queue == NULL)
        return;
    for (size_t b = 0; b < queue->count; b++)
        task_ledger_finish_block(&queue->block[b]);
    for (size_t b = 0; b < queue->retired_count; b++)
        task_ledger_finish_block(&queue->retired[b]);
    free(queue->block);
    free(queue->retired);
    free(queue->awaited);
    free(queue->share);
    free(queue->list_device);
    free(queue->list_task);
    free(queue->list_tokens);
    free(queue->list_split);
    free(queue->list_arrival);
    free(queue);
    core->queue = NULL;
}

static size_t open_tasks(const struct task_ledger *queue)
{
    size_t open = 0;
    for (size_t b = 0; b < queue->count; b++)
        open += queue->block[b].count;
    return open;
}

static int reserve_lists(struct task_ledger *queue, size_t count)
{
    if (count <= queue->list_capacity)
        return 0;
    size_t capacity = array_capacity(queue->list_capacity, count);
    int rc = 0;
    array_resize(&queue->list_device, capacity, &rc);
    array_resize(&queue->list_task, capacity, &rc);
    array_resize(&queue->list_tokens, capacity, &rc);
    array_resize(&queue->list_split, capacity, &rc);
    array_resize(&queue->list_arrival, capacity, &rc);
    if (rc == 0)
        queue->list_capacity = capacity;
    return rc;
}

/* Before each step: memory for all actions, tasks and lists that it may add. */
int session_queue_reserve(struct session_core *core)
{
    struct task_ledger *queue = core->queue;
    const struct world *world = core->session.world;
    queue->retires = false;
    size_t nodes = (size_t) world->devices + world->servers;
    size_t tasks = open_tasks(queue) + world->devices;
    size_t wanted = SESSION_ACTIONS_PER_NODE * nodes + SESSION_ACTIONS_EXTRA + 3 * tasks + queue->count;
    int rc = reserve_lists(queue, tasks);
    rc = rc != 0 ? rc : array_reserve(&core->action, &core->action_capacity, wanted);
    rc = rc != 0 ? rc : array_reserve(&queue->block, &queue->capacity, queue->count + 1);
    rc = rc != 0 ? rc : array_reserve(&core->outcome, &core->outcome_capacity, core->outcomes + tasks);
    rc = rc != 0 ? rc : array_reserve(&queue->retired, &queue->retired_capacity, queue->count + 1);
    return rc;
}

struct open_task *task_ledger_find(struct task_ledger *queue, uint64_t round, uint32_t device,
                                   struct ledger_block **ret_block)
{
    for (size_t b = queue->count; b > 0; b--) {
        struct ledger_block *block = &queue->block[b - 1];
        if (block->round != round)
            continue;
        *ret_block = block;
        uint32_t low = 0, high = block->count;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (block->row[middle].device < device)
                low = middle + 1;
            else
                high = middle;
        }
        return low < block->count && block->row[low].device == device ? &block->task[low] : NULL;
    }
    return NULL;
}

struct db_task *task_ledger_row(const struct ledger_block *block, const struct open_task *task)
{
    assert(task >= block->task && task < block->task + block->count);
    return &block->row[task - block->task];
}

void task_ledger_each(struct session_core *core, struct session_actions *actions, task_ledger_work *work)
{
    struct task_ledger *queue = core->queue;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            work(core, &queue->block[b], &queue->block[b].task[i], actions);
}

void task_ledger_unawait(struct session_core *core, struct open_task *task, uint32_t device)
{
    if (!task->awaited)
        return;
    assert(core->queue->awaited[device] > 0 && core->owed > 0);
    task->awaited = false;
    core->queue->awaited[device]--;
    core->owed--;
}

void task_ledger_end_task(struct session_core *core, struct db_task *row, struct open_task *task,
                          enum db_task_status status)
{
    assert(!task->settled);
    task_ledger_unawait(core, task, row->device);
    task_row_lose(row, status);
    row->end_slot = task_ledger_present_slot(core);
    task->ended = true;
    task->orphan = task->passing = false;
}

int task_ledger_open_block(struct session_core *core)
{
    struct task_ledger *queue = core->queue;
    struct ledger_block block = {.round = core->round, .slot = core->id.slot};
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        block.count += env_has_task(&core->view, n) ? 1 : 0;
    block.open = block.count;
    block.task = calloc(block.count + 1, sizeof *block.task);
    block.row = calloc(block.count + 1, sizeof *block.row);
    if (block.task == NULL || block.row == NULL) {
        task_ledger_finish_block(&block);
        return -ENOMEM;
    }
    uint32_t i = 0;
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        if (!env_has_task(&core->view, n))
            continue;
        uint32_t server = core->decision.server[n];
        assert(server == ENV_LOCAL || server < core->session.world->servers);
        assert(core->decision.split[n] <= core->session.world->llm->layers);
        block.task[i].at_server = server;
        task_row_decide(&block.row[i++], &core->view, &core->decision, n);
    }
    assert(i == block.count && queue->count < queue->capacity);
    assert(queue->count == 0 || queue->block[queue->count - 1].round < block.round);
    queue->block[queue->count++] = block;
    return 0;
}
