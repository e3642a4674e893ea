/* Queueing mode: the conversation of a slot. */
#include "orchestrator/session/session_queue.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/err.h"
#include "core/model/faults.h"
#include "orchestrator/session/task_ledger.h"
#include "orchestrator/session/task_row.h"

uint32_t session_queue_awaited(const struct session_core *core, uint32_t device)
{
    return core->queue != NULL ? core->queue->awaited[device] : 0;
}

/* ---- deciding ---- */

static void tell_decisions(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    for (uint32_t n = 0; n < world->devices; n++) {
        bool told = core->view.present[n] && !session_faults_strike(core, false, n);
        core->device_owes[n] = told && !core->session.in_real_time;
        if (!told)
            continue;
        core->owed += core->device_owes[n] ? 1 : 0;
        bool local = core->decision.server[n] == ENV_LOCAL;
        struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_DEVICE, n)->message;
        message->id = PROTO_DECISION;
        message->decision = (struct msg_decision){
            .device = n,
            .round = core->round,
            .split = core->decision.split[n],
            .server = local ? PROTO_SERVER_NONE : core->decision.server[n],
            .bandwidth_share = core->decision.bandwidth_share[n],
            .compute_share = core->decision.compute_share[n],
            .share = {core->queue->share + (size_t) n * world->servers, world->servers},
        };
    }
}

void session_queue_grant(struct session_core *core)
{
    core->queue->serving = core->queue->asked = false;
}

void session_queue_prepare(struct session_core *core, struct session_actions *actions)
{
    assert(core->owed == 0);
    session_set_state(core, SESSION_EXECUTING);
    session_queue_look(core);
    session_queue_move(core, actions);
}

int session_queue_begin(struct session_core *core, struct session_actions *actions)
{
    env_queue_allocate(&core->view, &core->decision, core->queue->share, core->load);
    int rc = task_ledger_open_block(core);
    if (rc != 0)
        return rc;
    tell_decisions(core, actions);
    for (uint32_t m = 0; m < core->session.world->servers; m++)
        if (!core->server_alive[m]) /* a recorded decision may send there all the same */
            session_queue_lose_server(core, m);
    session_faults_strike_all(core, actions);
    return 0;
}

/* ---- servers ---- */

static void allot_server(struct session_core *core, uint32_t m, size_t *used, struct session_actions *actions)
{
    struct task_ledger *queue = core->queue;
    size_t first = *used;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            const struct db_task *row = &queue->block[b].row[i];
            if (!task->passing || task->at_server != m)
                continue;
            assert(*used < queue->list_capacity); /* session_queue_reserve counts all tasks */
            queue->list_device[*used] = row->device;
            queue->list_task[*used] = (uint32_t) queue->block[b].round;
            queue->list_tokens[*used] = row->tokens;
            queue->list_split[*used] = row->split;
            queue->list_arrival[(*used)++] = task->arrival_s;
            task->there = true;
        }
    size_t count = *used - first;
    struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_SERVER, m)->message;
    message->id = PROTO_ALLOT;
    message->allot = (struct msg_allot){
        .round = core->round,
        .device = {queue->list_device + first, count},
        .phase = (uint64_t) core->id.phase,
        .episode = core->id.episode,
        .slot = core->id.slot,
        .task = {queue->list_task + first, count},
        .tokens = {queue->list_tokens + first, count},
        .split = {queue->list_split + first, count},
        .arrival_s = {queue->list_arrival + first, count},
    };
}

void session_queue_serve(struct session_core *core, struct session_actions *actions)
{
    size_t used = 0;
    assert(!core->queue->serving && core->owed == 0);
    core->queue->serving = true;
    for (uint32_t m = 0; m < core->session.world->servers; m++) {
        core->server_owes[m] = core->server_alive[m];
        if (!core->server_owes[m])
            continue;
        core->owed++;
        allot_server(core, m, &used, actions);
    }
}

bool session_queue_asks(struct session_core *core, struct session_actions *actions)
{
    if (!core->session.in_real_time || core->queue->asked)
        return false;
    core->queue->asked = true;
    session_queue_serve(core, actions);
    core->queue->serving = false;
    return core->owed > 0;
}

bool session_queue_is_serving(const struct session_core *core)
{
    return core->queue->serving;
}

void session_queue_end(struct session_core *core)
{
    struct task_ledger *queue = core->queue;
    assert(queue->serving && core->owed == 0);
    queue->serving = false;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++)
            queue->block[b].task[i].passing = false;
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
        struct ledger_block *block;
        struct open_task *task = task_ledger_find(core->queue, observation->accrued_task.data[i], n, &block);
        if (task != NULL && !task->ended)
            task->joules += observation->accrued_j.data[i];
    }
    for (size_t i = 0; i < observation->sent_task.count; i++) {
        struct ledger_block *block;
        struct open_task *task = task_ledger_find(core->queue, observation->sent_task.data[i], n, &block);
        if (task != NULL)
            task->sent = true;
    }
    return 0;
}

static enum db_task_status status_of(const struct open_task *task)
{
    if (task->attempt == 0)
        return DB_TASK_DONE;
    return task->at_server == ENV_LOCAL ? DB_TASK_RECOVERED : DB_TASK_REOFFLOADED;
}

/* In real time a slot is granted here before its time has come. */
static uint32_t ended_in(const struct session_core *core, const struct db_task *row)
{
    double end = row->slot + floor(row->latency_s / task_ledger_slot_s(core)),
           last = task_ledger_present_slot(core);
    return (uint32_t) (end < last ? end : last);
}

int session_queue_report(struct session_core *core, const struct msg_report *report, struct diag *diag)
{
    uint32_t n = (uint32_t) report->device;
    struct ledger_block *block = NULL;
    struct open_task *task = task_ledger_find(core->queue, report->round, n, &block);
    if (task == NULL && report->round > core->round)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu is not awaited", n,
                         (unsigned long long) report->round);
    bool late = task == NULL || task->ended || task->orphan || report->attempt < task->attempt;
    if (late)
        return 0; /* lost or expired before it came, or its server was lost */
    if (report->attempt != task->attempt)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu: attempt %llu was not told", n,
                         (unsigned long long) report->round, (unsigned long long) report->attempt);
    /* In real time a task may have left as its HANDOVER came. */
    const uint32_t *at_server = core->session.in_real_time ? NULL : &task->at_server;
    int rc = task_row_check(core->session.world, report, at_server, diag);
    if (rc != 0)
        return rc;
    struct db_task *row = task_ledger_row(block, task);
    task_ledger_unawait(core, task, n);
    task_row_report(row, core->session.world, report);
    row->handovers = (uint32_t) report->handovers;
    row->status = status_of(task);
    row->end_slot = core->session.in_real_time ? ended_in(core, row) : task_ledger_present_slot(core);
    task->ended = true;
    return 0;
}

static int check_passed(struct session_core *core, const struct msg_passed *passed, struct diag *diag)
{
    uint32_t n = (uint32_t) passed->device;
    size_t count = passed->task.count;
    if (core->state != SESSION_EXECUTING || core->queue->serving || passed->round != core->round ||
        !core->device_owes[n])
        return diag_fail(diag, ERR_STATE, "PASSED of device %u for round %llu is not awaited", n,
                         (unsigned long long) passed->round);
    if (passed->server.count != count || passed->arrival_s.count != count)
        return diag_fail(diag, ERR_RANGE, "PASSED of device %u: its lists do not fit together", n);
    for (size_t i = 0; i < count; i++) {
        struct ledger_block *block;
        const struct open_task *task = task_ledger_find(core->queue, passed->task.data[i], n, &block);
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
        struct ledger_block *block;
        struct open_task *task = task_ledger_find(core->queue, passed->task.data[i], n, &block);
        if (task == NULL || task->ended)
            continue; /* lost with its server, which its device was not told */
        task->passing = !task->orphan;
        task->arrival_s = passed->arrival_s.data[i];
    }
    session_clear_owed(core, &core->device_owes[n]);
    return 0;
}

static int check_advanced(const struct session_core *core, const struct msg_advanced *advanced,
                          struct diag *diag)
{
    uint32_t m = (uint32_t) advanced->server;
    if (!core->server_owes[m] || advanced->round != core->round)
        return diag_fail(diag, ERR_STATE, "ADVANCED of server %u for round %llu is not awaited", m,
                         (unsigned long long) advanced->round);
    if (advanced->accrued_device.count != advanced->accrued_task.count ||
        advanced->accrued_device.count != advanced->accrued_j.count ||
        advanced->served_device.count != advanced->served_task.count)
        return diag_fail(diag, ERR_RANGE, "ADVANCED of server %u: its lists do not fit together", m);
    return 0;
}

int session_queue_advanced(struct session_core *core, const struct msg_advanced *advanced, struct diag *diag)
{
    int rc = check_advanced(core, advanced, diag);
    if (rc != 0)
        return rc;
    uint32_t m = (uint32_t) advanced->server;
    struct ledger_block *block;
    core->view.backlog_s[m] = advanced->backlog_s;
    for (size_t i = 0; i < advanced->accrued_device.count; i++) {
        struct open_task *task = task_ledger_find(core->queue, advanced->accrued_task.data[i],
                                                  advanced->accrued_device.data[i], &block);
        if (task != NULL && !task->ended)
            task->server_j += advanced->accrued_j.data[i];
    }
    for (size_t i = 0; i < advanced->served_device.count && !core->session.in_real_time; i++) {
        uint32_t n = advanced->served_device.data[i];
        struct open_task *task = n < core->session.world->devices
                                     ? task_ledger_find(core->queue, advanced->served_task.data[i], n, &block)
                                     : NULL;
        if (task == NULL || task->ended || task->awaited || !core->device_alive[n])
            continue;
        task->awaited = true;
        core->queue->awaited[n]++;
        core->owed++;
    }
    session_clear_owed(core, &core->server_owes[m]);
    return 0;
}
