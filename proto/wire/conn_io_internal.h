/* Between conn.c, conn_read.c and conn_write.c. */
#ifndef HANDOFF_PROTO_WIRE_CONN_IO_INTERNAL_H
#define HANDOFF_PROTO_WIRE_CONN_IO_INTERNAL_H

#include "proto/wire/conn_internal.h"

/* A buffer that grew beyond this for one large message is given back when it is empty. */
#define CONN_BUFFER_KEEP (64u * 1024u)

/* conn.c: writes what is queued, then closes. Later calls change nothing. */
void conn_drain(struct wire_conn *conn, int status, const char *text);

/* conn_read.c: what the stream tells. */
void conn_take_bytes(struct wire_stream *stream, const uint8_t *bytes, size_t size);
void conn_take_end(struct wire_stream *stream);

/* conn_write.c: writes what is queued unless a write is on its way, and moves a draining connection on. */
void conn_write_queue(struct wire_conn *conn);
/* Queues REFUSE, then drains; `status` is what our own on_close will be told. */
void conn_refuse(struct wire_conn *conn, enum proto_refusal reason, int status, const char *text);

static inline void conn_release_large(struct buf *buf)
{
    if (buf->size == 0 && buf->capacity > CONN_BUFFER_KEEP)
        buf_finish(buf);
}

#endif
