/* RESULTs to one device in real time, both ends of its connections in one loop. */
#include "edge-server/downlink.h"

#include "core/base/clock.h"
#include "tests/lib/peer.h"
#include "tests/unit/model/check.h"

#define DEVICE 2u

struct bench {
    struct pair pair;
    struct peer second; /* its client's end; the first is the pair's */
    struct node_control control;
    struct downlink downlink;
    uint64_t last_round; /* that arrived */
};

static struct bench *bench;

static void on_result(struct peer *peer, const struct proto_message *message)
{
    (void) peer;
    if (message->id == PROTO_RESULT)
        bench->last_round = message->result.round;
}

/* A RESULT takes about 8 ms. */
static void open_bench(struct bench *own, const char *mode)
{
    const char *keys[] = {mode, "link.down_mbps=100", "link.result_kb=100", NULL};
    *own = (struct bench){.control = {.join = {.world = check_world(keys)}}};
    bench = own;
    pair_init(&own->pair, 4);
    own->pair.on_message = on_result;
    pair_connect(&own->pair, &own->pair.client);
    pair_wait(&own->pair, &own->pair.accepted_count, 1);
    pair_connect(&own->pair, &own->second);
    pair_wait(&own->pair, &own->pair.accepted_count, 2);
    assert_int_equal(wire_alarms_open(&own->control.alarms, &own->pair.loop), 0);
    own->control.begin_ns = clock_monotonic_ns();
    downlink_init(&own->downlink, &own->control, DEVICE, 0);
}

static void close_bench(void)
{
    downlink_finish(&bench->downlink);
    assert_null(bench->downlink.waiting);
    wire_alarms_close(&bench->control.alarms);
    pair_finish(&bench->pair);
    world_finish(&bench->control.join.world);
}

static void send_round(struct wire_conn *conn, uint64_t round)
{
    const struct proto_message result = {.id = PROTO_RESULT, .result = {.device = DEVICE, .round = round}};
    const struct slot_id id = {.slot = (uint32_t) round};
    assert_int_equal(downlink_send(&bench->downlink, conn, id, &result), 0);
}

static void wait_for(uint64_t round)
{
    while (bench->last_round != round)
        (void) uv_run(&bench->pair.loop.uv, UV_RUN_ONCE);
}

static void in_queueing_mode_results_follow_one_another(void **state)
{
    (void) state;
    struct bench own;
    open_bench(&own, "run.mode=queue");
    for (uint64_t round = 1; round <= 3; round++)
        send_round(own.pair.client.conn, round);
    for (uint64_t round = 1; round <= 3; round++)
        wait_for(round);
    assert_false(paced_payload_is_sending(&own.downlink.paced));
    close_bench();
}

static void in_round_mode_a_new_result_takes_the_place_of_the_one_before(void **state)
{
    (void) state;
    struct bench own;
    open_bench(&own, "run.mode=round");
    send_round(own.pair.client.conn, 1);
    send_round(own.pair.client.conn, 2);
    assert_null(own.downlink.waiting);
    (void) uv_run(&own.pair.loop.uv, UV_RUN_ONCE);
    wait_for(2);
    close_bench();
}

static void a_connection_that_closes_takes_its_results_along_and_no_others(void **state)
{
    (void) state;
    struct bench own;
    open_bench(&own, "run.mode=queue");
    send_round(own.pair.client.conn, 1);
    send_round(own.second.conn, 2);
    send_round(own.pair.client.conn, 3);
    send_round(own.second.conn, 4);
    downlink_forget(&own.downlink, own.pair.client.conn);
    assert_true(own.downlink.paced.conn == own.second.conn);
    wait_for(2);
    wait_for(4);
    assert_int_not_equal(own.pair.accepted[0].last.id, PROTO_RESULT);
    close_bench();
}

static void what_waits_is_freed_at_the_end(void **state)
{
    (void) state;
    struct bench own;
    open_bench(&own, "run.mode=queue");
    for (uint64_t round = 1; round <= 3; round++)
        send_round(own.pair.client.conn, round);
    downlink_forget(&own.downlink, own.second.conn); /* has nothing there */
    assert_true(paced_payload_is_sending(&own.downlink.paced));
    assert_non_null(own.downlink.waiting);
    close_bench();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_queueing_mode_results_follow_one_another),
        cmocka_unit_test(in_round_mode_a_new_result_takes_the_place_of_the_one_before),
        cmocka_unit_test(a_connection_that_closes_takes_its_results_along_and_no_others),
        cmocka_unit_test(what_waits_is_freed_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
