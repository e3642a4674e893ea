/* What a slot of queueing mode has cost, and which rows are complete. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/model/cost.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_ledger.h"
#include "orchestrator/session/task_row.h"

static double start_s(const struct session_core *core, const struct ledger_block *block)
{
    return block->slot * task_ledger_slot_s(core);
}

/* Of a task that has not ended. */
static double accrued_cost(const struct session_core *core, const struct ledger_block *block,
                           const struct open_task *task, double now_s)
{
    const struct world *world = core->session.world;
    const struct db_task *row = task_ledger_row(block, task);
    double joules = task->joules + world->scenario.objective.server_energy * task->server_j;
    return cost_accrued(world, &world->device[row->device], row->tokens, now_s - start_s(core, block),
                        joules);
}

/* Unfinished at the episode's end: what it has cost so far, and its lateness. */
static void expire(struct session_core *core, struct ledger_block *block, struct open_task *task,
                   double now_s)
{
    const struct world *world = core->session.world;
    struct db_task *row = task_ledger_row(block, task);
    double seconds = now_s - start_s(core, block);
    assert(core->closing && seconds > 0.0);
    double cost = accrued_cost(core, block, task, now_s) + cost_lateness(&world->scenario, seconds);
    task_ledger_end_task(core, row, task, DB_TASK_EXPIRED);
    row->cost = cost;
    row->deadline_missed = cost_deadline_missed(&world->scenario, seconds);
}

static double settle_task(struct session_core *core, struct ledger_block *block, struct open_task *task,
                          double now_s)
{
    struct db_task *row = task_ledger_row(block, task);
    if (task->settled)
        return 0.0;
    if (!task->ended && core->closing)
        expire(core, block, task, now_s);
    double cost = row->cost; /* lost: NAN */
    if (!task->ended)
        cost = accrued_cost(core, block, task, now_s);
    double accrued = isnan(cost) ? 0.0 : cost - task->cost;
    task->cost += accrued;
    if (!task->ended)
        return accrued;
    assert(block->open > 0 && !task->awaited);
    task->settled = true;
    block->open--;
    bool done = !isnan(row->latency_s);
    core->cost_sum += done ? row->cost : 0.0;
    core->done += done ? 1 : 0;
    if (done)
        session_add_outcome(core, row, row->handovers > 0);
    core->result.tasks++;
    core->result.lost_tasks += done || row->status == DB_TASK_EXPIRED ? 0 : 1;
    core->result.recovered += row->status == DB_TASK_RECOVERED ? 1 : 0;
    core->result.reoffloaded += row->status == DB_TASK_REOFFLOADED ? 1 : 0;
    if (session_sinks_take_episodes(&core->session.sinks))
        episode_stats_add(&core->stats, row);
    return accrued;
}

/* Rows leave in order of slots: a slot's when its last task has ended and those of every earlier one have
 * left. */
static void emit(struct session_core *core, struct session_actions *actions)
{
    struct task_ledger *queue = core->queue;
    for (size_t b = 0; b < queue->retired_count && !queue->retires; b++)
        task_ledger_finish_block(&queue->retired[b]);
    queue->retired_count = queue->retires ? queue->retired_count : 0;
    queue->retires = true; /* a session that is abandoned settles two slots in a step */
    size_t whole = 0;
    while (whole < queue->count && queue->block[whole].open == 0) {
        struct ledger_block *block = &queue->block[whole++];
        if (core->session.record_tasks && block->count > 0) {
            struct session_action *action = session_core_push(actions, SESSION_DO_TASKS, 0);
            action->tasks.row = block->row;
            action->tasks.count = block->count;
        }
        assert(queue->retired_count < queue->retired_capacity);
        queue->retired[queue->retired_count++] = *block;
    }
    queue->count -= whole;
    memmove(queue->block, queue->block + whole, queue->count * sizeof *queue->block);
}

void session_queue_settle(struct session_core *core, struct session_actions *actions)
{
    struct task_ledger *queue = core->queue;
    assert(core->state == SESSION_LEARNING);
    assert(core->id.slot > 0 || queue->count == 0); /* an episode begins with an empty ledger */
    if (core->id.slot == 0)
        return;
    double now_s = core->id.slot * task_ledger_slot_s(core), sum = 0.0;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            sum += settle_task(core, &queue->block[b], &queue->block[b].task[i], now_s);
    core->reward = -sum / core->session.world->devices;
    core->stats.row.episode_return += core->reward;
    emit(core, actions);
    assert(!core->closing || queue->count == 0); /* what was unfinished has expired */
}
