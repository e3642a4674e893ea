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

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct recorded_decisions *own = policy->state;
    const struct world *world = policy->world;
    for (uint32_t n = 0; n < world->devices; n++) {
        ret_decision->split[n] = world->llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
        ret_decision->repaired[n] = false;
        ret_decision->coding[n] = 0;
    }
    while (own->next < own->count && is_before(&own->row[own->next], view->id))
        own->next++;
    for (; own->next < own->count && is_of(&own->row[own->next], view->id); own->next++) {
        const struct recorded_decision *row = &own->row[own->next];
        assert(row->device < world->devices && row->server < (int32_t) world->servers); /* see append */
        bool local = row->server < 0 || row->split >= world->llm->layers;
        ret_decision->split[row->device] = local ? world->llm->layers : row->split;
        ret_decision->server[row->device] = local ? ENV_LOCAL : (uint32_t) row->server;
        ret_decision->repaired[row->device] = row->repaired;
        ret_decision->coding[row->device] = local ? 0 : row->coding;
    }
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
    decisions->row[decisions->count++] = (struct recorded_decision){
        task->episode, task->slot, task->device, task->split, task->server, task->repaired, task->coding};
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
