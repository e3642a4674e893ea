#include "tests/lib/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static size_t check_payload(struct proto_bytes payload)
{
    for (size_t i = 0; i < payload.size; i++)
        if (payload.data[i] != PEER_FILL)
            return SIZE_MAX;
    return payload.size;
}

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct peer *peer = wire_conn_user(conn);
    peer->messages++;
    peer->last = *message;
    if (message->id == PROTO_TASK)
        peer->last_payload = check_payload(message->task.payload);
    if (peer->on_message != NULL)
        peer->on_message(peer, message);
}

static void on_batch_end(struct wire_conn *conn)
{
    struct peer *peer = wire_conn_user(conn);
    peer->batches++;
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct peer *peer = wire_conn_user(conn);
    peer->closes++;
    peer->status = status;
    (void) snprintf(peer->text, sizeof peer->text, "%s", text); /* may be cut */
    peer->refusal = wire_conn_refusal(conn);
    peer->counters = wire_conn_counters(conn);
    peer->conn = NULL;
}

const struct wire_handlers peer_handlers = {on_message, on_batch_end, on_close};

static void on_accept(void *user, struct wire_conn *conn)
{
    struct pair *pair = user;
    assert_true(pair->accepted_count < PEERS_MAX);
    struct peer *peer = &pair->accepted[pair->accepted_count++];
    *peer = (struct peer){.conn = conn, .on_message = pair->on_message};
    wire_conn_set_handlers(conn, &peer_handlers);
    wire_conn_set_user(conn, peer);
}

void pair_init(struct pair *pair, unsigned connections_max)
{
    struct diag diag = {{0}};
    *pair = (struct pair){0};
    assert_int_equal(wire_loop_init(&pair->loop, NULL, NULL), 0);
    int rc =
        wire_listen(&pair->loop, "127.0.0.1", 0, connections_max, on_accept, pair, &pair->listener, &diag);
    if (rc != 0)
        fail_msg("%s", diag_text(&diag, rc));
}

void pair_finish(struct pair *pair)
{
    wire_listener_close(pair->listener);
    wire_loop_finish(&pair->loop); /* asserts that nothing leaked */
    for (unsigned i = 0; i < pair->accepted_count; i++)
        assert_int_equal(pair->accepted[i].closes, 1);
}

void pair_connect(struct pair *pair, struct peer *client)
{
    struct diag diag = {{0}};
    int rc = wire_connect(&pair->loop, "127.0.0.1", wire_listener_port(pair->listener), &peer_handlers,
                          client, &client->conn, &diag);
    if (rc != 0)
        fail_msg("%s", diag_text(&diag, rc));
}

void pair_wait(struct pair *pair, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        (void) uv_run(&pair->loop.uv, UV_RUN_ONCE); /* whether handles are left is no matter here */
}

int raw_connect(const struct pair *pair)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(wire_listener_port(pair->listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

void raw_send(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

size_t raw_read_all(struct pair *pair, int fd, uint8_t *bytes, size_t size)
{
    size_t at = 0;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (;;) {
        uint8_t piece[4096];
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got == 0)
            return at;
        if (got < 0) {
            assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
            (void) uv_run(&pair->loop.uv, UV_RUN_ONCE); /* something is on its way: no deadlock */
            continue;
        }
        size_t kept = (size_t) got < size - at ? (size_t) got : size - at;
        memcpy(bytes + at, piece, kept);
        at += kept;
    }
}
