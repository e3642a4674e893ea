/* Bytes out: a turn's messages gather in `queue` and leave in one write of the stream. While what it
 * left over is on its way, the next turns gather again. */
#include "proto/wire/conn_io_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "proto/wire/ring_internal.h"

static int write_now(struct wire_conn *conn)
{
    size_t size = conn->queue.size;
    int rc = wire_stream_write(&conn->stream, &conn->queue);
    if (rc != 0)
        return rc;
    conn->counters.writes++;
    conn->counters.bytes_out += size; /* the rest is on its way or the connection is lost */
    conn_release_large(&conn->queue);
    return 0;
}

/* Everything has left: say so, and close when the peer has said so too. */
static void drain_on(struct wire_conn *conn)
{
    if (conn->has_heard_fin) {
        conn_break(conn, 0, "closed");
        return;
    }
    int rc = wire_stream_shutdown(&conn->stream);
    if (rc != 0)
        conn_break(conn, rc, uv_strerror(rc));
}

void conn_write_queue(struct wire_conn *conn)
{
    if (!conn->is_connected || wire_stream_is_writing(&conn->stream) || conn->state == CONN_CLOSED)
        return;
    int rc = conn->queue.size > 0 ? write_now(conn) : 0;
    if (rc != 0)
        conn_break(conn, rc, uv_strerror(rc));
    else if (conn->state == CONN_DRAINING && !wire_stream_is_writing(&conn->stream))
        drain_on(conn);
}

void conn_flush_all(struct wire_loop *loop)
{
    while (!ring_is_alone(&loop->unsent))
        wire_conn_flush(RING_OWNER(loop->unsent.next, struct wire_conn, in_unsent));
}

void wire_conn_flush(struct wire_conn *conn)
{
    ring_remove(&conn->in_unsent);
    conn_write_queue(conn);
}

size_t wire_conn_queued(const struct wire_conn *conn)
{
    return conn->queue.size + wire_stream_queued(&conn->stream);
}

size_t wire_conn_unread(const struct wire_conn *conn)
{
    return conn->queue.size + wire_stream_unread(&conn->stream);
}

static bool is_sending(const struct wire_conn *conn)
{
    return conn->state == CONN_CONNECTING || conn->state == CONN_OPEN;
}

/* Bytes were queued: they leave with this turn, unless the peer has stopped reading for too long. */
static int after_queueing(struct wire_conn *conn)
{
    conn->counters.messages_out++;
    if (ring_is_alone(&conn->in_unsent))
        ring_append(&conn->loop->unsent, &conn->in_unsent);
    if (wire_conn_queued(conn) <= WIRE_QUEUE_MAX)
        return 0;
    wire_conn_flush(conn);
    size_t queued = wire_conn_queued(conn);
    if (queued <= WIRE_QUEUE_MAX)
        return 0;
    char text[96];
    (void) snprintf(text, sizeof text, "the peer does not read: %zu bytes wait for it", queued); /* fits */
    conn_break(conn, ERR_TOO_BIG, text);
    return ERR_TOO_BIG;
}

int wire_conn_send(struct wire_conn *conn, const struct proto_message *message)
{
    if (!is_sending(conn))
        return ERR_LOST;
    struct diag diag;
    diag.text[0] = '\0'; /* 1 KB need not be zeros */
    int rc = proto_encode(message, &conn->queue, &diag);
    if (rc == 0)
        return after_queueing(conn);
    conn_break(conn, rc, diag_text(&diag, rc)); /* a message that is missing would be waited for */
    return rc;
}

int wire_conn_send_frame(struct wire_conn *conn, const void *frame, size_t size)
{
    if (!is_sending(conn))
        return ERR_LOST;
    int rc = buf_push(&conn->queue, frame, size);
    if (rc == 0)
        return after_queueing(conn);
    conn_break(conn, rc, err_text(rc));
    return rc;
}

void conn_refuse(struct wire_conn *conn, enum proto_refusal reason, int status, const char *text)
{
    if (!is_sending(conn))
        return;
    conn->refusal = reason;
    if (text == NULL || text[0] == '\0')
        text = proto_refusal_text(reason);
    size_t size = strlen(text);
    struct proto_message message = {.id = PROTO_REFUSE};
    message.refuse.reason = (uint64_t) reason;
    message.refuse.text = (struct proto_text){text, size < 255 ? size : 255};
    if (proto_encode(&message, &conn->queue, NULL) != 0) { /* not UTF-8, or cut within a character */
        message.refuse.text = (struct proto_text){NULL, 0};
        (void) proto_encode(&message, &conn->queue,
                            NULL); /* out of memory: the peer sees the end of the stream */
    }
    conn->counters.messages_out++;
    conn_drain(conn, status, text);
}
