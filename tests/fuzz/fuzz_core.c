/* The three cores stepped with arbitrary events: no crash, no failed assertion, no list longer than promised,
 * and a refused event has no actions and says why. The first byte says whether the policy learns (bit 0) and
 * whether the scenario breaks things (bit 1); then two bytes an event: what, and who and how. Rounds are
 * those of the last SLOT, ALLOT or grant, give or take one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "edge-server/server_core.h"
#include "mobile-node/device_core.h"
#include "orchestrator/policy/catalog/catalog.h"
#include "orchestrator/session/session_core.h"

#define DEVICES 3u
#define SERVERS 2u
#define EVENTS_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct session_core *orchestrator;
    struct device_core device;
    struct server_core *server;
    uint64_t granted, slot, allotted; /* rounds: of the orchestrator, of the device, of the server */
    struct diag diag;
};

static void require(int holds)
{
    if (!holds)
        abort();
}

static void learn(struct policy *policy, const struct policy_feedback *feedback)
{
    (void) policy;
    require(feedback->reward <= 0.0 && feedback->next->world->devices == DEVICES);
    require(feedback->outcomes > 0 && feedback->outcomes <= DEVICES);
}

static const struct world *the_world(bool stormy)
{
    static struct world worlds[2];
    struct world *world = &worlds[stormy ? 1 : 0];
    struct scenario scenario;
    if (world->devices > 0)
        return world;
    scenario_defaults(&scenario);
    scenario.devices.count = DEVICES;
    scenario.servers.count = SERVERS;
    scenario.chaos.rate = stormy ? 0.3 : 0.0;
    scenario.faults.recovery = stormy ? RECOVERY_REOFFLOAD : RECOVERY_LOCAL;
    require(world_init(world, &scenario, NULL, NULL) == 0);
    return world;
}

static void check(struct fuzz *fuzz, int rc, size_t count, size_t most)
{
    require(count <= most);
    require(rc == 0 || (count == 0 && fuzz->diag.text[0] != '\0'));
    fuzz->diag.text[0] = '\0';
}

/* 0 and 3: the round itself; 1: the next; 2: the one before. */
static uint64_t near_round(uint64_t round, unsigned how)
{
    if (how == 1)
        return round + 1;
    return how == 2 && round > 0 ? round - 1 : round;
}

static void step_orchestrator(struct fuzz *fuzz, unsigned what, unsigned who, unsigned how)
{
    static const double gain[SERVERS] = {1e-11, 1e-9};
    static const enum session_event_kind kinds[] = {
        SESSION_ON_MESSAGE,   SESSION_ON_MESSAGE,   SESSION_ON_MESSAGE,
        SESSION_ON_LEARNED,   SESSION_ON_PEER_LOST, SESSION_ON_PEER_LOST,
        SESSION_ON_PEER_BACK, SESSION_ON_PEER_BACK, SESSION_ON_CONTINUE};
    uint64_t round = near_round(fuzz->granted, how);
    struct proto_message message = {.id = PROTO_OBSERVATION};
    message.observation = (struct msg_observation){.device = who,
                                                   .round = round,
                                                   .x_m = 100.0 * who,
                                                   .tokens = 1 + who,
                                                   .gain = {gain, how == 3 ? 1 : SERVERS}};
    if (what == 1) {
        message.id = PROTO_REPORT;
        message.report = (struct msg_report){
            .device = who, .round = round, .latency_s = who, .energy_j = who, .attempt = how / 3};
    } else if (what == 2) {
        message.id = PROTO_ADVANCED;
        message.advanced = (struct msg_advanced){.server = who, .round = round};
    }
    struct session_event event = {
        .kind = kinds[what],
        .message = &message,
        .is_server = what == 5 || what == 7,
        .number = who,
        .keeps_reports = how == 1,
    };
    struct session_actions actions;
    int rc = session_core_step(fuzz->orchestrator, &event, &actions, &fuzz->diag);
    check(fuzz, rc, actions.count, SESSION_ACTIONS_PER_NODE * (DEVICES + SERVERS) + SESSION_ACTIONS_EXTRA);
    for (size_t i = 0; i < actions.count; i++)
        if (actions.list[i].kind == SESSION_DO_GRANT)
            fuzz->granted = actions.list[i].message.slot.round;
}

static void step_device(struct fuzz *fuzz, unsigned what, unsigned who, unsigned how)
{
    uint32_t layers = fuzz->device.world->llm->layers;
    uint64_t round = near_round(fuzz->slot, how);
    struct proto_message message = {.id = PROTO_SLOT};
    message.slot = (struct msg_slot){.round = round, .phase = who % 3, .episode = who / 4, .slot = round % 8};
    struct device_event event = {
        .kind = (enum device_event_kind) what, .now_s = who, .elapsed_s = how, .message = &message};
    if (event.kind == DEVICE_ON_SLOT)
        fuzz->slot = round;
    if (event.kind == DEVICE_ON_DECISION) {
        message.id = PROTO_DECISION;
        message.decision = (struct msg_decision){.round = round,
                                                 .split = who > 5 ? layers : 4 * who,
                                                 .server = who > 5 ? PROTO_SERVER_NONE : who % 4,
                                                 .bandwidth_share = who == 4 ? 0.0 : 0.5,
                                                 .compute_share = 0.5};
    } else if (event.kind == DEVICE_ON_RESULT) {
        message.id = PROTO_RESULT;
        message.result = (struct msg_result){.round = round, .edge_s = who, .server = who % 2};
    } else if (event.kind == DEVICE_ON_RECOVER) {
        message.id = PROTO_RECOVER;
        message.recover = (struct msg_recover){.round = round,
                                               .attempt = who / 2,
                                               .server = how > 1 ? PROTO_SERVER_NONE : who % 4,
                                               .bandwidth_share = 0.5,
                                               .compute_share = 0.5,
                                               .after_s = 0.1 * how};
    }
    struct device_actions actions;
    int rc = device_core_step(&fuzz->device, &event, &actions, &fuzz->diag);
    check(fuzz, rc, actions.count, DEVICE_ACTIONS_MAX);
}

static void step_server(struct fuzz *fuzz, unsigned what, unsigned who, unsigned how, double share_of_task)
{
    static const double share[] = {0.5, 0.25, 1.0};
    static const uint32_t device[] = {0, 1, 2, 1, 0};
    bool is_allot = what == SERVER_ON_ALLOT;
    uint64_t round = near_round(fuzz->allotted, is_allot ? (who < 6 ? 1 : who - 6) : how);
    struct proto_message message = {.id = PROTO_ALLOT};
    message.allot =
        (struct msg_allot){.round = round, .device = {device + who % 4, how}, .compute_share = {share, how}};
    if (who % 4 + how > sizeof device / sizeof *device)
        return;
    struct server_event event = {.kind = (enum server_event_kind) what,
                                 .device = who,
                                 .round = round,
                                 .elapsed_s = how,
                                 .message = &message};
    if (event.kind == SERVER_ON_TASK) {
        message.id = PROTO_TASK;
        message.task = (struct msg_task){.device = who,
                                         .round = round,
                                         .split = 8 * how,
                                         .tokens = 5,
                                         .arrival_s = how,
                                         .compute_share = share_of_task};
    } else if (event.kind == SERVER_ON_REVOKE) {
        message.id = PROTO_REVOKE;
        message.revoke = (struct msg_revoke){.device = who, .round = round};
    }
    struct server_actions actions;
    int rc = server_core_step(fuzz->server, &event, &actions, &fuzz->diag);
    check(fuzz, rc, actions.count, DEVICES + 1);
    if (rc == 0 && is_allot)
        fuzz->allotted = round;
}

/* Nodes that go and come: what later versions have added, behind the old numbers. */
static void step_faults(struct fuzz *fuzz, unsigned what, unsigned who, unsigned how)
{
    if (what < 3)
        step_orchestrator(fuzz, 6 + what, who, how);
    else if (what < 5)
        step_device(fuzz, what == 3 ? DEVICE_ON_RECOVER : DEVICE_ON_WAITED, who, how);
    else
        step_server(fuzz, SERVER_ON_TASK, who, how, 0.5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct world *world = the_world(size > 0 && data[0] / 2 % 2 == 1);
    struct policy_kind kind = policy_random;
    bool learning = size > 0 && data[0] % 2 == 1;
    kind.learn = learning ? learn : NULL;
    struct policy policy = {.kind = &kind, .world = world, .training = learning};
    struct session session = {.world = world,
                              .policy = &policy,
                              .episodes = 2,
                              .slots = 3,
                              .checkpoint_every = 1,
                              .record_tasks = true};
    struct fuzz fuzz = {.granted = 0};
    require(session_core_create(&fuzz.orchestrator, &session) == 0);
    require(server_core_create(&fuzz.server, world, 1) == 0);
    device_core_init(&fuzz.device, world, 2);
    struct session_event start = {.kind = SESSION_ON_START};
    struct session_actions actions;
    require(session_core_step(fuzz.orchestrator, &start, &actions, &fuzz.diag) == 0);
    for (size_t i = 1; i + 1 < size && i < 2 * EVENTS_MAX; i += 2) {
        unsigned what = data[i] % 15, who = data[i + 1] % 8, how = data[i + 1] / 64;
        if (data[i] >= 240)
            step_faults(&fuzz, data[i] % 6u, who, how);
        else if (what < 6)
            step_orchestrator(&fuzz, what, who, how);
        else if (what < 11)
            step_device(&fuzz, what - 6, who, how);
        else
            step_server(&fuzz, what - 11, who, how, 0.0);
    }
    session_core_destroy(fuzz.orchestrator);
    server_core_destroy(fuzz.server);
    return 0;
}
