/* Nodes that go and come: by the scenario (faults.h), or really (PEER_LOST, PEER_BACK). */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/model/faults.h"
#include "orchestrator/session/session_guests.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/session_round.h"

/* ---- events ---- */

static enum db_event_phase phase_of(const struct session_core *core)
{
    if (core->state != SESSION_EXECUTING)
        return DB_PHASE_OBSERVE;
    return core->serving ? DB_PHASE_SERVE : DB_PHASE_EXECUTE;
}

static struct db_event *add_event(struct session_core *core, enum db_event_kind kind,
                                  const struct session_node *node, struct session_actions *actions)
{
    struct db_event *event = &session_core_push(actions, SESSION_DO_EVENT, 0)->event;
    *event = (struct db_event){
        .episode = core->id.episode,
        .slot = core->id.slot,
        .phase = phase_of(core),
        .kind = kind,
        .role = node->is_server ? DB_ROLE_SERVER : DB_ROLE_DEVICE,
        .number = node->number,
        .action = DB_ACTION_NONE,
        .until_slot = DB_EVENT_NULL,
        .from_server = DB_EVENT_NULL,
        .to_server = DB_EVENT_NULL,
        .task_slot = DB_EVENT_NULL,
        .speed = (double) NAN,
        .detail = "",
    };
    return event;
}

void session_event_of_policy(struct session_core *core, enum db_event_kind kind, const char *detail,
                             struct session_actions *actions)
{
    struct db_event *event = add_event(core, kind, &core->device[0], actions);
    event->role = DB_ROLE_NONE;
    event->number = DB_EVENT_NULL;
    event->detail = detail;
}

void session_event_of_move(struct session_core *core, const struct db_task *row,
                           const struct session_move *move, struct session_actions *actions)
{
    bool handed_over = move->action == DB_ACTION_RESTART || move->action == DB_ACTION_RESUME;
    enum db_event_kind kind = handed_over ? DB_EVENT_HANDOVER : DB_EVENT_RECOVERED;
    struct db_event *event = add_event(core, kind, &core->device[row->device], actions);
    event->action = move->action;
    event->from_server = move->from;
    event->to_server = move->to == ENV_LOCAL ? DB_EVENT_NULL : (int64_t) move->to;
    event->task_slot = row->slot;
}

/* ---- beginning a slot ---- */

/* How many nodes there are: devices, and servers behind them. */
static uint32_t count_nodes(const struct session_core *core)
{
    return core->session.world->devices + core->session.world->servers;
}

static void begin_node(struct session_core *core, struct session_node *node, struct session_actions *actions)
{
    bool was_lost = node->lost;
    assert(was_lost || !node->back); /* only a node that was lost can be back */
    node->lost = was_lost && !node->back;
    node->back = false;
    bool takes_part = !node->lost && faults_speaks(core->session.world->faults, core->id, core->closing,
                                                   node->is_server, node->number);
    if (takes_part && !node->alive && !was_lost) {
        add_event(core, DB_EVENT_FAULT, node, actions)->action = DB_ACTION_RETURN;
        session_core_push(actions, node->is_server ? SESSION_DO_AWAIT_SERVER : SESSION_DO_AWAIT_DEVICE,
                          node->number);
    }
    node->alive = takes_part;
    if (node->is_server)
        core->view.server_up[node->number] = takes_part;
}

/* Its speed as it left it: in the slot before, across episodes; whole before the first. */
static double speed_before(const struct session_core *core, const struct session_node *node)
{
    struct slot_id id = core->id;
    if (id.slot == 0 && id.episode == 0)
        return 1.0;
    id.episode -= id.slot == 0 ? 1 : 0;
    id.slot = id.slot == 0 ? core->session.slots - 1 : id.slot - 1;
    return faults_speed(core->session.world->faults, id, node->is_server, node->number);
}

/* Tells the record, and nobody else, that the node's speed has changed. */
static void tell_speed(struct session_core *core, const struct session_node *node,
                       struct session_actions *actions)
{
    double speed = faults_speed(core->session.world->faults, core->id, node->is_server, node->number);
    if (core->closing || speed == speed_before(core, node))
        return;
    struct db_event *event = add_event(core, DB_EVENT_FAULT, node, actions);
    event->action = speed < 1.0 ? DB_ACTION_SLOW : DB_ACTION_RESTORE;
    event->speed = speed;
}

void session_faults_begin(struct session_core *core, struct session_actions *actions)
{
    if (core->session.world->faults == NULL && !core->any_back)
        return;
    core->any_back = false;
    for (uint32_t i = 0; i < count_nodes(core); i++) {
        begin_node(core, &core->device[i], actions);
        tell_speed(core, &core->device[i], actions);
    }
}

/* As the scenario left them at the end of the episode before. */
void session_faults_resume(struct session_core *core)
{
    assert(core->session.first_episode > 0 && core->state == SESSION_NEW);
    struct slot_id end = {core->session.phase, core->session.first_episode - 1, core->session.slots};
    for (uint32_t i = 0; i < count_nodes(core); i++) {
        struct session_node *node = &core->device[i];
        node->alive = !node->lost &&
                      faults_speaks(core->session.world->faults, end, true, node->is_server, node->number);
    }
}

/* ---- nodes that go down ---- */

static void owes_nothing(struct session_core *core, struct session_node *node)
{
    while (node->owes > 0)
        session_answered(core, node);
}

static void drop_server(struct session_core *core, struct session_node *node, bool keeps_reports)
{
    const struct world *world = core->session.world;
    uint32_t m = node->number;
    node->alive = false;
    core->view.server_up[m] = false;
    for (uint32_t n = 0; n < world->devices; n++)
        core->view.covered[(size_t) n * world->servers + m] = false;
    owes_nothing(core, node);
    session_tasks_orphan(core, m, keeps_reports);
}

static void drop_device(struct session_core *core, struct session_node *node, struct session_actions *actions)
{
    node->alive = false;
    if (core->is_queue)
        session_queue_lose_device(core, node->number, actions);
    else
        session_round_lose_device(core, node->number, actions);
    owes_nothing(core, node);
}

/* ---- the scenario's faults ---- */

bool session_faults_strike(const struct session_core *core, const struct session_node *node)
{
    const struct faults *faults = core->session.world->faults;
    return faults != NULL && node->alive &&
           faults_strikes(faults, core->id, node->is_server, node->number) != FAULT_NONE;
}

static void tell_fault(struct session_core *core, const struct session_node *node,
                       struct session_actions *actions)
{
    const struct faults *faults = core->session.world->faults;
    enum fault_kind kind = faults_strikes(faults, core->id, node->is_server, node->number);
    assert(kind != FAULT_NONE);
    uint32_t back = faults_back_slot(faults, core->id, node->is_server, node->number);
    bool in_episode = back < core->session.slots;
    struct db_event *event = add_event(core, DB_EVENT_FAULT, node, actions);
    event->action = kind == FAULT_KILL ? DB_ACTION_KILL : DB_ACTION_PAUSE;
    event->until_slot = in_episode ? (int64_t) back : DB_EVENT_NULL;
    core->result.faults++;
    if (kind == FAULT_KILL)
        session_tell(node, PROTO_FAULT, actions)->fault.returns =
            in_episode || core->id.episode + 1 < core->session.episodes ? 1 : 0;
}

void session_faults_strike_all(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->faults == NULL)
        return;
    for (uint32_t m = 0; m < world->servers; m++)
        if (session_faults_strike(core, &core->server[m])) {
            tell_fault(core, &core->server[m], actions);
            drop_server(core, &core->server[m], core->session.in_real_time);
        }
    for (uint32_t n = 0; n < world->devices; n++)
        if (session_faults_strike(core, &core->device[n])) {
            tell_fault(core, &core->device[n], actions);
            drop_device(core, &core->device[n], actions);
        }
}

/* ---- real losses ---- */

static void lose_device(struct session_core *core, struct session_node *node, struct session_actions *actions)
{
    if (!node->alive)
        return; /* it took no part */
    drop_device(core, node, actions);
    if (core->state == SESSION_EXECUTING)
        return;
    uint32_t n = node->number, servers = core->session.world->servers;
    core->view.present[n] = false;
    memset(core->view.covered + (size_t) n * servers, 0, servers * sizeof *core->view.covered);
}

/* In queueing mode the next slot's decision says how its tasks go on. */
static void lose_server(struct session_core *core, struct session_node *node, bool keeps_reports,
                        struct session_actions *actions)
{
    drop_server(core, node, keeps_reports);
    if (!core->is_queue)
        session_tasks_recover(core, keeps_reports ? 0.0 : core->session.world->scenario.faults.detect_s,
                              actions);
}

/* Of a node that exists. */
static struct session_node *node_of(struct session_core *core, const struct session_event *event)
{
    assert(event->number < (event->is_server ? core->session.world->servers : core->session.world->devices));
    return event->is_server ? &core->server[event->number] : &core->device[event->number];
}

bool session_faults_lose(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions)
{
    struct session_node *node = node_of(core, event);
    if (node->lost && !node->back)
        return false; /* gone already */
    assert(node->is_server || core->devices_left > 0);
    core->devices_left -= node->is_server ? 0 : 1;
    node->lost = true;
    node->back = false;
    core->result.lost_nodes += session_guests_has(core, node) ? 0 : 1; /* they come and go */
    add_event(core, DB_EVENT_NODE_LOST, node, actions)->detail = event->why != NULL ? event->why : "";
    if (node->is_server)
        lose_server(core, node, event->keeps_reports, actions);
    else
        lose_device(core, node, actions);
    return true;
}

void session_faults_back(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions)
{
    struct session_node *node = node_of(core, event);
    if (!node->lost || node->back)
        return; /* it never was away, or has come already */
    node->back = true;
    core->any_back = true;
    core->devices_left += node->is_server ? 0 : 1;
    assert(core->devices_left <= core->session.world->devices);
    add_event(core, DB_EVENT_REJOIN, node, actions);
}
