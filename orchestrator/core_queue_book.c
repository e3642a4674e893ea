/* The book of queueing mode: which tasks are in the system, in order of slots and devices. */
#include "orchestrator/core_queue_book.h"

#include <errno.h>
#include <stdlib.h>

#include "orchestrator/core_queue.h"
#include "orchestrator/task_row.h"

double queue_slot_s(const struct orch_core *core)
{
    return core->session.world->scenario.run.slot_s;
}

uint32_t queue_present_slot(const struct orch_core *core)
{
    return core->closing ? core->id.slot - 1 : core->id.slot;
}

void queue_block_finish(struct block *block)
{
    free(block->task);
    free(block->row);
}

int orch_queue_create(struct orch_core *core)
{
    const struct world *world = core->session.world;
    struct orch_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    core->queue = queue;
    queue->awaited = calloc(world->devices, sizeof *queue->awaited);
    queue->share = calloc((size_t) world->devices * world->servers, sizeof *queue->share);
    return queue->awaited == NULL || queue->share == NULL ? -ENOMEM : 0;
}

void orch_queue_destroy(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    if (queue == NULL)
        return;
    for (size_t b = 0; b < queue->count; b++)
        queue_block_finish(&queue->block[b]);
    for (size_t b = 0; b < queue->retired_count; b++)
        queue_block_finish(&queue->retired[b]);
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

static size_t open_tasks(const struct orch_queue *queue)
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

static int reserve_lists(struct orch_queue *queue, size_t count)
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
int orch_queue_reserve(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    const struct world *world = core->session.world;
    queue->retires = false;
    size_t nodes = (size_t) world->devices + world->servers;
    size_t tasks = open_tasks(queue) + world->devices;
    size_t wanted = ORCH_ACTIONS_PER_NODE * nodes + ORCH_ACTIONS_EXTRA + 2 * tasks + queue->count;
    int rc = reserve_lists(queue, 2 * tasks);
    if (rc == 0 && wanted > queue->action_capacity) {
        rc = grow(&core->action, 2 * wanted, sizeof *core->action);
        queue->action_capacity = rc == 0 ? 2 * wanted : queue->action_capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->capacity) {
        rc = grow(&queue->block, 2 * (queue->count + 1), sizeof *queue->block);
        queue->capacity = rc == 0 ? 2 * (queue->count + 1) : queue->capacity;
    }
    if (rc == 0 && core->reports + tasks > queue->report_capacity) {
        rc = grow(&core->report, 2 * (core->reports + tasks), sizeof *core->report);
        queue->report_capacity = rc == 0 ? 2 * (core->reports + tasks) : queue->report_capacity;
    }
    if (rc == 0 && queue->count + 1 > queue->retired_capacity) {
        rc = grow(&queue->retired, 2 * (queue->count + 1), sizeof *queue->retired);
        queue->retired_capacity = rc == 0 ? 2 * (queue->count + 1) : queue->retired_capacity;
    }
    return rc;
}

struct open_task *queue_find(struct orch_queue *queue, uint64_t round, uint32_t device,
                             struct block **ret_block)
{
    for (size_t b = queue->count; b > 0; b--) {
        struct block *block = &queue->block[b - 1];
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

struct db_task *queue_row(const struct block *block, const struct open_task *task)
{
    return &block->row[task - block->task];
}

void queue_each(struct orch_core *core, struct orch_actions *actions, queue_work *work)
{
    struct orch_queue *queue = core->queue;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            work(core, &queue->block[b], &queue->block[b].task[i], actions);
}

void queue_unawait(struct orch_core *core, struct open_task *task, uint32_t device)
{
    if (!task->awaited)
        return;
    task->awaited = false;
    core->queue->awaited[device]--;
    core->owed--;
}

void queue_end_task(struct orch_core *core, struct db_task *row, struct open_task *task, const char *status)
{
    queue_unawait(core, task, row->device);
    task_row_lose(row, status);
    row->end_slot = queue_present_slot(core);
    task->ended = true;
    task->orphan = task->passing = false;
}

int queue_open_block(struct orch_core *core)
{
    struct orch_queue *queue = core->queue;
    struct block block = {.round = core->round, .slot = core->id.slot};
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        block.count += env_has_task(&core->view, n) ? 1 : 0;
    block.open = block.count;
    block.task = calloc(block.count + 1, sizeof *block.task);
    block.row = calloc(block.count + 1, sizeof *block.row);
    if (block.task == NULL || block.row == NULL) {
        queue_block_finish(&block);
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
