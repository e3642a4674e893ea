/* A device in queueing mode in real time: what its core asks for is begun, and ends when it really does. */
#include "mobile-node/device_queue_real.h"

#include "core/base/clock.h"
#include "core/base/process.h"
#include "proto/node/real_time.h"
#include "tests/lib/memory.h"
#include "tests/unit/mobile/real_bench.h"

#define DEVICE 0u
#define SERVERS 2u

struct bench {
    struct real_bench real;
    struct device_queue *queue;
    struct device_queue_real device;
    uint64_t round;
};

static int open_bench(void **state, const char *extra)
{
    static struct bench bench;
    const char *const keys[] = {"run.mode=queue", "run.slot_s=0.5", "devices.count=1", extra, NULL};
    bench = (struct bench){.round = 0};
    real_bench_open_device(&bench.real, keys);
    assert_int_equal(device_queue_create(&bench.queue, &bench.real.control.join.world, 0), 0);
    assert_int_equal(device_queue_real_open(&bench.device, &bench.real.control, bench.queue, 0), 0);
    *state = &bench;
    return 0;
}

static int setup(void **state)
{
    return open_bench(state, NULL);
}

static int setup_restart(void **state)
{
    return open_bench(state, "handover.policy=restart");
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    device_queue_real_close(&bench->device);
    device_queue_destroy(bench->queue);
    real_bench_close(&bench->real);
    assert_int_equal(bench->real.has_ended, bench->real.control.status != 0);
    return 0;
}

static void take(struct bench *bench, const struct proto_message *message)
{
    struct diag diag = {{0}};
    int rc = device_queue_real_take(&bench->device, message, &diag);
    if (rc != 0)
        fail_msg("%s", diag_text(&diag, rc));
}

static void slot(struct bench *bench, uint64_t number)
{
    take(bench, &(struct proto_message){.id = PROTO_SLOT, .slot = {.round = ++bench->round, .slot = number}});
}

static void decide(struct bench *bench, uint64_t split, uint64_t server, double share)
{
    const double shares[SERVERS] = {share, share};
    take(bench, &(struct proto_message){
                    .id = PROTO_DECISION,
                    .decision = {.round = bench->round,
                                 .split = split,
                                 .server = split == REAL_BENCH_LAYERS ? PROTO_SERVER_NONE : server,
                                 .share = {shares, SERVERS}}});
}

/* A task is on its way to the server, too slowly to arrive. */
static struct real_peer *send_slowly(struct bench *bench, uint64_t server)
{
    unsigned before = bench->real.connections;
    decide(bench, 2, server, 1e-4);
    struct real_peer *peer = real_bench_connection(&bench->real, before);
    real_bench_hear(&bench->real, peer, "AP");
    assert_ptr_equal(bench->device.sending, bench->device.uplink[server]);
    assert_true(uplink_is_sending(bench->device.sending));
    return peer;
}

static double model_s(const struct bench *bench, uint64_t to_ns)
{
    return (double) (to_ns - bench->device.zero_ns) * 1e-9 * REAL_BENCH_SCALE;
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
    double full_s = cost_local_s(world, &world->device[0], 128, REAL_BENCH_LAYERS);
    slot(bench, 0);
    decide(bench, REAL_BENCH_LAYERS, 0, 0.0);
    assert_true(wire_alarm_is_set(&bench->device.compute));
    double due_s = model_s(bench, bench->device.compute.due_ns);
    assert_true(due_s >= full_s - 1e-6 && due_s <= full_s + model_s(bench, clock_monotonic_ns()));
    assert_int_equal(bench->device.due_ns, bench->device.compute.due_ns);
    real_bench_hear(&bench->real, &bench->real.orchestrator, "OR");
    const struct msg_report *report = &bench->real.orchestrator.peer.last.report;
    assert_true(report->latency_s >= full_s - 1e-6 &&
                report->latency_s <= model_s(bench, clock_monotonic_ns()));
    assert_int_equal(bench->real.connections, 0);
}

static void a_task_crosses_and_its_result_is_reported(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    decide(bench, 2, 1, 1.0);
    struct real_peer *server = real_bench_connection(&bench->real, 0);
    real_bench_hear(&bench->real, server, "APT");
    assert_int_equal(server->bytes, REAL_BENCH_TASK_BYTES);
    assert_int_equal(server->peer.last.task.split, 2);
    assert_null(bench->device.sending);
    assert_null(bench->device.uplink[0]);
    answer(bench, server);
    assert_true(real_bench_hear_report(&bench->real, bench->round)->transmit_s > 0.0);
}

/* Another number than the first goes on with what there is. */
static void an_episode_begins_with_nothing_under_way(void **state)
{
    struct bench *bench = *state;
    struct device_queue_real *device = &bench->device;
    struct wire_alarm *alarms[] = {&device->compute, &device->wait, &device->step};
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wire_alarm_set(&bench->real.control.alarms, alarms[i], UINT64_MAX), 0);
    device->is_due = true;
    uint64_t zero_ns = device->zero_ns;
    slot(bench, 1);
    assert_int_equal(device->zero_ns, zero_ns);
    assert_true(uplink_is_sending(device->uplink[0]) && device->is_due);
    for (size_t i = 0; i < 3; i++)
        assert_true(wire_alarm_is_set(alarms[i]));
    slot(bench, 0);
    assert_true(device->zero_ns > zero_ns);
    assert_false(uplink_is_sending(device->uplink[0]) || device->is_due);
    assert_null(device->sending);
    for (size_t i = 0; i < 3; i++)
        assert_false(wire_alarm_is_set(alarms[i]));
    decide(bench, 2, 0, 1.0); /* the connection is as good as before */
    real_bench_hear(&bench->real, server, "APPT");
    assert_int_equal(server->round, bench->round);
}

static void a_later_slot_is_an_episodes_first_for_who_has_seen_none(void **state)
{
    struct bench *bench = *state;
    slot(bench, 5);
    assert_true(bench->device.zero_ns > 0);
}

static void a_new_share_is_a_new_rate_at_once(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    slot(bench, 1);
    decide(bench, REAL_BENCH_LAYERS, 0, 1.0);
    real_bench_hear(&bench->real, server, "APT");
    assert_int_equal(server->bytes, REAL_BENCH_TASK_BYTES);
}

static void a_handover_stops_what_is_sent_and_sends_it_to_the_other_server(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    struct real_peer *old = send_slowly(bench, 0);
    slot(bench, 1);
    take(bench, &(struct proto_message){.id = PROTO_HANDOVER,
                                        .handover = {.round = bench->round, .from = 0, .to = 1}});
    decide(bench, REAL_BENCH_LAYERS, 0, 1.0);
    assert_false(uplink_is_sending(bench->device.uplink[0]));
    struct real_peer *other = real_bench_connection(&bench->real, 1);
    real_bench_hear(&bench->real, other, "APT");
    assert_int_equal(other->bytes, REAL_BENCH_TASK_BYTES);
    assert_string_equal(old->heard, "AP");
    assert_int_equal(old->peer.closes, 0);
}

static void a_task_that_is_cut_is_sent_again(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    wire_conn_close(server->peer.conn);
    real_bench_see_closed(&bench->real, server, "closed");
    while (bench->device.sending != NULL)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    slot(bench, 1);
    decide(bench, REAL_BENCH_LAYERS, 0, 1.0);
    struct real_peer *other = real_bench_connection(&bench->real, 1);
    real_bench_hear(&bench->real, other, "APT");
    assert_int_equal(other->bytes, REAL_BENCH_TASK_BYTES);
}

static void a_server_that_has_moved_is_hung_up_on_and_no_other(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    device_queue_real_hang_up(&bench->device, 1); /* there is no connection */
    device_queue_real_refuse(&bench->device, 1, "nobody hears this");
    assert_true(bench->device.sending == bench->device.uplink[0] && bench->device.sending != NULL);
    device_queue_real_hang_up(&bench->device, 0);
    assert_null(bench->device.sending);
    assert_null(bench->device.uplink[0]);
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
}

static void a_server_that_says_what_it_may_not_is_told_so(void **state)
{
    struct bench *bench = *state;
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    device_queue_real_refuse(&bench->device, 0, "not like this");
    real_bench_see_closed(&bench->real, server, "not like this");
}

static void closing_forgets_all_alarms_and_connections(void **state)
{
    struct bench *bench = *state;
    struct device_queue_real *device = &bench->device, unused = {.control = NULL};
    struct wire_alarm *alarms[] = {&device->compute, &device->wait, &device->step};
    slot(bench, 0);
    struct real_peer *server = send_slowly(bench, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wire_alarm_set(&bench->real.control.alarms, alarms[i], UINT64_MAX), 0);
    device_queue_real_close(device);
    for (size_t i = 0; i < 3; i++)
        assert_false(wire_alarm_is_set(alarms[i]));
    assert_null(device->uplink);
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
    device_queue_real_close(&unused);
}

static void without_memory_nothing_is_opened_or_sent(void **state)
{
    struct bench *bench = *state;
    if (!memory_can_fail())
        return;
    struct device_queue_real other = {.control = NULL};
    memory_fail_at(1);
    assert_int_equal(device_queue_real_open(&other, &bench->real.control, bench->queue, 0), -ENOMEM);
    assert_true(memory_has_failed());
    slot(bench, 0);
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
        cmocka_unit_test_setup_teardown(an_episode_begins_with_nothing_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_later_slot_is_an_episodes_first_for_who_has_seen_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_share_is_a_new_rate_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handover_stops_what_is_sent_and_sends_it_to_the_other_server,
                                        setup_restart, teardown),
        cmocka_unit_test_setup_teardown(a_task_that_is_cut_is_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_has_moved_is_hung_up_on_and_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_says_what_it_may_not_is_told_so, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_forgets_all_alarms_and_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_opened_or_sent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
