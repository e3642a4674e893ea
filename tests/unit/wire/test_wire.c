/* Connections on loopback, both ends in one loop. */
#include "proto/wire/conn.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/err.h"
#include "tests/lib/peer.h"

static struct proto_message result_of(uint64_t device)
{
    return (struct proto_message){.id = PROTO_RESULT,
                                  .result = {.device = device, .round = 9, .edge_s = 0.125}};
}

static void echo(struct peer *peer, const struct proto_message *message)
{
    assert_int_equal(wire_conn_send(peer->conn, message), 0);
}

static void a_message_goes_there_and_back(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = echo;
    pair_connect(&pair, &pair.client);
    struct proto_message message = result_of(7);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0); /* before it is connected */
    pair_wait(&pair, &pair.client.messages, 1);
    assert_int_equal(pair.client.last.id, PROTO_RESULT);
    assert_int_equal(pair.client.last.result.device, 7);
    assert_true(pair.client.last.result.edge_s == 0.125);

    struct wire_counters client = wire_conn_counters(pair.client.conn);
    struct wire_counters server = wire_conn_counters(pair.accepted[0].conn);
    assert_int_equal(client.messages_in, 1);
    assert_int_equal(client.messages_out, 1);
    assert_int_equal(client.bytes_out, server.bytes_in);
    assert_int_equal(client.bytes_in, server.bytes_out);
    wire_conn_close(pair.client.conn);
    pair_wait(&pair, &pair.client.closes, 1);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.client.status, 0);
    assert_int_equal(pair.accepted[0].status, 0);
    pair_finish(&pair);
}

static void one_turn_of_the_loop_is_one_write(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = echo;
    pair_connect(&pair, &pair.client);
    for (uint64_t i = 0; i < 100; i++) {
        struct proto_message message = result_of(i);
        assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    }
    pair_wait(&pair, &pair.client.messages, 100);
    assert_int_equal(pair.client.last.result.device, 99);
    assert_int_equal(wire_conn_counters(pair.client.conn).writes, 1);
    assert_int_equal(wire_conn_counters(pair.accepted[0].conn).writes, pair.accepted[0].batches);
    assert_int_equal(wire_conn_queued(pair.client.conn), 0);
    pair_finish(&pair);
}

static void a_frame_encoded_once_goes_to_many(void **state)
{
    (void) state;
    struct pair pair;
    struct peer others[3] = {0};
    struct buf frame = {0};
    struct proto_message message = result_of(3);
    pair_init(&pair, 4);
    assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        pair_connect(&pair, &others[i]);
    pair_wait(&pair, &pair.accepted_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wire_conn_send_frame(pair.accepted[i].conn, frame.data, frame.size), 0);
    for (size_t i = 0; i < 3; i++)
        pair_wait(&pair, &others[i].messages, 1);
    buf_finish(&frame);
    pair_finish(&pair);
}

static void the_longest_payload_arrives_whole(void **state)
{
    (void) state;
    const size_t size = 1048576;
    uint8_t *payload = malloc(size);
    assert_non_null(payload);
    memset(payload, PEER_FILL, size);
    struct proto_message message = {.id = PROTO_TASK, .task = {.tokens = 1, .payload = {payload, size}}};
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = echo;
    pair_connect(&pair, &pair.client);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    free(payload);
    pair_wait(&pair, &pair.client.messages, 4);
    assert_int_equal(pair.accepted[0].last_payload, size);
    assert_int_equal(pair.client.last_payload, size);
    pair_finish(&pair);
}

static void a_frame_that_comes_byte_by_byte_is_understood(void **state)
{
    (void) state;
    struct pair pair;
    struct buf frame = {0};
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    for (uint64_t i = 1; i <= 2; i++) {
        struct proto_message message = result_of(i);
        assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    }
    pair_wait(&pair, &pair.accepted_count, 1);
    for (size_t i = 0; i < frame.size; i++) {
        raw_send(fd, frame.data + i, 1);
        while (wire_conn_counters(pair.accepted[0].conn).bytes_in <= i)
            (void) uv_run(&pair.loop.uv, UV_RUN_ONCE); /* the byte is on its way */
        assert_int_equal(pair.accepted[0].messages, (i + 1) / (frame.size / 2));
    }
    assert_int_equal(pair.accepted[0].last.result.device, 2);
    assert_int_equal(close(fd), 0);
    buf_finish(&frame);
    pair_finish(&pair);
}

/* The REFUSE that ends `bytes`. */
static enum proto_refusal refusal_in(const uint8_t *bytes, size_t size)
{
    struct proto_message message;
    struct proto_scratch scratch = {{0}};
    enum proto_refusal refusal;
    assert_true(size > 4);
    assert_int_equal(proto_decode(bytes + 4, size - 4, &scratch, &message, &refusal, NULL), 0);
    assert_int_equal(message.id, PROTO_REFUSE);
    assert_true(message.refuse.text.size > 0);
    proto_scratch_finish(&scratch);
    return (enum proto_refusal) message.refuse.reason;
}

static void a_bad_frame_is_refused_and_ends_its_connection_only(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        int status;
        enum proto_refusal refusal;
    } cases[] = {
        {"\x00\x00\x00\x00", 4, ERR_SYNTAX, PROTO_REFUSE_MALFORMED},
        {"\xff\xff\xff\xff", 4, ERR_TOO_BIG, PROTO_REFUSE_TOO_BIG},
        {"GET / HTTP/1.1\r\n", 16, ERR_TOO_BIG, PROTO_REFUSE_TOO_BIG},
        {"\x00\x00\x00\x05\xdd\xff\xff\xff\xff", 9, ERR_TRUNCATED, PROTO_REFUSE_MALFORMED},
        {"\x00\x00\x00\x02\x91\x3f", 6, ERR_UNKNOWN, PROTO_REFUSE_UNKNOWN_MESSAGE},
        {"\x00\x00\x00\x05\x92\x07\xcd\x01\x00", 9, ERR_RANGE, PROTO_REFUSE_OUT_OF_RANGE},
    };
    struct pair pair;
    pair_init(&pair, 20);
    pair.on_message = echo;
    pair_connect(&pair, &pair.client);
    pair_wait(&pair, &pair.accepted_count, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = raw_connect(&pair);
        uint8_t answer[512];
        pair.accepted_count = 1; /* the place of the last case's peer is used again */
        raw_send(fd, cases[i].bytes, cases[i].size);
        size_t size = raw_read_all(&pair, fd, answer, sizeof answer);
        assert_int_equal(refusal_in(answer, size), cases[i].refusal);
        assert_int_equal(close(fd), 0);
        pair_wait(&pair, &pair.accepted[1].closes, 1);
        assert_int_equal(pair.accepted[1].status, cases[i].status);
        assert_int_equal(pair.accepted[1].refusal, cases[i].refusal);
        assert_int_equal(pair.accepted[1].messages, 0);
    }
    struct proto_message message = result_of(1);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    pair_wait(&pair, &pair.client.messages, 1);
    pair_finish(&pair);
}

static void refuse_now(struct peer *peer, const struct proto_message *message)
{
    (void) message;
    wire_conn_refuse(peer->conn, PROTO_REFUSE_TOKEN, "you are not of this run");
    wire_conn_refuse(peer->conn, PROTO_REFUSE_FULL, "a second refusal changes nothing");
    struct proto_message late = result_of(1);
    assert_int_equal(wire_conn_send(peer->conn, &late), ERR_LOST);
    assert_int_equal(wire_conn_send_frame(peer->conn, "x", 1), ERR_LOST);
}

static void a_refusal_arrives_even_when_the_peer_had_more_to_say(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = refuse_now;
    pair_connect(&pair, &pair.client);
    for (uint64_t i = 0; i < 20000; i++) {
        struct proto_message message = result_of(i);
        assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    }
    pair_wait(&pair, &pair.client.closes, 1);
    assert_int_equal(pair.client.status, UV_ECONNABORTED);
    assert_int_equal(pair.client.refusal, PROTO_REFUSE_TOKEN);
    assert_string_equal(pair.client.text, "you are not of this run");
    assert_int_equal(pair.client.messages, 0); /* REFUSE is not handed over */
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, UV_ECONNABORTED);
    assert_int_equal(pair.accepted[0].refusal, PROTO_REFUSE_TOKEN);
    assert_int_equal(pair.accepted[0].messages, 1); /* what came behind it was not handed over */
    pair_finish(&pair);
}

/* Closing a socket with unread bytes in it would take the REFUSE back (RST). */
static void who_is_refused_can_read_why_before_the_connection_is_left(void **state)
{
    (void) state;
    struct pair pair;
    struct buf frame = {0};
    struct proto_message message = result_of(1);
    uint8_t answer[512];
    pair_init(&pair, 4);
    pair.on_message = refuse_now;
    assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    int fd = raw_connect(&pair);
    raw_send(fd, frame.data, frame.size);
    size_t size = raw_read_all(&pair, fd, answer, sizeof answer);
    assert_int_equal(refusal_in(answer, size), PROTO_REFUSE_TOKEN);
    assert_int_equal(pair.accepted[0].closes, 0); /* it has said all, and waits for the other side */
    raw_send(fd, frame.data, frame.size);         /* which may still be sending */
    (void) uv_run(&pair.loop.uv, UV_RUN_ONCE);    /* what it sent is on its way */
    assert_int_equal(pair.accepted[0].closes, 0);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, UV_ECONNABORTED);
    assert_int_equal(pair.accepted[0].messages, 1);
    buf_finish(&frame);
    pair_finish(&pair);
}

#define LARGE 4u /* TASKs of 1 MB: more than a socket takes at once */

static void answer_much(struct peer *peer, const struct proto_message *message)
{
    static uint8_t payload[1048576];
    struct proto_message task = {.id = PROTO_TASK,
                                 .task = {.tokens = 1, .payload = {payload, sizeof payload}}};
    (void) message;
    for (unsigned i = 0; i < LARGE; i++)
        assert_int_equal(wire_conn_send(peer->conn, &task), 0);
}

static void answer_much_and_refuse(struct peer *peer, const struct proto_message *message)
{
    answer_much(peer, message);
    wire_conn_refuse(peer->conn, PROTO_REFUSE_TOKEN, "you are not of this run");
}

static void a_refusal_comes_behind_everything_that_was_said_before(void **state)
{
    (void) state;
    struct pair pair;
    struct buf frame = {0};
    struct proto_message message = result_of(1);
    size_t room = (LARGE + 1) * 1048576;
    uint8_t *answer = malloc(room);
    assert_non_null(answer);
    pair_init(&pair, 4);
    pair.on_message = answer_much_and_refuse;
    assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    int fd = raw_connect(&pair);
    raw_send(fd, frame.data, frame.size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* the other side has nothing to wait for */
    size_t size = raw_read_all(&pair, fd, answer, room), at = 0;
    for (unsigned i = 0; i < LARGE; i++)
        at += 4 + ((size_t) answer[at] << 24 | (size_t) answer[at + 1] << 16 | (size_t) answer[at + 2] << 8 |
                   answer[at + 3]);
    assert_true(at > LARGE * 1048576u && at < size);
    assert_int_equal(refusal_in(answer + at, size - at), PROTO_REFUSE_TOKEN);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    free(answer);
    buf_finish(&frame);
    pair_finish(&pair);
}

static void a_refusal_without_words_tells_its_reason(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair_connect(&pair, &pair.client);
    pair_wait(&pair, &pair.accepted_count, 1);
    wire_conn_refuse(pair.accepted[0].conn, PROTO_REFUSE_STARTED, NULL);
    pair_wait(&pair, &pair.client.closes, 1);
    assert_string_equal(pair.client.text, "the run has started");
    pair_finish(&pair);
}

static void a_peer_that_does_not_read_is_given_up(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 1);
    uint8_t *payload = calloc(1, 1048576);
    assert_non_null(payload);
    struct proto_message message = {.id = PROTO_TASK, .task = {.tokens = 1, .payload = {payload, 1048576}}};
    struct wire_conn *conn = pair.accepted[0].conn;
    unsigned sent = 0;
    int rc = 0;
    for (; rc == 0 && sent < 1000; sent++)
        rc = wire_conn_send(conn, &message);
    assert_int_equal(rc, ERR_TOO_BIG);
    assert_true(sent > WIRE_QUEUE_MAX / 1048576);
    assert_int_equal(wire_conn_send(conn, &message), ERR_LOST);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, ERR_TOO_BIG);
    assert_non_null(strstr(pair.accepted[0].text, "does not read"));
    free(payload);
    assert_int_equal(close(fd), 0);
    pair_finish(&pair);
}

static void a_message_that_cannot_be_encoded_ends_its_connection_alone(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair_connect(&pair, &pair.client);
    struct proto_message message = result_of(1);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    pair_wait(&pair, &pair.accepted_count, 1);
    message.result.edge_s = 1e300; /* 1e-300 of a server, say */
    assert_int_equal(wire_conn_send(pair.accepted[0].conn, &message), ERR_RANGE);
    assert_int_equal(wire_conn_send(pair.accepted[0].conn, &message), ERR_LOST);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, ERR_RANGE);
    assert_non_null(strstr(pair.accepted[0].text, "edge_s"));
    pair_wait(&pair, &pair.client.closes, 1);
    pair_finish(&pair);
}

static void what_a_peer_does_not_read_is_counted_in_the_kernel_too(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 1);
    struct wire_conn *conn = pair.accepted[0].conn;
    uint8_t *payload = calloc(1, 1048576);
    assert_non_null(payload);
    struct proto_message message = {.id = PROTO_TASK, .task = {.tokens = 1, .payload = {payload, 1048576}}};
    assert_int_equal(wire_conn_unread(conn), 0);
    for (unsigned sent = 0; sent < 12; sent++) {
        assert_int_equal(wire_conn_send(conn, &message), 0);
        wire_conn_flush(conn);
    }
    size_t queued = wire_conn_queued(conn), unread = wire_conn_unread(conn);
    assert_true(queued > 0);
    assert_true(unread > queued);
    assert_true(unread <= wire_conn_counters(conn).bytes_out + queued);
    free(payload);
    wire_conn_close(conn);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    pair_finish(&pair);
}

static void a_peer_that_never_closes_is_left_in_the_end(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 1);
    wire_conn_close(pair.accepted[0].conn);
    wire_conn_close(pair.accepted[0].conn);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, 0);
    assert_int_equal(close(fd), 0);
    pair_finish(&pair);
}

/* A port where nobody listens, as long as *ret_fd is open. */
static uint16_t dead_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *) &address, &size), 0);
    return ntohs(address.sin_port);
}

static void a_connect_that_is_refused_is_told_in_on_close(void **state)
{
    (void) state;
    struct pair pair;
    int fd = -1;
    pair_init(&pair, 4);
    uint16_t port = dead_port(&fd);
    assert_int_equal(
        wire_connect(&pair.loop, "127.0.0.1", port, &peer_handlers, &pair.client, &pair.client.conn, NULL),
        0);
    struct proto_message message = result_of(1);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    pair_wait(&pair, &pair.client.closes, 1);
    assert_int_equal(pair.client.status, UV_ECONNREFUSED);
    assert_non_null(strstr(pair.client.text, "cannot connect to 127.0.0.1:"));
    assert_int_equal(close(fd), 0);
    pair_finish(&pair);
    assert_int_equal(pair.client.closes, 1);
}

/* An empty label: no resolver asks the network for it. */
static void a_name_that_does_not_resolve_is_told_in_on_close(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    assert_int_equal(
        wire_connect(&pair.loop, "no..such.host", 1, &peer_handlers, &pair.client, &pair.client.conn, NULL),
        0);
    pair_wait(&pair, &pair.client.closes, 1);
    assert_true(pair.client.status < 0);
    assert_non_null(strstr(pair.client.text, "cannot connect to no..such.host:1"));
    pair_finish(&pair);
}

static void a_name_leads_to_the_listener(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = echo;
    assert_int_equal(wire_connect(&pair.loop, "localhost", wire_listener_port(pair.listener), &peer_handlers,
                                  &pair.client, &pair.client.conn, NULL),
                     0);
    struct proto_message message = result_of(1);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    pair_wait(&pair, &pair.client.messages, 1);
    char name[64];
    wire_conn_peer(pair.accepted[0].conn, name);
    assert_memory_equal(name, "127.0.0.1:", 10);
    pair_finish(&pair);
}

static void closing_before_the_connect_is_through_is_told_once(void **state)
{
    (void) state;
    struct pair pair;
    struct peer resolving = {0};
    pair_init(&pair, 4);
    pair_connect(&pair, &pair.client);
    wire_conn_close(pair.client.conn);
    assert_int_equal(pair.client.closes, 0); /* never from within the call */
    assert_int_equal(wire_connect(&pair.loop, "localhost", wire_listener_port(pair.listener), &peer_handlers,
                                  &resolving, &resolving.conn, NULL),
                     0);
    wire_conn_close(resolving.conn);
    pair_wait(&pair, &pair.client.closes, 1);
    pair_wait(&pair, &resolving.closes, 1);
    assert_int_equal(pair.client.status, 0);
    assert_int_equal(resolving.status, 0);
    pair_finish(&pair);
    assert_int_equal(pair.client.closes + resolving.closes, 2);
}

static void what_is_queued_leaves_before_the_close(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair_connect(&pair, &pair.client);
    struct proto_message message = result_of(5);
    assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    wire_conn_close(pair.client.conn); /* not even connected yet */
    pair_wait(&pair, &pair.client.closes, 1);
    pair_wait(&pair, &pair.accepted_count, 1);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].messages, 1);
    assert_int_equal(pair.client.status, 0);
    pair_finish(&pair);
}

static void close_now(struct peer *peer, const struct proto_message *message)
{
    (void) message;
    wire_conn_close(peer->conn);
}

static void a_handler_that_closes_hears_no_more_messages(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    pair.on_message = close_now;
    pair_connect(&pair, &pair.client);
    for (uint64_t i = 0; i < 10; i++) {
        struct proto_message message = result_of(i);
        assert_int_equal(wire_conn_send(pair.client.conn, &message), 0);
    }
    pair_wait(&pair, &pair.client.closes, 1);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].messages, 1);
    assert_int_equal(pair.accepted[0].batches, 0);
    pair_finish(&pair);
}

static void a_stream_that_ends_within_a_frame_is_an_error(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    raw_send(fd, "\x00\x00\x00\x05\x92", 5);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted_count, 1);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, ERR_TRUNCATED);
    pair_finish(&pair);
}

static void a_peer_that_breaks_off_is_an_error(void **state)
{
    (void) state;
    struct pair pair;
    pair_init(&pair, 4);
    int fd = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 1);
    struct linger at_once = {.l_onoff = 1,
                             .l_linger = 0}; /* close sends RST, as a killed host's stack does */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, UV_ECONNRESET);
    pair_finish(&pair);
}

static void a_half_closed_peer_still_gets_what_is_queued(void **state)
{
    (void) state;
    struct pair pair;
    uint8_t answer[512];
    struct buf frame = {0};
    struct proto_message message = result_of(5);
    pair_init(&pair, 4);
    pair.on_message = echo;
    assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    int fd = raw_connect(&pair);
    raw_send(fd, frame.data, frame.size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(raw_read_all(&pair, fd, answer, sizeof answer), frame.size);
    assert_memory_equal(answer, frame.data, frame.size);
    assert_int_equal(close(fd), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, 0);
    buf_finish(&frame);
    pair_finish(&pair);
}

static struct wire_conn *other; /* that hears what this one's message leads to */

static void answer_another_much(struct peer *peer, const struct proto_message *message)
{
    struct peer there = {.conn = other};
    (void) peer;
    answer_much(&there, message);
}

/* Its end and what is said to it come in the same turn of the loop. */
static void a_half_closed_peer_still_gets_more_than_a_socket_takes_at_once(void **state)
{
    (void) state;
    struct pair pair;
    struct buf frame = {0};
    struct proto_message message = result_of(5);
    size_t room = (LARGE + 1) * 1048576;
    uint8_t *answer = malloc(room);
    assert_non_null(answer);
    pair_init(&pair, 4);
    pair.on_message = answer_another_much;
    assert_int_equal(proto_encode(&message, &frame, NULL), 0);
    int fd = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 1);
    other = pair.accepted[0].conn;
    int cause = raw_connect(&pair);
    pair_wait(&pair, &pair.accepted_count, 2);
    (void) uv_run(&pair.loop.uv, UV_RUN_NOWAIT); /* from here on it listens to both, in the order of events */
    raw_send(cause, frame.data, frame.size);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(raw_read_all(&pair, fd, answer, room) > LARGE * 1048576u);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(cause), 0);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    assert_int_equal(pair.accepted[0].status, 0);
    free(answer);
    buf_finish(&frame);
    pair_finish(&pair);
}

static void a_full_listener_says_so_and_takes_more_when_one_leaves(void **state)
{
    (void) state;
    struct pair pair;
    struct peer second = {0}, third = {0};
    pair_init(&pair, 1);
    pair_connect(&pair, &pair.client);
    pair_wait(&pair, &pair.accepted_count, 1);
    pair_connect(&pair, &second);
    pair_wait(&pair, &second.closes, 1);
    assert_int_equal(second.status, UV_ECONNABORTED);
    assert_int_equal(second.refusal, PROTO_REFUSE_FULL);
    assert_int_equal(pair.accepted_count, 1);

    wire_conn_close(pair.client.conn);
    pair_wait(&pair, &pair.accepted[0].closes, 1);
    pair_wait(&pair, &pair.client.closes, 1);
    pair_connect(&pair, &third);
    pair_wait(&pair, &pair.accepted_count, 2);
    pair_finish(&pair);
}

static void the_end_of_the_loop_ends_every_connection(void **state)
{
    (void) state;
    struct pair pair;
    struct peer early = {0};
    pair_init(&pair, 4);
    pair_connect(&pair, &pair.client);
    pair_wait(&pair, &pair.accepted_count, 1);
    pair_connect(&pair, &early);
    pair_finish(&pair); /* the listener goes first, its connections live on for a while */
    assert_int_equal(pair.client.closes, 1);
    assert_int_equal(pair.client.status, UV_ECANCELED);
    assert_int_equal(early.closes, 1);
}

static void a_port_in_use_is_named(void **state)
{
    (void) state;
    struct pair pair;
    struct wire_listener *second = NULL;
    struct diag diag = {{0}};
    char wanted[64];
    pair_init(&pair, 4);
    uint16_t port = wire_listener_port(pair.listener);
    assert_true(port != 0);
    assert_int_equal(wire_listen(&pair.loop, "127.0.0.1", port, 4, NULL, NULL, &second, &diag),
                     UV_EADDRINUSE);
    (void) snprintf(wanted, sizeof wanted, "cannot listen on 127.0.0.1:%u: address already in use",
                    (unsigned) port);
    assert_string_equal(diag.text, wanted);
    assert_null(second);
    wire_listener_close(NULL);
    wire_conn_close(NULL);
    pair_finish(&pair);
}

struct stop {
    unsigned count;
    int signal;
};

static void on_stop(void *user, int signal)
{
    struct stop *stop = user;
    stop->count++;
    stop->signal = signal;
}

static void interrupt_and_terminate_reach_the_program(void **state)
{
    (void) state;
    struct wire_loop loop;
    struct stop stop = {0};
    struct wire_listener *listener = NULL;
    assert_int_equal(wire_loop_init(&loop, on_stop, &stop), 0);
    assert_int_equal(uv_run(&loop.uv, UV_RUN_DEFAULT), 0); /* the signal handles do not keep it alive */
    assert_int_equal(wire_listen(&loop, "127.0.0.1", 0, 1, NULL, NULL, &listener, NULL), 0); /* this does */
    assert_int_equal(raise(SIGTERM), 0);
    while (stop.count < 1)
        (void) uv_run(&loop.uv, UV_RUN_ONCE); /* the signal is on its way through a pipe */
    assert_int_equal(stop.signal, SIGTERM);
    assert_int_equal(raise(SIGINT), 0);
    while (stop.count < 2)
        (void) uv_run(&loop.uv, UV_RUN_ONCE); /* the same */
    assert_int_equal(stop.signal, SIGINT);
    wire_loop_finish(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_there_and_back),
        cmocka_unit_test(one_turn_of_the_loop_is_one_write),
        cmocka_unit_test(a_frame_encoded_once_goes_to_many),
        cmocka_unit_test(the_longest_payload_arrives_whole),
        cmocka_unit_test(a_frame_that_comes_byte_by_byte_is_understood),
        cmocka_unit_test(a_bad_frame_is_refused_and_ends_its_connection_only),
        cmocka_unit_test(a_refusal_arrives_even_when_the_peer_had_more_to_say),
        cmocka_unit_test(who_is_refused_can_read_why_before_the_connection_is_left),
        cmocka_unit_test(a_refusal_comes_behind_everything_that_was_said_before),
        cmocka_unit_test(a_refusal_without_words_tells_its_reason),
        cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
        cmocka_unit_test(a_message_that_cannot_be_encoded_ends_its_connection_alone),
        cmocka_unit_test(what_a_peer_does_not_read_is_counted_in_the_kernel_too),
        cmocka_unit_test(a_peer_that_never_closes_is_left_in_the_end),
        cmocka_unit_test(a_connect_that_is_refused_is_told_in_on_close),
        cmocka_unit_test(a_name_that_does_not_resolve_is_told_in_on_close),
        cmocka_unit_test(a_name_leads_to_the_listener),
        cmocka_unit_test(closing_before_the_connect_is_through_is_told_once),
        cmocka_unit_test(what_is_queued_leaves_before_the_close),
        cmocka_unit_test(a_handler_that_closes_hears_no_more_messages),
        cmocka_unit_test(a_stream_that_ends_within_a_frame_is_an_error),
        cmocka_unit_test(a_peer_that_breaks_off_is_an_error),
        cmocka_unit_test(a_half_closed_peer_still_gets_what_is_queued),
        cmocka_unit_test(a_half_closed_peer_still_gets_more_than_a_socket_takes_at_once),
        cmocka_unit_test(a_full_listener_says_so_and_takes_more_when_one_leaves),
        cmocka_unit_test(the_end_of_the_loop_ends_every_connection),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(interrupt_and_terminate_reach_the_program),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
