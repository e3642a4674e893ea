#include "mobile-node/device_core.h"

#include <assert.h>
#include <math.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/channel.h"
#include "core/model/channel_missing.h"
#include "core/model/faults.h"
#include "core/model/radio.h"
#include "core/model/transfer.h"

static const char *const state_names[] = {
    [DEVICE_IDLE] = "idle",       [DEVICE_OBSERVED] = "observed", [DEVICE_COMPUTING] = "computing",
    [DEVICE_SENDING] = "sending", [DEVICE_WAITING] = "waiting",   [DEVICE_PAUSING] = "pausing",
};

/* Which states may follow each state: one bit a state. A SLOT leads from every state to IDLE. */
static const unsigned allowed[] = {
    [DEVICE_IDLE] = 1u << DEVICE_IDLE | 1u << DEVICE_OBSERVED | 1u << DEVICE_PAUSING,
    [DEVICE_OBSERVED] = 1u << DEVICE_IDLE | 1u << DEVICE_COMPUTING,
    [DEVICE_COMPUTING] = 1u << DEVICE_IDLE | 1u << DEVICE_COMPUTING | 1u << DEVICE_SENDING,
    [DEVICE_SENDING] =
        1u << DEVICE_IDLE | 1u << DEVICE_COMPUTING | 1u << DEVICE_SENDING | 1u << DEVICE_WAITING,
    [DEVICE_WAITING] = 1u << DEVICE_IDLE | 1u << DEVICE_PAUSING,
    [DEVICE_PAUSING] = 1u << DEVICE_IDLE | 1u << DEVICE_COMPUTING | 1u << DEVICE_SENDING,
};

#define STATES (DEVICE_PAUSING + 1)

_Static_assert(sizeof state_names / sizeof *state_names == STATES, "every state has a name");
_Static_assert(sizeof allowed / sizeof *allowed == STATES, "every state has a row");

/* Which states accept which event: one row an event, one bit a state. */
static const struct {
    const char *name;
    unsigned states;
} accepted[] = {
    [DEVICE_ON_SLOT] = {"SLOT", ~0u},
    [DEVICE_ON_DECISION] = {"DECISION", 1u << DEVICE_OBSERVED},
    [DEVICE_ON_COMPUTED] = {"COMPUTED", 1u << DEVICE_COMPUTING},
    [DEVICE_ON_SENT] = {"SENT", 1u << DEVICE_SENDING},
    [DEVICE_ON_RESULT] = {"RESULT", 1u << DEVICE_WAITING},
    [DEVICE_ON_RECOVER] = {"RECOVER", ~(1u << DEVICE_OBSERVED)},
    [DEVICE_ON_WAITED] = {"WAITED", 1u << DEVICE_PAUSING},
};

_Static_assert(sizeof accepted / sizeof *accepted == DEVICE_ON_WAITED + 1, "every event has its states");

const char *device_state_name(enum device_state state)
{
    assert(state < STATES);
    return state_names[state];
}

static void set_state(struct device_core *core, enum device_state next)
{
    assert((allowed[core->state] & 1u << next) != 0);
    core->state = next;
}

void device_core_init(struct device_core *core, const struct world *world, uint32_t number)
{
    assert(number < world->devices);
    core->world = world;
    core->number = number;
    core->state = DEVICE_IDLE;
    core->round = 0;
    core->moving = false;
    core->has_task = false;
    core->own = (struct device_own){0};
}

void device_core_set_own(struct device_core *core, const struct device_own *own)
{
    core->own = *own;
}

static struct device_action *push(struct device_actions *actions, enum device_action_kind kind)
{
    assert(actions->count < DEVICE_ACTIONS_MAX);
    struct device_action *action = &actions->list[actions->count++];
    action->kind = kind;
    action->duration_s = 0.0;
    action->undelivered = action->more = false;
    return action;
}

/* Brings the movement to the slot granted: usually one step on, from slot 0 after a fresh start or a gap. */
static void move_to(struct device_core *core, struct slot_id id)
{
    bool same_episode = core->moving && core->id.phase == id.phase && core->id.episode == id.episode;
    bool begins = !same_episode || core->id.slot > id.slot;
    device_move(core->world, core->number, core->id, id, begins, &core->mobility);
    core->id = id;
    core->moving = true;
}

static void on_slot(struct device_core *core, const struct msg_slot *slot, struct device_actions *actions)
{
    core->round = slot->round;
    move_to(core,
            (struct slot_id){(enum rng_phase) slot->phase, (uint32_t) slot->episode, (uint32_t) slot->slot});
    core->has_task = false;
    set_state(core, DEVICE_IDLE);
    if (!faults_speaks(core->world->faults, core->id, slot->observe_only != 0, false, core->number))
        return;
    device_slot_meet(core->world, core->number, core->id, &core->mobility, &core->slot);
    device_take_own(&core->own, &core->slot);
    set_state(core, slot->observe_only != 0 ? DEVICE_IDLE : DEVICE_OBSERVED);

    struct proto_message *message = &push(actions, DEVICE_DO_TELL)->message;
    device_tell_observation(message, core->world, core->number, core->round, &core->slot);
    message->observation.wish = core->own.wish;
}

static int check_decision(const struct device_core *core, const struct msg_decision *decision,
                          struct diag *diag)
{
    if (decision->round != core->round)
        return diag_fail(diag, ERR_STATE, "DECISION of round %llu in round %llu",
                         (unsigned long long) decision->round, (unsigned long long) core->round);
    int rc = device_check_decision(core->world, decision, diag);
    if (rc != 0 || decision->server == PROTO_SERVER_NONE)
        return rc;
    if (!(decision->bandwidth_share > 0.0) || !(decision->compute_share > 0.0))
        return diag_fail(diag, ERR_RANGE, "DECISION: offloading with no share of the server");
    return 0;
}

/* Does what is sent to the server in this slot fail to arrive? */
static bool is_cut_off(const struct device_core *core, uint32_t server)
{
    const struct faults *faults = core->world->faults;
    return faults_cut(faults, core->id, core->number, server) ||
           faults_strikes(faults, core->id, true, server) != FAULT_NONE;
}

static double own_speed(const struct device_core *core)
{
    return faults_speed(core->world->faults, core->id, false, core->number);
}

static struct chunk_rows whole(const struct device_core *core)
{
    return (struct chunk_rows){0, core->slot.tokens};
}

static struct chunk_rows present_chunk(const struct device_core *core)
{
    return chunks_rows(core->slot.tokens, core->chunks, core->computed);
}

/* The layers [first, last) of some rows of the task. */
static struct layer_work work_of(const struct device_core *core, uint32_t first, uint32_t last,
                                 struct chunk_rows rows)
{
    return (struct layer_work){
        .device = core->number,
        .round = core->round,
        .id = core->id,
        .tokens = core->slot.tokens,
        .first_layer = first,
        .last_layer = last,
        .rows = rows,
        .coding = core->plan.coding,
    };
}

static void compute(const struct device_core *core, uint32_t first, uint32_t last, struct chunk_rows rows,
                    struct device_actions *actions)
{
    struct device_action *action = push(actions, DEVICE_DO_COMPUTE);
    action->work = work_of(core, first, last, rows);
    action->duration_s =
        cost_local_rows_s(core->world, &core->world->device[core->number], rows, last - first) /
        own_speed(core);
}

/* Everything that follows goes in so many chunks. */
static void begin_attempt(struct device_core *core, uint32_t chunks)
{
    core->chunks = chunks;
    core->computed = core->packets = 0;
    core->free_s = core->arrived_s = core->aired_s = core->ahead_s = 0.0;
}

/* 0: nothing is to be sent. */
static double condition_of(const struct device_core *core)
{
    const struct task_plan *plan = &core->plan;
    if (plan->split == core->world->llm->layers)
        return 0.0;
    return channel_condition_coded(core->world, core->number, core->id, core->slot.gain[plan->server],
                                   plan->bandwidth_share, plan->coding);
}

static int on_decision(struct device_core *core, const struct msg_decision *decision,
                       struct device_actions *actions, struct diag *diag)
{
    int rc = check_decision(core, decision, diag);
    if (rc != 0)
        return rc;
    core->plan = (struct task_plan){
        .split = (uint32_t) decision->split,
        .server = (uint32_t) decision->server,
        .bandwidth_share = decision->bandwidth_share,
        .compute_share = decision->compute_share,
        .coding = (uint32_t) decision->coding,
    };
    core->channel = condition_of(core);
    core->times = (struct task_times){0};
    core->rate_bps = 0.0;
    core->payload_bits = 0.0;
    begin_attempt(core, chunks_of(core->world, core->slot.tokens, core->plan.split));
    core->extra_bits = core->extra_j = core->up_s = core->early_s = core->server_busy_s = 0.0;
    core->recover = (struct msg_recover){0};
    core->recovering = core->resumed = false;
    core->has_task = true;
    set_state(core, DEVICE_COMPUTING);
    compute(core, 0, core->plan.split, present_chunk(core), actions);
    return 0;
}

/* How long each was at work: longer than what it added to the latency where chunks overlap. */
static struct task_times times_at_work(const struct device_core *core)
{
    struct task_times work = core->times;
    work.transmit_s += core->early_s;
    if (core->server_busy_s > 0.0)
        work.edge_s = core->server_busy_s / core->plan.compute_share;
    return work;
}

/* Of what was sent last; nothing was when all is computed here. */
static double missing_share(const struct device_core *core)
{
    const struct channel_crossing crossing = {
        .id = core->id,
        .device = core->number,
        .server = core->plan.server,
        .use = channel_up_coded(core->world, core->plan.split, core->plan.coding),
        .bits = core->payload_bits,
        .rate_bps = core->rate_bps,
    };
    return channel_missing_share(core->world, &crossing);
}

static void report(struct device_core *core, struct device_actions *actions)
{
    const struct world *world = core->world;
    bool local = core->resumed || core->plan.split == world->llm->layers;
    assert(core->has_task);
    assert(local || core->plan.server < world->servers);
    double server_power_w = local ? 0.0 : world->server[core->plan.server].power_w;
    double compute_share = local ? 0.0 : core->plan.compute_share;
    const struct task_times work = times_at_work(core);
    const struct device_account account = {
        .number = core->number,
        .round = core->round,
        .times = core->times,
        .joules = cost_joules(&world->device[core->number], server_power_w, compute_share, &work),
        .rate_bps = core->rate_bps,
        .payload_bits = core->payload_bits,
        .missing = local ? 0.0 : missing_share(core),
        .attempt = (uint32_t) core->recover.attempt,
        .extra_bits = core->extra_bits,
        .extra_j = core->extra_j,
        .server = local ? PROTO_SERVER_NONE : core->plan.server,
        .bandwidth_share = core->plan.bandwidth_share,
        .compute_share = compute_share,
    };
    device_tell_report(&push(actions, DEVICE_DO_TELL)->message, &world->scenario, &account);
    set_state(core, DEVICE_IDLE);
}

/* What sending the activations of some rows to a server takes: of the link, and until they have arrived. */
struct transfer {
    double rate_bps, bits, sending_s, duration_s;
};

/* 0; ERR_RANGE: the server cannot be reached with this share of its bandwidth. */
static int plan_transfer(const struct device_core *core, uint32_t server, double bandwidth_share,
                         struct chunk_rows rows, struct transfer *ret_transfer, struct diag *diag)
{
    const struct world *world = core->world;
    assert(server < world->servers && core->plan.split < world->llm->layers);
    double bandwidth_hz = bandwidth_share * world->server[server].bandwidth_mhz * UNITS_MHZ;
    const struct channel_use use = channel_up_coded(world, core->plan.split, core->plan.coding);
    double rate_bps = channel_up_bps(world, server, &use, bandwidth_hz,
                                     world->device[core->number].transmit_power_w, core->slot.gain[server]);
    double bits = channel_bits(world, core->plan.split, rows.count, core->plan.coding);
    double duration_s = transfer_part_s(world, core->id, core->number, server, &use, rate_bps, bits,
                                        rows.first > 0 ? core->packets : 0);
    if (!(duration_s < PROTO_DATA_TIME_MAX_S))
        return diag_fail(diag, ERR_RANGE, "device %u cannot reach server %u: its rate is %g bit/s",
                         core->number, server, rate_bps);
    *ret_transfer = (struct transfer){rate_bps, bits, radio_transmit_s(bits, rate_bps), duration_s};
    return 0;
}

/* Puts a transfer behind those of the chunks before it. Returns when the link takes it up. */
static double queue_up(struct device_core *core, double now_s, const struct transfer *transfer,
                       double *ret_duration_s)
{
    double wait_s = fmax(core->free_s - now_s, 0.0);
    *ret_duration_s = fmax(core->arrived_s - now_s, wait_s + transfer->duration_s);
    core->ahead_s = core->aired_s - wait_s;
    core->aired_s += transfer->sending_s;
    core->packets += transfer_packets(transfer->bits);
    core->free_s = now_s + wait_s + transfer->sending_s;
    core->arrived_s = now_s + *ret_duration_s;
    core->rate_bps = transfer->rate_bps;
    core->payload_bits = core->computed > 0 ? core->payload_bits + transfer->bits : transfer->bits;
    return now_s + wait_s;
}

/* Sends the activations of the present chunk to the server of the plan, from now_s on. */
static int send_chunk(struct device_core *core, double now_s, struct device_actions *actions,
                      struct diag *diag)
{
    struct transfer transfer;
    const struct chunk_rows rows = present_chunk(core);
    int rc = plan_transfer(core, core->plan.server, core->plan.bandwidth_share, rows, &transfer, diag);
    if (rc != 0)
        return rc;
    struct device_action *action = push(actions, DEVICE_DO_SEND);
    double begin_s = queue_up(core, now_s, &transfer, &action->duration_s);
    action->server = core->plan.server;
    action->more = core->computed + 1 < core->chunks;
    action->undelivered = is_cut_off(core, core->plan.server);
    const struct layer_work done = work_of(core, 0, core->plan.split, rows);
    device_tell_task(&action->message, &done, begin_s, core->arrived_s, transfer.bits);
    struct msg_task *task = &action->message.task;
    task->compute_share = core->recover.attempt > 0 ? core->plan.compute_share : 0.0;
    task->channel = core->channel;
    task->rate_bps = transfer.rate_bps;
    task->coding = core->plan.coding;
    if (core->chunks > 1) {
        task->chunk = core->computed;
        task->chunks = core->chunks;
        task->rows = rows.count;
    }
    return 0;
}

/* Sends the last chunk, or all that there is. */
static int send_task(struct device_core *core, double now_s, struct device_actions *actions,
                     struct diag *diag)
{
    int rc = send_chunk(core, now_s, actions, diag);
    if (rc == 0)
        set_state(core, DEVICE_SENDING);
    return rc;
}

/* The pause is over (or there was none): follows the last RECOVER. */
static int go_on(struct device_core *core, double now_s, struct device_actions *actions, struct diag *diag)
{
    assert(core->has_task && core->recover.attempt > 0);
    core->recovering = false;
    begin_attempt(core, 1);
    if (core->recover.server != PROTO_SERVER_NONE) {
        core->plan.server = (uint32_t) core->recover.server;
        core->plan.bandwidth_share = core->recover.bandwidth_share;
        core->plan.compute_share = core->recover.compute_share;
        return send_task(core, now_s, actions, diag);
    }
    core->resumed = true;
    set_state(core, DEVICE_COMPUTING);
    compute(core, core->plan.split, core->world->llm->layers, whole(core), actions);
    return 0;
}

/* A chunk that is not the last: it is sent, but not to a server whose loss was noticed, while the next is computed. */
static int on_chunk(struct device_core *core, double now_s, bool noticed, struct device_actions *actions,
                    struct diag *diag)
{
    int rc = noticed ? 0 : send_chunk(core, now_s, actions, diag);
    if (rc != 0)
        return rc;
    core->computed++;
    compute(core, 0, core->plan.split, present_chunk(core), actions);
    return 0;
}

static int on_computed(struct device_core *core, const struct device_event *event,
                       struct device_actions *actions, struct diag *diag)
{
    if (core->resumed || core->plan.split == core->world->llm->layers) {
        core->times.local_s += event->elapsed_s;
        report(core, actions);
        return 0;
    }
    double before_s = core->times.local_s;
    core->times.local_s += event->elapsed_s;
    bool noticed = core->recovering && core->recover.after_s <= 0.0;
    int rc;
    if (core->computed + 1 < core->chunks)
        rc = on_chunk(core, event->now_s, noticed, actions, diag);
    else if (noticed)
        rc = go_on(core, event->now_s, actions, diag);
    else
        rc = send_task(core, event->now_s, actions, diag);
    if (rc != 0)
        core->times.local_s = before_s;
    return rc;
}

/* ---- a lost server ---- */

/* What was sent to the lost server counts as extra, and what it answered is taken back. */
static void write_off(struct device_core *core)
{
    assert(core->times.transmit_s >= core->up_s);
    core->extra_bits += core->payload_bits;
    core->extra_j += core->world->device[core->number].transmit_power_w * core->transfer_s;
    core->times.queue_s = core->times.edge_s = core->server_busy_s = 0.0;
    core->times.transmit_s = core->up_s;
}

static void pause(struct device_core *core, double now_s, struct device_actions *actions)
{
    double due_s = core->sent_s + core->recover.after_s;
    double resume_s = due_s > now_s ? due_s : now_s;
    assert(core->recover.attempt > 0 && resume_s >= core->sent_s);
    write_off(core);
    core->times.interrupted_s += resume_s - core->sent_s;
    set_state(core, DEVICE_PAUSING);
    push(actions, DEVICE_DO_WAIT)->duration_s = resume_s - now_s;
}

static int check_recover(const struct device_core *core, const struct msg_recover *recover, struct diag *diag)
{
    bool local = recover->server == PROTO_SERVER_NONE;
    if (recover->round != core->round || !core->has_task || core->resumed ||
        core->plan.split == core->world->llm->layers || recover->attempt <= core->recover.attempt)
        return diag_fail(
            diag, ERR_STATE, "device %u: RECOVER %llu of round %llu, but nothing is to be recovered",
            core->number, (unsigned long long) recover->attempt, (unsigned long long) recover->round);
    int rc = device_check_recover(core->world, recover, diag);
    if (rc != 0)
        return rc;
    if (!local && (!(recover->bandwidth_share > 0.0) || !(recover->compute_share > 0.0)))
        return diag_fail(diag, ERR_RANGE, "RECOVER: no share of server %llu",
                         (unsigned long long) recover->server);
    struct transfer transfer; /* made when it begins; here it has to be possible */
    return local ? 0
                 : plan_transfer(core, (uint32_t) recover->server, recover->bandwidth_share, whole(core),
                                 &transfer, diag);
}

static int on_recover(struct device_core *core, const struct device_event *event,
                      struct device_actions *actions, struct diag *diag)
{
    const struct msg_recover *recover = &event->message->recover;
    int rc = check_recover(core, recover, diag);
    if (rc != 0)
        return rc;
    core->recover = *recover;
    switch (core->state) {
    case DEVICE_COMPUTING:
        core->recovering = true;
        if (recover->after_s > 0.0 || core->computed == 0)
            return 0;
        push(actions, DEVICE_DO_ABANDON); /* as below */
        core->payload_bits = 0.0;
        return 0;
    case DEVICE_SENDING:
        core->recovering = true;
        if (recover->after_s > 0.0)
            return 0;
        core->transfer_s = 0.0; /* how much of it had left is not known */
        core->payload_bits = 0.0;
        push(actions, DEVICE_DO_ABANDON);
        core->sent_s = event->now_s;
        write_off(core);
        return go_on(core, event->now_s, actions, diag);
    case DEVICE_PAUSING: return 0; /* another loss: the pause goes on, and ends as this RECOVER says */
    case DEVICE_WAITING:
    case DEVICE_IDLE: pause(core, event->now_s, actions); return 0;
    case DEVICE_OBSERVED: break;
    }
    assert(false); /* `accepted` keeps RECOVER away from OBSERVED */
    return ERR_STATE;
}

static int on_sent(struct device_core *core, const struct device_event *event, struct device_actions *actions)
{
    core->transfer_s = event->elapsed_s + core->ahead_s;
    core->early_s += core->ahead_s;
    core->times.transmit_s += event->elapsed_s;
    core->up_s = core->times.transmit_s;
    core->sent_s = event->now_s;
    set_state(core, DEVICE_WAITING);
    if (core->recovering)
        pause(core, event->now_s, actions);
    return 0;
}

double device_core_down_s(const struct device_core *core)
{
    const struct scenario *scenario = &core->world->scenario;
    return transfer_task_s(core->world, core->id, core->number, core->plan.server, &channel_down,
                           transfer_down_bps(core->world, core->plan.server), transfer_down_bits(scenario));
}

/* The time from the task's start to its RESULT that no other part accounts for counts as the link's. In virtual
 * time it is 0, in real time the way of the last bytes and of the RESULT. */
static double rest_s(const struct device_core *core, double now_s)
{
    double rest = now_s - cost_latency_s(&core->times);
    return rest > 0.0 ? rest : 0.0;
}

static int on_result(struct device_core *core, const struct device_event *event,
                     struct device_actions *actions, struct diag *diag)
{
    const struct msg_result *result = &event->message->result;
    if (result->round != core->round)
        return diag_fail(diag, ERR_STATE, "RESULT of round %llu in round %llu",
                         (unsigned long long) result->round, (unsigned long long) core->round);
    core->times.queue_s = result->queue_s;
    core->times.edge_s = result->edge_s;
    core->server_busy_s = result->busy_s;
    core->times.transmit_s += rest_s(core, event->now_s);
    core->times.transmit_s += event->elapsed_s;
    report(core, actions);
    return 0;
}

/* A RESULT of a task that has been taken away from its server, or was given up with its slot. */
static bool is_given_up(const struct device_core *core, const struct msg_result *result)
{
    if (result->round != core->round)
        return result->round < core->round;
    return core->has_task && core->recover.attempt > 0 &&
           (core->state != DEVICE_WAITING || result->server != core->plan.server);
}

int device_core_step(struct device_core *core, const struct device_event *event,
                     struct device_actions *ret_actions, struct diag *diag)
{
    assert(event->message != NULL || event->kind == DEVICE_ON_COMPUTED || event->kind == DEVICE_ON_SENT ||
           event->kind == DEVICE_ON_WAITED);
    assert(event->elapsed_s >= 0.0);
    ret_actions->count = 0;
    if (event->kind == DEVICE_ON_RESULT && is_given_up(core, &event->message->result))
        return 0;
    if ((accepted[event->kind].states & 1u << core->state) == 0)
        return diag_fail(diag, ERR_STATE, "device %u: %s while %s", core->number, accepted[event->kind].name,
                         state_names[core->state]);
    switch (event->kind) {
    case DEVICE_ON_SLOT: on_slot(core, &event->message->slot, ret_actions); return 0;
    case DEVICE_ON_DECISION: return on_decision(core, &event->message->decision, ret_actions, diag);
    case DEVICE_ON_COMPUTED: return on_computed(core, event, ret_actions, diag);
    case DEVICE_ON_SENT: return on_sent(core, event, ret_actions);
    case DEVICE_ON_RESULT: return on_result(core, event, ret_actions, diag);
    case DEVICE_ON_RECOVER: return on_recover(core, event, ret_actions, diag);
    case DEVICE_ON_WAITED: return go_on(core, event->now_s, ret_actions, diag);
    }
    assert(false);
    return ERR_STATE;
}
