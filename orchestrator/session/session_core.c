#include "orchestrator/session/session_core.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/task_ledger.h"
#include "orchestrator/session/task_row.h"

static int allocate(struct session_core *core)
{
    const struct world *world = core->session.world;
    size_t devices = world->devices, servers = world->servers;
    core->device_alive = calloc(devices, sizeof *core->device_alive);
    core->server_alive = calloc(servers, sizeof *core->server_alive);
    core->device_owes = calloc(devices, sizeof *core->device_owes);
    core->server_owes = calloc(servers, sizeof *core->server_owes);
    core->reported = calloc(devices, sizeof *core->reported);
    core->cost = calloc(devices, sizeof *core->cost);
    core->load = calloc(servers, sizeof *core->load);
    core->task = calloc(devices, sizeof *core->task);
    core->allot_device = calloc(devices, sizeof *core->allot_device);
    core->allot_share = calloc(devices, sizeof *core->allot_share);
    core->device_lost = calloc(devices, sizeof *core->device_lost);
    core->server_lost = calloc(servers, sizeof *core->server_lost);
    core->device_back = calloc(devices, sizeof *core->device_back);
    core->server_back = calloc(servers, sizeof *core->server_back);
    core->at_server = calloc(devices, sizeof *core->at_server);
    core->attempt = calloc(devices, sizeof *core->attempt);
    core->status = calloc(devices, sizeof *core->status);
    core->action_capacity = SESSION_ACTIONS_PER_NODE * (devices + servers) + SESSION_ACTIONS_EXTRA;
    core->action = calloc(core->action_capacity, sizeof *core->action);
    core->outcome_capacity = devices;
    core->outcome = calloc(core->outcome_capacity, sizeof *core->outcome);
    bool whole = core->device_alive != NULL && core->server_alive != NULL && core->device_owes != NULL &&
                 core->server_owes != NULL && core->reported != NULL && core->cost != NULL &&
                 core->load != NULL && core->task != NULL && core->allot_device != NULL &&
                 core->allot_share != NULL && core->action != NULL && core->device_lost != NULL &&
                 core->server_lost != NULL && core->device_back != NULL && core->server_back != NULL &&
                 core->at_server != NULL && core->attempt != NULL && core->status != NULL &&
                 core->outcome != NULL;
    int rc = whole ? 0 : -ENOMEM;
    if (rc == 0)
        rc = env_view_init(&core->view, world);
    if (rc == 0)
        rc = env_decision_init(&core->decision, world->devices);
    if (rc == 0)
        rc = episode_stats_init(&core->stats, session_sinks_take_episodes(&core->session.sinks)
                                                  ? (size_t) core->session.slots * devices
                                                  : 1);
    if (rc == 0 && env_is_queue(world))
        rc = session_queue_create(core);
    return rc;
}

int session_core_create(struct session_core **ret_core, const struct session *session)
{
    assert(session->slots > 0 && session->policy->world == session->world);
    struct session_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return -ENOMEM;
    core->session = *session;
    core->state = SESSION_NEW;
    int rc = allocate(core);
    if (rc != 0) {
        session_core_destroy(core);
        return rc;
    }
    for (uint32_t n = 0; n < session->world->devices; n++)
        core->device_alive[n] = true;
    for (uint32_t m = 0; m < session->world->servers; m++) {
        core->server_alive[m] = true;
        core->view.server_up[m] = true;
    }
    core->devices_left = session->world->devices;
    *ret_core = core;
    return 0;
}

void session_core_destroy(struct session_core *core)
{
    if (core == NULL)
        return;
    free(core->device_alive);
    free(core->server_alive);
    free(core->device_owes);
    free(core->server_owes);
    free(core->reported);
    free(core->cost);
    free(core->load);
    free(core->task);
    free(core->allot_device);
    free(core->allot_share);
    free(core->action);
    free(core->device_lost);
    free(core->server_lost);
    free(core->device_back);
    free(core->server_back);
    free(core->at_server);
    free(core->attempt);
    free(core->status);
    free(core->outcome);
    session_queue_destroy(core);
    env_view_finish(&core->view);
    env_decision_finish(&core->decision);
    episode_stats_finish(&core->stats);
    free(core);
}

enum session_state session_core_state(const struct session_core *core)
{
    return core->state;
}

struct slot_id session_core_slot(const struct session_core *core)
{
    return core->id;
}

const struct db_task *session_core_task(const struct session_core *core, uint32_t device, uint64_t round)
{
    struct ledger_block *block = NULL;
    if (device >= core->session.world->devices)
        return NULL;
    if (core->queue == NULL)
        return core->state == SESSION_EXECUTING && round == core->round ? &core->task[device] : NULL;
    const struct open_task *task = task_ledger_find(core->queue, round, device, &block);
    return task != NULL ? task_ledger_row(block, task) : NULL;
}

const struct session_result *session_core_result(const struct session_core *core)
{
    return &core->result;
}

bool session_core_waits_for(const struct session_core *core, bool is_server, uint32_t number)
{
    assert(number < (is_server ? core->session.world->servers : core->session.world->devices));
    return is_server ? core->server_owes[number]
                     : core->device_owes[number] || session_queue_awaited(core, number) > 0;
}

struct session_action *session_core_push(struct session_actions *actions, enum session_action_kind kind,
                                         uint32_t number)
{
    assert(actions->count < actions->capacity);
    struct session_action *action = &actions->list[actions->count++];
    action->kind = kind;
    action->number = number;
    return action;
}

void session_set_state(struct session_core *core, enum session_state next)
{
    static const unsigned allowed[] = {
        [SESSION_NEW] = 1u << SESSION_OBSERVING | 1u << SESSION_DONE,
        [SESSION_OBSERVING] = 1u << SESSION_LEARNING,
        [SESSION_LEARNING] = 1u << SESSION_EXECUTING | 1u << SESSION_OBSERVING | 1u << SESSION_DONE,
        [SESSION_EXECUTING] = 1u << SESSION_OBSERVING | 1u << SESSION_DONE,
        [SESSION_DONE] = 0,
    };
    assert((allowed[core->state] >> next & 1u) != 0);
    core->state = next;
}

void session_set_owed(struct session_core *core, bool *owes)
{
    core->owed += *owes ? 0 : 1;
    *owes = true;
}

void session_clear_owed(struct session_core *core, bool *owes)
{
    assert(!*owes || core->owed > 0);
    core->owed -= *owes ? 1 : 0;
    *owes = false;
}

/* How many answers the flags of nodes and tasks say are owed: what `owed` must be. */
static uint32_t count_owed(const struct session_core *core)
{
    uint32_t owed = 0;
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        owed += (core->device_owes[n] ? 1 : 0) + session_queue_awaited(core, n);
    for (uint32_t m = 0; m < core->session.world->servers; m++)
        owed += core->server_owes[m] ? 1 : 0;
    return owed;
}

static bool learning(const struct session_core *core)
{
    return core->session.policy->training;
}

/* Does the policy want the outcomes of its decisions, to the last one of an episode? */
static bool wants_the_end(const struct session_core *core)
{
    return learning(core) || core->session.policy->kind->hear != NULL;
}

static void finish(struct session_core *core, struct session_actions *actions)
{
    assert(core->owed == 0 && !core->updating);
    session_set_state(core, SESSION_DONE);
    core->result.mean_cost = core->done > 0 ? core->cost_sum / (double) core->done : (double) NAN;
    session_core_push(actions, SESSION_DO_FINISH, 0);
}

/* ---- granting ---- */

static void grant(struct session_core *core, struct session_actions *actions)
{
    session_set_state(core, SESSION_OBSERVING);
    env_view_begin(&core->view, core->id);
    if (core->queue != NULL)
        session_queue_grant(core);
    session_faults_begin(core, actions);
    core->owed = 0;
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        core->device_owes[n] = core->device_alive[n];
        core->owed += core->device_alive[n] ? 1 : 0;
    }
    assert(core->owed == count_owed(core));
    struct proto_message *message = &session_core_push(actions, SESSION_DO_GRANT, 0)->message;
    message->id = PROTO_SLOT;
    message->slot = (struct msg_slot){
        .round = core->round,
        .phase = (uint64_t) core->id.phase,
        .episode = core->id.episode,
        .slot = core->id.slot,
        .observe_only = core->closing ? 1 : 0,
    };
    if (core->owed == 0 && core->devices_left > 0) /* the scenario has everybody down */
        session_core_push(actions, SESSION_DO_CONTINUE, 0);
}

static void observed(struct session_core *core, struct session_actions *actions);

static void close_episode(struct session_core *core, struct session_actions *actions)
{
    uint32_t episode = core->id.episode;
    assert(episode < core->session.episodes);
    core->episode_row = (struct db_episode){
        .episode = episode, .slots = core->id.slot + (core->closing ? 0 : 1), .optimum_cost = (double) NAN};
    episode_stats_close(&core->stats, &core->episode_row);
    uint32_t every = core->session.checkpoint_every;
    bool last = episode + 1 == core->session.episodes || core->stop_after_slot;
    if (learning(core) && every > 0 && ((episode + 1) % every == 0 || last))
        session_core_push(actions, SESSION_DO_CHECKPOINT, episode);
    session_core_push(actions, SESSION_DO_EPISODE, episode);
}

/* After a slot (or the closing observation): which comes next? */
static void next_slot(struct session_core *core, struct session_actions *actions)
{
    assert(core->state == (core->closing ? SESSION_LEARNING : SESSION_EXECUTING));
    core->round++;
    if (core->devices_left == 0) {
        core->stop_after_slot = true;
        core->result.abandoned = true;
    }
    bool stopping = core->stop_after_slot;
    bool episode_over = core->closing || core->id.slot + 1 >= core->session.slots || stopping;
    if (!episode_over) {
        core->id.slot++;
        grant(core, actions);
        return;
    }
    if ((wants_the_end(core) || core->queue != NULL) && !core->closing) {
        core->closing = true;
        core->id.slot++;
        grant(core, actions);
        if (core->devices_left == 0) /* nobody is left to observe; an update may still be running */
            observed(core, actions);
        return;
    }
    close_episode(core, actions);
    core->closing = false;
    if (core->id.episode + 1 >= core->session.episodes || stopping) {
        finish(core, actions);
        return;
    }
    core->id.episode++;
    core->id.slot = 0;
    grant(core, actions);
}

/* ---- deciding ---- */

static void tell_decisions(struct session_core *core, struct session_actions *actions)
{
    for (uint32_t n = 0; n < core->session.world->devices; n++) {
        core->device_owes[n] = core->view.present[n] && !session_faults_strike(core, false, n);
        if (!core->device_owes[n])
            continue;
        core->owed++;
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
        };
    }
}

static void tell_allotments(struct session_core *core, struct session_actions *actions)
{
    uint32_t used = 0;
    for (uint32_t m = 0; m < core->session.world->servers; m++) {
        core->server_owes[m] = core->server_alive[m] && !session_faults_strike(core, true, m);
        if (!core->server_owes[m])
            continue;
        core->owed++;
        uint32_t first = used;
        for (uint32_t n = 0; n < core->session.world->devices; n++)
            if (core->view.present[n] && core->decision.server[n] == m && session_faults_takes(core, n, m)) {
                assert(used < core->session.world->devices); /* a device has one server */
                core->allot_device[used] = n;
                core->allot_share[used++] = core->decision.compute_share[n];
            }
        struct proto_message *message = &session_core_push(actions, SESSION_DO_TELL_SERVER, m)->message;
        message->id = PROTO_ALLOT;
        message->allot = (struct msg_allot){
            .round = core->round,
            .device = {core->allot_device + first, used - first},
            .compute_share = {core->allot_share + first, used - first},
            .phase = (uint64_t) core->id.phase,
            .episode = core->id.episode,
            .slot = core->id.slot,
        };
    }
}

/* Rows of tasks as decided; reports fill in the rest. */
static void begin_rows(struct session_core *core)
{
    const struct world *world = core->session.world;
    for (uint32_t n = 0; n < world->devices; n++) {
        uint32_t server = core->decision.server[n];
        assert(server == ENV_LOCAL || server < world->servers);
        assert(core->decision.split[n] <= world->llm->layers);
        core->reported[n] = false;
        core->at_server[n] = server;
        core->attempt[n] = 0;
        core->status[n] = DB_TASK_DONE;
        task_row_decide(&core->task[n], &core->view, &core->decision, n);
    }
}

/* A slot is over, in whatever mode: counts it, and goes on. */
static void leave_slot(struct session_core *core, struct session_actions *actions)
{
    assert(core->state == SESSION_EXECUTING && core->owed == 0);
    memcpy(core->view.previous_load, core->load, core->session.world->servers * sizeof *core->load);
    core->result.slots++;
    if (core->session.stop != NULL && *core->session.stop != 0 && !core->stop_after_slot) {
        core->stop_after_slot = true;
        core->result.stopped = true;
    }
    next_slot(core, actions);
}

void session_add_outcome(struct session_core *core, const struct db_task *row, bool moved)
{
    assert(core->outcomes < core->outcome_capacity);
    core->outcome[core->outcomes++] = (struct policy_outcome){
        .slot = row->slot,
        .device = row->device,
        .latency_s = row->latency_s,
        .energy_j = row->energy_j,
        .cost = row->cost,
#define TASK_TIME(name, meaning) .times.name = row->name,
#define TASK_JOULES(name, meaning) .joules.name = row->name,
#include "core/model/cost.def"
        .recovered = row->status != DB_TASK_DONE || moved,
    };
}

static void end_slot(struct session_core *core, struct session_actions *actions)
{
    const struct world *world = core->session.world;
    uint64_t done_before = core->done;
    assert(core->queue == NULL && core->owed == 0);
    session_faults_end(core);
    core->reward = env_reward(core->cost, core->reported, world->devices);
    for (uint32_t n = 0; n < world->devices; n++) {
        core->cost_sum += core->reported[n] ? core->cost[n] : 0.0;
        core->done += core->reported[n] ? 1 : 0;
        if (core->reported[n])
            session_add_outcome(core, &core->task[n], false);
        if (session_sinks_take_episodes(&core->session.sinks))
            episode_stats_add(&core->stats, &core->task[n]);
    }
    core->stats.row.episode_return += core->reward;
    if (core->done == done_before) /* every task was lost: 0 would pass for the best reward of all */
        core->transition_open = false;
    core->result.tasks += world->devices;
    if (core->session.record_tasks) {
        struct session_action *action = session_core_push(actions, SESSION_DO_TASKS, 0);
        action->tasks.row = core->task;
        action->tasks.count = world->devices;
    }
    leave_slot(core, actions);
}

/* Queueing mode: whoever was waited for has answered. */
static void go_on_queue(struct session_core *core, struct session_actions *actions)
{
    if (core->owed == 0 && !session_queue_is_serving(core))
        session_queue_serve(core, actions);
    if (core->owed > 0)
        return;
    session_queue_end(core);
    leave_slot(core, actions);
}

static bool any_present(const struct session_core *core)
{
    bool any = false;
    for (uint32_t n = 0; n < core->session.world->devices && !any; n++)
        any = core->view.present[n];
    return any;
}

static void execute_round(struct session_core *core, struct session_actions *actions)
{
    env_allocate(&core->view, &core->decision, core->load);
    session_set_state(core, SESSION_EXECUTING);
    core->owed = 0;
    begin_rows(core);
    tell_allotments(core, actions);
    tell_decisions(core, actions);
    session_faults_execute(core, actions);
    assert(core->owed == count_owed(core));
    if (core->owed == 0)
        end_slot(core, actions);
}

static void execute_queue(struct session_core *core, struct session_actions *actions)
{
    core->error = session_queue_begin(core, actions);
    if (core->error != 0)
        return;
    assert(core->owed == count_owed(core));
    if (core->session.in_real_time) /* nobody is waited for */
        leave_slot(core, actions);
    else if (core->owed == 0)
        go_on_queue(core, actions);
}

static const enum db_event_kind event_of_note[] = {
    [POLICY_NOTE_REFUSAL] = DB_EVENT_REFUSAL,
    [POLICY_NOTE_REJOIN] = DB_EVENT_REJOIN,
};

static void note_decision(struct session_core *core, struct session_actions *actions)
{
    const struct policy *policy = core->session.policy;
    struct policy_note note[POLICY_NOTES_MAX];
    size_t count = policy->kind->notes != NULL ? policy->kind->notes(policy, note) : 0;
    assert(count <= POLICY_NOTES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert((size_t) note[i].kind < sizeof event_of_note / sizeof *event_of_note);
        session_event_of_policy(core, event_of_note[note[i].kind], note[i].detail, actions);
    }
}

/* Every observation is in and no update runs: learn from the last slot, decide this one. */
static void decide(struct session_core *core, struct session_actions *actions)
{
    struct policy *policy = core->session.policy;
    assert(core->state == SESSION_LEARNING && !core->updating && core->owed == 0);
    if (core->queue != NULL)
        session_queue_settle(core, actions);
    bool update = core->transition_open && any_present(core); /* a view of nobody teaches nothing */
    struct policy_feedback feedback = {
        .reward = core->reward,
        .next = &core->view,
        .truncated = core->closing,
        .outcome = core->outcome,
        .outcomes = core->outcomes,
    };
    if (update)
        policy->kind->learn(policy, &feedback);
    if (policy->kind->hear != NULL && core->outcome_due)
        policy->kind->hear(policy, &feedback);
    core->outcome_due = false;
    core->outcomes = 0;
    core->transition_open = false;
    if (core->closing) {
        next_slot(core, actions);
    } else {
        if (core->queue != NULL)
            session_queue_prepare(core, actions);
        policy->kind->decide(policy, &core->view, &core->decision);
        note_decision(core, actions);
        core->transition_open = learning(core);
        core->outcome_due = true;
        if (core->queue != NULL)
            execute_queue(core, actions);
        else
            execute_round(core, actions);
    }
    if (update && core->state != SESSION_DONE) {
        core->updating = true;
        session_core_push(actions, SESSION_DO_LEARN, 0);
    }
}

static void observed(struct session_core *core, struct session_actions *actions)
{
    if (core->queue != NULL && session_queue_asks(core, actions))
        return;
    session_set_state(core, SESSION_LEARNING);
    if (!core->updating)
        decide(core, actions);
}

/* ---- events ---- */

static int on_observation(struct session_core *core, const struct msg_observation *observation,
                          struct session_actions *actions, struct diag *diag)
{
    uint32_t n = (uint32_t) observation->device;
    if (core->state != SESSION_OBSERVING || observation->round != core->round || !core->device_owes[n])
        return diag_fail(diag, ERR_STATE, "OBSERVATION of device %u for round %llu is not awaited", n,
                         (unsigned long long) observation->round);
    if (observation->gain.count != core->session.world->servers)
        return diag_fail(diag, ERR_RANGE, "OBSERVATION of device %u: %zu gains for %u servers", n,
                         observation->gain.count, core->session.world->servers);
    int rc = core->queue != NULL ? session_queue_observation(core, observation, diag) : 0;
    if (rc != 0)
        return rc;
    env_view_observe(&core->view, n, (struct vec2){observation->x_m, observation->y_m},
                     observation->speed_mps, (uint32_t) observation->tokens, observation->gain.data);
    session_clear_owed(core, &core->device_owes[n]);
    if (core->owed == 0)
        observed(core, actions);
    return 0;
}

static int on_report(struct session_core *core, const struct msg_report *report,
                     struct session_actions *actions, struct diag *diag)
{
    uint32_t n = (uint32_t) report->device;
    bool executing = core->state == SESSION_EXECUTING && report->round == core->round;
    bool given_up = executing && !core->device_owes[n] && core->task[n].status == DB_TASK_SERVER_LOST;
    bool taken_back = executing && report->attempt < core->attempt[n];
    if (report->round < core->round || given_up || taken_back)
        return 0; /* late: its server was lost, and the slot goes on or has closed without it */
    if (!executing || !core->device_owes[n] || report->attempt != core->attempt[n])
        return diag_fail(diag, ERR_STATE, "REPORT of device %u for round %llu is not awaited", n,
                         (unsigned long long) report->round);
    int rc = task_row_check(core->session.world, report, &core->at_server[n], diag);
    if (rc != 0)
        return rc;
    task_row_report(&core->task[n], core->session.world, report);
    core->task[n].status = core->status[n];
    core->cost[n] = core->task[n].cost;
    core->reported[n] = true;
    session_clear_owed(core, &core->device_owes[n]);
    if (core->owed == 0)
        end_slot(core, actions);
    return 0;
}

static int on_advanced(struct session_core *core, const struct msg_advanced *advanced,
                       struct session_actions *actions, struct diag *diag)
{
    uint32_t m = (uint32_t) advanced->server;
    if (core->state != SESSION_EXECUTING || advanced->round != core->round || !core->server_owes[m])
        return diag_fail(diag, ERR_STATE, "ADVANCED of server %u for round %llu is not awaited", m,
                         (unsigned long long) advanced->round);
    session_clear_owed(core, &core->server_owes[m]);
    if (core->owed == 0)
        end_slot(core, actions);
    return 0;
}

/* Queueing mode: after a message or a loss, has the last thing gone that the core waited for? */
static void go_on_if_done(struct session_core *core, struct session_actions *actions)
{
    if (core->owed > 0)
        return;
    if (core->state == SESSION_EXECUTING)
        go_on_queue(core, actions);
    else if (core->state == SESSION_OBSERVING)
        observed(core, actions);
}

static int on_queue_message(struct session_core *core, const struct proto_message *message,
                            struct session_actions *actions, struct diag *diag)
{
    int rc = ERR_STATE;
    uint32_t owed = core->owed;
    if (message->id == PROTO_PASSED)
        rc = session_queue_passed(core, &message->passed, diag);
    else if (message->id == PROTO_REPORT)
        rc = session_queue_report(core, &message->report, diag);
    else
        rc = session_queue_advanced(core, &message->advanced, diag);
    if (rc == 0 && owed > core->owed)
        go_on_if_done(core, actions);
    return rc;
}

static int on_message(struct session_core *core, const struct proto_message *message,
                      struct session_actions *actions, struct diag *diag)
{
    const struct world *world = core->session.world;
    bool is_queue = core->queue != NULL;
    if (is_queue && ((message->id == PROTO_PASSED && message->passed.device < world->devices) ||
                     (message->id == PROTO_REPORT && message->report.device < world->devices) ||
                     (message->id == PROTO_ADVANCED && message->advanced.server < world->servers)))
        return on_queue_message(core, message, actions, diag);
    if (message->id == PROTO_OBSERVATION && message->observation.device < world->devices)
        return on_observation(core, &message->observation, actions, diag);
    if (message->id == PROTO_REPORT && message->report.device < world->devices)
        return on_report(core, &message->report, actions, diag);
    if (message->id == PROTO_ADVANCED && message->advanced.server < world->servers)
        return on_advanced(core, &message->advanced, actions, diag);
    const char *name = proto_name(message->id);
    return diag_fail(diag, ERR_STATE, "%s is not for the orchestrator's core",
                     name != NULL ? name : "this message");
}

/* After a loss: has the last thing that the core waited for gone with it? */
static void go_on_without(struct session_core *core, struct session_actions *actions)
{
    if (core->owed > 0)
        return;
    if (core->queue != NULL)
        go_on_if_done(core, actions);
    else if (core->state == SESSION_EXECUTING)
        end_slot(core, actions);
    else if (core->state == SESSION_OBSERVING)
        observed(core, actions);
}

static int on_peer(struct session_core *core, const struct session_event *event,
                   struct session_actions *actions)
{
    const struct world *world = core->session.world;
    bool known = event->number < (event->is_server ? world->servers : world->devices);
    if (!known || core->state == SESSION_NEW || core->state == SESSION_DONE)
        return 0; /* nothing to be lost from */
    if (event->kind == SESSION_ON_PEER_BACK)
        session_faults_back(core, event, actions);
    else if (session_faults_lose(core, event, actions))
        go_on_without(core, actions);
    return 0;
}

static int on_continue(struct session_core *core, struct session_actions *actions)
{
    if (core->state == SESSION_OBSERVING && core->owed == 0)
        observed(core, actions);
    return 0;
}

static int on_learned(struct session_core *core, struct session_actions *actions, struct diag *diag)
{
    if (!core->updating)
        return diag_fail(diag, ERR_STATE, "LEARNED without an update");
    core->updating = false;
    if (core->state == SESSION_LEARNING)
        decide(core, actions);
    return 0;
}

static int step(struct session_core *core, const struct session_event *event,
                struct session_actions *ret_actions, struct diag *diag)
{
    switch (event->kind) {
    case SESSION_ON_START:
        if (core->state != SESSION_NEW)
            return diag_fail(diag, ERR_STATE, "START twice");
        core->id = (struct slot_id){core->session.phase, core->session.first_episode, 0};
        if (core->id.episode >= core->session.episodes) {
            finish(core, ret_actions);
            return 0;
        }
        if (core->id.episode > 0)
            session_faults_resume(core);
        grant(core, ret_actions);
        return 0;
    case SESSION_ON_MESSAGE: return on_message(core, event->message, ret_actions, diag);
    case SESSION_ON_LEARNED: return on_learned(core, ret_actions, diag);
    case SESSION_ON_PEER_LOST:
    case SESSION_ON_PEER_BACK: return on_peer(core, event, ret_actions);
    case SESSION_ON_CONTINUE: return on_continue(core, ret_actions);
    }
    assert(false); /* every kind of event has its case */
    return ERR_STATE;
}

int session_core_step(struct session_core *core, const struct session_event *event,
                      struct session_actions *ret_actions, struct diag *diag)
{
    int rc = core->queue != NULL ? session_queue_reserve(core) : 0;
    assert(event->kind != SESSION_ON_MESSAGE || event->message != NULL);
    *ret_actions =
        (struct session_actions){.count = 0, .capacity = core->action_capacity, .list = core->action};
    if (rc != 0)
        return diag_fail(diag, rc, "out of memory");
    core->error = 0;
    rc = step(core, event, ret_actions, diag);
    return rc == 0 && core->error != 0 ? diag_fail(diag, core->error, "out of memory") : rc;
}

int session_core_record(const struct session_core *core, const struct session_action *action,
                        double episode_wall_s)
{
    const struct session_sinks *sinks = &core->session.sinks;
    if (action->kind == SESSION_DO_TASKS)
        return session_sinks_tasks(sinks, action->tasks.row, action->tasks.count);
    if (action->kind == SESSION_DO_EVENT)
        return session_sinks_event(sinks, &action->event);
    if (action->kind == SESSION_DO_CHECKPOINT)
        return session_sinks_checkpoint(sinks, action->number, core->session.policy);
    if (action->kind != SESSION_DO_EPISODE)
        return 0;
    struct db_episode row = core->episode_row;
    row.wall_s = episode_wall_s;
    return session_sinks_episode(sinks, &row);
}
