/* The byte stream alone, both ends in one loop on loopback. Nothing here waits by the clock. */
#include "proto/wire/stream.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* More than the kernel holds for a peer that does not read, on any usual setting. */
#define MUCH (24u * 1024u * 1024u)

enum callback { NONE, OPEN, BYTES, END, WRITTEN, FAIL };

/* One end of a stream: what it was told. */
struct end {
    struct wire_stream stream;
    unsigned opens, ends, writes, fails, closes;
    int status;
    size_t received;
    size_t stop_after;      /* bytes; 0: never. Reading stops there until the test starts it again */
    enum callback close_in; /* closes itself in this callback */
    bool is_closed_here;    /* and has done so: only on_close may follow */
};

struct line {
    struct wire_loop loop;
    struct wire_stream_listener listener;
    struct end client, server;
    unsigned accepts, listener_closes;
};

/* The byte at a place in a stream: neither a lost, a doubled nor a swapped piece goes unseen. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t) (i ^ i >> 8 ^ i >> 16);
}

static struct buf bytes_of(size_t first, size_t size)
{
    struct buf bytes = {0};
    assert_int_equal(buf_reserve(&bytes, size), 0);
    for (size_t i = 0; i < size; i++)
        bytes.data[i] = byte_at(first + i);
    bytes.size = size;
    return bytes;
}

/* ---- ends ---- */

static struct end *told(struct wire_stream *stream, enum callback which)
{
    struct end *end = wire_stream_user(stream);
    assert_false(end->is_closed_here);
    assert_int_equal(end->fails, 0);
    assert_int_equal(end->closes, 0);
    if (end->close_in == which) {
        wire_stream_close(stream);
        wire_stream_close(stream);
        assert_int_equal(end->closes, 0); /* never from within the call */
        end->is_closed_here = true;
    }
    return end;
}

static void on_open(struct wire_stream *stream)
{
    struct end *end = told(stream, OPEN);
    end->opens++;
    if (!end->is_closed_here)
        assert_int_equal(wire_stream_read_start(stream), 0);
}

static void on_bytes(struct wire_stream *stream, const uint8_t *bytes, size_t size)
{
    struct end *end = told(stream, BYTES);
    assert_int_equal(end->ends, 0);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_at(end->received + i))
            fail_msg("byte %zu is not the one that was sent", end->received + i);
    end->received += size;
    if (end->stop_after > 0 && end->received >= end->stop_after)
        wire_stream_read_stop(stream);
}

static void on_end(struct wire_stream *stream)
{
    told(stream, END)->ends++;
}

static void on_written(struct wire_stream *stream)
{
    struct end *end = told(stream, WRITTEN);
    end->writes++;
    assert_false(wire_stream_is_writing(stream));
    assert_int_equal(wire_stream_queued(stream), 0);
}

static void on_fail(struct wire_stream *stream, int status)
{
    struct end *end = told(stream, FAIL);
    end->fails++;
    end->status = status;
}

static void on_close(struct wire_stream *stream)
{
    struct end *end = wire_stream_user(stream);
    assert_int_equal(end->closes, 0);
    end->closes++;
}

static const struct wire_stream_handlers handlers = {
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_written = on_written,
    .on_fail = on_fail,
    .on_close = on_close,
};

/* ---- a line between two ends ---- */

static void on_waiting(struct wire_stream_listener *listener)
{
    struct line *line = wire_stream_listener_user(listener);
    assert_int_equal(wire_stream_init(&line->server.stream, &line->loop, &handlers, &line->server), 0);
    assert_int_equal(wire_stream_accept(&line->server.stream, listener), 0);
    line->accepts++;
}

static void on_listener_close(struct wire_stream_listener *listener)
{
    struct line *line = wire_stream_listener_user(listener);
    line->listener_closes++;
}

static const struct wire_stream_listener_handlers listener_handlers = {.on_waiting = on_waiting,
                                                                       .on_close = on_listener_close};

static void wait_for(struct line *line, const unsigned *count)
{
    while (*count == 0)
        (void) uv_run(&line->loop.uv, UV_RUN_ONCE); /* the test runner's time-out ends a wait in vain */
}

static void wait_for_bytes(struct line *line, const struct end *end, size_t size)
{
    while (end->received < size)
        (void) uv_run(&line->loop.uv, UV_RUN_ONCE); /* the same */
}

static void listen_on(struct line *line)
{
    *line = (struct line){.accepts = 0};
    assert_int_equal(wire_loop_init(&line->loop, NULL, NULL), 0);
    assert_int_equal(wire_stream_listener_init(&line->listener, &line->loop, &listener_handlers, line), 0);
    assert_int_equal(wire_stream_listen(&line->listener, "127.0.0.1", 0), 0);
    assert_true(wire_stream_listener_port(&line->listener) != 0);
}

/* Both ends are open; the client reads. */
static void open_line(struct line *line)
{
    listen_on(line);
    struct end *client = &line->client;
    assert_int_equal(wire_stream_init(&client->stream, &line->loop, &handlers, client), 0);
    assert_int_equal(
        wire_stream_connect(&client->stream, "127.0.0.1", wire_stream_listener_port(&line->listener)), 0);
    assert_int_equal(client->opens, 0); /* never from within the call */
    wait_for(line, &client->opens);
    wait_for(line, &line->accepts);
}

/* The server's peer is a bare socket that misbehaves. */
static int open_line_to_socket(struct line *line)
{
    listen_on(line);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(wire_stream_listener_port(&line->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    wait_for(line, &line->accepts);
    return fd;
}

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1,
                             .l_linger = 0}; /* close sends RST, as a killed host's stack does */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(close(fd), 0);
}

static int socket_of(const struct end *end)
{
    uv_os_fd_t fd = -1;
    assert_int_equal(uv_fileno((const uv_handle_t *) &end->stream.tcp, &fd), 0);
    return fd;
}

static void close_end(struct line *line, struct end *end)
{
    if (end->stream.loop == NULL) /* never opened */
        return;
    wire_stream_close(&end->stream);
    wait_for(line, &end->closes);
}

static void close_line(struct line *line)
{
    close_end(line, &line->client);
    close_end(line, &line->server);
    wire_stream_listener_close(&line->listener);
    wire_stream_listener_close(&line->listener);
    wire_loop_finish(&line->loop); /* asserts that nothing leaked */
    assert_int_equal(line->listener_closes, 1);
    assert_true(line->client.closes <= 1);
    assert_true(line->server.closes <= 1);
}

/* Gives `size` bytes to the end's stream, from the first one on. */
static void send_bytes(struct end *end, size_t size)
{
    struct buf bytes = bytes_of(0, size);
    assert_int_equal(wire_stream_write(&end->stream, &bytes), 0);
    assert_int_equal(bytes.size, 0);
    buf_finish(&bytes);
}

/* ---- tests ---- */

static void a_small_write_leaves_at_once_and_nobody_is_told(void **state)
{
    (void) state;
    struct line line;
    open_line(&line);
    send_bytes(&line.server, 100);
    assert_false(wire_stream_is_writing(&line.server.stream));
    assert_int_equal(wire_stream_queued(&line.server.stream), 0);
    wait_for_bytes(&line, &line.client, 100);
    assert_int_equal(line.server.writes, 0);
    close_line(&line);
}

static int option(const struct wire_stream *stream, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((const uv_handle_t *) &stream->tcp, &fd), 0);
    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void both_ends_send_at_once_and_notice_a_peer_that_has_vanished(void **state)
{
    (void) state;
    struct line line;
    open_line(&line);
    const struct wire_stream *both[] = {&line.client.stream, &line.server.stream};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(option(both[i], IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option(both[i], SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(option(both[i], IPPROTO_TCP, TCP_KEEPIDLE), 30);
    }
    close_line(&line);
}

static void bytes_arrive_whole_and_in_order_however_they_are_cut(void **state)
{
    (void) state;
    static const size_t pieces[] = {1, 70000, 13, MUCH, 65536, 4095, MUCH};
    struct line line;
    size_t sent = 0;
    unsigned left_over = 0;
    open_line(&line);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf bytes = bytes_of(sent, pieces[i]);
        unsigned writes = line.server.writes;
        assert_int_equal(wire_stream_write(&line.server.stream, &bytes), 0);
        assert_int_equal(bytes.size, 0);
        if (bytes.data != NULL)
            memset(bytes.data, 0xff, bytes.capacity); /* what it left over is the stream's, not ours */
        buf_finish(&bytes);
        sent += pieces[i];
        bool is_writing = wire_stream_is_writing(&line.server.stream);
        assert_int_equal(wire_stream_queued(&line.server.stream) > 0, is_writing);
        assert_true(wire_stream_unread(&line.server.stream) >= wire_stream_queued(&line.server.stream));
        left_over += is_writing ? 1 : 0;
        while (wire_stream_is_writing(&line.server.stream))
            (void) uv_run(&line.loop.uv, UV_RUN_ONCE); /* the client reads */
        assert_int_equal(line.server.writes - writes, is_writing ? 1 : 0);
    }
    assert_true(left_over >= 2);
    wait_for_bytes(&line, &line.client, sent);
    assert_int_equal(line.client.received, sent);
    close_line(&line);
}

static void a_stream_that_is_not_read_lets_its_peer_wait(void **state)
{
    (void) state;
    struct line line;
    open_line(&line);
    line.client.stop_after = 1;
    send_bytes(&line.server, MUCH);
    wait_for_bytes(&line, &line.client, 1);
    size_t received = line.client.received;
    int waiting = 0;
    while (waiting == 0)
        assert_int_equal(ioctl(socket_of(&line.client), FIONREAD, &waiting), 0);
    for (unsigned i = 0; i < 100; i++)
        (void) uv_run(&line.loop.uv, UV_RUN_NOWAIT); /* bytes wait, and nobody takes them */
    assert_int_equal(line.client.received, received);
    assert_true(wire_stream_is_writing(&line.server.stream));
    line.client.stop_after = 0;
    assert_int_equal(wire_stream_read_start(&line.client.stream), 0);
    wait_for_bytes(&line, &line.client, MUCH);
    wait_for(&line, &line.server.writes);
    close_line(&line);
}

static void a_shutdown_delivers_what_was_written_and_reading_goes_on(void **state)
{
    (void) state;
    struct line line;
    open_line(&line);
    assert_int_equal(wire_stream_read_start(&line.server.stream), 0);
    send_bytes(&line.server, MUCH);
    assert_true(wire_stream_is_writing(&line.server.stream));
    assert_int_equal(wire_stream_shutdown(&line.server.stream), 0);
    assert_int_equal(wire_stream_shutdown(&line.server.stream), 0);
    wait_for(&line, &line.client.ends);
    assert_int_equal(line.client.received, MUCH);
    assert_int_equal(line.server.writes, 1);
    send_bytes(&line.client, 1000); /* the other way is open still */
    assert_int_equal(wire_stream_shutdown(&line.client.stream), 0);
    wait_for(&line, &line.server.ends);
    assert_int_equal(line.server.received, 1000);
    assert_int_equal(line.client.fails + line.server.fails, 0);
    close_line(&line);
}

static void a_close_drops_what_was_not_written(void **state)
{
    (void) state;
    struct line line;
    int fd = open_line_to_socket(&line);
    send_bytes(&line.server, MUCH);
    assert_true(wire_stream_is_writing(&line.server.stream));
    wire_stream_close(&line.server.stream);
    wait_for(&line, &line.server.closes);
    assert_int_equal(line.server.writes + line.server.fails, 0);
    assert_int_equal(close(fd), 0);
    close_line(&line);
}

static void a_close_is_safe_in_every_callback(void **state)
{
    (void) state;
    for (enum callback which = OPEN; which <= FAIL; which++) {
        struct line line;
        listen_on(&line);
        struct end *client = &line.client;
        client->close_in = which;
        assert_int_equal(wire_stream_init(&client->stream, &line.loop, &handlers, client), 0);
        assert_int_equal(
            wire_stream_connect(&client->stream, "127.0.0.1", wire_stream_listener_port(&line.listener)), 0);
        wait_for(&line, &line.accepts);
        wait_for(&line, &client->opens);
        if (which == BYTES)
            send_bytes(&line.server, 200000); /* more than one read */
        if (which == END)
            assert_int_equal(wire_stream_shutdown(&line.server.stream), 0);
        if (which == WRITTEN) {
            send_bytes(client, MUCH);
            assert_int_equal(wire_stream_read_start(&line.server.stream), 0);
        }
        if (which == FAIL) {
            send_bytes(client, MUCH); /* a write is on its way: it does not fail for itself */
            struct linger at_once = {.l_onoff = 1, .l_linger = 0};
            assert_int_equal(
                setsockopt(socket_of(&line.server), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
            wire_stream_close(&line.server.stream);
        }
        wait_for(&line, &client->closes);
        assert_true(client->is_closed_here);
        close_line(&line);
    }
}

static void a_close_before_the_connect_is_through_tells_nothing_else(void **state)
{
    (void) state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"}; /* without and with a look-up */
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct line line;
        listen_on(&line);
        struct end *client = &line.client;
        assert_int_equal(wire_stream_init(&client->stream, &line.loop, &handlers, client), 0);
        assert_int_equal(
            wire_stream_connect(&client->stream, hosts[i], wire_stream_listener_port(&line.listener)), 0);
        wire_stream_close(&client->stream);
        wait_for(&line, &client->closes);
        assert_int_equal(client->opens + client->fails, 0);
        close_line(&line);
    }
}

static void a_refused_connect_is_told_once(void **state)
{
    (void) state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct line line;
    char peer[64], wanted[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, and not listening: nobody else takes the port */
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
    listen_on(&line);
    struct end *client = &line.client;
    assert_int_equal(wire_stream_init(&client->stream, &line.loop, &handlers, client), 0);
    assert_int_equal(wire_stream_connect(&client->stream, "127.0.0.1", ntohs(address.sin_port)), 0);
    wait_for(&line, &client->fails);
    assert_int_equal(client->status, UV_ECONNREFUSED);
    assert_int_equal(client->opens, 0);
    wire_stream_peer(&client->stream, peer);
    (void) snprintf(wanted, sizeof wanted, "127.0.0.1:%u", (unsigned) ntohs(address.sin_port)); /* fits */
    assert_string_equal(peer, wanted);
    close_line(&line);
    assert_int_equal(client->fails, 1);
    assert_int_equal(close(fd), 0);
}

/* Both the read and the write on its way end with the reset. */
static void a_peer_that_resets_is_told_once(void **state)
{
    (void) state;
    struct line line;
    int fd = open_line_to_socket(&line);
    assert_int_equal(wire_stream_read_start(&line.server.stream), 0);
    send_bytes(&line.server, MUCH);
    assert_true(wire_stream_is_writing(&line.server.stream));
    reset(fd);
    wait_for(&line, &line.server.fails);
    assert_true(line.server.status == UV_ECONNRESET || line.server.status == UV_EPIPE);
    for (unsigned i = 0; i < 100; i++)
        (void) uv_run(&line.loop.uv, UV_RUN_NOWAIT); /* told() fails on a second word */
    close_line(&line);
    assert_int_equal(line.server.fails, 1);
    assert_int_equal(line.server.writes + line.server.ends, 0);
}

static void an_error_that_a_write_returns_is_not_told_again(void **state)
{
    (void) state;
    struct line line;
    int fd = open_line_to_socket(&line);
    assert_int_equal(wire_stream_read_start(&line.server.stream), 0);
    reset(fd);
    struct pollfd gone = {.fd = socket_of(&line.server), .events = POLLIN};
    assert_int_equal(poll(&gone, 1, -1), 1); /* the reset is here, and the loop has not seen it */
    struct buf bytes = bytes_of(0, 10);
    int rc = wire_stream_write(&line.server.stream, &bytes);
    assert_true(rc == UV_ECONNRESET || rc == UV_EPIPE);
    buf_finish(&bytes);
    for (unsigned i = 0; i < 100; i++)
        (void) uv_run(&line.loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(line.server.fails + line.server.ends, 0);
    close_line(&line);
}

static void streams_outlive_their_listener_and_know_their_peers(void **state)
{
    (void) state;
    struct line line;
    char peer[64], wanted[64];
    open_line(&line);
    wire_stream_listener_close(&line.listener);
    wait_for(&line, &line.listener_closes);
    send_bytes(&line.server, 10);
    wait_for_bytes(&line, &line.client, 10);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(socket_of(&line.client), (struct sockaddr *) &address, &size), 0);
    (void) snprintf(wanted, sizeof wanted, "127.0.0.1:%u", (unsigned) ntohs(address.sin_port)); /* fits */
    wire_stream_peer(&line.server.stream, peer);
    assert_string_equal(peer, wanted);
    close_line(&line);
}

static void a_port_in_use_is_an_error_that_closes_cleanly(void **state)
{
    (void) state;
    struct line line, second = {.accepts = 0};
    listen_on(&line);
    assert_int_equal(wire_stream_listener_init(&second.listener, &line.loop, &listener_handlers, &second), 0);
    assert_int_equal(
        wire_stream_listen(&second.listener, "127.0.0.1", wire_stream_listener_port(&line.listener)),
        UV_EADDRINUSE);
    wire_stream_listener_close(&second.listener);
    wait_for(&line, &second.listener_closes);
    close_line(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_write_leaves_at_once_and_nobody_is_told),
        cmocka_unit_test(both_ends_send_at_once_and_notice_a_peer_that_has_vanished),
        cmocka_unit_test(bytes_arrive_whole_and_in_order_however_they_are_cut),
        cmocka_unit_test(a_stream_that_is_not_read_lets_its_peer_wait),
        cmocka_unit_test(a_shutdown_delivers_what_was_written_and_reading_goes_on),
        cmocka_unit_test(a_close_drops_what_was_not_written),
        cmocka_unit_test(a_close_is_safe_in_every_callback),
        cmocka_unit_test(a_close_before_the_connect_is_through_tells_nothing_else),
        cmocka_unit_test(a_refused_connect_is_told_once),
        cmocka_unit_test(a_peer_that_resets_is_told_once),
        cmocka_unit_test(an_error_that_a_write_returns_is_not_told_again),
        cmocka_unit_test(streams_outlive_their_listener_and_know_their_peers),
        cmocka_unit_test(a_port_in_use_is_an_error_that_closes_cleanly),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
