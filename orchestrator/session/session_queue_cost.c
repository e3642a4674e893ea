/* What a slot of queueing mode has cost. */
#include <assert.h>
#include <math.h>

#include "core/model/cost.h"
#include "orchestrator/session/session_queue.h"

static double start_s(const struct session_core *core, const struct open_task *task)
{
    return task->row->slot * core->session.world->scenario.run.slot_s;
}

/* Of a task that has not ended. */
static double accrued_cost(const struct session_core *core, const struct open_task *task, double now_s)
{
    const struct world *world = core->session.world;
    double joules = task->joules + world->scenario.objective.server_energy * task->server_j;
    return cost_accrued(world, &world->device[task->row->device], task->row->tokens,
                        now_s - start_s(core, task), joules);
}

/* Unfinished at the episode's end: what it has cost so far, and its lateness. */
static void expire(struct session_core *core, struct open_task *task, double now_s)
{
    const struct scenario *scenario = &core->session.world->scenario;
    double seconds = now_s - start_s(core, task);
    assert(core->closing && seconds > 0.0);
    double cost = accrued_cost(core, task, now_s) + cost_lateness(scenario, seconds);
    session_task_lose(core, task, DB_TASK_EXPIRED);
    task->row->cost = cost;
    task->row->deadline_missed = cost_deadline_missed(scenario, seconds);
}

/* What the task has cost since it was last looked at. */
static double settle_task(struct session_core *core, struct ledger_block *block, struct open_task *task,
                          double now_s)
{
    if (task->settled)
        return 0.0;
    if (!task->ended && core->closing)
        expire(core, task, now_s);
    double cost = task->ended ? task->row->cost : accrued_cost(core, task, now_s); /* lost: NAN */
    double accrued = isnan(cost) ? 0.0 : cost - task->cost;
    task->cost += accrued;
    if (task->ended)
        session_task_settle(core, block, task);
    return accrued;
}

void session_queue_settle(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    struct task_ledger *ledger = &core->ledger;
    assert(core->state == SESSION_LEARNING);
    assert(core->id.slot > 0 || ledger->count == 0); /* an episode begins with an empty ledger */
    if (core->id.slot == 0)
        return;
    double now_s = core->id.slot * world->scenario.run.slot_s, sum = 0.0;
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(ledger, &place)) != NULL;)
        sum += settle_task(core, &ledger->block[place.block], task, now_s);
    core->reward = -sum / world->devices;
    core->stats.row.episode_return += core->reward;
    session_tasks_leave(core, actions);
    assert(!core->closing || ledger->count == 0); /* what was unfinished has expired */
}
