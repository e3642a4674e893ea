/* Queueing mode. In real time the servers are asked how they stand before each slot's decision, once. In virtual time a
 * slot's reports are awaited, each once. */
#include "orchestrator/session/session_core.h"

#include "tests/unit/model/check.h"

#define DEVICES 2u
#define SERVERS 2u
#define SLOTS 5u

struct bench {
    struct world world;
    struct policy policy;
    struct session session;
    struct session_core *core;
    struct session_actions actions;
    bool sends;     /* device 0 sends its task to server 0 */
    bool both_send; /* and device 1 to server 1 */
    uint64_t round;
    unsigned grants, decides, recovers;
    struct db_task row[DEVICES]; /* of the last block that was whole */
    size_t rows;
    unsigned asked[SERVERS];   /* since the last observations */
    double backlog_s[SERVERS]; /* as the last decide saw it */
    double unsent[SERVERS];    /* likewise of device 0, bits */
    unsigned handovers;        /* told */
};

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct bench *bench = policy->state;
    bench->decides++;
    memcpy(bench->backlog_s, view->backlog_s, sizeof bench->backlog_s);
    memcpy(bench->unsent, view->unsent_bits, sizeof bench->unsent);
    for (uint32_t n = 0; n < DEVICES; n++) {
        ret_decision->split[n] = bench->world.llm->layers;
        ret_decision->server[n] = ENV_LOCAL;
    }
    if (bench->sends) {
        ret_decision->split[0] = 1;
        ret_decision->server[0] = 0;
    }
    if (bench->both_send) {
        ret_decision->split[1] = 1;
        ret_decision->server[1] = 1;
    }
    env_repair(view, ret_decision);
}

static const struct policy_kind all_local = {.name = "all local", .decide = decide};

static void open_bench(struct bench *bench, bool in_real_time)
{
    static const char *const keys[] = {"run.mode=queue", "devices.count=2", "servers.count=2",
                                       "servers.coverage_m=5000", NULL};
    *bench = (struct bench){.world = check_world(keys)};
    bench->policy = (struct policy){.kind = &all_local, .world = &bench->world, .state = bench};
    bench->session = (struct session){.world = &bench->world,
                                      .policy = &bench->policy,
                                      .phase = RNG_TEST,
                                      .episodes = 1,
                                      .slots = SLOTS,
                                      .record_tasks = true,
                                      .in_real_time = in_real_time};
    assert_int_equal(session_core_create(&bench->core, &bench->session), 0);
}

static void close_bench(struct bench *bench)
{
    session_core_destroy(bench->core);
    world_finish(&bench->world);
}

static void feed(struct bench *bench, const struct session_event *event)
{
    struct diag diag = {{0}};
    if (session_core_step(bench->core, event, &bench->actions, &diag) != 0)
        fail_msg("%s", diag.text);
    for (size_t i = 0; i < bench->actions.count; i++) {
        const struct session_action *action = &bench->actions.list[i];
        if (action->kind == SESSION_DO_GRANT) {
            bench->round = action->message.slot.round;
            bench->grants++;
        }
        if (action->kind == SESSION_DO_TELL_SERVER && action->message.id == PROTO_ALLOT) {
            assert_true(action->message.allot.round == bench->round);
            bench->asked[action->number]++;
        }
        if (action->kind == SESSION_DO_TASKS) {
            bench->rows = action->tasks.count;
            assert_in_range(bench->rows, 1, DEVICES);
            memcpy(bench->row, action->tasks.row, bench->rows * sizeof *bench->row);
        }
        bench->recovers += action->kind == SESSION_DO_TELL_DEVICE && action->message.id == PROTO_RECOVER;
        bench->handovers += action->kind == SESSION_DO_TELL_DEVICE && action->message.id == PROTO_HANDOVER;
    }
}

static void observe_at(struct bench *bench, uint32_t device, struct vec2 position,
                       const double unsent[static SERVERS])
{
    static const double gain[SERVERS] = {1e-10, 2e-10};
    const struct proto_message message = {
        .id = PROTO_OBSERVATION,
        .observation = {.device = device,
                        .round = bench->round,
                        .x_m = position.x,
                        .y_m = position.y,
                        .tokens = 64,
                        .gain = {gain, SERVERS},
                        .unsent_bits = {unsent, SERVERS}},
    };
    feed(bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
}

static void observe(struct bench *bench, uint32_t device)
{
    static const double unsent[SERVERS] = {0.0, 0.0};
    observe_at(bench, device, (struct vec2){0.0, 0.0}, unsent);
}

static void advance(struct bench *bench, uint32_t server, double backlog_s)
{
    const struct proto_message message = {
        .id = PROTO_ADVANCED,
        .advanced = {.server = server, .round = bench->round, .backlog_s = backlog_s},
    };
    feed(bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
}

static void in_real_time_the_servers_are_asked_before_each_decision(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, true);
    feed(&bench, &(struct session_event){.kind = SESSION_ON_START});
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        assert_int_equal(bench.grants, slot + 1);
        memset(bench.asked, 0, sizeof bench.asked);
        observe(&bench, 0);
        assert_int_equal(bench.asked[0] + bench.asked[1], 0); /* not everybody has been seen yet */
        observe(&bench, 1);
        assert_int_equal(bench.asked[0], 1);
        assert_int_equal(bench.asked[1], 1);
        assert_int_equal(bench.decides, slot);
        advance(&bench, 1, 10.0 + slot);
        assert_int_equal(bench.decides, slot);
        advance(&bench, 0, 20.0 + slot);
        assert_int_equal(bench.decides, slot + 1);
        assert_same(bench.backlog_s[0], 20.0 + slot);
        assert_same(bench.backlog_s[1], 10.0 + slot);
        assert_int_equal(bench.asked[0] + bench.asked[1], SERVERS); /* once a slot */
    }
    close_bench(&bench);
}

/* A slot in real time, in which nobody reports. */
static void live(struct bench *bench)
{
    for (uint32_t n = 0; n < DEVICES; n++)
        observe(bench, n);
    for (uint32_t m = 0; m < SERVERS; m++)
        advance(bench, m, 0.0);
}

/* In real time a report may come after the next slot has been granted: the row says when its task ended. */
static void in_real_time_a_task_ends_in_the_slot_that_its_latency_says(void **state)
{
    static const double slots[] = {0.5, 1.0, 1.75, 2.5, 40.0}; /* that it took */
    static const uint32_t ended_in[] = {0, 1, 1, 2, 3};        /* not after the present one */
    (void) state;
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        struct bench bench;
        open_bench(&bench, true);
        const double latency_s = slots[i] * bench.world.scenario.run.slot_s;
        feed(&bench, &(struct session_event){.kind = SESSION_ON_START});
        const uint64_t first = bench.round;
        for (unsigned slot = 0; slot < 3; slot++)
            live(&bench);
        for (uint32_t n = 0; n < DEVICES; n++) {
            const struct proto_message message = {
                .id = PROTO_REPORT,
                .report = {.device = n,
                           .round = first,
                           .local_s = latency_s,
                           .latency_s = latency_s,
                           .served_by = PROTO_SERVER_NONE},
            };
            feed(&bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
        }
        assert_int_equal(bench.rows, 0);
        live(&bench);
        assert_int_equal(bench.rows, DEVICES);
        for (uint32_t n = 0; n < DEVICES; n++)
            assert_int_equal(bench.row[n].end_slot, ended_in[i]);
        close_bench(&bench);
    }
}

static void pass(struct bench *bench, uint32_t device, uint32_t tasks)
{
    const uint32_t task = (uint32_t) bench->round, server = device;
    const double arrival_s = 0.5;
    const struct proto_message message = {
        .id = PROTO_PASSED,
        .passed = {.device = device,
                   .round = bench->round,
                   .task = {&task, tasks},
                   .server = {&server, tasks},
                   .arrival_s = {&arrival_s, tasks}},
    };
    feed(bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
}

static void report(struct bench *bench, uint32_t device, uint32_t served_by)
{
    const struct proto_message message = {
        .id = PROTO_REPORT,
        .report = {.device = device,
                   .round = bench->round,
                   .local_s = 0.5,
                   .latency_s = 0.5,
                   .served_by = served_by,
                   .bandwidth_share = served_by == PROTO_SERVER_NONE ? 0.0 : 1.0,
                   .compute_share = served_by == PROTO_SERVER_NONE ? 0.0 : 1.0},
    };
    feed(bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
}

static void a_task_that_a_server_names_twice_is_awaited_once(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench, false);
    bench.sends = true;
    feed(&bench, &(struct session_event){.kind = SESSION_ON_START});
    observe(&bench, 0);
    observe(&bench, 1);
    assert_int_equal(bench.decides, 1);
    pass(&bench, 0, 1);
    report(&bench, 1, PROTO_SERVER_NONE);
    pass(&bench, 1, 0);
    const uint32_t device[] = {0, 0}, task[] = {(uint32_t) bench.round, (uint32_t) bench.round};
    const struct proto_message message = {
        .id = PROTO_ADVANCED,
        .advanced = {.server = 0,
                     .round = bench.round,
                     .served_device = {device, 2},
                     .served_task = {task, 2}},
    };
    feed(&bench, &(struct session_event){.kind = SESSION_ON_MESSAGE, .message = &message});
    advance(&bench, 1, 0.0);
    assert_int_equal(bench.grants, 1); /* its report is awaited */
    report(&bench, 0, 0);
    assert_int_equal(bench.grants, 2);
    close_bench(&bench);
}

static void lose(struct bench *bench, bool is_server, uint32_t number)
{
    feed(bench,
         &(struct session_event){
             .kind = SESSION_ON_PEER_LOST, .is_server = is_server, .number = number, .why = "scripted"});
}

/* Both send; what they send waits at the servers when the next slot has begun. */
static void open_waiting(struct bench *bench)
{
    open_bench(bench, false);
    bench->sends = bench->both_send = true;
    feed(bench, &(struct session_event){.kind = SESSION_ON_START});
    observe(bench, 0);
    observe(bench, 1);
    pass(bench, 0, 1);
    pass(bench, 1, 1);
    advance(bench, 0, 1.0);
    advance(bench, 1, 1.0);
    bench->sends = bench->both_send = false;
    assert_int_equal(bench->grants, 2);
}

static void a_task_whose_server_is_lost_is_recovered_once(void **state)
{
    (void) state;
    struct bench bench;
    open_waiting(&bench);
    lose(&bench, true, 0);
    assert_int_equal(bench.recovers, 0);
    observe(&bench, 0);
    observe(&bench, 1);
    assert_int_equal(bench.recovers, 1);
    close_bench(&bench);
}

/* Its server and its device are lost in one slot; device 1's task keeps the slot's block open meanwhile. */
static void a_task_that_ended_with_its_device_is_not_recovered_when_that_is_back(void **state)
{
    (void) state;
    struct bench bench;
    open_waiting(&bench);
    lose(&bench, true, 0);
    lose(&bench, false, 0);
    observe(&bench, 1);
    report(&bench, 1, PROTO_SERVER_NONE);
    pass(&bench, 1, 0);
    feed(&bench, &(struct session_event){.kind = SESSION_ON_PEER_BACK, .number = 0});
    advance(&bench, 1, 1.0);
    assert_int_equal(bench.grants, 3);
    observe(&bench, 0);
    observe(&bench, 1);
    assert_int_equal(bench.decides, 3);
    assert_int_equal(bench.recovers, 0);
    close_bench(&bench);
}

/* ---- handovers ---- */

/* Servers far from each other, and traces that begin anew in slot 1 alone of those that are played, or never. */
static void open_moving(struct bench *bench, bool anew)
{
    struct track track;
    open_bench(bench, false);
    bench->world.scenario.handover.policy = HANDOVER_RESUME;
    bench->world.scenario.run.trace_end = TRACE_END_RESTART;
    bench->world.scenario.mobility.kind = MOBILITY_TRACE;
    bench->world.server[1].position.x = bench->world.server[0].position.x + 20000.0;
    assert_int_equal(track_init(&track, TRACK_PLACE, 1, anew ? 5.0 : 1e6), 0);
    track.value[TRACK_CELL] = TRACK_NO_CELL;
    assert_int_equal(tracks_push(&bench->world.place_tracks, &track), 0);
    while (anew && !device_slot_begins_anew(&bench->world, 0, (struct slot_id){RNG_TEST, 0, 1}))
        bench->world.seed++;
}

/* A slot in which device 0 sends and its task stays on its way. */
static void send_slowly(struct bench *bench, double unsent)
{
    const double bits[SERVERS] = {unsent, 0.0};
    observe_at(bench, 0, bench->world.server[0].position, bits);
    observe_at(bench, 1, bench->world.server[0].position, (const double[SERVERS]){0.0, 0.0});
    pass(bench, 0, 0);
    report(bench, 1, PROTO_SERVER_NONE);
    pass(bench, 1, 0);
    advance(bench, 0, 0.0);
    advance(bench, 1, 0.0);
}

/* What a device has not sent moves with its tasks. Where one of them stays, nobody knows how much of it that is. */
static void what_is_unsent_moves_unless_a_part_of_it_stays(void **state)
{
    (void) state;
    for (int anew = 0; anew < 2; anew++) {
        struct bench bench;
        open_moving(&bench, anew == 1);
        bench.sends = true;
        feed(&bench, &(struct session_event){.kind = SESSION_ON_START});
        send_slowly(&bench, 0.0);
        send_slowly(&bench, 100.0);
        assert_int_equal(bench.handovers, 0);
        observe_at(&bench, 0, bench.world.server[1].position, (const double[SERVERS]){300.0, 50.0});
        observe(&bench, 1);
        assert_int_equal(bench.decides, 3);
        assert_int_equal(bench.handovers, 1);
        assert_same(bench.unsent[0], anew ? 300.0 : 0.0);
        assert_same(bench.unsent[1], anew ? 50.0 : 350.0);
        close_bench(&bench);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_real_time_the_servers_are_asked_before_each_decision),
        cmocka_unit_test(in_real_time_a_task_ends_in_the_slot_that_its_latency_says),
        cmocka_unit_test(a_task_that_a_server_names_twice_is_awaited_once),
        cmocka_unit_test(a_task_whose_server_is_lost_is_recovered_once),
        cmocka_unit_test(a_task_that_ended_with_its_device_is_not_recovered_when_that_is_back),
        cmocka_unit_test(what_is_unsent_moves_unless_a_part_of_it_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
