/* Bytes in: whole frames are decoded where they were read, without a copy. Only the start of a frame whose
 * rest has not come is kept, and grows with the bytes that really arrive, never with the length that was
 * declared. */
#include "proto/wire/conn_io_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "proto/frame.h"

/* The peer says why it closes. What we have queued is of no use to it any more. */
static void take_refuse(struct wire_conn *conn, const struct msg_refuse *refuse)
{
    enum proto_refusal reason = (enum proto_refusal) refuse->reason;
    char text[sizeof conn->text];
    if (refuse->text.size > 0)
        (void) snprintf(text, sizeof text, "%.*s", (int) refuse->text.size,
                        refuse->text.data); /* at most 255 */
    else
        (void) snprintf(text, sizeof text, "%s", proto_refusal_text(reason)); /* short */
    conn->refusal = reason;
    buf_clear(&conn->queue);
    conn_drain(conn, UV_ECONNABORTED, text);
}

static void take_frame(struct wire_conn *conn, const uint8_t *body, size_t size)
{
    struct proto_message message;
    enum proto_refusal reason = PROTO_REFUSE_NONE;
    struct diag diag;
    diag.text[0] = '\0'; /* the rest need not be cleared for every frame */
    int rc = proto_decode(body, size, &conn->loop->scratch, &message, &reason, &diag);
    if (rc == -ENOMEM) { /* the peer has done nothing wrong */
        conn_break(conn, rc, diag_text(&diag, rc));
        return;
    }
    if (rc != 0) {
        conn_refuse(conn, reason, rc, diag_text(&diag, rc));
        return;
    }
    conn->counters.messages_in++;
    if (message.id == PROTO_REFUSE) {
        take_refuse(conn, &message.refuse);
        return;
    }
    assert(conn->handlers.on_message != NULL);
    conn->handlers.on_message(conn, &message);
}

static void refuse_length(struct wire_conn *conn, const uint8_t *bytes)
{
    unsigned long length = (unsigned long) bytes[0] << 24 | (unsigned long) bytes[1] << 16 |
                           (unsigned long) bytes[2] << 8 | bytes[3];
    char text[96];
    if (length == 0) {
        conn_refuse(conn, PROTO_REFUSE_MALFORMED, ERR_SYNTAX, "an empty frame");
        return;
    }
    (void) snprintf(text, sizeof text, "a frame of %lu bytes, at most %zu are allowed", length,
                    conn->frame_max); /* fits */
    conn_refuse(conn, PROTO_REFUSE_TOO_BIG, ERR_TOO_BIG, text);
}

/* Hands over every whole frame, returns how many bytes they took. A handler may close the connection: then it
 * stops. */
static size_t take_frames(struct wire_conn *conn, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (conn->state == CONN_OPEN) {
        const uint8_t *body = NULL;
        size_t body_size = 0, consumed = 0;
        enum frame_state state =
            frame_split(bytes + at, size - at, conn->frame_max, &body, &body_size, &consumed);
        if (state == FRAME_PARTIAL)
            break;
        if (state == FRAME_BAD) {
            refuse_length(conn, bytes + at);
            break;
        }
        at += consumed;
        take_frame(conn, body, body_size);
    }
    return at;
}

static int take_bytes(struct wire_conn *conn, const uint8_t *bytes, size_t size)
{
    if (conn->partial.size == 0) {
        size_t taken = take_frames(conn, bytes, size);
        return conn->state == CONN_OPEN ? buf_push(&conn->partial, bytes + taken, size - taken) : 0;
    }
    int rc = buf_push(&conn->partial, bytes, size);
    if (rc != 0)
        return rc;
    buf_consume(&conn->partial, take_frames(conn, conn->partial.data, conn->partial.size));
    conn_release_large(&conn->partial);
    return 0;
}

void conn_take_bytes(struct wire_stream *stream, const uint8_t *bytes, size_t size)
{
    struct wire_conn *conn = wire_stream_user(stream);
    if (conn->state != CONN_OPEN)
        return;
    uint64_t before = conn->counters.messages_in;
    conn->counters.bytes_in += (uint64_t) size;
    int rc = take_bytes(conn, bytes, size);
    if (rc != 0)
        conn_break(conn, rc, err_text(rc));
    else if (conn->counters.messages_in != before && conn->state == CONN_OPEN &&
             conn->handlers.on_batch_end != NULL)
        conn->handlers.on_batch_end(conn);
}

void conn_take_end(struct wire_stream *stream)
{
    struct wire_conn *conn = wire_stream_user(stream);
    conn->has_heard_fin = true;
    if (conn->state == CONN_DRAINING)
        conn_write_queue(conn);
    else if (conn->partial.size > 0)
        conn_drain(conn, ERR_TRUNCATED, "the peer closed in the middle of a frame");
    else
        conn_drain(conn, 0, "closed by the peer");
}
