/* Paced payloads between both ends of a connection in one loop: what arrives, and what the windows say of it. */
#include "proto/node/paced_payload.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "tests/lib/peer.h"

#define RATE_BPS 80e6
#define BYTES UINT64_C(3500000) /* 0.35 s: three windows and half of one */
#define TINY_S 1e-6

struct bench {
    struct pair pair;
    struct node_control control;
    struct paced_payload paced;
    struct paced_payload told; /* as it was when everything was sent: with its windows */
    unsigned sent;
    double end_s;
};

static void on_sent(void *user)
{
    struct bench *bench = user;
    bench->sent++;
    bench->end_s = units_ns_to_s(clock_monotonic_ns() - bench->control.begin_ns);
    bench->told = bench->paced;
}

static const struct paced_payload_hooks hooks = {.on_sent = on_sent};

static void open_bench(struct bench *bench)
{
    *bench = (struct bench){.sent = 0};
    pair_init(&bench->pair, 4);
    pair_connect(&bench->pair, &bench->pair.client);
    pair_wait(&bench->pair, &bench->pair.accepted_count, 1);
    assert_int_equal(wire_alarms_open(&bench->control.alarms, &bench->pair.loop), 0);
    bench->control.begin_ns = clock_monotonic_ns();
    paced_payload_init(&bench->paced, &bench->control, 3, 1, &hooks, bench);
}

static void close_bench(struct bench *bench)
{
    paced_payload_finish(&bench->paced);
    wire_alarms_close(&bench->control.alarms);
    pair_finish(&bench->pair);
}

static void send_all(struct bench *bench, const struct link_params *params)
{
    const struct proto_message result = {.id = PROTO_RESULT, .result = {.device = 3, .round = 9}};
    assert_int_equal(paced_payload_send(&bench->paced, bench->pair.client.conn, &result, 9, BYTES, params),
                     0);
    assert_true(paced_payload_is_sending(&bench->paced));
    pair_wait(&bench->pair, &bench->sent, 1);
    assert_false(paced_payload_is_sending(&bench->paced));
}

/* However late this machine is: windows follow one another, and none is longer than it was. */
static void the_windows_of_a_payload_say_when_and_how_fast_its_bytes_left(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    const struct link_params params = {.rate_bps = RATE_BPS, .queue_bytes = INFINITY};
    send_all(&bench, &params);
    const struct paced_payload *told = &bench.told;
    assert_in_range(told->windows, 1, 4);
    double bits = 0.0, set_bits = 0.0, before_s = 0.0;
    for (size_t i = 0; i < told->windows; i++) {
        assert_true(told->start_s[i] >= before_s - TINY_S);
        assert_true(i == 0 || told->start_s[i] <= before_s + TINY_S);
        assert_true(told->duration_s[i] >= (i + 1 < told->windows ? 0.1 : 0.02));
        before_s = told->start_s[i] + told->duration_s[i];
        set_bits += told->set_bps[i] * told->duration_s[i];
        bits += told->achieved_bps[i] * told->duration_s[i];
    }
    assert_true(before_s <= bench.end_s + TINY_S);
    assert_true(bits <= 8.0 * (double) BYTES * (1.0 + TINY_S));
    assert_true(bits >= 8.0 * (double) BYTES - 0.03 * RATE_BPS); /* without a rest that is too short */
    assert_true(set_bits >= bits * (1.0 - TINY_S) && set_bits <= RATE_BPS * bench.end_s);
    paced_payload_tell_windows(&bench.paced);
    assert_int_equal(bench.paced.windows, 0);
    pair_wait(&bench.pair, &bench.pair.accepted[0].messages, 2);
    close_bench(&bench);
}

static void without_a_rate_the_windows_say_nothing(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    const struct link_params params = {.rate_bps = INFINITY, .queue_bytes = INFINITY};
    send_all(&bench, &params);
    assert_int_equal(bench.told.windows, 0);
    close_bench(&bench);
}

#define QUEUE_BYTES 50000.0

/* The receiver's kernel takes some, and then what is sent stays here, up to the queue's limit: it is not read. */
static void a_receiver_that_does_not_read_holds_the_payload_back(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    int fd = raw_connect(&bench.pair), room = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    pair_wait(&bench.pair, &bench.pair.accepted_count, 2);
    const struct link_params params = {.rate_bps = RATE_BPS, .queue_bytes = QUEUE_BYTES};
    const struct proto_message result = {.id = PROTO_RESULT, .result = {.device = 3, .round = 9}};
    assert_int_equal(
        paced_payload_send(&bench.paced, bench.pair.accepted[1].conn, &result, 9, BYTES, &params), 0);
    /* The rate allows 3 MB until then. After a pause of this process it allows at once what it missed: a pause of a tenth
     * of a second is no failure. */
    uint64_t end_ns = clock_monotonic_ns() + 3 * (UNITS_NS_PER_S / 10);
    while (clock_monotonic_ns() < end_ns)
        (void) uv_run(&bench.pair.loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(bench.sent, 0);
    assert_true(bench.paced.crossed > 0 && bench.paced.crossed < BYTES / 2);
    assert_true(paced_payload_is_sending(&bench.paced));
    paced_payload_stop(&bench.paced);
    (void) close(fd);
    pair_wait(&bench.pair, &bench.pair.accepted[1].closes, 1);
    close_bench(&bench);
}

#define CHUNKS 3u
#define CHUNK_BYTES UINT64_C(100000)

struct arrivals {
    uint64_t bytes;
    uint64_t tasks;
};
static struct arrivals arrivals;

/* Each TASK comes behind all bytes of its chunk, and before any of the next. */
static void on_arrival(struct peer *peer, const struct proto_message *message)
{
    (void) peer;
    if (message->id == PROTO_PIECE) {
        arrivals.bytes += message->piece.bytes.size;
        for (size_t i = 0; i < message->piece.bytes.size; i++)
            assert_int_equal(message->piece.bytes.data[i], arrivals.tasks + 1);
        return;
    }
    assert_int_equal(message->id, PROTO_TASK);
    assert_int_equal(message->task.chunk, arrivals.tasks);
    arrivals.tasks++;
    assert_int_equal(arrivals.bytes, arrivals.tasks * CHUNK_BYTES);
}

/* The next chunk's own bytes, of all that a task has. */
static void fill(struct bench *bench, struct shared_bytes *all, uint64_t chunk)
{
    const struct shared_slice slice = {.bytes = all, .at = chunk * CHUNK_BYTES, .size = CHUNK_BYTES};
    memset(all->data + slice.at, (int) chunk + 1, slice.size);
    paced_payload_fill(&bench->paced, &slice);
}

/* The first goes alone and has crossed before the second is ready; the third is ready at once. */
static void chunks_follow_one_another_and_the_last_is_told(void **state)
{
    (void) state;
    struct bench bench;
    open_bench(&bench);
    arrivals = (struct arrivals){0};
    bench.pair.accepted[0].on_message = on_arrival;
    const struct link_params params = {.rate_bps = RATE_BPS, .delay_s = 0.005, .queue_bytes = INFINITY};
    struct proto_message task = {.id = PROTO_TASK,
                                 .task = {.device = 3, .round = 9, .tokens = 1, .chunks = CHUNKS}};
    struct shared_bytes *all = shared_bytes_create(CHUNKS * CHUNK_BYTES);
    uint64_t begin_ns = clock_monotonic_ns();
    fill(&bench, all, 0);
    /* the pacer counts less than there is: the rest follows before the TASK */
    assert_int_equal(
        paced_payload_send(&bench.paced, bench.pair.client.conn, &task, 9, CHUNK_BYTES - 1, &params), 0);
    pair_wait(&bench.pair, &bench.pair.accepted[0].messages, 3); /* two PIECEs at least and their TASK */
    while (arrivals.tasks < 1)
        pair_wait(&bench.pair, &bench.pair.accepted[0].messages, bench.pair.accepted[0].messages + 1);
    assert_int_equal(bench.sent, 0);
    for (task.task.chunk = 1; task.task.chunk < CHUNKS; task.task.chunk++) {
        fill(&bench, all, task.task.chunk);
        assert_int_equal(paced_payload_add(&bench.paced, &task, CHUNK_BYTES), 0);
    }
    while (arrivals.tasks < CHUNKS)
        pair_wait(&bench.pair, &bench.pair.accepted[0].messages, bench.pair.accepted[0].messages + 1);
    assert_int_equal(bench.sent, 1);
    assert_true(units_ns_to_s(clock_monotonic_ns() - begin_ns) >= 0.03 - 1e-6); /* 10 ms each */
    assert_int_equal(all->owners, 1); /* the payload has given its shares */
    shared_bytes_give(all);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_windows_of_a_payload_say_when_and_how_fast_its_bytes_left),
        cmocka_unit_test(without_a_rate_the_windows_say_nothing),
        cmocka_unit_test(a_receiver_that_does_not_read_holds_the_payload_back),
        cmocka_unit_test(chunks_follow_one_another_and_the_last_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
