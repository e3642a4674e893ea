#include "tests/unit/session/script.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "db/row_text.h"

static void add(char *text, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add(char *text, size_t capacity, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text + used, capacity - used, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t) length < capacity - used);
}

/* ---- a policy that logs ---- */

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct script *script = policy->state;
    assert_false(script->updating);
    add(script->log, sizeof script->log, "decide(%u.%u):%u ", view->id.episode, view->id.slot,
        script->weights);
    memcpy(script->previous_load, view->previous_load, sizeof script->previous_load);
    for (uint32_t n = 0; n < script->world.devices; n++) {
        for (uint32_t m = 0; m < script->world.servers; m++)
            if (view->covered[n * script->world.servers + m])
                assert_true(view->present[n] && view->server_up[m]);
        bool local = n >= script->world.servers;
        ret_decision->split[n] = local ? script->world.llm->layers : 16;
        ret_decision->server[n] = local ? ENV_LOCAL : n;
    }
    env_repair(view, ret_decision);
}

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    struct script *script = policy->state;
    assert_false(script->updating);
    assert_true(feedback->reward < 0.0);
    assert_true(feedback->outcomes > 0);
    double cost = 0.0; /* the reward is what the reports say */
    for (size_t i = 0; i < feedback->outcomes; i++)
        cost += feedback->outcome[i].cost;
    assert_true(feedback->reward == -(cost / (double) feedback->outcomes));
    bool anybody = false;
    for (uint32_t n = 0; n < script->world.devices; n++)
        anybody = anybody || feedback->next->present[n];
    assert_true(anybody); /* a view of nobody teaches nothing */
    script->learned++;
    add(script->log, sizeof script->log, "learn(%u.%u%s) ", feedback->next->id.episode,
        feedback->next->id.slot, feedback->truncated ? ",end" : "");
}

static void update(struct policy *policy)
{
    struct script *script = policy->state;
    assert_true(script->updating);
    script->weights = script->learned;
    add(script->log, sizeof script->log, "update:%u ", script->weights);
}

static int save(const struct policy *policy, bool full, struct buf *bytes)
{
    (void) policy;
    (void) full;
    (void) bytes;
    return 0;
}

static const struct policy_kind plain = {.name = "scripted", .decide = decide};
static const struct policy_kind learner = {
    .name = "scripted learner", .decide = decide, .learn = learn, .update = update, .save = save};

/* ---- a recorder that keeps ---- */

static int on_tasks(void *user, const struct db_task *task, size_t count)
{
    struct script *script = user;
    assert_true(script->rows + count <= SCRIPT_ROWS_MAX);
    memcpy(script->row + script->rows, task, count * sizeof *task);
    script->rows += count;
    return 0;
}

static int on_episode(void *user, const struct db_episode *episode)
{
    struct script *script = user;
    assert_true(script->episodes < SCRIPT_EPISODES_MAX);
    script->episode[script->episodes++] = *episode;
    return 0;
}

static int on_event(void *user, const struct db_event *event)
{
    struct script *script = user;
    assert_true(script->events < SCRIPT_EVENTS_MAX);
    script->event[script->events++] = *event;
    return 0;
}

static int on_checkpoint(void *user, uint32_t episode, struct policy *policy)
{
    struct script *script = user;
    assert_ptr_equal(policy, &script->policy);
    assert_false(script->updating); /* the weights must stand still while they are saved */
    add(script->log, sizeof script->log, "save(%u):%u ", episode, script->weights);
    return 0;
}

void script_open(struct script *script, bool learning, uint32_t episodes, uint32_t slots)
{
    static const char *const keys[] = {"devices.count=3", "servers.count=2", "servers.coverage_m=5000",
                                       "faults.recovery=none", NULL};
    *script = (struct script){.world = check_world(keys)};
    script->policy = (struct policy){
        .kind = learning ? &learner : &plain,
        .world = &script->world,
        .training = learning,
        .state = script,
    };
    script->session = (struct session){
        .world = &script->world,
        .policy = &script->policy,
        .phase = RNG_TRAIN,
        .episodes = episodes,
        .slots = slots,
        .checkpoint_every = 2,
        .record_tasks = true,
        .stop = &script->stop,
    };
    const struct session_sink sink = {.tasks = on_tasks,
                                      .episode = on_episode,
                                      .event = on_event,
                                      .checkpoint = on_checkpoint,
                                      .user = script};
    for (uint32_t n = 0; n < SCRIPT_DEVICES; n++)
        script->place[n] = script_report(n, 0).report.served_by;
    session_sinks_add(&script->session.sinks, sink);
    assert_int_equal(session_core_create(&script->core, &script->session), 0);
}

void script_close(struct script *script)
{
    session_core_destroy(script->core);
    world_finish(&script->world);
}

/* ---- actions as words ---- */

static void word_of_message(struct script *script, const struct session_action *action)
{
    const struct proto_message *message = &action->message;
    char *text = script->text;
    size_t capacity = sizeof script->text;
    switch (action->kind) {
    case SESSION_DO_GRANT:
        assert_int_equal(message->id, PROTO_SLOT);
        script->granted = script->round = message->slot.round;
        add(text, capacity, "%s(%u.%u) ", message->slot.observe_only != 0 ? "close" : "grant",
            (unsigned) message->slot.episode, (unsigned) message->slot.slot);
        return;
    case SESSION_DO_TELL_DEVICE:
        if (message->id == PROTO_RECOVER) {
            assert_int_equal(message->recover.round, script->granted);
            script->attempt[action->number] = message->recover.attempt;
            script->place[action->number] = message->recover.server;
            if (message->recover.server == PROTO_SERVER_NONE)
                add(text, capacity, "recover%u ", action->number);
            else
                add(text, capacity, "sendon%u[%u] ", action->number, (unsigned) message->recover.server);
            return;
        }
        script->attempt[action->number] = 0;
        assert_int_equal(message->id, PROTO_DECISION);
        assert_int_equal(message->decision.round, script->granted);
        assert_int_equal(message->decision.device, action->number);
        script->place[action->number] = message->decision.server;
        add(text, capacity, "decision%u ", action->number);
        return;
    case SESSION_DO_TELL_SERVER:
        if (message->id == PROTO_REVOKE) {
            assert_int_equal(message->revoke.round, script->granted);
            add(text, capacity, "revoke%u[%u] ", action->number, (unsigned) message->revoke.device);
            return;
        }
        assert_int_equal(message->id, PROTO_ALLOT);
        assert_int_equal(message->allot.round, script->granted);
        assert_int_equal(message->allot.device.count, message->allot.compute_share.count);
        add(text, capacity, "allot%u[", action->number);
        for (size_t i = 0; i < message->allot.device.count; i++)
            add(text, capacity, "%s%u", i > 0 ? "," : "", message->allot.device.data[i]);
        add(text, capacity, "] ");
        return;
    case SESSION_DO_LEARN:
    case SESSION_DO_TASKS:
    case SESSION_DO_EPISODE:
    case SESSION_DO_EVENT:
    case SESSION_DO_CHECKPOINT:
    case SESSION_DO_AWAIT_DEVICE:
    case SESSION_DO_AWAIT_SERVER:
    case SESSION_DO_CONTINUE:
    case SESSION_DO_FINISH: fail_msg("not a message");
    }
}

static void execute(struct script *script, const struct session_action *action)
{
    char *text = script->text;
    size_t capacity = sizeof script->text;
    switch (action->kind) {
    case SESSION_DO_GRANT:
    case SESSION_DO_TELL_DEVICE:
    case SESSION_DO_TELL_SERVER: word_of_message(script, action); return;
    case SESSION_DO_LEARN:
        assert_false(script->updating);
        script->updating = true;
        add(text, capacity, "learn ");
        return;
    case SESSION_DO_TASKS: add(text, capacity, "tasks "); break;
    case SESSION_DO_EPISODE: add(text, capacity, "episode%u ", action->number); break;
    case SESSION_DO_CHECKPOINT: add(text, capacity, "checkpoint%u ", action->number); break;
    case SESSION_DO_EVENT:
        if (action->event.from_server != DB_EVENT_NULL) {
            add(text, capacity, "move%u[%d>%d] ", (unsigned) action->event.number,
                (int) action->event.from_server, (int) action->event.to_server);
            break;
        }
        add(text, capacity, "event(%s%u,%s) ", db_event_role_text(action->event.role),
            (unsigned) action->event.number, db_event_phase_text(action->event.phase));
        break;
    case SESSION_DO_AWAIT_DEVICE: add(text, capacity, "await(device%u) ", action->number); return;
    case SESSION_DO_AWAIT_SERVER: add(text, capacity, "await(server%u) ", action->number); return;
    case SESSION_DO_CONTINUE: add(text, capacity, "continue "); return;
    case SESSION_DO_FINISH: add(text, capacity, "finish "); return;
    }
    assert_int_equal(session_core_record(script->core, action, 0.5), 0);
}

int script_step(struct script *script, const struct session_event *event)
{
    script->diag.text[0] = '\0';
    int rc = session_core_step(script->core, event, &script->actions, &script->diag);
    assert_true(script->actions.count <=
                SESSION_ACTIONS_PER_NODE * (SCRIPT_DEVICES + SCRIPT_SERVERS) + SESSION_ACTIONS_EXTRA);
    if (rc != 0) {
        assert_int_equal(script->actions.count, 0);
        assert_int_not_equal(script->diag.text[0], '\0');
    }
    for (size_t i = 0; i < script->actions.count; i++)
        execute(script, &script->actions.list[i]);
    return rc;
}

int script_message(struct script *script, const struct proto_message *message)
{
    struct session_event event = {.kind = SESSION_ON_MESSAGE, .message = message};
    return script_step(script, &event);
}

struct proto_message script_observation(const struct script *script, uint32_t device, uint64_t round)
{
    static const double gain[SCRIPT_SERVERS] = {1e-10, 2e-10};
    return (struct proto_message){
        .id = PROTO_OBSERVATION,
        .observation = {.device = device,
                        .round = round,
                        .x_m = 100.0 + device,
                        .y_m = 200.0 + device,
                        .speed_mps = 1.0,
                        .tokens = 64 + device,
                        .gain = {gain, script->world.servers}},
    };
}

struct proto_message script_report(uint32_t device, uint64_t round)
{
    double seconds = 1.0 + 0.25 * device + 0.125 * (double) (round % 4);
    return (struct proto_message){
        .id = PROTO_REPORT,
        .report = {.device = device,
                   .round = round,
                   .local_s = seconds,
                   .latency_s = seconds,
                   .compute_j = 2.0,
                   .energy_j = 2.0,
                   .payload_bits = 80.0,
                   .served_by = device < SCRIPT_SERVERS ? device : PROTO_SERVER_NONE,
                   .bandwidth_share = 0.25,
                   .compute_share = 0.5},
    };
}

struct proto_message script_advanced(uint32_t server, uint64_t round)
{
    return (struct proto_message){.id = PROTO_ADVANCED, .advanced = {.server = server, .round = round}};
}

int script_word(struct script *script, const char *word)
{
    uint32_t number = word[0] != '\0' && word[1] >= '0' && word[1] <= '9' ? (uint32_t) (word[1] - '0') : 0;
    struct session_event event = {.kind = SESSION_ON_PEER_LOST, .number = number, .why = "scripted"};
    struct proto_message message;
    switch (word[0]) {
    case 's': event.kind = SESSION_ON_START; return script_step(script, &event);
    case 'd': return script_step(script, &event);
    case 'k': event.keeps_reports = true; /* fall through */
    case 'e': event.is_server = true; return script_step(script, &event);
    case 'D':
    case 'E':
        event.kind = SESSION_ON_PEER_BACK;
        event.is_server = word[0] == 'E';
        return script_step(script, &event);
    case 'l':
        if (script->updating)
            script->policy.kind->update(&script->policy);
        script->updating = false;
        event.kind = SESSION_ON_LEARNED;
        return script_step(script, &event);
    case 'o': message = script_observation(script, number, script->round); break;
    case 'r':
        message = script_report(number, script->round);
        if (number < SCRIPT_DEVICES) {
            message.report.attempt = script->attempt[number];
            message.report.served_by = script->place[number];
        }
        break;
    case 'a': message = script_advanced(number, script->round); break;
    default: fail_msg("no such word: %s", word); return ERR_TYPE;
    }
    return script_message(script, &message);
}

void script_run(struct script *script, const char *words, const char *actions)
{
    char word[8];
    script->text[0] = '\0';
    for (const char *at = words; *at != '\0';) {
        size_t length = strcspn(at, " ");
        assert_true(length > 0 && length < sizeof word);
        memcpy(word, at, length);
        word[length] = '\0';
        if (script_word(script, word) != 0)
            fail_msg("%s: %s", word, script->diag.text);
        at += length + strspn(at + length, " ");
    }
    size_t length = strlen(script->text);
    if (length > 0)
        script->text[length - 1] = '\0'; /* the blank behind the last word */
    assert_string_equal(script->text, actions);
}
