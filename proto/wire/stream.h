/* A byte stream over TCP: opened by a connect or an accept, read, written, shut down, closed. It knows
 * nothing of frames. Connections stand on it; an encrypted stream can keep the same contract.
 *
 *   init ──► connect ──► on_open ──┐
 *     └────► accept ───────────────┴──► read_start, write, shutdown ... ──► close ──► on_close
 *
 * Memory: the owner embeds the struct and keeps it, unmoved, until on_close. Bytes handed to on_bytes die
 * when it returns: the streams of a loop share one read buffer. Bytes handed to a write become the stream's.
 *
 * Calls: callbacks come from the loop only, never from within a call of a function of this header. In a
 * callback the owner may call any of these functions, for this stream or another, but must not run the loop.
 * After wire_stream_close only on_close follows.
 *
 * Order: on_open comes first. on_bytes brings every byte once, in the order in which the peer sent them, and
 * on_end comes behind the last one. on_fail comes at most once, and after it only on_close. on_close is last.
 *
 * Errors: a negative return breaks the stream as on_fail does, and on_fail does not tell of it again. A
 * broken stream does not close itself: its owner does. Nothing else may be asked of it. */
#ifndef HANDOFF_PROTO_WIRE_STREAM_H
#define HANDOFF_PROTO_WIRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/buf.h"
#include "proto/wire/loop.h"
#include "proto/wire/stream_listener.h"

/* A write buffer that grew beyond this is given back when it is empty. */
#define WIRE_STREAM_BUFFER_KEEP (64u * 1024u)

struct wire_stream;

/* None may be NULL, but on_open where nobody connects. */
struct wire_stream_handlers {
    /* The connect has succeeded. An accepted stream is open already. */
    void (*on_open)(struct wire_stream *stream);
    void (*on_bytes)(struct wire_stream *stream, const uint8_t *bytes, size_t size);
    /* The peer has shut down its side; ours may write on. At most once. */
    void (*on_end)(struct wire_stream *stream);
    /* The kernel has all bytes of the write that was on its way: the next one may come. */
    void (*on_written)(struct wire_stream *stream);
    /* The connect failed, the peer reset, a write or the shutdown failed. `status`: libuv's code. */
    void (*on_fail)(struct wire_stream *stream, int status);
    /* Exactly once, when the stream was closed. Its memory is the owner's again. */
    void (*on_close)(struct wire_stream *stream);
};

/* The members belong to stream.c; others use the functions. */
struct wire_stream {
    struct wire_loop *loop;                      /* outlives it */
    const struct wire_stream_handlers *handlers; /* borrowed until on_close */
    void *user;                                  /* borrowed */
    bool is_open;                                /* connected, by either side */
    bool is_writing;                             /* `writing` is with libuv */
    bool is_shut;                                /* our side */
    bool is_broken, is_closing;
    unsigned open_handles; /* tcp, a name look-up on its way: on_close when none is left */
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct buf writing; /* what a write left over; libuv's until its callback */
    char peer[64];
};

/* Nothing to close when it fails; else wire_stream_close must follow in the end, whatever happens between.
 * wire_loop_finish knows no streams: their owners close them before. */
int wire_stream_init(struct wire_stream *stream, struct wire_loop *loop,
                     const struct wire_stream_handlers *handlers, void *user);

/* Starts connecting to a numeric or resolvable host. on_open or on_fail tells how it went. */
int wire_stream_connect(struct wire_stream *stream, const char *host, uint16_t port);
/* Takes the connection that waits at the listener. The stream is open when this returns 0. */
int wire_stream_accept(struct wire_stream *stream, struct wire_stream_listener *listener);

void *wire_stream_user(const struct wire_stream *stream);
/* "127.0.0.1:4711" of the peer, or the host and port that were asked for. */
void wire_stream_peer(const struct wire_stream *stream, char ret_text[static 64]);

/* Bytes are taken from the kernel between start and stop only: a peer that is not read has to wait. */
int wire_stream_read_start(struct wire_stream *stream);
void wire_stream_read_stop(struct wire_stream *stream);

/* Takes all of `bytes`, which is empty afterwards (and may own other memory) unless an error is returned. The
 * socket is tried at once: most writes leave in this call. What it does not take leaves later, and on_written
 * says when. Until then wire_stream_is_writing is true and no other write may begin: the owner gathers what
 * comes meanwhile, and says how much is too much. Open streams only, before the shutdown. */
int wire_stream_write(struct wire_stream *stream, struct buf *bytes);
bool wire_stream_is_writing(const struct wire_stream *stream);
/* Bytes of the write on its way that the kernel has not taken. */
size_t wire_stream_queued(const struct wire_stream *stream);
/* These, and those that the kernel has taken but the peer's kernel has not. */
size_t wire_stream_unread(const struct wire_stream *stream);

/* No more writes: the peer's stream ends behind what was written. Reading goes on. Again: does nothing. */
int wire_stream_shutdown(struct wire_stream *stream);
/* Closes at once and drops what was not written. Again: does nothing. */
void wire_stream_close(struct wire_stream *stream);

#endif
