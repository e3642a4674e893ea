/* Nodes that go and come: by the scenario (faults.h), or really (PEER_LOST, PEER_BACK). How the tasks of a lost
 * server go on. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/base/units.h"
#include "core/model/cost.h"
#include "core/model/faults.h"
#include "core/model/radio.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_row.h"

/* ---- events ---- */

static enum db_event_phase phase_of(const struct session_core *core)
{
    if (core->state != SESSION_EXECUTING)
        return DB_PHASE_OBSERVE;
    return core->queue != NULL && session_queue_is_serving(core) ? DB_PHASE_SERVE : DB_PHASE_EXECUTE;
}

static struct db_event *add_event(struct session_core *core, enum db_event_kind kind, bool is_server,
                                  uint32_t number, struct session_actions *actions)
{
    struct db_event *event = &session_core_push(actions, SESSION_DO_EVENT, 0)->event;
    *event = (struct db_event){
        .episode = core->id.episode,
        .slot = core->id.slot,
        .phase = phase_of(core),
        .kind = kind,
        .role = is_server ? DB_ROLE_SERVER : DB_ROLE_DEVICE,
        .number = number,
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
    struct db_event *event = add_event(core, kind, false, 0, actions);
    event->role = DB_ROLE_NONE;
    event->number = DB_EVENT_NULL;
    event->detail = detail;
}

void session_event_of_move(struct session_core *core, const struct db_task *row,
                           const struct session_move *move, struct session_actions *actions)
{
    bool handed_over = move->action == DB_ACTION_RESTART || move->action == DB_ACTION_RESUME;
    enum db_event_kind kind = handed_over ? DB_EVENT_HANDOVER : DB_EVENT_RECOVERED;
    struct db_event *event = add_event(core, kind, false, row->device, actions);
    event->action = move->action;
    event->from_server = move->from;
    event->to_server = move->to == ENV_LOCAL ? DB_EVENT_NULL : (int64_t) move->to;
    event->task_slot = row->slot;
}

/* ---- beginning a slot ---- */

static void begin_node(struct session_core *core, bool is_server, uint32_t number,
                       struct session_actions *actions)
{
    bool *lost = is_server ? core->server_lost : core->device_lost;
    bool *back = is_server ? core->server_back : core->device_back;
    bool *alive = is_server ? core->server_alive : core->device_alive;
    bool was_lost = lost[number];
    assert(was_lost || !back[number]); /* only a node that was lost can be back */
    lost[number] = was_lost && !back[number];
    back[number] = false;
    bool takes_part = !lost[number] &&
                      faults_speaks(core->session.world->faults, core->id, core->closing, is_server, number);
    if (takes_part && !alive[number] && !was_lost) {
        add_event(core, DB_EVENT_FAULT, is_server, number, actions)->action = DB_ACTION_RETURN;
        session_core_push(actions, is_server ? SESSION_DO_AWAIT_SERVER : SESSION_DO_AWAIT_DEVICE, number);
    }
    alive[number] = takes_part;
}

/* Its speed as it left it: in the slot before, across episodes; whole before the first. */
static double speed_before(const struct session_core *core, bool is_server, uint32_t number)
{
    struct slot_id id = core->id;
    if (id.slot == 0 && id.episode == 0)
        return 1.0;
    id.episode -= id.slot == 0 ? 1 : 0;
    id.slot = id.slot == 0 ? core->session.slots - 1 : id.slot - 1;
    return faults_speed(core->session.world->faults, id, is_server, number);
}

/* Tells the record, and nobody else, that the node's speed has changed. */
static void tell_speed(struct session_core *core, bool is_server, uint32_t number,
                       struct session_actions *actions)
{
    double speed = faults_speed(core->session.world->faults, core->id, is_server, number);
    if (core->closing || speed == speed_before(core, is_server, number))
        return;
    struct db_event *event = add_event(core, DB_EVENT_FAULT, is_server, number, actions);
    event->action = speed < 1.0 ? DB_ACTION_SLOW : DB_ACTION_RESTORE;
    event->speed = speed;
}

void session_faults_begin(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->faults == NULL && !core->any_back)
        return;
    core->any_back = false;
    for (uint32_t n = 0; n < world->devices; n++) {
        begin_node(core, false, n, actions);
        tell_speed(core, false, n, actions);
    }
    for (uint32_t m = 0; m < world->servers; m++) {
        begin_node(core, true, m, actions);
        tell_speed(core, true, m, actions);
        core->view.server_up[m] = core->server_alive[m];
    }
}

/* As the scenario left them at the end of the episode before. */
void session_faults_resume(struct session_core *core)
{
    const struct world *world = core->session.world;
    assert(core->session.first_episode > 0 && core->state == SESSION_NEW);
    struct slot_id end = {core->session.phase, core->session.first_episode - 1, core->session.slots};
    for (uint32_t n = 0; n < world->devices; n++)
        core->device_alive[n] = faults_speaks(world->faults, end, true, false, n);
    for (uint32_t m = 0; m < world->servers; m++)
        core->server_alive[m] = faults_speaks(world->faults, end, true, true, m);
}

/* ---- a task whose server is lost ---- */

/* Time to the end of the task at server m with one more there; INFINITY when it cannot be reached. */
static double foreseen_s(const struct session_core *core, uint32_t n, uint32_t m, double bandwidth_share,
                         double compute_share)
{
    const struct world *world = core->session.world;
    const struct task_plan plan = {.split = core->decision.split[n],
                                   .server = m,
                                   .bandwidth_share = bandwidth_share,
                                   .compute_share = compute_share};
    double gain = core->view.gain[(size_t) n * world->servers + m];
    return cost_resent_s(world, n, core->view.tokens[n], gain, &plan);
}

struct offer {
    uint32_t server; /* ENV_LOCAL: nobody else can take it */
    double bandwidth_share, compute_share;
};

/* One more among those that are there: the others keep their shares, which is the loss's price. */
static struct offer best_offer(const struct session_core *core, uint32_t n)
{
    const struct world *world = core->session.world;
    struct offer best = {.server = ENV_LOCAL};
    double best_s = (double) INFINITY;
    uint32_t everywhere = 0;
    for (uint32_t m = 0; m < world->servers; m++)
        everywhere += core->load[m];
    bool shared = world->scenario.radio.sharing == BANDWIDTH_SHARED;
    for (uint32_t m = 0; m < world->servers; m++) {
        bool possible = core->server_alive[m] && core->view.covered[(size_t) n * world->servers + m] &&
                        m != core->at_server[n] && !faults_cut(world->faults, core->id, n, m);
        double compute_share = 1.0 / (core->load[m] + 1.0);
        double bandwidth_share = shared ? 1.0 / (everywhere + 1.0) : compute_share;
        double seconds =
            possible ? foreseen_s(core, n, m, bandwidth_share, compute_share) : (double) INFINITY;
        if (seconds < best_s) {
            best_s = seconds;
            best = (struct offer){m, bandwidth_share, compute_share};
        }
    }
    return best;
}

static void recover(struct session_core *core, uint32_t n, double after_s, struct session_actions *actions)
{
    struct offer offer = {.server = ENV_LOCAL};
    assert(core->at_server[n] != ENV_LOCAL); /* it lost its server */
    assert(core->attempt[n] < 2);            /* the second goes on at the device */
    if (core->session.world->scenario.faults.recovery == RECOVERY_REOFFLOAD && core->attempt[n] == 0)
        offer = best_offer(core, n);
    bool local = offer.server == ENV_LOCAL;
    if (!local)
        core->load[offer.server]++;
    const struct session_move move = {local ? DB_ACTION_LOCAL : DB_ACTION_REOFFLOAD, core->at_server[n],
                                      offer.server};
    session_event_of_move(core, &core->task[n], &move, actions);
    core->at_server[n] = offer.server;
    core->status[n] = local ? DB_TASK_RECOVERED : DB_TASK_REOFFLOADED;
    core->attempt[n]++;
    core->any_attempt = true;
    core->reported[n] = false;
    task_row_lose(&core->task[n], DB_TASK_SERVER_LOST); /* until its report comes */
    session_set_owed(core, &core->device_owes[n]);
    struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_DEVICE, n)->message;
    message->id = PROTO_RECOVER;
    message->recover = (struct msg_recover){
        .device = n,
        .round = core->round,
        .attempt = core->attempt[n],
        .server = local ? PROTO_SERVER_NONE : offer.server,
        .bandwidth_share = offer.bandwidth_share,
        .compute_share = offer.compute_share,
        .after_s = after_s,
    };
}

static void lose_task(struct session_core *core, uint32_t n, enum db_task_status status)
{
    task_row_lose(&core->task[n], status);
    core->reported[n] = false;
    session_clear_owed(core, &core->device_owes[n]);
}

static void orphan(struct session_core *core, uint32_t n, double after_s, struct session_actions *actions)
{
    if (core->session.world->scenario.faults.recovery == RECOVERY_NONE)
        lose_task(core, n, DB_TASK_SERVER_LOST);
    else
        recover(core, n, after_s, actions);
}

/* ---- the scenario's faults ---- */

bool session_faults_strike(const struct session_core *core, bool is_server, uint32_t number)
{
    const struct faults *faults = core->session.world->faults;
    bool alive = (is_server ? core->server_alive : core->device_alive)[number];
    return faults != NULL && alive && faults_strikes(faults, core->id, is_server, number) != FAULT_NONE;
}

bool session_faults_takes(const struct session_core *core, uint32_t device, uint32_t server)
{
    return !faults_cut(core->session.world->faults, core->id, device, server) &&
           !session_faults_strike(core, false, device);
}

static void drop_server(struct session_core *core, uint32_t m)
{
    const struct world *world = core->session.world;
    core->server_alive[m] = false;
    core->view.server_up[m] = false;
    for (uint32_t n = 0; n < world->devices; n++)
        core->view.covered[(size_t) n * world->servers + m] = false;
    session_clear_owed(core, &core->server_owes[m]);
    if (core->queue != NULL)
        session_queue_lose_server(core, m);
}

static void drop_device(struct session_core *core, uint32_t n, struct session_actions *actions)
{
    core->device_alive[n] = false;
    if (core->queue == NULL)
        return;
    session_clear_owed(core, &core->device_owes[n]);
    session_queue_lose_device(core, n, actions);
}

static void tell_fault(struct session_core *core, bool is_server, uint32_t number,
                       struct session_actions *actions)
{
    const struct faults *faults = core->session.world->faults;
    enum fault_kind kind = faults_strikes(faults, core->id, is_server, number);
    assert(kind != FAULT_NONE);
    uint32_t back = faults_back_slot(faults, core->id, is_server, number);
    bool in_episode = back < core->session.slots;
    struct db_event *event = add_event(core, DB_EVENT_FAULT, is_server, number, actions);
    event->action = kind == FAULT_KILL ? DB_ACTION_KILL : DB_ACTION_PAUSE;
    event->until_slot = in_episode ? (int64_t) back : DB_EVENT_NULL;
    core->result.faults++;
    if (kind != FAULT_KILL)
        return;
    struct proto_message *message =
        &session_core_push(actions, is_server ? SESSION_DO_TELL_SERVER : SESSION_DO_TELL_DEVICE, number)
             ->message;
    message->id = PROTO_FAULT;
    message->fault.returns = in_episode || core->id.episode + 1 < core->session.episodes ? 1 : 0;
}

void session_faults_strike_all(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->faults == NULL)
        return;
    for (uint32_t m = 0; m < world->servers; m++)
        if (session_faults_strike(core, true, m)) {
            tell_fault(core, true, m, actions);
            drop_server(core, m);
        }
    for (uint32_t n = 0; n < world->devices; n++)
        if (session_faults_strike(core, false, n)) {
            tell_fault(core, false, n, actions);
            drop_device(core, n, actions);
        }
}

void session_faults_execute(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    if (world->faults == NULL)
        return;
    session_faults_strike_all(core, actions);
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t m = core->decision.server[n];
        if (m == ENV_LOCAL || !core->view.present[n] || !core->device_alive[n])
            continue;
        assert(m < world->servers);
        if (!core->server_alive[m] || faults_cut(world->faults, core->id, n, m))
            orphan(core, n, world->scenario.faults.detect_s, actions);
    }
}

/* ---- real losses ---- */

static void lose_device(struct session_core *core, uint32_t n, struct session_actions *actions)
{
    assert(n < core->session.world->devices);
    bool took_part = core->device_alive[n];
    core->device_alive[n] = false;
    if (!took_part)
        return;
    if (core->queue != NULL)
        drop_device(core, n, actions);
    if (core->state == SESSION_EXECUTING && core->queue == NULL) {
        uint32_t m = core->at_server[n];
        bool awaited = m != ENV_LOCAL && core->attempt[n] == 0 && core->server_owes[m];
        lose_task(core, n, DB_TASK_DEVICE_LOST);
        if (awaited) {
            struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_SERVER, m)->message;
            message->id = PROTO_REVOKE;
            message->revoke = (struct msg_revoke){.device = n, .round = core->round};
        }
        return;
    }
    if (core->state == SESSION_EXECUTING)
        return;
    uint32_t servers = core->session.world->servers;
    core->view.present[n] = false;
    memset(core->view.covered + (size_t) n * servers, 0, servers * sizeof *core->view.covered);
    session_clear_owed(core, &core->device_owes[n]);
}

static void lose_server(struct session_core *core, const struct session_event *event,
                        struct session_actions *actions)
{
    const struct world *world = core->session.world;
    uint32_t m = event->number;
    assert(m < world->servers);
    drop_server(core, m);
    if (core->state != SESSION_EXECUTING || core->queue != NULL)
        return;
    double after_s = event->keeps_reports ? 0.0 : world->scenario.faults.detect_s;
    for (uint32_t n = 0; n < world->devices; n++) {
        bool here = core->view.present[n] && core->device_alive[n] && core->at_server[n] == m;
        if (here && !(event->keeps_reports && core->reported[n]))
            orphan(core, n, after_s, actions);
    }
}

bool session_faults_lose(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions)
{
    uint32_t number = event->number;
    bool *lost = event->is_server ? core->server_lost : core->device_lost;
    bool *back = event->is_server ? core->server_back : core->device_back;
    if (lost[number] && !back[number])
        return false; /* gone already */
    assert(event->is_server || core->devices_left > 0);
    core->devices_left -= event->is_server ? 0 : 1;
    lost[number] = true;
    back[number] = false;
    core->result.lost_nodes++;
    add_event(core, DB_EVENT_NODE_LOST, event->is_server, number, actions)->detail =
        event->why != NULL ? event->why : "";
    if (event->is_server)
        lose_server(core, event, actions);
    else
        lose_device(core, number, actions);
    return true;
}

void session_faults_back(struct session_core *core, const struct session_event *event,
                         struct session_actions *actions)
{
    uint32_t number = event->number;
    bool *lost = event->is_server ? core->server_lost : core->device_lost;
    bool *back = event->is_server ? core->server_back : core->device_back;
    if (!lost[number] || back[number])
        return; /* it never was away, or has come already */
    back[number] = true;
    core->any_back = true;
    core->devices_left += event->is_server ? 0 : 1;
    assert(core->devices_left <= core->session.world->devices);
    add_event(core, DB_EVENT_REJOIN, event->is_server, number, actions);
}

/* ---- what was saved ---- */

void session_faults_end(struct session_core *core)
{
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        bool saved = core->any_attempt && core->attempt[n] > 0;
        core->result.lost_tasks += core->reported[n] ? 0 : 1;
        core->result.recovered += saved && core->task[n].status == DB_TASK_RECOVERED ? 1 : 0;
        core->result.reoffloaded += saved && core->task[n].status == DB_TASK_REOFFLOADED ? 1 : 0;
    }
    core->any_attempt = false;
}
