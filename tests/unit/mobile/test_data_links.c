/* A mobile process's connections in virtual time: what crosses them, in which order, and when they close. */
#include "mobile-node/data_links.h"

#include "core/base/err.h"
#include "proto/node/piece.h"
#include "proto/node/whole_payload.h"
#include "tests/lib/memory.h"
#include "tests/unit/mobile/real_bench.h"

#define FIRST 2u
#define COUNT 2u
#define SERVER 1u
#define CAP 1000u
#define IDLE_MS 10000u

static const char *const keys[] = {"devices.count=6", "servers.count=2", "run.payload_cap_bytes=1000", NULL};

struct bench {
    struct real_bench real;
    struct data_links links;
    unsigned results;
    uint64_t result_device;
    bool refuses;
};

static int on_result(void *user, const struct proto_message *result, struct diag *diag)
{
    struct bench *bench = user;
    bench->results++;
    bench->result_device = result->result.device;
    return bench->refuses ? diag_fail(diag, ERR_STATE, "not now") : 0;
}

static const struct data_links_hooks hooks = {.on_result = on_result};

static int setup(void **state)
{
    static struct bench bench;
    bench = (struct bench){.results = 0};
    real_bench_open(&bench.real, keys);
    bench.real.control.join.first = FIRST;
    bench.real.control.join.count = COUNT;
    assert_int_equal(data_links_open(&bench.links, &bench.real.control, &hooks, &bench), 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    data_links_hang_up_all(&bench->links);
    data_links_forget(&bench->links);
    data_links_end(&bench->links);
    real_bench_close(&bench->real);
    return 0;
}

static struct proto_message task_of(uint64_t round, double declared_bits)
{
    return (struct proto_message){
        .id = PROTO_TASK,
        .task = {.device = FIRST, .round = round, .tokens = 1, .declared_bits = declared_bits}};
}

static void send_task(struct bench *bench, uint64_t round, double declared_bits)
{
    const struct proto_message task = task_of(round, declared_bits);
    data_links_send(&bench->links, SERVER, &task, NULL);
}

static void turn(struct bench *bench)
{
    (void) uv_run(&bench->real.control.loop.uv, UV_RUN_ONCE);
}

/* The n-th connection, as soon as it has heard these letters. */
static struct real_peer *hear(struct bench *bench, unsigned n, const char *letters)
{
    while (bench->real.connections <= n)
        turn(bench);
    real_bench_hear(&bench->real, &bench->real.server[n], letters);
    return &bench->real.server[n];
}

static void tasks_share_a_connection_and_carry_zeros_up_to_the_cap(void **state)
{
    static const struct {
        double declared_bits;
        size_t zeros;
    } cases[] = {{8.0, 1}, {8.0 * (CAP - 1) + 7.0, CAP - 1}, {8.0 * CAP, CAP}, {8.0 * 2e9, CAP}, {0.0, 0}};
    struct bench *bench = *state;
    char letters[] = "ATTTTT";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_task(bench, i, cases[i].declared_bits);
        letters[i + 2] = '\0';
        struct real_peer *server = hear(bench, 0, letters);
        letters[i + 2] = 'T';
        assert_int_equal(server->zeros, cases[i].zeros);
        assert_int_equal(server->peer.last.task.round, i);
    }
    assert_int_equal(bench->real.server[0].attach.run_token, REAL_BENCH_TOKEN);
    assert_int_equal(bench->real.server[0].attach.first, FIRST);
    assert_int_equal(bench->real.server[0].attach.count, COUNT);
    assert_int_equal(bench->real.connections, 1);
}

/* More than a connection takes at once is sent as it empties. */
static void activations_cross_whole_before_their_task(void **state)
{
    static const size_t sizes[] = {1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 2 * WHOLE_PAYLOAD_QUEUE + 1};
    struct bench *bench = *state;
    char letters[] = "APTPTPTPT";
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct shared_bytes *bytes = shared_bytes_create(sizes[i] + 3);
        const struct proto_message task = task_of(i, 0.0);
        uint64_t sum = 0;
        assert_non_null(bytes);
        for (size_t b = 0; b < bytes->size; b++)
            bytes->data[b] = (uint8_t) (b * b % 251 + 1);
        for (size_t b = 0; b < sizes[i]; b++)
            sum += (b + 1) * bytes->data[b + 2];
        data_links_send(&bench->links, SERVER, &task,
                        &(struct shared_slice){.bytes = bytes, .at = 2, .size = sizes[i]});
        letters[2 * i + 3] = '\0';
        struct real_peer *server = hear(bench, 0, letters);
        letters[2 * i + 3] = 'P';
        assert_int_equal(server->bytes, sizes[i]);
        assert_int_equal(server->sum, sum);
        assert_int_equal(server->round, i);
        assert_int_equal(server->zeros, 0);
        assert_int_equal(bytes->owners, 1);
        shared_bytes_give(bytes);
    }
}

static void results_of_its_own_devices_are_taken_and_nothing_else(void **state)
{
    static const struct {
        uint64_t device;
        bool is_task, refuses;
        const char *text; /* NULL: it is taken */
    } cases[] = {
        {FIRST, false, false, NULL},
        {FIRST + COUNT - 1, false, false, NULL},
        {FIRST - 1, false, false, "only RESULT of this node's devices is taken here"},
        {FIRST + COUNT, false, false, "only RESULT of this node's devices is taken here"},
        {FIRST, true, false, "only RESULT of this node's devices is taken here"},
        {FIRST, false, true, "not now"},
    };
    struct bench *bench = *state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench->results = 0;
        bench->refuses = cases[i].refuses;
        send_task(bench, 9, 8.0);
        struct real_peer *server = hear(bench, i, "AT");
        const struct proto_message result = {.id = PROTO_RESULT, .result = {.device = cases[i].device}};
        const struct proto_message task = task_of(9, 8.0);
        assert_int_equal(wire_conn_send(server->peer.conn, cases[i].is_task ? &task : &result), 0);
        if (cases[i].text != NULL) {
            real_bench_see_closed(&bench->real, server, cases[i].text);
            assert_int_equal(server->peer.refusal, PROTO_REFUSE_OUT_OF_STATE);
        } else {
            while (bench->results == 0)
                turn(bench);
            assert_int_equal(bench->result_device, cases[i].device);
            data_links_hang_up(&bench->links, SERVER);
            real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
        }
        assert_int_equal(bench->results, cases[i].text == NULL || cases[i].refuses);
    }
}

static void a_closed_connection_is_opened_again_by_the_next_task(void **state)
{
    struct bench *bench = *state;
    send_task(bench, 1, 8.0);
    struct real_peer *server = hear(bench, 0, "AT");
    wire_conn_close(server->peer.conn);
    while (server->peer.closes == 0)
        turn(bench);
    send_task(bench, 2, 8.0);
    (void) hear(bench, 1, "AT");
    data_links_refuse(&bench->links, 0, "nobody hears this");
    data_links_refuse(&bench->links, SERVER, "not like this");
    real_bench_see_closed(&bench->real, &bench->real.server[1], "not like this");
    assert_int_equal(bench->real.server[1].peer.refusal, PROTO_REFUSE_OUT_OF_RANGE);
}

/* The next look comes after `due_ms`; returns when it is over. */
static void look_for_idle(struct bench *bench)
{
    assert_in_range(uv_timer_get_due_in(&bench->links.idle), IDLE_MS - 5000, IDLE_MS);
    assert_int_equal(uv_timer_get_repeat(&bench->links.idle), IDLE_MS);
    uv_timer_set_repeat(&bench->links.idle, 1);
    assert_int_equal(uv_timer_again(&bench->links.idle), 0);
    uv_timer_set_repeat(&bench->links.idle, IDLE_MS); /* from the next on */
    while (uv_timer_get_due_in(&bench->links.idle) <= 1)
        turn(bench);
}

/* From one look to the next nothing was sent, and no RESULT is due: a chunk's alone, or a whole task's. */
static void a_connection_closes_when_it_is_idle(void **state)
{
    struct bench *bench = *state;
    struct proto_message chunk = task_of(1, 8.0);
    chunk.task.chunks = 2;
    data_links_send(&bench->links, SERVER, &chunk, NULL);
    struct real_peer *server = hear(bench, 0, "AT");
    look_for_idle(bench);
    assert_int_equal(server->peer.closes, 0);
    look_for_idle(bench);
    real_bench_see_closed(&bench->real, server,
                          REAL_BENCH_BY_NODE); /* of two chunks the first waits for nothing */
    send_task(bench, 2, 8.0);
    send_task(bench, 3, 8.0);
    server = hear(bench, 1, "ATT");
    for (unsigned i = 1; i <= 2; i++) {
        for (unsigned look = 0; look < 3; look++)
            look_for_idle(bench);
        assert_int_equal(server->peer.closes, 0);
        real_bench_answer(server, &(struct msg_result){.device = FIRST}, 0);
        while (bench->results < i)
            turn(bench);
    }
    send_task(bench, 4, 8.0);
    real_bench_hear(&bench->real, server, "ATTT");
    real_bench_answer(server, &(struct msg_result){.device = FIRST}, 0);
    while (bench->results < 3)
        turn(bench);
    look_for_idle(bench);
    assert_int_equal(server->peer.closes, 0); /* it was used since the last look */
    look_for_idle(bench);
    real_bench_see_closed(&bench->real, server, REAL_BENCH_BY_NODE);
    assert_int_equal(bench->real.connections, 2);
}

static void without_memory_no_run_begins(void **state)
{
    struct bench *bench = *state;
    if (!memory_can_fail())
        return;
    for (size_t n = 1; n <= 2; n++) {
        data_links_forget(&bench->links);
        size_t before = memory_blocks();
        memory_fail_at(n);
        assert_int_equal(data_links_open(&bench->links, &bench->real.control, &hooks, bench), -ENOMEM);
        assert_true(memory_has_failed());
        data_links_forget(&bench->links);
        assert_int_equal(memory_blocks(), before);
    }
    assert_int_equal(data_links_open(&bench->links, &bench->real.control, &hooks, bench), 0);
    send_task(bench, 1, 8.0);
    (void) hear(bench, 0, "AT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(tasks_share_a_connection_and_carry_zeros_up_to_the_cap),
        TEST(activations_cross_whole_before_their_task),
        TEST(results_of_its_own_devices_are_taken_and_nothing_else),
        TEST(a_closed_connection_is_opened_again_by_the_next_task),
        TEST(a_connection_closes_when_it_is_idle),
        TEST(without_memory_no_run_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
