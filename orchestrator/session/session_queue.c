/* Queueing mode: the conversation of a slot. */
#include "orchestrator/session/session_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"

int session_queue_create(struct session_core *core)
{
    const struct world *world = core->session.world;
    core->share = calloc((size_t) world->devices * world->servers, sizeof *core->share);
    return core->share == NULL ? -ENOMEM : 0;
}

void session_queue_destroy(struct session_core *core)
{
    free(core->share);
}

/* ---- deciding ---- */

void session_queue_grant(struct session_core *core)
{
    core->serving = core->asked = false;
}

void session_queue_prepare(struct session_core *core, struct session_actions *actions)
{
    assert(core->owed == 0);
    session_set_state(core, SESSION_EXECUTING);
    session_queue_look(core);
    session_queue_move(core, actions);
}

void session_queue_begin(struct session_core *core, struct session_actions *actions)
{
    env_queue_allocate(&core->view, &core->decision, core->share, core->load);
    session_tasks_open(core);
    session_tasks_decisions(core, actions);
    for (uint32_t m = 0; m < core->session.world->servers; m++)
        if (!core->server[m].alive) /* a recorded decision may send there all the same */
            session_tasks_orphan(core, m, core->session.in_real_time);
    session_faults_strike_all(core, actions);
}

/* ---- servers ---- */

static void allot_server(struct session_core *core, uint32_t m, struct session_actions *actions)
{
    struct allot_lists *allot = &core->allot;
    size_t first = allot->used;
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;) {
        if (!task->passing || task->at_server != m)
            continue;
        assert(allot->used < allot->capacity); /* session_tasks_reserve counts all tasks */
        allot->device[allot->used] = task->row->device;
        allot->task[allot->used] = (uint32_t) task->round;
        allot->tokens[allot->used] = task->row->tokens;
        allot->split[allot->used] = task->row->split;
        allot->arrival_s[allot->used++] = task->arrival_s;
        task->there = true;
    }
    size_t count = allot->used - first;
    struct msg_allot *message = session_tell_allot(core, m, count, actions);
    message->task.data = allot->task + first;
    message->tokens.data = allot->tokens + first;
    message->split.data = allot->split + first;
    message->arrival_s.data = allot->arrival_s + first;
    message->task.count = message->tokens.count = message->split.count = message->arrival_s.count = count;
}

void session_queue_serve(struct session_core *core, struct session_actions *actions)
{
    assert(!core->serving && core->owed == 0);
    core->serving = true;
    core->allot.used = 0;
    for (uint32_t m = 0; m < core->session.world->servers; m++) {
        if (!core->server[m].alive)
            continue;
        session_owe(core, &core->server[m]);
        allot_server(core, m, actions);
    }
}

bool session_queue_asks(struct session_core *core, struct session_actions *actions)
{
    if (!core->session.in_real_time || core->asked)
        return false;
    core->asked = true;
    session_queue_serve(core, actions);
    core->serving = false;
    return core->owed > 0;
}

void session_queue_end(struct session_core *core)
{
    assert(core->serving && core->owed == 0);
    core->serving = false;
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        task->passing = false;
}

/* ---- messages ---- */

int session_queue_observation(struct session_core *core, const struct msg_observation *observation,
                              struct diag *diag)
{
    uint32_t n = (uint32_t) observation->device;
    if (observation->unsent_bits.count != core->session.world->servers ||
        observation->accrued_task.count != observation->accrued_j.count)
        return diag_fail(diag, ERR_RANGE, "OBSERVATION of device %u: its lists do not fit together", n);
    env_view_backlog(&core->view, n, observation->processor_s, observation->unsent_bits.data);
    for (size_t i = 0; i < observation->accrued_task.count; i++) {
        struct open_task *task = task_ledger_find(&core->ledger, observation->accrued_task.data[i], n);
        if (task != NULL && !task->ended)
            task->joules += observation->accrued_j.data[i];
    }
    for (size_t i = 0; i < observation->sent_task.count; i++) {
        struct open_task *task = task_ledger_find(&core->ledger, observation->sent_task.data[i], n);
        if (task != NULL)
            task->sent = true;
    }
    return 0;
}

static int check_passed(struct session_core *core, const struct msg_passed *passed, struct diag *diag)
{
    uint32_t n = (uint32_t) passed->device;
    size_t count = passed->task.count;
    if (core->state != SESSION_EXECUTING || core->serving || passed->round != core->round ||
        core->device[n].owes == 0)
        return diag_fail(diag, ERR_STATE, "PASSED of device %u for round %llu is not awaited", n,
                         (unsigned long long) passed->round);
    if (passed->server.count != count || passed->arrival_s.count != count)
        return diag_fail(diag, ERR_RANGE, "PASSED of device %u: its lists do not fit together", n);
    for (size_t i = 0; i < count; i++) {
        const struct open_task *task = task_ledger_find(&core->ledger, passed->task.data[i], n);
        if (passed->task.data[i] > core->round ||
            (task != NULL && !task->ended && (task->at_server != passed->server.data[i] || task->there)))
            return diag_fail(diag, ERR_STATE, "PASSED of device %u: its task of round %u was not to go there",
                             n, passed->task.data[i]);
    }
    return 0;
}

int session_queue_passed(struct session_core *core, const struct msg_passed *passed, struct diag *diag)
{
    uint32_t n = (uint32_t) passed->device;
    int rc = check_passed(core, passed, diag);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < passed->task.count; i++) {
        struct open_task *task = task_ledger_find(&core->ledger, passed->task.data[i], n);
        if (task == NULL || task->ended)
            continue; /* lost with its server, which its device was not told */
        task->passing = !task->orphan;
        task->arrival_s = passed->arrival_s.data[i];
    }
    session_answered(core, &core->device[n]);
    return 0;
}

static int check_advanced(const struct msg_advanced *advanced, struct diag *diag)
{
    if (advanced->accrued_device.count != advanced->accrued_task.count ||
        advanced->accrued_device.count != advanced->accrued_j.count ||
        advanced->served_device.count != advanced->served_task.count)
        return diag_fail(diag, ERR_RANGE, "ADVANCED of server %u: its lists do not fit together",
                         (unsigned) advanced->server);
    return 0;
}

int session_queue_advanced(struct session_core *core, const struct msg_advanced *advanced, struct diag *diag)
{
    int rc = check_advanced(advanced, diag);
    if (rc != 0)
        return rc;
    core->view.backlog_s[advanced->server] = advanced->backlog_s;
    for (size_t i = 0; i < advanced->accrued_device.count; i++) {
        struct open_task *task =
            task_ledger_find(&core->ledger, advanced->accrued_task.data[i], advanced->accrued_device.data[i]);
        if (task != NULL && !task->ended)
            task->server_j += advanced->accrued_j.data[i];
    }
    for (size_t i = 0; i < advanced->served_device.count && !core->session.in_real_time; i++) {
        struct open_task *task =
            task_ledger_find(&core->ledger, advanced->served_task.data[i], advanced->served_device.data[i]);
        if (task != NULL && !task->ended && !task->awaited && core->device[task->row->device].alive)
            session_task_await(core, task);
    }
    return 0;
}
