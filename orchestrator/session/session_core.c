#include "orchestrator/session/session_core.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "orchestrator/session/session_guests.h"
#include "orchestrator/session/session_queue.h"
#include "orchestrator/session/session_round.h"

static int create_nodes(struct session_core *core)
{
    uint32_t devices = core->session.world->devices, servers = core->session.world->servers;
    core->device = calloc((size_t) devices + servers, sizeof *core->device);
    if (core->device == NULL)
        return -ENOMEM;
    core->server = core->device + devices;
    for (uint32_t n = 0; n < devices; n++)
        core->device[n] = (struct session_node){.number = n, .alive = true};
    for (uint32_t m = 0; m < servers; m++)
        core->server[m] = (struct session_node){.is_server = true, .number = m, .alive = true};
    core->devices_left = devices;
    return 0;
}

static int allocate(struct session_core *core)
{
    const struct world *world = core->session.world;
    core->sums_up = session_sinks_take_episodes(&core->session.sinks);
    task_ledger_init(&core->ledger, world->devices,
                     world->scenario.compute.kind == COMPUTE_MODEL && core->session.record_tasks);
    core->load = calloc(world->servers, sizeof *core->load);
    int rc = core->load != NULL ? create_nodes(core) : -ENOMEM;
    rc = rc != 0 ? rc : session_guests_create(core);
    rc = rc != 0 ? rc : session_tasks_reserve(core);
    rc = rc != 0 ? rc : env_view_init(&core->view, world);
    rc = rc != 0 ? rc : env_decision_init(&core->decision, world->devices);
    rc = rc != 0 ? rc
                 : episode_stats_init(&core->stats,
                                      core->sums_up ? (size_t) core->session.slots * world->devices : 1);
    if (rc == 0)
        rc = core->is_queue ? session_queue_create(core) : session_round_create(core);
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
    core->is_queue = env_is_queue(session->world);
    int rc = allocate(core);
    if (rc != 0) {
        session_core_destroy(core);
        return rc;
    }
    for (uint32_t m = 0; m < session->world->servers; m++)
        core->view.server_up[m] = true;
    *ret_core = core;
    return 0;
}

void session_core_destroy(struct session_core *core)
{
    if (core == NULL)
        return;
    session_queue_destroy(core);
    session_round_destroy(core);
    session_tasks_destroy(core);
    session_guests_destroy(core);
    free(core->device);
    free(core->load);
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
    const struct open_task *task = task_ledger_find(&core->ledger, round, device);
    return task != NULL ? task->row : NULL;
}

const struct session_result *session_core_result(const struct session_core *core)
{
    return &core->result;
}

bool session_core_waits_for(const struct session_core *core, bool is_server, uint32_t number)
{
    assert(number < (is_server ? core->session.world->servers : core->session.world->devices));
    return (is_server ? core->server : core->device)[number].owes > 0;
}

struct msg_allot *session_tell_allot(struct session_core *core, uint32_t server, size_t count,
                                     struct session_actions *actions)
{
    assert(count <= core->allot.used);
    struct msg_allot *message = &session_tell(&core->server[server], PROTO_ALLOT, actions)->allot;
    *message = (struct msg_allot){
        .round = core->round,
        .device = {core->allot.device + core->allot.used - count, count},
        .phase = (uint64_t) core->id.phase,
        .episode = core->id.episode,
        .slot = core->id.slot,
    };
    return message;
}

void session_tell_revoke(struct session_core *core, uint32_t server, uint32_t device,
                         struct session_actions *actions)
{
    session_tell(&core->server[server], PROTO_REVOKE, actions)->revoke =
        (struct msg_revoke){.device = device, .round = core->round};
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

/* How many answers the nodes owe: what `owed` must be. */
static uint32_t count_owed(const struct session_core *core)
{
    uint32_t owed = 0;
    for (uint32_t i = 0; i < core->session.world->devices + core->session.world->servers; i++)
        owed += core->device[i].owes;
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
    core->result.task_cost =
        core->result.tasks > 0 ? core->cost_sum / (double) core->result.tasks : (double) NAN;
    session_core_push(actions, SESSION_DO_FINISH, 0);
}

/* ---- granting ---- */

static void grant(struct session_core *core, struct session_actions *actions)
{
    session_set_state(core, SESSION_OBSERVING);
    env_view_begin(&core->view, core->id);
    if (core->is_queue)
        session_queue_grant(core);
    else
        session_round_grant(core);
    session_faults_begin(core, actions);
    assert(core->owed == 0);
    for (uint32_t n = 0; n < core->session.world->devices; n++)
        if (core->device[n].alive)
            session_owe(core, &core->device[n]);
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
    if ((wants_the_end(core) || core->is_queue) && !core->closing) {
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

/* A slot is over, in whatever mode: counts it, and goes on. */
static void leave_slot(struct session_core *core, struct session_actions *actions)
{
    assert(core->state == SESSION_EXECUTING && core->owed == 0);
    memcpy(core->view.previous_load, core->load, core->session.world->servers * sizeof *core->load);
    env_view_decided(&core->view, &core->decision);
    core->result.slots++;
    if (core->session.stop != NULL && *core->session.stop != 0 && !core->stop_after_slot) {
        core->stop_after_slot = true;
        core->result.stopped = true;
    }
    next_slot(core, actions);
}

/* Whoever was waited for has answered. In queueing mode that is first for devices, then for servers. */
static void end_slot(struct session_core *core, struct session_actions *actions)
{
    assert(core->owed == 0);
    if (core->is_queue && !core->serving)
        session_queue_serve(core, actions);
    if (core->owed > 0)
        return;
    if (core->is_queue)
        session_queue_end(core);
    else
        session_round_end(core, actions);
    leave_slot(core, actions);
}

static bool any_present(const struct session_core *core)
{
    bool any = false;
    for (uint32_t n = 0; n < core->session.world->devices && !any; n++)
        any = core->view.present[n];
    return any;
}

static void execute(struct session_core *core, struct session_actions *actions)
{
    if (core->is_queue)
        session_queue_begin(core, actions);
    else
        session_round_begin(core, actions);
    assert(core->owed == count_owed(core));
    if (core->is_queue && core->session.in_real_time) /* nobody is waited for */
        leave_slot(core, actions);
    else if (core->owed == 0)
        end_slot(core, actions);
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
    if (core->is_queue)
        session_queue_settle(core, actions);
    if (env_reserves(core->session.world))
        session_tasks_hear(core);
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
        if (core->is_queue)
            session_queue_prepare(core, actions);
        env_decision_foresee_nothing(&core->decision, core->session.world->devices);
        policy->kind->decide(policy, &core->view, &core->decision);
        note_decision(core, actions);
        session_guests_decide(core);
        core->transition_open = learning(core);
        core->outcome_due = true;
        execute(core, actions);
    }
    if (update && core->state != SESSION_DONE) {
        core->updating = true;
        session_core_push(actions, SESSION_DO_LEARN, 0);
    }
}

static void observed(struct session_core *core, struct session_actions *actions)
{
    if (core->is_queue && session_queue_asks(core, actions))
        return;
    session_set_state(core, SESSION_LEARNING);
    if (!core->updating)
        decide(core, actions);
}

/* ---- events ---- */

static int on_observation(struct session_core *core, const struct msg_observation *observation,
                          struct diag *diag)
{
    uint32_t n = (uint32_t) observation->device;
    if (core->state != SESSION_OBSERVING || observation->round != core->round || core->device[n].owes == 0)
        return diag_fail(diag, ERR_STATE, "OBSERVATION of device %u for round %llu is not awaited", n,
                         (unsigned long long) observation->round);
    if (observation->gain.count != core->session.world->servers)
        return diag_fail(diag, ERR_RANGE, "OBSERVATION of device %u: %zu gains for %u servers", n,
                         observation->gain.count, core->session.world->servers);
    int rc = session_guests_hear(core, observation, diag);
    if (rc == 0 && core->is_queue)
        rc = session_queue_observation(core, observation, diag);
    if (rc != 0)
        return rc;
    env_view_observe(&core->view, n, (struct vec2){observation->x_m, observation->y_m},
                     observation->speed_mps, (uint32_t) observation->tokens, observation->gain.data);
    session_answered(core, &core->device[n]);
    return 0;
}

static int on_advanced(struct session_core *core, const struct msg_advanced *advanced, struct diag *diag)
{
    uint32_t m = (uint32_t) advanced->server;
    if (core->server[m].owes == 0 || advanced->round != core->round)
        return diag_fail(diag, ERR_STATE, "ADVANCED of server %u for round %llu is not awaited", m,
                         (unsigned long long) advanced->round);
    int rc = core->is_queue ? session_queue_advanced(core, advanced, diag) : 0;
    if (rc == 0)
        session_answered(core, &core->server[m]);
    return rc;
}

static int take_message(struct session_core *core, const struct proto_message *message, struct diag *diag)
{
    const struct world *world = core->session.world;
    if (message->id == PROTO_OBSERVATION && message->observation.device < world->devices)
        return on_observation(core, &message->observation, diag);
    if (message->id == PROTO_PASSED && core->is_queue && message->passed.device < world->devices)
        return session_queue_passed(core, &message->passed, diag);
    if (message->id == PROTO_REPORT && message->report.device < world->devices)
        return session_tasks_report(core, &message->report, diag);
    if (message->id == PROTO_ADVANCED && message->advanced.server < world->servers)
        return on_advanced(core, &message->advanced, diag);
    const char *name = proto_name(message->id);
    return diag_fail(diag, ERR_STATE, "%s is not for the orchestrator's core",
                     name != NULL ? name : "this message");
}

/* After a message or a loss: has the last thing gone that the core waited for? */
static void go_on(struct session_core *core, struct session_actions *actions)
{
    if (core->owed > 0)
        return;
    if (core->state == SESSION_EXECUTING)
        end_slot(core, actions);
    else if (core->state == SESSION_OBSERVING)
        observed(core, actions);
}

static int on_message(struct session_core *core, const struct proto_message *message,
                      struct session_actions *actions, struct diag *diag)
{
    uint32_t owed = core->owed;
    int rc = take_message(core, message, diag);
    if (rc == 0 && core->owed < owed)
        go_on(core, actions);
    return rc;
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
        go_on(core, actions);
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
    assert(event->kind != SESSION_ON_MESSAGE || event->message != NULL);
    int rc = session_tasks_reserve_outcomes(core);
    rc = rc == 0 && core->is_queue ? session_tasks_reserve(core) : rc; /* a round has a bound */
    *ret_actions =
        (struct session_actions){.count = 0, .capacity = core->action_capacity, .list = core->action};
    return rc != 0 ? diag_fail(diag, rc, "out of memory") : step(core, event, ret_actions, diag);
}

int session_core_record(const struct session_core *core, const struct session_action *action,
                        double episode_wall_s)
{
    const struct session_sinks *sinks = &core->session.sinks;
    if (core->meter_code != 0)
        return core->meter_code; /* the meter says why (meter_explain) */
    if (action->kind == SESSION_DO_TASKS) {
        int rc = action->tasks.answers > 0
                     ? session_sinks_answers(sinks, action->tasks.answer, action->tasks.answers)
                     : 0;
        return rc != 0 ? rc : session_sinks_tasks(sinks, action->tasks.row, action->tasks.count);
    }
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
