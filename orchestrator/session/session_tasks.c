/* What becomes of tasks, in both modes: decided, told, reported, orphaned and recovered, lost, counted, handed out. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/err.h"
#include "core/model/channel_radio.h"
#include "core/model/cost.h"
#include "core/model/env_splits.h"
#include "core/model/faults.h"
#include "orchestrator/session/session_guests.h"
#include "orchestrator/session/session_internal.h"
#include "orchestrator/session/task_row.h"

/* Queueing mode in real time: tasks are reported when they are, and nobody waits for the end of a slot. */
static bool never_waits(const struct session_core *core)
{
    return core->is_queue && core->session.in_real_time;
}

/* The slot in which something happens now: the closing observation is none of its own. */
static uint32_t present_slot(const struct session_core *core)
{
    assert(!core->closing || core->id.slot > 0);
    return core->closing ? core->id.slot - 1 : core->id.slot;
}

/* ---- memory ---- */

static int reserve_lists(struct allot_lists *allot, size_t count)
{
    if (count <= allot->capacity)
        return 0;
    size_t capacity = array_capacity(allot->capacity, count);
    int rc = 0;
    array_resize(&allot->device, capacity, &rc);
    array_resize(&allot->share, capacity, &rc);
    array_resize(&allot->task, capacity, &rc);
    array_resize(&allot->tokens, capacity, &rc);
    array_resize(&allot->split, capacity, &rc);
    array_resize(&allot->arrival_s, capacity, &rc);
    if (rc == 0)
        allot->capacity = capacity;
    return rc;
}

int session_tasks_reserve_outcomes(struct session_core *core)
{
    const struct world *world = core->session.world;
    size_t tasks = task_ledger_tasks(&core->ledger) + world->devices;
    size_t waiting = waiting_outcomes_count(&core->waiting);
    int rc = array_reserve(&core->outcome, &core->outcome_capacity, core->outcomes + waiting + tasks);
    return rc == 0 && env_reserves(world) ? waiting_outcomes_reserve(&core->waiting, tasks) : rc;
}

int session_tasks_reserve(struct session_core *core)
{
    const struct world *world = core->session.world;
    size_t nodes = (size_t) world->devices + world->servers;
    size_t tasks = task_ledger_tasks(&core->ledger) + world->devices;
    size_t wanted = SESSION_ACTIONS_PER_NODE * nodes + SESSION_ACTIONS_EXTRA;
    wanted += core->is_queue ? 3 * tasks + core->ledger.count : 0;
    int rc = reserve_lists(&core->allot, tasks);
    rc = rc != 0 ? rc : array_reserve(&core->action, &core->action_capacity, wanted);
    rc = rc != 0 ? rc : session_tasks_reserve_outcomes(core);
    return rc != 0 ? rc : task_ledger_reserve(&core->ledger);
}

void session_tasks_destroy(struct session_core *core)
{
    struct allot_lists *allot = &core->allot;
    free(allot->device);
    free(allot->share);
    free(allot->task);
    free(allot->tokens);
    free(allot->split);
    free(allot->arrival_s);
    free(core->action);
    free(core->outcome);
    waiting_outcomes_finish(&core->waiting);
    task_ledger_finish(&core->ledger);
}

/* ---- decided ---- */

void session_tasks_open(struct session_core *core)
{
    const struct world *world = core->session.world;
    task_ledger_open(&core->ledger, core->round);
    for (uint32_t n = 0; n < world->devices; n++) {
        if (core->is_queue && !env_has_task(&core->view, n))
            continue;
        uint32_t server = core->decision.server[n];
        assert(server == ENV_LOCAL || server < world->servers);
        assert(core->decision.split[n] <= world->llm->layers);
        struct open_task *task = task_ledger_add(&core->ledger);
        task->at_server = server;
        task->ended = !core->view.present[n] || core->decision.refused[n];
        task_row_decide(task->row, &core->view, &core->decision, n);
    }
}

/* Of a decision that was told: in mode round the REPORT, in queueing mode PASSED. */
static void expect_answer(struct session_core *core, uint32_t n)
{
    if (!core->is_queue)
        session_task_await(core, &core->ledger.block[0].task[n]); /* every device has one */
    else if (!never_waits(core))
        session_owe(core, &core->device[n]);
}

void session_tasks_decisions(struct session_core *core, struct session_actions *actions)
{
    const struct env_decision *decision = &core->decision;
    size_t servers = core->session.world->servers;
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        if (!core->view.present[n] || decision->refused[n] || session_faults_strike(core, &core->device[n]))
            continue;
        expect_answer(core, n);
        struct msg_decision *message = &session_tell(&core->device[n], PROTO_DECISION, actions)->decision;
        *message = (struct msg_decision){
            .device = n,
            .round = core->round,
            .split = decision->split[n],
            .server = decision->server[n] == ENV_LOCAL ? PROTO_SERVER_NONE : decision->server[n],
            .bandwidth_share = decision->bandwidth_share[n],
            .compute_share = decision->compute_share[n],
            .coding = decision->coding[n],
        };
        if (core->is_queue) {
            message->share.data = core->share + n * servers;
            message->share.count = servers;
        }
    }
}

/* ---- reported ---- */

void session_task_await(struct session_core *core, struct open_task *task)
{
    assert(!task->ended && !task->awaited);
    task->awaited = true;
    session_owe(core, &core->device[task->row->device]);
}

static void unawait(struct session_core *core, struct open_task *task)
{
    if (!task->awaited)
        return;
    task->awaited = false;
    session_answered(core, &core->device[task->row->device]);
}

static enum db_task_status status_of(const struct open_task *task)
{
    if (task->attempt == 0)
        return task->row->status;
    return task->at_server == ENV_LOCAL ? DB_TASK_RECOVERED : DB_TASK_REOFFLOADED;
}

/* In real time a slot is granted here before its time has come. */
static uint32_t ended_in(const struct session_core *core, const struct db_task *row)
{
    uint32_t present = present_slot(core);
    if (!never_waits(core))
        return present;
    double end = row->slot + floor(row->latency_s / core->session.world->scenario.run.slot_s);
    return (uint32_t) (end < present ? end : present);
}

/* It was on its way when its task was given up. In mode round nothing else ends a task whose device still speaks. */
static bool is_late(const struct session_core *core, const struct msg_report *report,
                    const struct open_task *task)
{
    if (task == NULL)
        return report->round < core->round;
    bool given_up = task->ended && (core->is_queue || task->row->status == DB_TASK_SERVER_LOST);
    return given_up || task->orphan || report->attempt < task->attempt;
}

/* A guest's own, where answers are kept. */
static int keep_prompt(const struct session_core *core, struct open_task *task,
                       const struct msg_report *report, struct diag *diag)
{
    bool keeps = core->session.world->scenario.run.record == RECORD_ANSWERS;
    if (task->answer == NULL)
        return 0;
    int rc = task_ledger_keep_prompt(task, report->prompt.data, keeps ? report->prompt.count : 0);
    return rc != 0 ? diag_fail(diag, rc, "out of memory") : 0;
}

int session_tasks_report(struct session_core *core, const struct msg_report *report, struct diag *diag)
{
    struct open_task *task = task_ledger_find(&core->ledger, report->round, (uint32_t) report->device);
    if (is_late(core, report, task))
        return 0;
    if (task == NULL || task->ended || report->attempt != task->attempt)
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu, attempt %llu, is not awaited",
                         (unsigned) report->device, (unsigned long long) report->round,
                         (unsigned long long) report->attempt);
    /* Where nobody waits a task may have left as its HANDOVER came. */
    int rc = task_row_check(core->session.world, report, never_waits(core) ? NULL : &task->at_server, diag);
    rc = rc != 0 ? rc : session_guests_check(core, task->row, report, diag);
    rc = rc != 0 ? rc : keep_prompt(core, task, report, diag);
    if (rc != 0)
        return rc;
    unawait(core, task);
    task_row_report(task->row, core->session.world, core->session.phase, report);
    if (task->answer != NULL)
        task_row_answer(task->answer, core->session.world, task->row, report);
    task->row->handovers = (uint32_t) report->handovers;
    task->row->status = status_of(task);
    task->row->end_slot = ended_in(core, task->row);
    task->ended = true;
    return 0;
}

/* ---- lost ---- */

void session_task_lose(struct session_core *core, struct open_task *task, enum db_task_status status)
{
    assert(!task->settled);
    unawait(core, task);
    task_row_lose(task->row, status);
    task->row->end_slot = present_slot(core);
    task->ended = true;
    task->orphan = task->passing = false;
}

bool session_task_take_back(struct session_core *core, struct open_task *task, bool keeps_reports)
{
    const struct db_task *row = task->row;
    bool fresh = task->ended && !isnan(row->latency_s) && row->end_slot == core->id.slot;
    if (task->settled || (task->ended && (!fresh || keeps_reports)))
        return false;
    unawait(core, task);
    task_row_lose(task->row, DB_TASK_SERVER_LOST);
    task->ended = false;
    task->server_j = 0.0;
    return true;
}

void session_task_orphan(struct session_core *core, struct open_task *task)
{
    assert(task->at_server < core->session.world->servers && !task->ended);
    if (core->session.world->scenario.faults.recovery == RECOVERY_NONE)
        session_task_lose(core, task, DB_TASK_SERVER_LOST);
    else
        task->orphan = true;
}

void session_tasks_orphan(struct session_core *core, uint32_t server, bool keeps_reports)
{
    assert(server < core->session.world->servers && !core->server[server].alive);
    core->view.backlog_s[server] = 0.0;
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        if (task->at_server == server && session_task_take_back(core, task, keeps_reports))
            session_task_orphan(core, task);
}

/* ---- recovered ---- */

struct offer {
    uint32_t server; /* ENV_LOCAL: nobody else can take it */
    double bandwidth_share, compute_share;
};

/* In mode round one more among those that are there: the others keep their shares, which is the loss's price. In
 * queueing mode a task has a server for itself while it is served. */
static struct offer offer_of(const struct session_core *core, uint32_t m)
{
    if (core->is_queue)
        return (struct offer){m, 1.0, 1.0};
    const struct world *world = core->session.world;
    uint32_t everywhere = 0;
    for (uint32_t i = 0; i < world->servers; i++)
        everywhere += core->load[i];
    double share = 1.0 / (core->load[m] + 1.0);
    bool shared = world->scenario.radio.sharing == BANDWIDTH_SHARED;
    return (struct offer){m, shared ? 1.0 / (everywhere + 1.0) : share, share};
}

/* Time to the end of the task there; in queueing mode behind what waits already. */
static double foreseen_s(const struct session_core *core, const struct db_task *row,
                         const struct offer *offer)
{
    const struct world *world = core->session.world;
    uint32_t n = row->device, m = offer->server;
    const struct task_plan plan = {.split = row->split,
                                   .server = m,
                                   .bandwidth_share = offer->bandwidth_share,
                                   .compute_share = offer->compute_share,
                                   .coding = row->coding};
    double gain = core->view.gain[(size_t) n * world->servers + m];
    if (!core->is_queue)
        return cost_resent_s(world, n, row->tokens, gain, &plan);
    struct task_outcome outcome; /* not cost_resent_s: another order of sums would choose otherwise in ties */
    cost_outcome(world, n, row->tokens, gain, &plan, &outcome);
    return core->view.backlog_s[m] + core->view.coming_s[m] + outcome.times.transmit_s + outcome.times.edge_s;
}

/* The server where the task is likely to be finished first. */
static struct offer best_offer(const struct session_core *core, const struct db_task *row)
{
    const struct world *world = core->session.world;
    struct offer best = {.server = ENV_LOCAL};
    double best_s = (double) INFINITY;
    for (uint32_t m = 0; m < world->servers; m++) {
        if (!core->server[m].alive || !core->view.covered[(size_t) row->device * world->servers + m])
            continue;
        if (!core->is_queue && faults_cut(world->faults, core->id, row->device, m))
            continue; /* in queueing mode it waits until nothing is cut any more */
        struct offer offer = offer_of(core, m);
        double seconds = foreseen_s(core, row, &offer);
        if (seconds < best_s) {
            best_s = seconds;
            best = offer;
        }
    }
    return best;
}

/* What the view and the load say of the task goes with it. */
static void move_load(struct session_core *core, const struct open_task *task, uint32_t to)
{
    const struct world *world = core->session.world;
    const struct db_task *row = task->row;
    double *unsent = core->view.unsent_bits + (size_t) row->device * world->servers;
    if (core->is_queue)
        unsent[task->at_server] = 0.0;
    if (to == ENV_LOCAL)
        return;
    if (core->is_queue)
        unsent[to] += channel_bits(world, row->split, row->tokens, row->coding);
    else
        core->load[to]++;
}

static void recover(struct session_core *core, struct open_task *task, double after_s,
                    struct session_actions *actions)
{
    const struct world *world = core->session.world;
    struct db_task *row = task->row;
    struct offer offer = {.server = ENV_LOCAL};
    assert(!task->ended && task->at_server < world->servers); /* which it has lost */
    assert(task->attempt < 2);                                /* the second goes on at the device */
    if (world->scenario.faults.recovery == RECOVERY_REOFFLOAD && task->attempt == 0)
        offer = best_offer(core, row);
    bool local = offer.server == ENV_LOCAL;
    const struct session_move move = {local ? DB_ACTION_LOCAL : DB_ACTION_REOFFLOAD, task->at_server,
                                      offer.server};
    session_event_of_move(core, row, &move, actions);
    move_load(core, task, offer.server);
    task->orphan = task->there = task->sent = task->stays = false;
    task->attempt++;
    task->at_server = offer.server;
    session_tell(&core->device[row->device], PROTO_RECOVER, actions)->recover = (struct msg_recover){
        .device = row->device,
        .round = task->round,
        .attempt = task->attempt,
        .server = local ? PROTO_SERVER_NONE : offer.server,
        .bandwidth_share = offer.bandwidth_share,
        .compute_share = offer.compute_share,
        .after_s = after_s,
    };
    if (!core->is_queue)
        session_task_await(core, task);
}

void session_tasks_recover(struct session_core *core, double after_s, struct session_actions *actions)
{
    struct ledger_place place = {0};
    for (struct open_task *task; (task = task_ledger_next(&core->ledger, &place)) != NULL;)
        if (task->orphan && core->view.present[task->row->device])
            recover(core, task, after_s, actions);
}

/* ---- counted ---- */

/* What its server takes for the whole of it, as declared. */
static double declared_s(const struct world *world, const struct db_task *row)
{
    uint32_t server = (uint32_t) row->server;
    if (row->server == DB_SERVER_NULL)
        return 0.0;
    double answer_tokens = isnan(row->answer_tokens) ? 0.0 : row->answer_tokens;
    return cost_edge_s(world, server, row->reserved_compute, row->tokens, row->split) +
           cost_answer_s(world, server, row->reserved_compute, answer_tokens);
}

/* Until its end: of a late task what was there at its deadline. */
static struct whole_outcome whole_outcome_of(const struct session_core *core, const struct db_task *row)
{
    bool is_refused = row->status == DB_TASK_REFUSED;
    double deadline_s = isnan(row->deadline_s) ? 0.0 : row->deadline_s;
    double lasts_s = row->deadline_missed ? deadline_s : row->latency_s;
    double part = row->deadline_missed ? deadline_s / row->latency_s : 1.0;
    return (struct whole_outcome){
        .server = row->server == DB_SERVER_NULL ? ENV_LOCAL : (uint32_t) row->server,
        .task_class = row->class,
        .deadline_s = deadline_s,
        .ended_s = core->view.start_s + (is_refused ? 0.0 : lasts_s),
        .served_s = is_refused ? 0.0 : row->edge_s * part,
        .declared_s = is_refused ? 0.0 : declared_s(core->session.world, row) * part,
        .answer_right = row->answer_right,
        .price = is_refused || isnan(row->price) ? 0.0 : row->price,
    };
}

static int compare_outcomes(const void *first, const void *second)
{
    const struct policy_outcome *a = first, *b = second;
    if (a->whole.ended_s != b->whole.ended_s)
        return a->whole.ended_s < b->whole.ended_s ? -1 : 1;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    return (a->device > b->device) - (a->device < b->device);
}

/* Those that end at the same time come by slot and device, in whatever places they have waited. */
void session_tasks_hear(struct session_core *core)
{
    double now_s = core->closing ? (double) INFINITY : core->view.start_s;
    size_t before = core->outcomes;
    struct policy_outcome outcome;
    while (waiting_outcomes_take(&core->waiting, now_s, &outcome)) {
        assert(core->outcomes < core->outcome_capacity);
        core->outcome[core->outcomes++] = outcome;
    }
    if (core->outcomes > before)
        qsort(core->outcome + before, core->outcomes - before, sizeof *core->outcome, compare_outcomes);
}

static void add_outcome(struct session_core *core, const struct db_task *row)
{
    bool reserves = env_reserves(core->session.world), is_refused = row->status == DB_TASK_REFUSED;
    bool is_as_decided = row->status == DB_TASK_DONE || row->status == DB_TASK_ABANDONED;
    const struct policy_outcome outcome = {
        .slot = row->slot,
        .device = row->device,
        .latency_s = row->latency_s,
        .energy_j = row->energy_j,
        .cost = row->cost,
#define TASK_TIME(name, meaning) .times.name = row->name,
#define TASK_JOULES(name, meaning) .joules.name = row->name,
#include "core/model/cost.def"
        .channel = row->channel,
        .quality = row->quality,
        .recovered = !is_refused && (!is_as_decided || row->handovers > 0),
        .refused = is_refused,
        .whole = reserves ? whole_outcome_of(core, row) : (struct whole_outcome){0},
    };
    if (reserves && core->session.world->scenario.reserve.returns != RETURNS_OFF) {
        waiting_outcomes_put(&core->waiting, &outcome, outcome.whole.ended_s);
        return;
    }
    assert(core->outcomes < core->outcome_capacity);
    core->outcome[core->outcomes++] = outcome;
}

/* Nobody has been there: the row says so, and no task was lost. */
static bool is_of_free_place(const struct session_core *core, const struct db_task *row)
{
    return isnan(row->x_m) && session_guests_has(core, &core->device[row->device]);
}

/* With objective.gain_reference initial, of the split before the episode on the same channel. */
static int measure_reference(struct session_core *core, const struct session_crossing *crossing,
                             double *ret_reference)
{
    const struct world *world = core->session.world;
    const struct session_meter *meter = core->session.meter;
    struct session_crossing before = *crossing;
    struct session_quality quality = {0};
    *ret_reference = 0.0;
    if (world->scenario.objective.reward != REWARD_SHAPED ||
        world->scenario.objective.gain_reference != GAIN_INITIAL)
        return 0;
    before.split = env_splits_drawn(world, crossing->device, crossing->id);
    before.id.slot = SESSION_METER_BEFORE;
    int rc = meter->measure(meter->user, &before, &quality, NULL);
    *ret_reference = isnan(quality.log_ratio) ? 0.0 : quality.log_ratio;
    return rc;
}

/* In order of slots and devices, whoever reported first. */
static int measure(struct session_core *core, struct db_task *row)
{
    const struct session_meter *meter = core->session.meter;
    const struct session_crossing crossing = task_row_crossing(row, core->session.world, core->session.phase);
    struct session_quality quality;
    double reference;
    int rc = measure_reference(core, &crossing, &reference);
    if (rc == 0)
        rc = meter->measure(meter->user, &crossing, &quality, NULL);
    if (rc == 0)
        task_row_measured(row, core->session.world, &crossing, &quality, reference);
    return rc;
}

void session_task_settle(struct session_core *core, struct ledger_block *block, struct open_task *task)
{
    const struct db_task *row = task->row;
    bool done = !isnan(row->latency_s);
    assert(task->ended && !task->settled && !task->awaited && block->open > 0);
    task->settled = true;
    block->open--;
    if (is_of_free_place(core, row))
        return;
    if (done && core->session.meter != NULL && core->meter_code == 0)
        core->meter_code = measure(core, task->row);
    if (done) {
        core->cost_sum += row->cost;
        core->done++;
    }
    if (done || row->status == DB_TASK_REFUSED)
        add_outcome(core, row);
    core->result.tasks++;
    bool is_lost = row->status == DB_TASK_DEVICE_LOST || row->status == DB_TASK_SERVER_LOST;
    core->result.lost_tasks += is_lost ? 1 : 0;
    core->result.recovered += row->status == DB_TASK_RECOVERED ? 1 : 0;
    core->result.reoffloaded += row->status == DB_TASK_REOFFLOADED ? 1 : 0;
    if (core->sums_up)
        episode_stats_add(&core->stats, row);
}

void session_tasks_leave(struct session_core *core, struct session_actions *actions)
{
    const struct task_ledger *ledger = &core->ledger;
    size_t whole = 0;
    for (; whole < ledger->count && ledger->block[whole].open == 0; whole++) {
        struct ledger_block *block = &ledger->block[whole];
        if (!core->session.record_tasks || block->count == 0)
            continue;
        struct session_action *action = session_core_push(actions, SESSION_DO_TASKS, 0);
        action->tasks.row = block->row;
        action->tasks.count = block->count;
        task_ledger_gather_answers(block);
        action->tasks.answer = block->answer;
        action->tasks.answers = block->answers;
    }
    task_ledger_leave(&core->ledger, whole);
}
