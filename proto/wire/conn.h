/* A framed connection over TCP: bytes in, messages out, and the other way round.
 *
 * Sending encodes into the connection's buffer; everything sent during one turn of the loop leaves in one
 * write at the end of that turn (or at wire_conn_flush). Queued bytes above WIRE_QUEUE_MAX close the
 * connection: a peer that does not read cannot make us keep memory. A malformed frame is answered with REFUSE
 * and closes this connection only.
 *
 * Life: created by wire_accept's callback or wire_connect; `on_close` is called exactly once, after which the
 * pointer is dead. A callback may call wire_conn_close, never free. */
#ifndef HANDOFF_PROTO_WIRE_CONN_H
#define HANDOFF_PROTO_WIRE_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "proto/message.h"
#include "proto/wire/loop.h"

#define WIRE_QUEUE_MAX (16u * 1024u * 1024u)

/* How long a connect may take, and how long a closing connection waits for its queue to leave and its peer to
 * close. */
#define WIRE_CONNECT_MS 10000u
#define WIRE_LINGER_MS 2000u

/* A peer that has yet to say who it is gets no more room than this: HELLO and ATTACH are shorter. */
#define WIRE_GREETING_MAX 1024u

struct wire_conn;

struct wire_handlers {
    /* The message and all it borrows die on return. */
    /* A REFUSE is not handed over: it ends the connection, see on_close. */
    void (*on_message)(struct wire_conn *conn, const struct proto_message *message);
    /* After all messages of one read have been handed over (NULL: not needed). */
    void (*on_batch_end)(struct wire_conn *conn);
    /* Once, last. status 0: closed in order by either side; UV_ECONNABORTED: either side sent REFUSE
     * (wire_conn_refusal has its code); else the code of what went wrong (UV_ECONNRESET, ERR_RANGE for a
     * field in a malformed frame, ERR_TOO_BIG for a peer that does not read, ...). `text` says why in words
     * (a REFUSE's text, say), never NULL. Also called when a connect fails. */
    void (*on_close)(struct wire_conn *conn, int status, const char *text);
};

struct wire_counters {
    uint64_t messages_in, messages_out, bytes_in, bytes_out, writes;
};

/* Starts connecting to a numeric or resolvable host. Messages may be sent at once; they leave when connected.
 * Nagle is off. Returns an error only when nothing could be started. */
int wire_connect(struct wire_loop *loop, const char *host, uint16_t port,
                 const struct wire_handlers *handlers, void *user, struct wire_conn **ret_conn,
                 struct diag *diag);

void *wire_conn_user(const struct wire_conn *conn);
void wire_conn_set_user(struct wire_conn *conn, void *user);
void wire_conn_set_handlers(struct wire_conn *conn, const struct wire_handlers *handlers);

/* The longest frame taken from the peer from now on; PROTO_BODY_MAX unless said otherwise. */
void wire_conn_set_frame_max(struct wire_conn *conn, size_t size);

/* Encodes and queues. A message that violates the schema (made from what a peer said, most likely) ends this
 * connection with the encoder's words; its code is returned. On a closing connection nothing happens, and
 * ERR_LOST is returned. */
int wire_conn_send(struct wire_conn *conn, const struct proto_message *message);
/* Queues bytes that are whole frames already (a broadcast encoded once). */
int wire_conn_send_frame(struct wire_conn *conn, const void *frame, size_t size);
void wire_conn_flush(struct wire_conn *conn);
size_t wire_conn_queued(const struct wire_conn *conn);
/* What is queued, and what the kernel has taken but the peer's kernel has not: waiting for a peer that does
 * not read, or for the network. */
size_t wire_conn_unread(const struct wire_conn *conn);

/* Sends REFUSE, then closes. */
void wire_conn_refuse(struct wire_conn *conn, enum proto_refusal reason, const char *text);
/* Lets what is queued leave, then closes. NULL-safe, may be called twice. */
void wire_conn_close(struct wire_conn *conn);

/* The reason in the REFUSE that was sent or received; PROTO_REFUSE_NONE when there was none. Good inside
 * on_close too. */
enum proto_refusal wire_conn_refusal(const struct wire_conn *conn);

/* "127.0.0.1:4711" of the peer. */
void wire_conn_peer(const struct wire_conn *conn, char ret_text[static 64]);
struct wire_counters wire_conn_counters(const struct wire_conn *conn);

#endif
