/* One device on its own: every event in every state, the numbers of a task, and the ways to be told nonsense. */
#include "mobile-node/device_core.h"

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/model/transfer.h"
#include "tests/unit/model/check.h"

#define DEVICE 1u
#define EVENTS 7
#define STATES 6

static const char *const small[] = {"devices.count=3", "servers.count=2", "servers.coverage_m=5000", NULL};

struct bench {
    struct world world;
    struct device_core core;
    struct device_actions actions;
    struct diag diag;
    struct proto_message message;
};

static int setup(void **state)
{
    static struct bench bench;
    memset(&bench, 0, sizeof bench);
    bench.world = check_world(small);
    device_core_init(&bench.core, &bench.world, DEVICE);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    world_finish(&bench->world);
    return 0;
}

static int step(struct bench *bench, struct device_event event)
{
    bench->diag.text[0] = '\0';
    return device_core_step(&bench->core, &event, &bench->actions, &bench->diag);
}

static int slot_event(struct bench *bench, uint64_t round, uint64_t episode, uint64_t slot,
                      uint64_t observe_only)
{
    bench->message = (struct proto_message){
        .id = PROTO_SLOT,
        .slot = {.round = round,
                 .phase = RNG_TEST,
                 .episode = episode,
                 .slot = slot,
                 .observe_only = observe_only},
    };
    return step(bench, (struct device_event){.kind = DEVICE_ON_SLOT, .message = &bench->message});
}

static int decision_event(struct bench *bench, uint64_t round, uint64_t split, uint64_t server)
{
    bool local = server == PROTO_SERVER_NONE;
    bench->message = (struct proto_message){
        .id = PROTO_DECISION,
        .decision = {.device = DEVICE,
                     .round = round,
                     .split = split,
                     .server = server,
                     .bandwidth_share = local ? 0.0 : 0.5,
                     .compute_share = local ? 0.0 : 0.25},
    };
    return step(bench, (struct device_event){.kind = DEVICE_ON_DECISION, .message = &bench->message});
}

static int result_event(struct bench *bench, uint64_t round, double queue_s, double edge_s)
{
    bench->message = (struct proto_message){
        .id = PROTO_RESULT,
        .result = {.device = DEVICE, .round = round, .queue_s = queue_s, .edge_s = edge_s},
    };
    return step(bench, (struct device_event){.kind = DEVICE_ON_RESULT, .message = &bench->message});
}

static int done_event(struct bench *bench, enum device_event_kind kind, double now_s, double elapsed_s)
{
    return step(bench, (struct device_event){.kind = kind, .now_s = now_s, .elapsed_s = elapsed_s});
}

static int recover_event(struct bench *bench, uint64_t attempt, uint64_t server, double after_s)
{
    bench->message = (struct proto_message){
        .id = PROTO_RECOVER,
        .recover = {.device = DEVICE,
                    .round = 7,
                    .attempt = attempt,
                    .server = server,
                    .bandwidth_share = server == PROTO_SERVER_NONE ? 0.0 : 0.5,
                    .compute_share = server == PROTO_SERVER_NONE ? 0.0 : 0.25,
                    .after_s = after_s},
    };
    return step(bench, (struct device_event){.kind = DEVICE_ON_RECOVER, .message = &bench->message});
}

/* Brings a fresh core to `state` by the usual way, in round 7. */
static void bring_to(struct bench *bench, enum device_state state)
{
    device_core_init(&bench->core, &bench->world, DEVICE);
    if (state > DEVICE_IDLE)
        assert_int_equal(slot_event(bench, 7, 0, 2, 0), 0);
    if (state > DEVICE_OBSERVED)
        assert_int_equal(decision_event(bench, 7, 16, 1), 0);
    if (state > DEVICE_COMPUTING)
        assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 1.0, 1.0), 0);
    if (state > DEVICE_SENDING)
        assert_int_equal(done_event(bench, DEVICE_ON_SENT, 2.0, 1.0), 0);
    if (state > DEVICE_WAITING)
        assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), 0);
    assert_int_equal(bench->core.state, state);
}

static int feed(struct bench *bench, enum device_event_kind kind)
{
    switch (kind) {
    case DEVICE_ON_SLOT: return slot_event(bench, 8, 0, 3, 0);
    case DEVICE_ON_DECISION: return decision_event(bench, 7, 16, 1);
    case DEVICE_ON_COMPUTED: return done_event(bench, DEVICE_ON_COMPUTED, 1.0, 1.0);
    case DEVICE_ON_SENT: return done_event(bench, DEVICE_ON_SENT, 1.0, 1.0);
    case DEVICE_ON_RESULT: return result_event(bench, 7, 0.0, 1.0);
    case DEVICE_ON_RECOVER: return recover_event(bench, 1, PROTO_SERVER_NONE, 0.2);
    case DEVICE_ON_WAITED: return done_event(bench, DEVICE_ON_WAITED, 2.2, 0.2);
    }
    return ERR_TYPE;
}

static void assert_unchanged(const struct bench *bench, const struct device_core *before)
{
    assert_memory_equal(&bench->core, before, sizeof *before);
    assert_int_equal(bench->actions.count, 0);
    assert_int_not_equal(bench->diag.text[0], '\0');
}

static void every_state_takes_its_own_events_and_refuses_the_others_unchanged(void **state)
{
    /* rows: IDLE, OBSERVED, COMPUTING, SENDING, WAITING, PAUSING; where each event leads, -1: refused */
    static const int leads_to[STATES][EVENTS] = {
        {DEVICE_OBSERVED, -1, -1, -1, -1, -1, -1},
        {DEVICE_OBSERVED, DEVICE_COMPUTING, -1, -1, -1, -1, -1},
        {DEVICE_OBSERVED, -1, DEVICE_SENDING, -1, -1, DEVICE_COMPUTING, -1},
        {DEVICE_OBSERVED, -1, -1, DEVICE_WAITING, -1, DEVICE_SENDING, -1},
        {DEVICE_OBSERVED, -1, -1, -1, DEVICE_IDLE, DEVICE_PAUSING, -1},
        {DEVICE_OBSERVED, -1, -1, -1, DEVICE_PAUSING, -1, DEVICE_COMPUTING},
    };
    struct bench *bench = *state;
    for (int from = 0; from < STATES; from++)
        for (int kind = 0; kind < EVENTS; kind++) {
            bring_to(bench, (enum device_state) from);
            struct device_core before = bench->core;
            int rc = feed(bench, (enum device_event_kind) kind);
            if (leads_to[from][kind] < 0) {
                assert_int_equal(rc, ERR_STATE);
                assert_unchanged(bench, &before);
            } else {
                assert_int_equal(rc, 0);
                assert_int_equal(bench->core.state, leads_to[from][kind]);
            }
        }
}

static void every_state_has_a_name(void **state)
{
    (void) state;
    assert_string_equal(device_state_name(DEVICE_IDLE), "idle");
    assert_string_equal(device_state_name(DEVICE_WAITING), "waiting");
    for (int a = 0; a < STATES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(device_state_name((enum device_state) a),
                                    device_state_name((enum device_state) b));
}

static void a_slot_is_answered_by_what_the_device_meets_in_it(void **state)
{
    struct bench *bench = *state;
    struct slot_id id = {RNG_TEST, 3, 4};
    struct mobility mobility;
    struct device_slot expected;
    mobility_start(&bench->world, DEVICE, id.phase, id.episode, &mobility);
    for (uint32_t t = 0; t < id.slot; t++)
        mobility_step(&bench->world, DEVICE, id.phase, id.episode, t, &mobility);
    device_slot_meet(&bench->world, DEVICE, id, &mobility, &expected);
    assert_int_equal(slot_event(bench, 9, 3, 4, 0), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_TELL);
    assert_int_equal(bench->actions.list[0].message.id, PROTO_OBSERVATION);
    const struct msg_observation *told = &bench->actions.list[0].message.observation;
    assert_int_equal(told->device, DEVICE);
    assert_int_equal(told->round, 9);
    assert_int_equal(told->tokens, expected.tokens);
    assert_same(told->x_m, expected.position.x);
    assert_same(told->y_m, expected.position.y);
    assert_same(told->speed_mps, expected.speed_mps);
    assert_int_equal(told->gain.count, bench->world.servers);
    for (uint32_t m = 0; m < bench->world.servers; m++)
        assert_same(told->gain.data[m], expected.gain[m]);
}

static void a_guest_tells_its_own_task_and_computes_it(void **state)
{
    struct bench *bench = *state;
    device_core_set_own(&bench->core, &(struct device_own){.is_own = true, .tokens = 33, .wish = 5});
    assert_int_equal(slot_event(bench, 9, 3, 4, 0), 0);
    assert_int_equal(bench->actions.list[0].message.observation.tokens, 33);
    assert_int_equal(bench->actions.list[0].message.observation.wish, 5);
    assert_int_equal(decision_event(bench, 9, 4, 0), 0);
    assert_int_equal(bench->actions.list[0].work.tokens, 33);
    device_core_init(&bench->core, &bench->world, DEVICE); /* and another is none */
    assert_int_equal(slot_event(bench, 9, 3, 4, 0), 0);
    assert_int_equal(bench->actions.list[0].message.observation.wish, 0);
}

static void an_observation_that_closes_an_episode_waits_for_no_decision(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(slot_event(bench, 5, 0, 10, 1), 0);
    assert_int_equal(bench->actions.list[0].message.id, PROTO_OBSERVATION);
    assert_int_equal(bench->core.state, DEVICE_IDLE);
    assert_int_equal(decision_event(bench, 5, 16, 1), ERR_STATE);
}

/* The action asks for the layers [first, last) of the task of the present round. */
static void assert_work(const struct bench *bench, const struct device_action *action, uint32_t first,
                        uint32_t last)
{
    assert_int_equal(action->kind, DEVICE_DO_COMPUTE);
    assert_int_equal(action->work.device, DEVICE);
    assert_int_equal(action->work.round, bench->core.round);
    assert_int_equal(action->work.id.episode, bench->core.id.episode);
    assert_int_equal(action->work.id.slot, bench->core.id.slot);
    assert_int_equal(action->work.tokens, bench->core.slot.tokens);
    assert_int_equal(action->work.first_layer, first);
    assert_int_equal(action->work.last_layer, last);
}

static void a_local_task_reports_what_cost_outcome_says_and_sends_nothing(void **state)
{
    struct bench *bench = *state;
    uint32_t layers = bench->world.llm->layers;
    assert_int_equal(slot_event(bench, 1, 0, 0, 0), 0);
    struct task_outcome expected;
    cost_outcome(&bench->world, DEVICE, bench->core.slot.tokens, 0.0, &(struct task_plan){.split = layers},
                 &expected);
    assert_int_equal(decision_event(bench, 1, layers, PROTO_SERVER_NONE), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_work(bench, &bench->actions.list[0], 0, layers);
    double duration_s = bench->actions.list[0].duration_s;
    assert_same(duration_s, expected.times.local_s);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, duration_s, duration_s), 0);
    assert_int_equal(bench->actions.count, 1);
    const struct msg_report *report = &bench->actions.list[0].message.report;
    assert_int_equal(bench->actions.list[0].message.id, PROTO_REPORT);
    assert_int_equal(report->device, DEVICE);
    assert_int_equal(report->round, 1);
    assert_same(report->local_s, expected.times.local_s);
    assert_same(report->latency_s, expected.latency_s);
    assert_same(report->energy_j, expected.energy_j);
    assert_same(report->transmit_s + report->queue_s + report->edge_s, 0.0);
    assert_same(report->transmit_j + report->server_j, 0.0);
    assert_same(report->rate_bps + report->payload_bits, 0.0);
    assert_int_equal(bench->core.state, DEVICE_IDLE);
}

static void assert_report(const struct msg_report *report, const struct task_outcome *expected)
{
    assert_same(report->local_s, expected->times.local_s);
    assert_same(report->transmit_s, expected->times.transmit_s);
    assert_same(report->queue_s, expected->times.queue_s);
    assert_same(report->edge_s, expected->times.edge_s);
    assert_same(report->latency_s, expected->latency_s);
    assert_same(report->compute_j, expected->joules.compute_j);
    assert_same(report->transmit_j, expected->joules.transmit_j);
    assert_same(report->server_j, expected->joules.server_j);
    assert_same(report->energy_j, expected->energy_j);
    assert_same(report->rate_bps, expected->rate_bps);
    assert_same(report->payload_bits, expected->payload_bits);
}

/* One offloaded task at split s, as a host in virtual time plays it. */
static void offload(struct bench *bench, uint64_t round, uint32_t split)
{
    assert_int_equal(slot_event(bench, round, 0, round, 0), 0);
    struct task_plan plan = {.split = split, .server = 1, .bandwidth_share = 0.5, .compute_share = 0.25};
    struct task_outcome expected;
    cost_outcome(&bench->world, DEVICE, bench->core.slot.tokens, bench->core.slot.gain[1], &plan, &expected);
    assert_int_equal(decision_event(bench, round, split, 1), 0);
    double local_s = bench->actions.list[0].duration_s;
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, local_s, local_s), 0);
    assert_int_equal(bench->actions.count, 1);
    struct device_action send = bench->actions.list[0];
    assert_int_equal(send.kind, DEVICE_DO_SEND);
    assert_int_equal(send.server, 1);
    assert_int_equal(send.message.id, PROTO_TASK);
    assert_int_equal(send.message.task.device, DEVICE);
    assert_int_equal(send.message.task.round, round);
    assert_int_equal(send.message.task.split, split);
    assert_int_equal(send.message.task.tokens, bench->core.slot.tokens);
    assert_int_equal(send.message.task.payload.size, 0);
    assert_same(send.message.task.declared_bits, expected.payload_bits);
    assert_same(send.message.task.sent_s, local_s);
    assert_same(send.message.task.arrival_s, local_s + send.duration_s);
    assert_int_equal(done_event(bench, DEVICE_ON_SENT, local_s + send.duration_s, send.duration_s), 0);
    assert_int_equal(bench->actions.count, 0);
    double edge_s = cost_edge_s(&bench->world, 1, 0.25, bench->core.slot.tokens, split);
    assert_int_equal(result_event(bench, round, 0.0, edge_s), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].message.id, PROTO_REPORT);
    assert_report(&bench->actions.list[0].message.report, &expected);
}

static void an_offloaded_task_reports_what_cost_outcome_says_at_every_split(void **state)
{
    struct bench *bench = *state;
    for (uint32_t split = 0; split < bench->world.llm->layers; split++)
        offload(bench, split + 1, split);
}

static void waiting_at_the_server_counts_as_latency_and_costs_no_energy(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING);
    assert_int_equal(result_event(bench, 7, 0.0, 0.5), 0);
    struct msg_report prompt = bench->actions.list[0].message.report;
    bring_to(bench, DEVICE_WAITING);
    assert_int_equal(result_event(bench, 7, 2.0, 0.5), 0);
    struct msg_report waited = bench->actions.list[0].message.report;
    assert_same(waited.queue_s, 2.0);
    assert_near(waited.latency_s, prompt.latency_s + 2.0, 1e-12);
    assert_same(waited.energy_j, prompt.energy_j);
}

static void the_times_that_really_passed_are_reported_not_the_ones_asked_for(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING); /* one second of work and one on the link, whatever the model says */
    assert_int_equal(result_event(bench, 7, 0.0, 0.5), 0);
    assert_same(bench->actions.list[0].message.report.local_s, 1.0);
    assert_same(bench->actions.list[0].message.report.transmit_s, 1.0);
    assert_same(bench->actions.list[0].message.report.latency_s, 2.5);
}

static void a_new_slot_abandons_the_task_in_every_state(void **state)
{
    struct bench *bench = *state;
    for (int from = 0; from < STATES; from++) {
        bring_to(bench, (enum device_state) from);
        assert_int_equal(slot_event(bench, 8, 0, 3, 0), 0);
        assert_int_equal(result_event(bench, 7, 0.0, 1.0), 0); /* its server was given up with it */
        assert_int_equal(bench->actions.count, 0);
        assert_int_equal(result_event(bench, 8, 0.0, 1.0), ERR_STATE);
        offload(bench, 9, 16);
    }
}

static void a_late_result_of_an_abandoned_round_leads_to_nothing(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING);
    struct device_core before = bench->core;
    assert_int_equal(result_event(bench, 6, 0.0, 1.0), 0);
    assert_memory_equal(&bench->core, &before, sizeof before);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(result_event(bench, 8, 0.0, 1.0), ERR_STATE);
    assert_unchanged(bench, &before);
    assert_int_equal(result_event(bench, 7, 0.0, 1.0), 0);
}

/* ---- a lost server ---- */

static void a_task_whose_server_is_lost_goes_on_at_its_device_when_that_is_noticed(void **state)
{
    struct bench *bench = *state;
    const struct world *world = &bench->world;
    bring_to(bench, DEVICE_WAITING); /* it arrived at 2.0 s, after 1 s of work and 1 s on the link */
    double bits = bench->core.payload_bits;
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), 0);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_WAIT);
    assert_near(bench->actions.list[0].duration_s, 2.2, 1e-12); /* virtual time: seconds of the slot */
    assert_int_equal(done_event(bench, DEVICE_ON_WAITED, 2.2, 2.2), 0);
    assert_work(bench, &bench->actions.list[0], 16, world->llm->layers);
    double rest_s =
        cost_local_s(world, &world->device[DEVICE], bench->core.slot.tokens, world->llm->layers - 16);
    assert_near(bench->actions.list[0].duration_s, rest_s, 1e-12);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 2.2 + rest_s, rest_s), 0);
    const struct msg_report *report = &bench->actions.list[0].message.report;
    assert_int_equal(report->attempt, 1);
    assert_near(report->local_s, 1.0 + rest_s, 1e-12);
    assert_near(report->interrupted_s, 0.2, 1e-12);
    assert_near(report->latency_s, 2.2 + rest_s, 1e-12);
    assert_same(report->edge_s + report->queue_s + report->server_j, 0.0);
    assert_same(report->extra_bits, bits);
    assert_near(report->extra_j, world->device[DEVICE].transmit_power_w * 1.0, 1e-12);
    assert_same(report->transmit_j, report->extra_j);
    assert_int_equal(bench->core.state, DEVICE_IDLE);
}

static void what_a_lost_server_answered_in_the_slot_is_taken_back(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING);
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), 0);
    assert_int_equal(done_event(bench, DEVICE_ON_WAITED, 2.2, 2.2), 0);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 3.2, 1.0), 0);
    struct msg_report unanswered = bench->actions.list[0].message.report;
    bring_to(bench, DEVICE_WAITING);
    assert_int_equal(result_event(bench, 7, 0.5, 0.75), 0); /* reported as done */
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), 0);
    assert_int_equal(result_event(bench, 7, 0.5, 0.75), 0); /* once more, and too late */
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(done_event(bench, DEVICE_ON_WAITED, 2.2, 2.2), 0);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 3.2, 1.0), 0);
    assert_memory_equal(&bench->actions.list[0].message.report, &unanswered, sizeof unanswered);
}

static void a_task_may_be_sent_on_to_another_server(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING); /* at server 1 */
    double bits = bench->core.payload_bits;
    assert_int_equal(recover_event(bench, 1, 0, 0.5), 0);
    assert_int_equal(done_event(bench, DEVICE_ON_WAITED, 2.5, 2.5), 0);
    struct device_action send = bench->actions.list[0];
    assert_int_equal(send.kind, DEVICE_DO_SEND);
    assert_int_equal(send.server, 0);
    assert_same(send.message.task.compute_share, 0.25);
    assert_same(send.message.task.sent_s, 2.5);
    assert_same(send.message.task.declared_bits, bits);
    assert_int_equal(done_event(bench, DEVICE_ON_SENT, 3.5, 1.0), 0);
    bench->message = (struct proto_message){
        .id = PROTO_RESULT, .result = {.device = DEVICE, .round = 7, .server = 1, .edge_s = 9.0}};
    struct device_event late = {.kind = DEVICE_ON_RESULT, .message = &bench->message};
    assert_int_equal(step(bench, late), 0); /* the lost one has answered after all */
    assert_int_equal(bench->actions.count, 0);
    bench->message.result.server = 0;
    bench->message.result.edge_s = 0.25;
    assert_int_equal(step(bench, late), 0);
    const struct msg_report *report = &bench->actions.list[0].message.report;
    assert_near(report->latency_s, 1.0 + 1.0 + 0.5 + 1.0 + 0.25, 1e-12);
    assert_same(report->transmit_s, 2.0);
    assert_same(report->extra_bits, bits);
    assert_near(report->extra_j, report->transmit_j / 2.0, 1e-12);
    assert_near(report->server_j, bench->world.server[0].power_w * 0.25 * 0.25, 1e-12);
}

/* In virtual time a lost server may have answered before the loss is told; its RESULT's way is taken back
 * too. */
static void a_result_that_is_taken_back_leaves_no_trace(void **state)
{
    struct bench *bench = *state;
    struct msg_report report[2];
    for (int answered = 0; answered < 2; answered++) {
        bring_to(bench, DEVICE_WAITING);
        bench->message = (struct proto_message){
            .id = PROTO_RESULT, .result = {.device = DEVICE, .round = 7, .server = 1, .edge_s = 0.5}};
        struct device_event result = {
            .kind = DEVICE_ON_RESULT, .now_s = 2.5, .elapsed_s = 0.25, .message = &bench->message};
        if (answered) {
            assert_int_equal(step(bench, result), 0);
            assert_same(bench->actions.list[0].message.report.transmit_s, 1.25);
            assert_same(bench->actions.list[0].message.report.latency_s, 2.75);
        }
        assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.5), 0);
        assert_int_equal(done_event(bench, DEVICE_ON_WAITED, 2.5, 0.5), 0);
        assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 4.5, 2.0), 0);
        report[answered] = bench->actions.list[0].message.report;
    }
    assert_same(report[0].transmit_s, 1.0);
    assert_same(report[1].transmit_s, report[0].transmit_s);
    assert_same(report[1].latency_s, report[0].latency_s);
    assert_same(report[1].energy_j, report[0].energy_j);
    assert_same(report[1].extra_j, report[0].extra_j);
}

static void a_loss_noticed_in_real_time_stops_what_is_under_way(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_COMPUTING);
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.0), 0);
    assert_int_equal(bench->actions.count, 0);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 1.0, 1.0), 0);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_COMPUTE); /* nothing is sent any more */
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 3.0, 2.0), 0);
    assert_same(bench->actions.list[0].message.report.latency_s, 3.0);
    assert_same(bench->actions.list[0].message.report.extra_bits, 0.0);
    bring_to(bench, DEVICE_SENDING);
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.0), 0);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_ABANDON);
    assert_work(bench, &bench->actions.list[1], 16, bench->world.llm->layers);
}

static void a_recovery_that_cannot_be_is_refused(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_WAITING);
    struct device_core before = bench->core;
    assert_int_equal(recover_event(bench, 1, 2, 0.2), ERR_RANGE);
    assert_unchanged(bench, &before);
    assert_int_equal(recover_event(bench, 0, PROTO_SERVER_NONE, 0.2), ERR_STATE);
    assert_unchanged(bench, &before);
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), 0);
    assert_int_equal(recover_event(bench, 1, PROTO_SERVER_NONE, 0.2), ERR_STATE); /* twice */
}

static void a_recovery_at_a_server_out_of_reach_is_refused_and_changes_nothing(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_SENDING);
    bench->core.slot.gain[0] = 0.0;
    struct device_core before = bench->core;
    assert_int_equal(recover_event(bench, 1, 0, 0.0), ERR_RANGE);
    assert_int_equal(bench->actions.count, 0);
    assert_unchanged(bench, &before);
}

static void a_device_that_the_scenario_has_down_is_silent_and_a_cut_way_delivers_nothing(void **state)
{
    (void) state;
    struct bench bench = {
        .world = check_world((const char *[]){
            "faults.script=slot 1 pause device 1 for 3; slot 2 partition device 1 server 1 for 4; "
            "slot 5 slow device 1 by 0.5 for 1",
            NULL})};
    device_core_init(&bench.core, &bench.world, DEVICE);
    for (uint32_t slot = 0; slot < 6; slot++) {
        assert_int_equal(slot_event(&bench, slot, 0, slot, 0), 0);
        assert_int_equal(bench.actions.count, slot == 2 || slot == 3 ? 0 : 1);
    }
    assert_int_equal(decision_event(&bench, 5, 16, 1), 0);
    double nominal_s = cost_local_s(&bench.world, &bench.world.device[DEVICE], bench.core.slot.tokens, 16);
    assert_near(bench.actions.list[0].duration_s, 2.0 * nominal_s, 1e-12);
    assert_int_equal(done_event(&bench, DEVICE_ON_COMPUTED, 1.0, 1.0), 0);
    assert_true(bench.actions.list[0].undelivered);
    world_finish(&bench.world);
}

/* What the link itself says, packet by packet, with the draws of that way; both ways have others. */
static double over_link_s(const struct bench *bench, uint32_t server, const struct channel_use *way)
{
    const struct scenario *scenario = &bench->world.scenario;
    struct slot_id id = {RNG_TEST, 0, 2};
    struct link_params link =
        transfer_link(&bench->world, id, DEVICE, server, way, transfer_down_bps(&bench->world, server));
    return transfer_s(&link, transfer_down_bits(scenario));
}

static void a_results_way_down_takes_what_its_own_draws_say(void **state)
{
    (void) state;
    struct bench bench = {.world = check_world((const char *[]){
                              "devices.count=3", "servers.count=2", "servers.coverage_m=5000",
                              "link.result_kb=30", "link.down_mbps=10", "link.delay_s=0.02",
                              "link.jitter_s=0.03", "link.loss=0.2", "link.retransmit_s=0.1", NULL})};
    bring_to(&bench, DEVICE_WAITING); /* slot 2, at server 1 */
    double down_s = device_core_down_s(&bench.core);
    const struct channel_use up = {.payload = CHANNEL_ACTIVATIONS};
    assert_same(down_s, over_link_s(&bench, 1, &channel_down));
    assert_true(fabs(down_s - over_link_s(&bench, 1, &up)) > 1e-6);
    world_finish(&bench.world);
}

static void a_device_that_joins_late_stands_where_it_would_have_stood(void **state)
{
    struct bench *bench = *state;
    for (uint64_t t = 0; t <= 20; t++)
        assert_int_equal(slot_event(bench, t, 2, t, 1), 0);
    struct device_slot walked = bench->core.slot;
    device_core_init(&bench->core, &bench->world, DEVICE);
    assert_int_equal(slot_event(bench, 20, 2, 20, 1), 0);
    assert_memory_equal(&bench->core.slot.position, &walked.position, sizeof walked.position);
    assert_memory_equal(bench->core.slot.gain, walked.gain, bench->world.servers * sizeof *walked.gain);
    assert_int_equal(slot_event(bench, 21, 2, 3, 1), 0); /* back in time, then forward over a gap */
    assert_int_equal(slot_event(bench, 22, 2, 20, 1), 0);
    assert_memory_equal(&bench->core.slot.position, &walked.position, sizeof walked.position);
}

static void every_episode_starts_afresh_whatever_came_before(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(slot_event(bench, 0, 5, 0, 1), 0);
    struct vec2 start = bench->core.slot.position;
    for (uint64_t t = 0; t < 9; t++)
        assert_int_equal(slot_event(bench, t, 4, t, 1), 0);
    assert_int_equal(slot_event(bench, 9, 5, 0, 1), 0);
    assert_memory_equal(&bench->core.slot.position, &start, sizeof start);
}

static void every_phase_has_a_world_of_its_own(void **state)
{
    struct bench *bench = *state;
    struct vec2 at[2];
    for (int i = 0; i < 2; i++) {
        bench->message = (struct proto_message){
            .id = PROTO_SLOT,
            .slot = {.phase = i == 0 ? RNG_TRAIN : RNG_VALIDATE, .slot = 4, .observe_only = 1}};
        assert_int_equal(
            step(bench, (struct device_event){.kind = DEVICE_ON_SLOT, .message = &bench->message}), 0);
        at[i] = bench->core.slot.position;
    }
    struct mobility mobility;
    mobility_start(&bench->world, DEVICE, RNG_VALIDATE, 0, &mobility);
    for (uint32_t t = 0; t < 4; t++)
        mobility_step(&bench->world, DEVICE, RNG_VALIDATE, 0, t, &mobility);
    assert_memory_equal(&at[1], &mobility.position, sizeof at[1]);
    assert_memory_not_equal(&at[0], &at[1], sizeof at[1]);
}

static void a_local_task_after_an_offloaded_one_reports_nothing_of_it(void **state)
{
    struct bench *bench = *state;
    offload(bench, 1, 16);
    assert_int_equal(slot_event(bench, 2, 0, 2, 0), 0);
    assert_int_equal(decision_event(bench, 2, bench->world.llm->layers, PROTO_SERVER_NONE), 0);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 2.0, 2.0), 0);
    const struct msg_report *report = &bench->actions.list[0].message.report;
    assert_same(report->latency_s, 2.0);
    assert_same(report->rate_bps + report->payload_bits, 0.0);
    assert_same(report->transmit_s + report->edge_s + report->transmit_j + report->server_j, 0.0);
}

static void a_decision_that_cannot_be_is_refused_and_a_right_one_still_taken(void **state)
{
    struct bench *bench = *state;
    uint32_t layers = bench->world.llm->layers;
    bring_to(bench, DEVICE_OBSERVED);
    struct device_core before = bench->core;
    static const struct {
        uint64_t round, split, server;
        int rc;
    } wrong[] = {
        {6, 16, 1, ERR_STATE},
        {8, 16, 1, ERR_STATE},
        {7, 16, 2, ERR_RANGE},
        {7, 16, 255, ERR_RANGE},
        {7, 16, PROTO_SERVER_NONE, ERR_RANGE},
        {7, 32, 1, ERR_RANGE},
        {7, 33, 1, ERR_RANGE},
        {7, 33, PROTO_SERVER_NONE, ERR_RANGE},
        {7, UINT64_C(0x100000010), 1, ERR_RANGE},
    };
    assert_int_equal(layers, 32);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(decision_event(bench, wrong[i].round, wrong[i].split, wrong[i].server), wrong[i].rc);
        assert_unchanged(bench, &before);
    }
    assert_int_equal(decision_event(bench, 7, 16, 1), 0);
}

static void offloading_without_a_share_of_the_server_is_refused(void **state)
{
    struct bench *bench = *state;
    static const double shares[][2] = {{0.0, 0.5}, {0.5, 0.0}, {-0.5, 0.5}, {0.5, -1.0}, {(double) NAN, 0.5}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        bring_to(bench, DEVICE_OBSERVED);
        struct device_core before = bench->core;
        bench->message = (struct proto_message){
            .id = PROTO_DECISION,
            .decision = {.device = DEVICE,
                         .round = 7,
                         .split = 3,
                         .server = 0,
                         .bandwidth_share = shares[i][0],
                         .compute_share = shares[i][1]},
        };
        struct device_event event = {.kind = DEVICE_ON_DECISION, .message = &bench->message};
        assert_int_equal(step(bench, event), ERR_RANGE);
        assert_unchanged(bench, &before);
    }
}

static void a_server_that_no_bit_ever_reaches_is_an_error_and_not_an_endless_transfer(void **state)
{
    struct bench *bench = *state;
    bring_to(bench, DEVICE_COMPUTING);
    bench->core.slot.gain[1] = 0.0;
    struct device_core before = bench->core;
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 1.0, 1.0), ERR_RANGE);
    assert_unchanged(bench, &before);
}

/* ---- in chunks ---- */

/* In round 7, with 128 tokens in three chunks: 42, 43 and 43 rows; the first one is being computed. */
static void begin_chunks(struct bench *bench)
{
    bench->world.scenario.compute.chunks = 3;
    device_core_init(&bench->core, &bench->world, DEVICE);
    assert_int_equal(slot_event(bench, 7, 0, 2, 0), 0);
    assert_int_equal(decision_event(bench, 7, 16, 1), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].work.rows.first, 0);
    assert_int_equal(bench->actions.list[0].work.rows.count, 42);
}

static void a_chunk_is_sent_while_the_next_is_computed(void **state)
{
    struct bench *bench = *state;
    static const uint32_t first[] = {0, 42, 85}, count[] = {42, 43, 43};
    begin_chunks(bench);
    double arrived_s = 0.0;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(bench->core.state, DEVICE_COMPUTING);
        assert_int_equal(done_event(bench, DEVICE_ON_SENT, 1.0, 1.0), ERR_STATE);
        assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 0.01 * (i + 1), 0.01), 0);
        const struct device_action *send = &bench->actions.list[0], *next = &bench->actions.list[1];
        assert_int_equal(bench->actions.count, i < 2 ? 2 : 1);
        assert_int_equal(send->kind, DEVICE_DO_SEND);
        assert_int_equal(send->more, i < 2);
        assert_int_equal(send->message.task.chunk, i);
        assert_int_equal(send->message.task.chunks, 3);
        assert_int_equal(send->message.task.rows, count[i]);
        assert_true(send->message.task.arrival_s >= arrived_s);
        assert_near(send->message.task.arrival_s, 0.01 * (i + 1) + send->duration_s, 1e-12);
        arrived_s = send->message.task.arrival_s;
        if (i < 2) {
            assert_int_equal(next->kind, DEVICE_DO_COMPUTE);
            assert_int_equal(next->work.rows.first, first[i + 1]);
            assert_int_equal(next->work.rows.count, count[i + 1]);
        }
    }
    assert_int_equal(bench->core.state, DEVICE_SENDING);
}

/* Real time. Nothing more is sent to a server that is lost, but the rest is computed: then all goes again, whole. */
static void a_loss_noticed_between_chunks_sends_all_again_when_all_is_computed(void **state)
{
    struct bench *bench = *state;
    begin_chunks(bench);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 1.0, 1.0), 0);
    assert_int_equal(recover_event(bench, 1, 0, 0.0), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_ABANDON);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 2.0, 1.0), 0);
    assert_int_equal(bench->actions.count, 1);
    assert_int_equal(bench->actions.list[0].kind, DEVICE_DO_COMPUTE);
    assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 3.0, 1.0), 0);
    assert_int_equal(bench->actions.count, 1);
    const struct device_action *send = &bench->actions.list[0];
    assert_int_equal(send->kind, DEVICE_DO_SEND);
    assert_int_equal(send->server, 0);
    assert_false(send->more);
    assert_int_equal(send->message.task.chunks, 0);
    assert_near(send->message.task.declared_bits, 128.0 * 16.0 * bench->world.llm->hidden, 1e-3);
    assert_near(bench->core.payload_bits, send->message.task.declared_bits, 1e-3);
    assert_near(bench->core.times.local_s, 3.0, 1e-12);
    assert_int_equal(bench->core.state, DEVICE_SENDING);
}

/* The radio worked while the device still computed, and the server before the last chunk came. */
static void energies_count_work_and_not_what_it_adds(void **state)
{
    struct bench *bench = *state;
    const struct device_params *params = &bench->world.device[DEVICE];
    begin_chunks(bench);
    double sending_s = 0.0, last_s = 0.0;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(done_event(bench, DEVICE_ON_COMPUTED, 50.0 * (i + 1), 50.0), 0);
        last_s = bench->actions.list[0].duration_s; /* the link is free each time */
        sending_s += last_s;
    }
    assert_int_equal(done_event(bench, DEVICE_ON_SENT, 150.0 + last_s, last_s), 0);
    bench->message = (struct proto_message){
        .id = PROTO_RESULT,
        .result = {.device = DEVICE, .round = 7, .edge_s = 1.0, .busy_s = 0.25 * 2.5, .server = 1}};
    assert_int_equal(step(bench, (struct device_event){.kind = DEVICE_ON_RESULT,
                                                       .now_s = 150.0 + last_s + 1.0,
                                                       .message = &bench->message}),
                     0);
    const struct msg_report *report = &bench->actions.list[0].message.report;
    assert_near(report->local_s, 150.0, 1e-9);
    assert_near(report->transmit_s, last_s, 1e-9);
    assert_near(report->edge_s, 1.0, 1e-9);
    assert_near(report->latency_s, 151.0 + last_s, 1e-9);
    assert_near(report->transmit_j, params->transmit_power_w * sending_s, 1e-9);
    assert_near(report->server_j, bench->world.server[1].power_w * 0.25 * 2.5, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        ROW(every_state_takes_its_own_events_and_refuses_the_others_unchanged),
        ROW(every_state_has_a_name),
        ROW(a_slot_is_answered_by_what_the_device_meets_in_it),
        ROW(a_guest_tells_its_own_task_and_computes_it),
        ROW(an_observation_that_closes_an_episode_waits_for_no_decision),
        ROW(a_local_task_reports_what_cost_outcome_says_and_sends_nothing),
        ROW(an_offloaded_task_reports_what_cost_outcome_says_at_every_split),
        ROW(waiting_at_the_server_counts_as_latency_and_costs_no_energy),
        ROW(the_times_that_really_passed_are_reported_not_the_ones_asked_for),
        ROW(a_new_slot_abandons_the_task_in_every_state),
        ROW(a_late_result_of_an_abandoned_round_leads_to_nothing),
        ROW(a_task_whose_server_is_lost_goes_on_at_its_device_when_that_is_noticed),
        ROW(what_a_lost_server_answered_in_the_slot_is_taken_back),
        ROW(a_task_may_be_sent_on_to_another_server),
        ROW(a_result_that_is_taken_back_leaves_no_trace),
        ROW(a_loss_noticed_in_real_time_stops_what_is_under_way),
        ROW(a_recovery_that_cannot_be_is_refused),
        ROW(a_recovery_at_a_server_out_of_reach_is_refused_and_changes_nothing),
        ROW(a_device_that_the_scenario_has_down_is_silent_and_a_cut_way_delivers_nothing),
        ROW(a_results_way_down_takes_what_its_own_draws_say),
        ROW(a_device_that_joins_late_stands_where_it_would_have_stood),
        ROW(every_episode_starts_afresh_whatever_came_before),
        ROW(every_phase_has_a_world_of_its_own),
        ROW(a_local_task_after_an_offloaded_one_reports_nothing_of_it),
        ROW(a_decision_that_cannot_be_is_refused_and_a_right_one_still_taken),
        ROW(offloading_without_a_share_of_the_server_is_refused),
        ROW(a_server_that_no_bit_ever_reaches_is_an_error_and_not_an_endless_transfer),
#undef ROW
        cmocka_unit_test_setup_teardown(a_chunk_is_sent_while_the_next_is_computed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_loss_noticed_between_chunks_sends_all_again_when_all_is_computed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(energies_count_work_and_not_what_it_adds, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
