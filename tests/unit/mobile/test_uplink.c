/* One device's connection to one server in real time: what crosses it, in which order, and how it ends. */
#include "mobile-node/uplink.h"

#include "core/base/err.h"
#include "proto/node/piece.h"
#include "tests/lib/memory.h"
#include "tests/unit/mobile/real_bench.h"

#define DEVICE 3u
#define SERVER 1u
#define BYTES UINT64_C(200000) /* of a task: more than a PIECE */
#define RESULT_BYTES 2000u     /* link.result_kb */
#define FAST_BPS 1e9
#define SLOW_BPS 1e5 /* a task takes 16 s: nobody waits for it */

static const char *const keys[] = {"devices.count=4", "servers.count=2", "link.result_kb=2",
                                   "link.down_mbps=100", NULL};

struct bench {
    struct real_bench real;
    struct uplink *uplink;
    unsigned sent, cuts, results;
    uint64_t result_round;
    bool refuses;
};

static void on_sent(void *user)
{
    ((struct bench *) user)->sent++;
}

static void on_cut(void *user)
{
    ((struct bench *) user)->cuts++;
}

static int on_result(void *user, const struct proto_message *result, struct diag *diag)
{
    struct bench *bench = user;
    bench->results++;
    bench->result_round = result->result.round;
    return bench->refuses ? diag_fail(diag, ERR_STATE, "not now") : 0;
}

static const struct uplink_hooks hooks = {.on_sent = on_sent, .on_cut = on_cut, .on_result = on_result};

static int setup(void **state)
{
    static struct bench bench;
    bench = (struct bench){.sent = 0};
    real_bench_open(&bench.real, keys);
    assert_int_equal(uplink_create(&bench.uplink, &bench.real.control, DEVICE, SERVER, &hooks, &bench), 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    uplink_destroy(bench->uplink);
    real_bench_close(&bench->real);
    return 0;
}

static void send_task(struct bench *bench, uint64_t round, double rate_bps)
{
    const struct proto_message task = {.id = PROTO_TASK,
                                       .task = {.device = DEVICE, .round = round, .tokens = 1}};
    const struct uplink_load load = {.bytes = BYTES};
    const struct link_params params = {.rate_bps = rate_bps, .queue_bytes = (double) INFINITY};
    struct diag diag = {{0}};
    assert_int_equal(uplink_send(bench->uplink, &task, &load, &params, &diag), 0);
}

/* The n-th connection, as soon as it is there. */
static struct real_peer *connection(struct bench *bench, unsigned n)
{
    while (bench->real.connections <= n)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    return &bench->real.server[n];
}

static void a_task_goes_behind_its_bytes_and_the_next_over_the_same_connection(void **state)
{
    struct bench *bench = *state;
    assert_false(uplink_is_sending(bench->uplink));
    send_task(bench, 9, FAST_BPS);
    assert_true(uplink_is_sending(bench->uplink));
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "APT");
    assert_int_equal(server->attach.run_token, REAL_BENCH_TOKEN);
    assert_int_equal(server->attach.first, DEVICE);
    assert_int_equal(server->attach.count, 1);
    assert_int_equal(server->bytes, BYTES);
    assert_int_equal(server->peer.last.task.round, 9);
    assert_int_equal(bench->sent, 1);
    assert_false(uplink_is_sending(bench->uplink));
    send_task(bench, 10, FAST_BPS);
    real_bench_hear(&bench->real, server, "APTPT");
    assert_int_equal(server->bytes, BYTES);
    assert_int_equal(bench->sent, 2);
    assert_int_equal(bench->real.connections, 1);
}

/* The first bytes of the link's windows are told to the orchestrator before the RESULT is: it may end the run. */
static void a_result_counts_when_all_of_its_bytes_are_there(void **state)
{
    struct bench *bench = *state;
    send_task(bench, 9, 8.0 * (double) BYTES / 0.05); /* longer than the shortest window */
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "APT");
    assert_string_equal(bench->real.orchestrator.heard, "");
    piece_send(server->peer.conn, DEVICE, 8, (struct proto_bytes){(const uint8_t *) "other", 5});
    piece_send(server->peer.conn, DEVICE, 9, (struct proto_bytes){(const uint8_t *) "first", 5});
    real_bench_answer(server, &(struct msg_result){.device = DEVICE, .round = 9}, RESULT_BYTES - 5);
    while (bench->results == 0)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_int_equal(bench->result_round, 9);
    real_bench_hear(&bench->real, &bench->real.orchestrator, "L");
    assert_int_equal(server->peer.closes, 0);
}

static void what_a_server_may_not_say_ends_the_connection(void **state)
{
    static const struct {
        uint64_t device, piece_round, result_round, bytes;
        bool is_task, refuses;
        const char *text;
    } cases[] = {
        {DEVICE, 9, 9, RESULT_BYTES - 1, false, false,
         "RESULT of device 3: 1999 of 2000 bytes came before it"},
        {DEVICE, 8, 9, RESULT_BYTES, false, false, "RESULT of device 3: 0 of 2000 bytes came before it"},
        {DEVICE, 9, 9, RESULT_BYTES, false, true, "not now"},
        {DEVICE + 1, 9, 9, RESULT_BYTES, false, false, "only RESULTs of device 3 are taken here"},
        {DEVICE + 1, 9, 9, 0, false, false, "only RESULTs of device 3 are taken here"},
        {DEVICE, 9, 9, RESULT_BYTES, true, false, "only RESULTs of device 3 are taken here"},
    };
    struct bench *bench = *state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench->refuses = cases[i].refuses;
        send_task(bench, 9, FAST_BPS);
        struct real_peer *server = connection(bench, i);
        real_bench_hear(&bench->real, server, "APT");
        const uint8_t bytes[RESULT_BYTES] = {0};
        const struct proto_message result = {
            .id = PROTO_RESULT, .result = {.device = cases[i].device, .round = cases[i].result_round}};
        const struct proto_message task = {.id = PROTO_TASK,
                                           .task = {.device = DEVICE, .round = 9, .tokens = 1}};
        piece_send(server->peer.conn, DEVICE, 7,
                   (struct proto_bytes){bytes, RESULT_BYTES}); /* of an earlier one */
        if (cases[i].bytes > 0)
            piece_send(server->peer.conn, cases[i].device, cases[i].piece_round,
                       (struct proto_bytes){bytes, cases[i].bytes});
        assert_int_equal(wire_conn_send(server->peer.conn, cases[i].is_task ? &task : &result), 0);
        real_bench_see_closed(&bench->real, server, cases[i].text);
        assert_int_equal(server->peer.refusal, PROTO_REFUSE_OUT_OF_STATE);
    }
    assert_int_equal(bench->results, 1); /* the one that was not wanted now */
    assert_int_equal(bench->cuts, 0);
}

static void a_task_that_is_stopped_leaves_the_connection_to_the_next(void **state)
{
    struct bench *bench = *state;
    send_task(bench, 9, SLOW_BPS);
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "AP");
    uplink_stop(bench->uplink);
    assert_false(uplink_is_sending(bench->uplink));
    uplink_abandon(bench->uplink); /* nothing is under way */
    send_task(bench, 10, FAST_BPS);
    real_bench_hear(&bench->real, server, "APPT");
    assert_int_equal(server->round, 10);
    assert_int_equal(bench->sent, 1);
    assert_int_equal(bench->cuts, 0);
    assert_int_equal(bench->real.connections, 1);
}

/* By name, and by a new task. */
static void a_task_that_is_abandoned_takes_its_connection_along(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) {
        send_task(bench, 9, SLOW_BPS);
        struct real_peer *server = connection(bench, 2 * i);
        real_bench_hear(&bench->real, server, "AP");
        if (i == 0)
            uplink_abandon(bench->uplink);
        send_task(bench, 10, FAST_BPS);
        real_bench_hear(&bench->real, connection(bench, 2 * i + 1), "APT");
        real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
        assert_string_equal(server->heard, "AP");
        if (i == 0) { /* what closes when nothing is sent is no cut */
            wire_conn_close(bench->real.server[1].peer.conn);
            real_bench_see_closed(&bench->real, &bench->real.server[1], "closed");
        }
    }
    assert_int_equal(bench->sent, 2);
    assert_int_equal(bench->cuts, 0);
}

static void a_connection_that_closes_cuts_the_task_on_its_way(void **state)
{
    struct bench *bench = *state;
    send_task(bench, 9, SLOW_BPS);
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "AP");
    wire_conn_close(server->peer.conn);
    while (bench->cuts == 0)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_false(uplink_is_sending(bench->uplink));
    uplink_refuse(bench->uplink, "nobody hears this");
    const struct proto_message chunk = {.id = PROTO_TASK,
                                        .task = {.device = DEVICE, .tokens = 1, .chunk = 1}};
    struct diag diag = {{0}};
    assert_int_equal(uplink_send_on(bench->uplink, &chunk, &(struct uplink_load){.bytes = 1}, &diag), 0);
    send_task(bench, 9, FAST_BPS);
    real_bench_hear(&bench->real, connection(bench, 1), "APT");
    assert_int_equal(bench->cuts, 1);
    assert_int_equal(bench->sent, 1);
}

static void chunks_of_a_task_follow_one_another(void **state)
{
    struct bench *bench = *state;
    struct proto_message task = {.id = PROTO_TASK,
                                 .task = {.device = DEVICE, .round = 9, .tokens = 2, .chunks = 2, .rows = 1}};
    const struct uplink_load load = {.bytes = BYTES};
    const struct link_params params = {.rate_bps = FAST_BPS, .queue_bytes = (double) INFINITY};
    struct diag diag = {{0}};
    assert_int_equal(uplink_send(bench->uplink, &task, &load, &params, &diag), 0);
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "APT");
    assert_int_equal(bench->sent, 0);
    task.task.chunk = 1;
    assert_int_equal(uplink_send_on(bench->uplink, &task, &load, &diag), 0);
    real_bench_hear(&bench->real, server, "APTPT");
    assert_int_equal(server->bytes, BYTES);
    assert_int_equal(bench->sent, 1);
}

static void a_new_rate_holds_at_once_and_a_refusal_is_a_sentence(void **state)
{
    struct bench *bench = *state;
    uplink_refuse(bench->uplink, "there is no connection yet");
    send_task(bench, 9, SLOW_BPS);
    struct real_peer *server = connection(bench, 0);
    real_bench_hear(&bench->real, server, "AP");
    uplink_set_rate(bench->uplink, FAST_BPS);
    real_bench_hear(&bench->real, server, "APT");
    uplink_tell_windows(bench->uplink);
    real_bench_hear(&bench->real, &bench->real.orchestrator, "L");
    uplink_refuse(bench->uplink, "it has said what it may not say");
    real_bench_see_closed(&bench->real, server, "it has said what it may not say");
    assert_int_equal(server->peer.refusal, PROTO_REFUSE_OUT_OF_RANGE);
}

static void a_server_that_cannot_be_reached_is_no_error(void **state)
{
    struct bench *bench = *state;
    struct node_address *address = &bench->real.control.join.address[SERVER];
    address->port = 1; /* nobody listens there */
    send_task(bench, 9, SLOW_BPS);
    while (bench->cuts == 0)
        (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
    assert_int_equal(bench->cuts, 1);
    assert_int_equal(bench->sent, 0);
    assert_false(uplink_is_sending(bench->uplink));
}

static void without_memory_there_is_no_uplink_or_no_task(void **state)
{
    struct bench *bench = *state;
    struct uplink *other = bench->uplink;
    if (!memory_can_fail())
        return;
    memory_fail_at(1);
    assert_int_equal(uplink_create(&other, &bench->real.control, DEVICE, 0, &hooks, bench), -ENOMEM);
    assert_true(memory_has_failed());
    assert_ptr_equal(other, bench->uplink);
    uplink_destroy(NULL);
    send_task(bench, 9, FAST_BPS);
    real_bench_hear(&bench->real, connection(bench, 0), "APT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_goes_behind_its_bytes_and_the_next_over_the_same_connection,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_counts_when_all_of_its_bytes_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_server_may_not_say_ends_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_that_is_stopped_leaves_the_connection_to_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_task_that_is_abandoned_takes_its_connection_along, setup, teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_closes_cuts_the_task_on_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_of_a_task_follow_one_another, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_rate_holds_at_once_and_a_refusal_is_a_sentence, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_server_that_cannot_be_reached_is_no_error, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_there_is_no_uplink_or_no_task, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
