/* Tasks of queueing mode that change their place: handed over because their device has left a server's coverage,
 * given up because their device is lost. */
#include <assert.h>
#include <string.h>

#include "core/model/cost.h"
#include "orchestrator/session/session_queue.h"

/* ---- who goes where ---- */

static void add_coming(struct session_core *core, struct open_task *task)
{
    const struct world *world = core->session.world;
    uint32_t m = task->at_server;
    if (task->ended || m == ENV_LOCAL || task->orphan)
        return;
    assert(m < world->servers);
    if (core->session.in_real_time) /* nobody says when it arrives: it has when nothing is left to be sent */
        task->there = task->sent;
    if (!task->there)
        core->view.coming_s[m] += cost_edge_s(world, m, 1.0, task->row->tokens, task->row->split);
}

void session_queue_look(struct session_core *core)
{
    memset(core->view.coming_s, 0, core->session.world->servers * sizeof *core->view.coming_s);
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        add_coming(core, task);
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
    uint32_t moved = 0;
    assert(move->from != move->to);
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;) {
        bool goes = task->row->device == n && task->at_server == move->from && !task->ended && !task->there &&
                    !task->sent && !task->orphan && !task->stays;
        if (!goes)
            continue;
        task->at_server = move->to;
        task->row->handovers++;
        moved++;
        session_event_of_move(core, task->row, move, actions);
    }
    return moved;
}

static bool any_stays(const struct session_core *core, uint32_t n, uint32_t from)
{
    bool any = false;
    struct ledger_place place = {0};
    for (struct open_task *task; !any && (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        any = task->row->device == n && task->at_server == from && task->stays && !task->ended;
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
    session_tell(&core->device[n], PROTO_HANDOVER, actions)->handover =
        (struct msg_handover){.device = n, .round = core->round, .from = from, .to = move.to};
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
            if (left && core->server[m].alive)
                hand_over(core, n, m, actions);
        }
}

/* ---- a device that is lost ---- */

void session_queue_lose_device(struct session_core *core, uint32_t n, struct session_actions *actions)
{
    bool passing = false;
    assert(n < core->session.world->devices && !core->device[n].alive);
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;) {
        if (task->row->device != n || !session_task_take_back(core, task, core->session.in_real_time))
            continue;
        bool stays = task->passing && core->serving; /* its server serves it all the same */
        passing = passing || stays;
        session_task_lose(core, task, DB_TASK_DEVICE_LOST);
        task->passing = stays;
    }
    for (uint32_t m = 0; passing && m < core->session.world->servers; m++)
        if (core->server[m].owes > 0)
            session_tell_revoke(core, m, n, actions);
}

/* ---- all of them ---- */

/* Where its device's trace has begun anew, what there was stays where it is. */
static void note_anew(struct session_core *core)
{
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        task->stays =
            task->stays || device_slot_begins_anew(core->session.world, task->row->device, core->id);
}

void session_queue_move(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->place_tracks.count > 0 && !world_tracks_turn(world))
        note_anew(core); /* first, as devices do: a RECOVER takes it back */
    session_tasks_recover(core, 0.0, actions);
    hand_over_all(core, actions);
}
