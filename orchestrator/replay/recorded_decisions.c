#include "orchestrator/replay/recorded_decisions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/err.h"

static bool is_before(const struct recorded_decision *row, struct slot_id id)
{
    return row->episode < id.episode || (row->episode == id.episode && row->slot < id.slot);
}

static bool is_of(const struct recorded_decision *row, struct slot_id id)
{
    return row->episode == id.episode && row->slot == id.slot;
}

struct recorded_decision recorded_decision_of(const struct db_task *task)
{
    return (struct recorded_decision){
        .episode = task->episode,
        .slot = task->slot,
        .device = task->device,
        .split = task->split,
        .server = task->server,
        .repaired = task->repaired,
        .coding = task->coding,
        .refused = task->status == DB_TASK_REFUSED,
        .compute = task->reserved_compute,
        .band = task->reserved_band,
        .memory = task->reserved_memory,
        .foreseen = {task->foreseen_s, task->foreseen_in_time, task->foreseen_gain},
    };
}

void recorded_decision_clear(uint32_t device, const struct world *world, struct env_decision *decision)
{
    decision->split[device] = world->llm->layers;
    decision->server[device] = ENV_LOCAL;
    decision->repaired[device] = false;
    decision->coding[device] = 0;
    decision->refused[device] = false;
}

void recorded_decision_enter(const struct recorded_decision *row, const struct world *world,
                             struct env_decision *decision)
{
    uint32_t n = row->device, layers = world->llm->layers;
    bool local = row->server < 0 || row->split >= layers || (uint32_t) row->server >= world->servers;
    assert(n < world->devices);
    decision->split[n] = local ? layers : row->split;
    decision->server[n] = local ? ENV_LOCAL : (uint32_t) row->server;
    decision->repaired[n] = row->repaired;
    decision->coding[n] = !local && row->coding < world->codings.count ? row->coding : 0;
    decision->refused[n] = row->refused;
    if (!env_reserves(world))
        return;
    decision->compute_share[n] = row->compute;
    decision->bandwidth_share[n] = row->band;
    decision->memory_share[n] = row->memory;
    decision->foreseen[n] = row->foreseen;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct recorded_decisions *own = policy->state;
    for (uint32_t n = 0; n < policy->world->devices; n++)
        recorded_decision_clear(n, policy->world, ret_decision);
    while (own->next < own->count && is_before(&own->row[own->next], view->id))
        own->next++;
    for (; own->next < own->count && is_of(&own->row[own->next], view->id); own->next++)
        recorded_decision_enter(&own->row[own->next], policy->world,
                                ret_decision); /* append has checked it */
}

static const struct policy_kind decided_kind = {
    .name = "decided",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "decides what was decided",
    .source = "the task table",
    .decide = decide,
};

static int append(struct recorded_decisions *decisions, size_t *capacity, const struct db_task *task,
                  struct diag *diag)
{
    const struct world *world = decisions->policy.world;
    if (task->device >= world->devices || task->server >= (int32_t) world->servers)
        return diag_fail(diag, ERR_CORRUPT, "episode %u, slot %u: device %u or server %d does not exist",
                         task->episode, task->slot, task->device, task->server);
    if (task->coding >= world->codings.count)
        return diag_fail(diag, ERR_CORRUPT, "episode %u, slot %u: device %u has coding %u of %u",
                         task->episode, task->slot, task->device, task->coding, world->codings.count);
    int rc = array_reserve(&decisions->row, capacity, decisions->count + 1);
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    decisions->row[decisions->count++] = recorded_decision_of(task);
    return 0;
}

int recorded_decisions_load(struct recorded_decisions *ret_decisions, const struct world *world,
                            struct store *store, int64_t run_id, struct diag *diag)
{
    struct db_task task;
    size_t capacity = 0;
    *ret_decisions = (struct recorded_decisions){.policy = {.kind = &decided_kind, .world = world}};
    ret_decisions->policy.state = ret_decisions;
    store_tasks_open(store, run_id);
    int rc = store_tasks_next(store, &task, diag);
    while (rc == 1) {
        rc = append(ret_decisions, &capacity, &task, diag);
        rc = rc != 0 ? rc : store_tasks_next(store, &task, diag);
    }
    return rc;
}

void recorded_decisions_finish(struct recorded_decisions *decisions)
{
    free(decisions->row);
    decisions->row = NULL;
}
