/* The ledger of queueing mode: which tasks are in the system, in order of slots and devices. */
#include "orchestrator/session/task_ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_row.h"

double task_ledger_slot_s(const struct session_core *core)
{
    return core->session.world->scenario.run.slot_s;
}

uint32_t task_ledger_present_slot(const struct session_core *core)
{
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

static int grow(void *list, size_t count, size_t size)
{
    void **place = list;
    void *grown = realloc(*place, count * size);
    if (grown == NULL)
        return -ENOMEM;
    *place = grown;
    return 0;
}

static int reserve_lists(struct task_ledger *queue, size_t count)
{
    if (count <= queue->list_capacity)
        return 0;
    int rc = grow(&queue->list_device, count, sizeof *queue->list_device);
    rc = rc != 0 ? rc : grow(&queue->list_task, count, sizeof *queue->list_task);
    rc = rc != 0 ? rc : grow(&queue->list_tokens, count, sizeof *queue->list_tokens);
    rc = rc != 0 ? rc : grow(&queue->list_split, count, sizeof *queue->list_split);
    rc = rc != 0 ? rc : grow(&queue->list_arrival, count, sizeof *queue->list_arrival);
    queue->list_capacity = rc == 0 ? count : queue->list_capacity;
    return rc;
}

/* Before each step: room for whatever it may want to say and keep. */
int session_queue_reserve(struct session_core *core)
{
    struct task_ledger *queue = core->queue;
    const struct world *world = core->session.world;
    queue->retires = false;
    size_t nodes = (size_t) world->devices + world->servers;
    size_t tasks = open_tasks(queue) + world->devices;
    size_t wanted = SESSION_ACTIONS_PER_NODE * nodes + SESSION_ACTIONS_EXTRA + 2 * tasks + queue->count;
    int rc = reserve_lists(queue, 2 * tasks);
    if (rc == 0 && wanted > queue->action_capacity) {
        rc = grow(&core->action, 2 * wanted, sizeof *core->action);
        queue->action_capacity = rc == 0 ? 2 * wanted : queue->action_capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->capacity) {
        rc = grow(&queue->block, 2 * (queue->count + 1), sizeof *queue->block);
        queue->capacity = rc == 0 ? 2 * (queue->count + 1) : queue->capacity;
    }
    if (rc == 0 && core->outcomes + tasks > queue->outcome_capacity) {
        rc = grow(&core->outcome, 2 * (core->outcomes + tasks), sizeof *core->outcome);
        queue->outcome_capacity = rc == 0 ? 2 * (core->outcomes + tasks) : queue->outcome_capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->retired_capacity) {
        rc = grow(&queue->retired, 2 * (queue->count + 1), sizeof *queue->retired);
        queue->retired_capacity = rc == 0 ? 2 * (queue->count + 1) : queue->retired_capacity;
    }
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
    task->awaited = false;
    core->queue->awaited[device]--;
    core->owed--;
}

void task_ledger_end_task(struct session_core *core, struct db_task *row, struct open_task *task,
                          enum db_task_status status)
{
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
        block.task[i].at_server = core->decision.server[n];
        task_row_decide(&block.row[i++], &core->view, &core->decision, n);
    }
    queue->block[queue->count++] = block;
    return 0;
}
