/* Mode round: the conversation of a slot. */
#include "orchestrator/session/session_round.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/model/cost.h"
#include "core/model/faults.h"

int session_round_create(struct session_core *core)
{
    core->cost = calloc(core->session.world->devices, sizeof *core->cost);
    core->reported = calloc(core->session.world->devices, sizeof *core->reported);
    if (core->cost == NULL || core->reported == NULL)
        return -ENOMEM;
    const struct world *world = core->session.world;
    if (!env_reserves(world))
        return 0;
    core->view.held = &core->held;
    size_t each = world->scenario.reserve.returns == RETURNS_STAGE ? RESERVED_KINDS : 1;
    return reservations_init(&core->held, world->servers, each * core->session.slots * world->devices);
}

void session_round_destroy(struct session_core *core)
{
    free(core->cost);
    free(core->reported);
    reservations_finish(&core->held);
}

/* ---- what tasks hold ---- */

static uint64_t name_of(const struct session_core *core, uint32_t n)
{
    return core->round * core->session.world->devices + n;
}

void session_round_grant(struct session_core *core)
{
    if (!env_reserves(core->session.world))
        return;
    core->view.start_s = arrivals_start_s(&core->arrivals, core->session.world, core->id);
    if (core->id.slot == 0) {
        reservations_clear(&core->held);
        waiting_outcomes_clear(&core->waiting);
    } else
        reservations_advance(&core->held, core->view.start_s);
}

/* Until somebody knows when they end. */
static void reserve_all(struct session_core *core)
{
    const struct env_decision *decision = &core->decision;
    for (uint32_t n = 0; env_reserves(core->session.world) && n < core->session.world->devices; n++) {
        const double part[RESERVED_KINDS] = {[RESERVED_COMPUTE] = decision->compute_share[n],
                                             [RESERVED_BAND] = decision->bandwidth_share[n],
                                             [RESERVED_MEMORY] = decision->memory_share[n]};
        if (decision->server[n] != ENV_LOCAL)
            reservations_take(&core->held, name_of(core, n), decision->server[n], part, (double) INFINITY);
    }
}

/* A task that is late is given up at its deadline. One that was lost holds nothing from the next slot on. With returns
 * stage its band comes back when its prompt has crossed, and its compute when its answer is made. */
static void release(struct session_core *core, const struct db_task *row)
{
    enum scenario_returns returns = core->session.world->scenario.reserve.returns;
    if (!env_reserves(core->session.world) || returns == RETURNS_OFF)
        return;
    double lasts_s = isnan(row->latency_s) ? 0.0 : row->latency_s;
    if (row->deadline_missed)
        lasts_s = row->deadline_s;
    double until_s[RESERVED_KINDS];
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        until_s[kind] = core->view.start_s + lasts_s;
    if (returns == RETURNS_STAGE && !isnan(row->latency_s)) {
        double sent_s = row->rate_bps > 0.0 ? 8.0 * row->payload_bytes / row->rate_bps : 0.0;
        double made_s = row->latency_s - cost_result_s(core->session.world, (uint32_t) row->server);
        until_s[RESERVED_BAND] = core->view.start_s + fmin(lasts_s, sent_s);
        until_s[RESERVED_COMPUTE] = core->view.start_s + fmin(lasts_s, fmax(made_s, sent_s));
    }
    reservations_end(&core->held, name_of(core, row->device), until_s);
}

/* ---- deciding ---- */

/* Does the task of the device reach the server to which it was sent, and is it there to send it? */
static bool arrives(const struct session_core *core, uint32_t n, uint32_t m)
{
    return core->view.present[n] && !faults_cut(core->session.world->faults, core->id, n, m) &&
           !session_faults_strike(core, &core->device[n]);
}

static void allot_server(struct session_core *core, uint32_t m, struct session_actions *actions)
{
    struct allot_lists *allot = &core->allot;
    size_t first = allot->used;
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        if (core->decision.server[n] == m && arrives(core, n, m)) {
            assert(allot->used < allot->capacity); /* a device has one server */
            core->ledger.block[0].task[n].there = true;
            allot->device[allot->used] = n;
            allot->share[allot->used++] = core->decision.compute_share[n];
        }
    size_t count = allot->used - first;
    struct msg_allot *message = session_tell_allot(core, m, count, actions);
    message->compute_share.data = allot->share + first;
    message->compute_share.count = count;
}

static void tell_allotments(struct session_core *core, struct session_actions *actions)
{
    core->allot.used = 0;
    for (uint32_t m = 0; m < core->session.world->servers; m++) {
        if (!core->server[m].alive || session_faults_strike(core, &core->server[m]))
            continue;
        session_owe(core, &core->server[m]);
        allot_server(core, m, actions);
    }
}

/* Whom the scenario strikes, and the tasks that do not reach their servers. */
static void strike(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->faults == NULL)
        return;
    session_faults_strike_all(core, actions);
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;) {
        uint32_t m = task->at_server;
        bool reaches = m == ENV_LOCAL ||
                       (core->server[m].alive && !faults_cut(world->faults, core->id, task->row->device, m));
        if (!reaches && !task->ended && !task->orphan && session_task_take_back(core, task, true))
            session_task_orphan(core, task);
    }
    session_tasks_recover(core, world->scenario.faults.detect_s, actions);
}

void session_round_begin(struct session_core *core, struct session_actions *actions)
{
    assert(core->ledger.count == 0 && core->owed == 0); /* one block at a time */
    env_allocate(&core->view, &core->decision, core->load);
    reserve_all(core);
    session_set_state(core, SESSION_EXECUTING);
    session_tasks_open(core);
    tell_allotments(core, actions);
    session_tasks_decisions(core, actions);
    strike(core, actions);
}

/* ---- the slot is over ---- */

void session_round_end(struct session_core *core, struct session_actions *actions)
{
    uint64_t done_before = core->done;
    bool any_refused = false;
    assert(core->ledger.count == 1 && core->owed == 0);
    struct ledger_block *block = &core->ledger.block[0];
    for (uint32_t n = 0; n < block->count; n++) {
        session_task_settle(core, block, &block->task[n]);
        bool is_refused = block->row[n].status == DB_TASK_REFUSED; /* it costs nothing, and gains nothing */
        core->reported[n] = is_refused || !isnan(block->row[n].latency_s);
        core->cost[n] = is_refused ? 0.0 : block->row[n].cost;
        any_refused = any_refused || is_refused;
        release(core, &block->row[n]);
    }
    core->reward = env_reward(core->cost, core->reported, block->count);
    core->stats.row.episode_return += core->reward;
    if (core->done == done_before &&
        !any_refused) /* every task was lost: 0 would pass for the best reward of all */
        core->transition_open = false;
    session_tasks_leave(core, actions);
    assert(core->ledger.count == 0);
}

/* ---- a device that is lost ---- */

void session_round_lose_device(struct session_core *core, uint32_t n, struct session_actions *actions)
{
    assert(!core->device[n].alive);
    struct open_task *task = task_ledger_find(&core->ledger, core->round, n);
    if (task == NULL)
        return; /* nothing has been decided */
    session_task_lose(core, task, DB_TASK_DEVICE_LOST);
    if (task->there && core->server[task->at_server].owes > 0)
        session_tell_revoke(core, task->at_server, n, actions);
}
