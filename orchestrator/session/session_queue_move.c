/* Tasks of queueing mode that change their place: handed over because their device has left a server's
 * coverage, recovered because their server is lost, given up because their device is. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/model/cost.h"
#include "core/model/faults.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_ledger.h"
#include "orchestrator/session/task_row.h"

static double task_work_s(const struct session_core *core, const struct db_task *row, uint32_t server)
{
    const struct world *world = core->session.world;
    assert(server < world->servers);
    return cost_edge_s(world, world->server[server].flops, 1.0, row->tokens, row->split);
}

/* ---- who goes where ---- */

static void add_coming(struct session_core *core, struct ledger_block *block, struct open_task *task,
                       struct session_actions *actions)
{
    (void) actions;
    const struct db_task *row = task_ledger_row(block, task);
    uint32_t m = task->at_server;
    if (task->ended || m == ENV_LOCAL || task->orphan)
        return;
    if (core->session.in_real_time) /* nobody says when it arrives: it has when nothing is left to be sent */
        task->there = task->sent;
    if (!task->there)
        core->view.coming_s[m] += task_work_s(core, row, m);
}

void session_queue_look(struct session_core *core)
{
    memset(core->view.coming_s, 0, core->session.world->servers * sizeof *core->view.coming_s);
    task_ledger_each(core, NULL, add_coming);
}

static uint32_t best_covered(const struct session_core *core, uint32_t n)
{
    const struct env_view *view = &core->view;
    uint32_t servers = core->session.world->servers, best = ENV_LOCAL;
    const double *gain = view->gain + (size_t) n * servers;
    for (uint32_t m = 0; m < servers; m++)
        if (view->covered[(size_t) n * servers + m] && (best == ENV_LOCAL || gain[m] > gain[best]))
            best = m;
    return best;
}

/* What the device has not sent to the old server yet. Counts the tasks that move. */
static uint32_t redirect(struct session_core *core, uint32_t n, const struct session_move *move,
                         struct session_actions *actions)
{
    struct task_ledger *queue = core->queue;
    uint32_t moved = 0;
    assert(move->from != move->to);
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            struct db_task *row = &queue->block[b].row[i];
            bool goes = row->device == n && task->at_server == move->from && !task->ended && !task->there &&
                        !task->sent && !task->orphan && !task->stays;
            if (!goes)
                continue;
            task->at_server = move->to;
            row->handovers++;
            moved++;
            session_event_of_move(core, row, move, actions);
        }
    return moved;
}

static bool any_stays(const struct session_core *core, uint32_t n, uint32_t from)
{
    const struct task_ledger *queue = core->queue;
    bool any = false;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count && !any; i++)
            any = queue->block[b].row[i].device == n && queue->block[b].task[i].at_server == from &&
                  queue->block[b].task[i].stays && !queue->block[b].task[i].ended;
    return any;
}

static void hand_over(struct session_core *core, uint32_t n, uint32_t from, struct session_actions *actions)
{
    static const enum db_event_action action_of[] = {
        [HANDOVER_RESTART] = DB_ACTION_RESTART,
        [HANDOVER_RESUME] = DB_ACTION_RESUME,
    };
    const struct world *world = core->session.world;
    const struct session_move move = {action_of[world->scenario.handover.policy], from,
                                      best_covered(core, n)};
    double *unsent = core->view.unsent_bits + (size_t) n * world->servers;
    if (move.to == ENV_LOCAL)
        return; /* nobody covers it: the transfer goes on as well as it can */
    uint32_t moved = redirect(core, n, &move, actions);
    if (moved == 0)
        return;
    if (!any_stays(core, n, from)) { /* else nobody knows how much of it goes */
        unsent[move.to] += unsent[from];
        unsent[from] = 0.0;
    }
    struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_DEVICE, n)->message;
    message->id = PROTO_HANDOVER;
    message->handover = (struct msg_handover){.device = n, .round = core->round, .from = from, .to = move.to};
    core->result.handovers += moved;
}

static void hand_over_all(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->scenario.handover.policy == HANDOVER_FINISH)
        return;
    for (uint32_t n = 0; n < world->devices; n++)
        for (uint32_t m = 0; m < world->servers && core->view.present[n]; m++) {
            size_t place = (size_t) n * world->servers + m;
            bool left = core->view.unsent_bits[place] > 0.0 && !core->view.covered[place];
            if (left && core->server_alive[m])
                hand_over(core, n, m, actions);
        }
}

/* ---- tasks whose server is lost ---- */

/* The server where the task is likely to be finished first; ENV_LOCAL: nobody covers its device. */
static uint32_t best_place(const struct session_core *core, const struct db_task *row)
{
    const struct world *world = core->session.world;
    uint32_t best = ENV_LOCAL, n = row->device;
    double best_s = (double) INFINITY;
    for (uint32_t m = 0; m < world->servers; m++) {
        size_t place = (size_t) n * world->servers + m;
        if (!core->view.covered[place] || !core->server_alive[m])
            continue;
        const struct task_plan plan = {
            .split = row->split, .server = m, .bandwidth_share = 1.0, .compute_share = 1.0};
        struct task_outcome outcome;
        cost_outcome(world, n, row->tokens, core->view.gain[place], &plan, &outcome);
        double seconds = core->view.backlog_s[m] + core->view.coming_s[m] + outcome.times.transmit_s +
                         outcome.times.edge_s;
        if (seconds < best_s) {
            best_s = seconds;
            best = m;
        }
    }
    return best;
}

static void recover(struct session_core *core, struct ledger_block *block, struct open_task *task,
                    struct session_actions *actions)
{
    const struct world *world = core->session.world;
    struct db_task *row = task_ledger_row(block, task);
    if (!task->orphan || task->ended || !core->view.present[row->device])
        return;
    uint32_t place = ENV_LOCAL, servers = world->servers;
    if (world->scenario.faults.recovery == RECOVERY_REOFFLOAD && task->attempt == 0)
        place = best_place(core, row);
    assert(task->at_server < servers && task->attempt < 2); /* the second goes on at the device */
    const struct session_move move = {place == ENV_LOCAL ? DB_ACTION_LOCAL : DB_ACTION_REOFFLOAD,
                                      task->at_server, place};
    session_event_of_move(core, row, &move, actions);
    core->view.unsent_bits[(size_t) row->device * servers + task->at_server] = 0.0;
    task->orphan = task->there = task->sent = task->stays = false;
    task->attempt++;
    task->at_server = place;
    if (place != ENV_LOCAL)
        core->view.unsent_bits[(size_t) row->device * servers + place] +=
            llm_split_bits(world->llm, row->split, row->tokens, world->scenario.model.bits_per_element);
    struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_DEVICE, row->device)->message;
    message->id = PROTO_RECOVER;
    message->recover = (struct msg_recover){
        .device = row->device,
        .round = block->round,
        .attempt = task->attempt,
        .server = place == ENV_LOCAL ? PROTO_SERVER_NONE : place,
        .bandwidth_share = place == ENV_LOCAL ? 0.0 : 1.0,
        .compute_share = place == ENV_LOCAL ? 0.0 : 1.0,
    };
}

/* What was reported of it in this slot is taken back, unless it has happened in real time; so is all that
 * its server has done for it. What was reported before this slot stays done. */
static bool take_back(struct session_core *core, struct db_task *row, struct open_task *task)
{
    bool fresh = task->ended && !task->settled && !isnan(row->latency_s) && row->end_slot == core->id.slot;
    if (task->settled || (task->ended && (!fresh || core->session.in_real_time)))
        return false;
    task_ledger_unawait(core, task, row->device);
    task_row_lose(row, DB_TASK_SERVER_LOST);
    task->ended = false;
    task->server_j = 0.0;
    return true;
}

void session_queue_lose_server(struct session_core *core, uint32_t m)
{
    struct task_ledger *queue = core->queue;
    bool none = core->session.world->scenario.faults.recovery == RECOVERY_NONE;
    assert(m < core->session.world->servers && !core->server_alive[m]);
    core->view.backlog_s[m] = 0.0;
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            struct db_task *row = &queue->block[b].row[i];
            if (task->at_server != m || !take_back(core, row, task))
                continue;
            if (none)
                task_ledger_end_task(core, row, task, DB_TASK_SERVER_LOST);
            else
                task->orphan = true;
        }
}

void session_queue_lose_device(struct session_core *core, uint32_t n, struct session_actions *actions)
{
    struct task_ledger *queue = core->queue;
    bool passing = false;
    assert(n < core->session.world->devices && !core->device_alive[n]);
    for (size_t b = 0; b < queue->count; b++)
        for (uint32_t i = 0; i < queue->block[b].count; i++) {
            struct open_task *task = &queue->block[b].task[i];
            struct db_task *row = &queue->block[b].row[i];
            if (row->device != n || !take_back(core, row, task))
                continue;
            bool stays = task->passing && queue->serving; /* its server serves it all the same */
            passing = passing || stays;
            task_ledger_end_task(core, row, task, DB_TASK_DEVICE_LOST);
            task->passing = stays;
        }
    for (uint32_t m = 0; passing && m < core->session.world->servers; m++)
        if (core->server_owes[m]) {
            struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_SERVER, m)->message;
            message->id = PROTO_REVOKE;
            message->revoke = (struct msg_revoke){.device = n, .round = core->round};
        }
}

/* Where its device's trace has begun anew, what there was stays where it is. */
static void note_anew(struct session_core *core, struct ledger_block *block, struct open_task *task,
                      struct session_actions *actions)
{
    (void) actions;
    uint32_t n = task_ledger_row(block, task)->device;
    task->stays = task->stays || device_slot_begins_anew(core->session.world, n, core->id);
}

void session_queue_move(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->place_tracks.count > 0 && !world_tracks_turn(world))
        task_ledger_each(core, NULL, note_anew); /* first, as devices do: a RECOVER takes it back */
    task_ledger_each(core, actions, recover);
    hand_over_all(core, actions);
}
