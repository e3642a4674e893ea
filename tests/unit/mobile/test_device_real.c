/* A device of mode round in real time: what its core asks for is begun, and ends when it really does. */
#include "mobile-node/device_real.h"

#include "core/base/clock.h"
#include "core/base/process.h"
#include "tests/lib/memory.h"
#include "tests/unit/mobile/real_bench.h"

#define DEVICE 1u

struct bench {
    struct real_bench real;
    struct device_core core;
    struct device_real device;
    uint64_t round;
};

static int open_bench(void **state, const char *extra)
{
    static struct bench bench;
    const char *const keys[] = {"devices.count=2", extra, NULL};
    bench = (struct bench){.round = 0};
    real_bench_open_device(&bench.real, keys);
    device_core_init(&bench.core, &bench.real.control.join.world, DEVICE);
    assert_int_equal(device_real_open(&bench.device, &bench.real.control, &bench.core), 0);
    *state = &bench;
    return 0;
}

static int setup(void **state)
{
    return open_bench(state, NULL);
}

static int setup_cut_link(void **state)
{
    return open_bench(state, "faults.script=slot 0 partition device 1 server 1 for 5");
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    device_real_close(&bench->device);
    real_bench_close(&bench->real);
    assert_int_equal(bench->real.has_ended, bench->real.control.status != 0);
    return 0;
}

static void take(struct bench *bench, const struct proto_message *message)
{
    struct diag diag = {{0}};
    int rc = device_real_take(&bench->device, message, &diag);
    if (rc != 0)
        fail_msg("%s", diag_text(&diag, rc));
}

static void slot(struct bench *bench)
{
    uint64_t number = bench->round++;
    take(bench, &(struct proto_message){.id = PROTO_SLOT,
                                        .slot = {.round = bench->round, .phase = RNG_TEST, .slot = number}});
}

static void decide(struct bench *bench, uint64_t split, uint64_t server, double share)
{
    bool local = split == REAL_BENCH_LAYERS;
    take(bench, &(struct proto_message){.id = PROTO_DECISION,
                                        .decision = {.device = DEVICE,
                                                     .round = bench->round,
                                                     .split = split,
                                                     .server = local ? PROTO_SERVER_NONE : server,
                                                     .bandwidth_share = local ? 0.0 : share,
                                                     .compute_share = local ? 0.0 : 0.25}});
}

/* A task is on its way to the server, too slowly to arrive. */
static struct real_peer *send_slowly(struct bench *bench, uint64_t server)
{
    unsigned before = bench->real.connections;
    decide(bench, 2, server, 1e-4);
    struct real_peer *peer = real_bench_connection(&bench->real, before);
    real_bench_hear(&bench->real, peer, "AP");
    assert_true(uplink_is_sending(bench->device.uplink[server]));
    assert_int_equal(bench->device.server, server);
    return peer;
}

static double passed_s(const struct bench *bench)
{
    return (double) (clock_monotonic_ns() - bench->device.task_ns) * 1e-9 * REAL_BENCH_SCALE;
}

static void answer(const struct bench *bench, struct real_peer *server)
{
    const struct msg_result result = {.device = DEVICE, .round = bench->round, .server = 1};
    real_bench_answer(server, &result, REAL_BENCH_RESULT_BYTES);
}

static void a_local_task_ends_when_the_model_says(void **state)
{
    struct bench *bench = *state;
    const struct world *world = &bench->real.control.join.world;
    slot(bench);
    decide(bench, REAL_BENCH_LAYERS, 0, 0.0);
    assert_true(wire_alarm_is_set(&bench->device.job));
    assert_int_equal(bench->device.job.due_ns, bench->device.due_ns);
    const struct msg_report *report = real_bench_hear_report(&bench->real, bench->round);
    double full_s = cost_local_s(world, &world->device[DEVICE], bench->core.slot.tokens, REAL_BENCH_LAYERS);
    assert_true(report->latency_s >= full_s - 1e-6 && report->latency_s <= passed_s(bench));
    assert_near(report->local_s, report->latency_s, 0.2);
    assert_int_equal(bench->real.connections, 0);
}

static void a_task_crosses_and_its_result_is_reported(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) { /* the second over the same connection */
        slot(bench);
        decide(bench, 2, 1, 1.0);
        struct real_peer *server = real_bench_connection(&bench->real, 0);
        real_bench_hear(&bench->real, server, i == 0 ? "APT" : "APTPT");
        assert_int_equal(server->bytes, REAL_BENCH_TASK_BYTES);
        assert_null(bench->device.uplink[0]);
        answer(bench, server);
        const struct msg_report *report = real_bench_hear_report(&bench->real, bench->round);
        assert_true(report->transmit_s > 0.0 && report->local_s > 0.0);
        assert_true(report->local_s + report->transmit_s <= report->latency_s + 1e-6);
        assert_true(report->latency_s <= passed_s(bench));
        *strchr(bench->real.orchestrator.heard, 'R') = '-';
    }
    assert_int_equal(bench->real.connections, 1);
}

static void a_slot_ends_what_is_under_way(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    decide(bench, REAL_BENCH_LAYERS, 0, 0.0);
    bench->device.is_due = true;
    slot(bench);
    assert_false(wire_alarm_is_set(&bench->device.job) || bench->device.is_due);
    struct real_peer *server = send_slowly(bench, 0);
    slot(bench);
    assert_false(uplink_is_sending(bench->device.uplink[0]));
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
    decide(bench, REAL_BENCH_LAYERS, 0, 0.0);
    (void) real_bench_hear_report(&bench->real, bench->round);
}

static void a_task_whose_server_is_lost_is_computed_here_or_sent_elsewhere(void **state)
{
    struct bench *bench = *state;
    for (unsigned away = 0; away < 2; away++) {
        slot(bench);
        struct real_peer *server = send_slowly(bench, 0);
        take(bench, &(struct proto_message){.id = PROTO_RECOVER,
                                            .recover = {.device = DEVICE,
                                                        .round = bench->round,
                                                        .attempt = 1,
                                                        .server = away ? 1 : PROTO_SERVER_NONE,
                                                        .bandwidth_share = away ? 1.0 : 0.0,
                                                        .compute_share = away ? 0.25 : 0.0}});
        assert_false(uplink_is_sending(bench->device.uplink[0]));
        real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
        if (away) {
            struct real_peer *other = real_bench_connection(&bench->real, 2);
            real_bench_hear(&bench->real, other, "APT");
            assert_int_equal(other->bytes, REAL_BENCH_TASK_BYTES);
            answer(bench, other);
        }
        const struct msg_report *report = real_bench_hear_report(&bench->real, bench->round);
        assert_int_equal(report->attempt, 1);
        *strchr(bench->real.orchestrator.heard, 'R') = '-';
    }
}

static void what_a_cut_link_would_carry_takes_its_time_and_is_not_sent(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    decide(bench, 0, 1, 0.5);
    while (bench->core.state == DEVICE_COMPUTING)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_int_equal(bench->core.state, DEVICE_SENDING);
    assert_true(wire_alarm_is_set(&bench->device.job));
    assert_int_equal(bench->device.job_ends, DEVICE_ON_SENT);
    while (bench->core.state == DEVICE_SENDING)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_int_equal(bench->core.state, DEVICE_WAITING);
    assert_int_equal(bench->real.connections, 0);
}

static void a_lost_server_ends_the_time_of_what_is_not_sent(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    decide(bench, 0, 1, 1e-4);
    while (bench->core.state == DEVICE_COMPUTING)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    take(bench, &(struct proto_message){
                    .id = PROTO_RECOVER,
                    .recover = {
                        .device = DEVICE, .round = bench->round, .attempt = 1, .server = PROTO_SERVER_NONE}});
    (void) real_bench_hear_report(&bench->real, bench->round);
}

static void a_server_that_has_moved_is_hung_up_on_and_no_other(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    struct real_peer *server = send_slowly(bench, 0);
    device_real_hang_up(&bench->device, 1); /* there is no connection */
    device_real_refuse(&bench->device, 1, "nobody hears this");
    assert_non_null(bench->device.uplink[0]);
    device_real_hang_up(&bench->device, 0);
    assert_null(bench->device.uplink[0]);
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
}

static void a_server_that_says_what_it_may_not_is_told_so(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    struct real_peer *server = send_slowly(bench, 0);
    device_real_refuse(&bench->device, 0, "not like this");
    real_bench_see_closed(&bench->real, server, "not like this");
}

static void closing_forgets_the_alarm_and_all_connections(void **state)
{
    struct bench *bench = *state;
    slot(bench);
    struct real_peer *server = send_slowly(bench, 0);
    assert_int_equal(wire_alarm_set(&bench->real.control.alarms, &bench->device.job, UINT64_MAX), 0);
    device_real_close(&bench->device);
    assert_false(wire_alarm_is_set(&bench->device.job));
    assert_null(bench->device.uplink);
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
}

static void without_memory_nothing_is_opened_or_sent(void **state)
{
    struct bench *bench = *state;
    if (!memory_can_fail())
        return;
    struct device_real other = {.control = NULL};
    memory_fail_at(1);
    assert_int_equal(device_real_open(&other, &bench->real.control, &bench->core), -ENOMEM);
    assert_true(memory_has_failed());
    slot(bench);
    real_bench_hear(&bench->real, &bench->real.orchestrator, "O"); /* that has what it needs */
    decide(bench, 2, 1, 0.5);
    memory_fail_at(1);
    while (!bench->real.has_ended)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_true(memory_has_failed());
    assert_null(bench->device.uplink[1]);
    assert_int_equal(bench->real.control.status, PROCESS_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_local_task_ends_when_the_model_says, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_crosses_and_its_result_is_reported, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slot_ends_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_whose_server_is_lost_is_computed_here_or_sent_elsewhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_cut_link_would_carry_takes_its_time_and_is_not_sent,
                                        setup_cut_link, teardown),
        cmocka_unit_test_setup_teardown(a_lost_server_ends_the_time_of_what_is_not_sent, setup_cut_link,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_server_that_has_moved_is_hung_up_on_and_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_says_what_it_may_not_is_told_so, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_forgets_the_alarm_and_all_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_opened_or_sent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
