#include "tests/unit/mobile/real_bench.h"

#include "core/base/clock.h"
#include "proto/node/piece.h"

#define KEYS_MAX 16u

static char letter_of(const struct proto_message *message)
{
    switch ((int) message->id) {
    case PROTO_ATTACH: return 'A';
    case PROTO_PIECE: return 'P';
    case PROTO_TASK: return 'T';
    case PROTO_OBSERVATION: return 'O';
    case PROTO_REPORT: return 'R';
    case PROTO_LINK_AUDIT: return 'L';
    default: return '?';
    }
}

static void on_message(struct peer *as_peer, const struct proto_message *message)
{
    struct real_peer *peer = (struct real_peer *) as_peer;
    size_t length = strlen(peer->heard);
    char letter = letter_of(message);
    if (letter == 'A')
        peer->attach = message->attach;
    bool goes_on =
        letter == 'P' && length > 0 && peer->heard[length - 1] == 'P' && message->piece.round == peer->round;
    if (letter == 'P') {
        peer->sum = goes_on ? peer->sum : 0;
        peer->bytes = goes_on ? peer->bytes : 0;
        for (size_t i = 0; i < message->piece.bytes.size; i++)
            peer->sum += ++peer->bytes * message->piece.bytes.data[i];
        peer->round = message->piece.round;
    }
    if (letter == 'T') {
        peer->zeros = message->task.payload.size;
        for (size_t i = 0; i < message->task.payload.size; i++)
            peer->zeros = message->task.payload.data[i] == 0 ? peer->zeros : SIZE_MAX;
    }
    if (goes_on)
        return;
    assert_true(length + 1 < sizeof peer->heard);
    peer->heard[length] = letter;
}

static void on_accept(void *user, struct wire_conn *conn)
{
    struct real_bench *bench = user;
    struct real_peer *peer = &bench->orchestrator;
    if (bench->orchestrator.peer.conn != NULL || bench->orchestrator.peer.closes > 0) {
        assert_true(bench->connections < PEERS_MAX);
        peer = &bench->server[bench->connections++];
    }
    *peer = (struct real_peer){.peer = {.conn = conn, .on_message = on_message}};
    wire_conn_set_handlers(conn, &peer_handlers);
    wire_conn_set_user(conn, peer);
}

static void on_end(void *user)
{
    ((struct real_bench *) user)->has_ended = true;
}

static void turn(struct real_bench *bench)
{
    (void) uv_run(&bench->control.loop.uv, UV_RUN_ONCE);
}

void real_bench_open(struct real_bench *bench, const char *const *keys)
{
    static const struct node_control_hooks hooks = {.on_end = on_end};
    static struct node_address address[2];
    struct diag diag = {{0}};
    *bench = (struct real_bench){.control = {.hooks = &hooks,
                                             .user = bench,
                                             .join = {.role = NODE_MOBILE,
                                                      .count = 1,
                                                      .run_token = REAL_BENCH_TOKEN,
                                                      .world = check_world(keys),
                                                      .address = address}}};
    assert_int_equal(bench->control.join.world.servers, 2);
    assert_int_equal(wire_loop_init(&bench->control.loop, NULL, NULL), 0);
    assert_int_equal(uv_timer_init(&bench->control.loop.uv, &bench->control.retry), 0);
    assert_int_equal(uv_timer_init(&bench->control.loop.uv, &bench->control.beat), 0);
    assert_int_equal(
        wire_listen(&bench->control.loop, "127.0.0.1", 0, 16, on_accept, bench, &bench->listener, &diag), 0);
    uint16_t port = wire_listener_port(bench->listener);
    address[0] = address[1] = (struct node_address){.host = "127.0.0.1", .port = port};
    assert_int_equal(wire_alarms_open(&bench->control.alarms, &bench->control.loop), 0);
    bench->control.begin_ns = clock_monotonic_ns();
    assert_int_equal(wire_connect(&bench->control.loop, "127.0.0.1", port, &peer_handlers, &bench->own,
                                  &bench->own.conn, &diag),
                     0);
    bench->control.conn = bench->own.conn;
    while (bench->orchestrator.peer.conn == NULL)
        turn(bench);
}

void real_bench_open_device(struct real_bench *bench, const char *const *more)
{
    static const char *const keys[] = {"run.clock=real",        "run.time_scale=20",       "servers.count=2",
                                       "radio.bandwidth_mhz=1", "servers.coverage_m=2000", "link.result_kb=1",
                                       "link.down_mbps=50"};
    const char *all[KEYS_MAX + 1] = {NULL};
    size_t count = sizeof keys / sizeof *keys;
    memcpy(all, keys, sizeof keys);
    for (; *more != NULL; more++) {
        assert_true(count < KEYS_MAX);
        all[count++] = *more;
    }
    real_bench_open(bench, all);
}

void real_bench_close(struct real_bench *bench)
{
    if (!bench->has_ended) {
        uv_close((uv_handle_t *) &bench->control.retry, NULL);
        uv_close((uv_handle_t *) &bench->control.beat, NULL);
    }
    wire_alarms_close(&bench->control.alarms);
    wire_listener_close(bench->listener);
    wire_loop_finish(&bench->control.loop); /* asserts that nothing leaked */
    for (unsigned i = 0; i < bench->connections; i++)
        assert_int_equal(bench->server[i].peer.closes, 1);
    world_finish(&bench->control.join.world);
}

void real_bench_hear(struct real_bench *bench, const struct real_peer *peer, const char *letters)
{
    while (strlen(peer->heard) < strlen(letters))
        turn(bench);
    assert_string_equal(peer->heard, letters);
}

struct real_peer *real_bench_connection(struct real_bench *bench, unsigned n)
{
    while (bench->connections <= n)
        turn(bench);
    return &bench->server[n];
}

const struct msg_report *real_bench_hear_report(struct real_bench *bench, uint64_t round)
{
    while (strchr(bench->orchestrator.heard, 'R') == NULL)
        turn(bench);
    assert_int_equal(bench->orchestrator.peer.last.report.round, round);
    return &bench->orchestrator.peer.last.report;
}

void real_bench_see_closed(struct real_bench *bench, const struct real_peer *peer, const char *text)
{
    while (peer->peer.closes == 0)
        turn(bench);
    assert_string_equal(peer->peer.text, text);
}

void real_bench_answer(struct real_peer *peer, const struct msg_result *as, uint64_t bytes)
{
    static const uint8_t zeros[PIECE_BYTES_MAX];
    const struct proto_message result = {.id = PROTO_RESULT, .result = *as};
    for (uint64_t size; bytes > 0; bytes -= size) {
        size = bytes < PIECE_BYTES_MAX ? bytes : PIECE_BYTES_MAX;
        piece_send(peer->peer.conn, as->device, as->round, (struct proto_bytes){zeros, size});
    }
    assert_int_equal(wire_conn_send(peer->peer.conn, &result), 0);
}
