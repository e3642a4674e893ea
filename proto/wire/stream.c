#include "proto/wire/stream.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define KEEPALIVE_S 30u
#define READ_SIZE (64u * 1024u)

/* ---- life ---- */

int wire_stream_init(struct wire_stream *stream, struct wire_loop *loop,
                     const struct wire_stream_handlers *handlers, void *user)
{
    *stream = (struct wire_stream){.loop = loop, .handlers = handlers, .user = user};
    int rc = uv_tcp_init(&loop->uv, &stream->tcp);
    if (rc != 0)
        return rc;
    stream->open_handles = 1;
    stream->tcp.data = stream->connect.data = stream->write.data = stream->shutdown.data = stream;
    return 0;
}

/* One of the handles is gone; with the last one goes the stream. */
static void drop_handle(struct wire_stream *stream)
{
    assert(stream->open_handles > 0);
    if (--stream->open_handles > 0)
        return;
    buf_finish(&stream->writing);
    stream->handlers->on_close(stream);
}

static void on_handle_closed(uv_handle_t *handle)
{
    drop_handle(handle->data);
}

void wire_stream_close(struct wire_stream *stream)
{
    if (stream->is_closing)
        return;
    stream->is_closing = true;
    if (stream->resolve.data != NULL)
        (void) uv_cancel((uv_req_t *) &stream->resolve); /* too late: its callback comes all the same */
    uv_close((uv_handle_t *) &stream->tcp, on_handle_closed);
}

/* Nothing more is told of a stream that is broken or closing, but on_close. */
static bool is_silent(const struct wire_stream *stream)
{
    return stream->is_broken || stream->is_closing;
}

/* Of what the owner called: it hears of the error by the return. */
static int broken(struct wire_stream *stream, int status)
{
    if (status == 0)
        return 0;
    stream->is_broken = true;
    wire_stream_read_stop(stream);
    return status;
}

/* Of what happened by itself. */
static void fail(struct wire_stream *stream, int status)
{
    if (!is_silent(stream))
        stream->handlers->on_fail(stream, broken(stream, status));
}

void *wire_stream_user(const struct wire_stream *stream)
{
    return stream->user;
}

void wire_stream_peer(const struct wire_stream *stream, char ret_text[static 64])
{
    memcpy(ret_text, stream->peer, sizeof stream->peer);
}

/* ---- opening ---- */

static int set_options(struct wire_stream *stream)
{
    int rc = uv_tcp_nodelay(&stream->tcp, 1);
    return rc != 0 ? rc : uv_tcp_keepalive(&stream->tcp, 1, KEEPALIVE_S);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct wire_stream *stream = request->data;
    if (is_silent(stream))
        return;
    if (status == 0)
        status = set_options(stream);
    if (status != 0) {
        fail(stream, status);
        return;
    }
    stream->is_open = true;
    stream->handlers->on_open(stream);
}

static int start_connect(struct wire_stream *stream, const struct sockaddr *address)
{
    return uv_tcp_connect(&stream->connect, &stream->tcp, address, on_connected);
}

/* IPv4 goes first: our listeners bind 127.0.0.1 by default, and "localhost" often names ::1 before it. */
static const struct sockaddr *choose_address(const struct addrinfo *list)
{
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        if (at->ai_family == AF_INET)
            return at->ai_addr;
    return list->ai_addr;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct wire_stream *stream = request->data;
    request->data = NULL;
    if (status == 0 && !is_silent(stream))
        status = start_connect(stream, choose_address(list));
    uv_freeaddrinfo(list);
    if (status != 0)
        fail(stream, status);
    drop_handle(stream);
}

static int start_resolve(struct wire_stream *stream, const char *host, uint16_t port)
{
    char service[8];
    (void) snprintf(service, sizeof service, "%u", (unsigned) port); /* fits */
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rc = uv_getaddrinfo(&stream->loop->uv, &stream->resolve, on_resolved, host, service, &hints);
    if (rc != 0)
        return rc;
    stream->resolve.data = stream;
    stream->open_handles++;
    return 0;
}

int wire_stream_connect(struct wire_stream *stream, const char *host, uint16_t port)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    assert(!stream->is_open && !is_silent(stream));
    (void) snprintf(stream->peer, sizeof stream->peer, strchr(host, ':') != NULL ? "[%.53s]:%u" : "%.55s:%u",
                    host, (unsigned) port); /* a long name is cut */
    if (uv_ip4_addr(host, port, &in) == 0)
        return broken(stream, start_connect(stream, (const struct sockaddr *) &in));
    if (uv_ip6_addr(host, port, &in6) == 0)
        return broken(stream, start_connect(stream, (const struct sockaddr *) &in6));
    return broken(stream, start_resolve(stream, host, port));
}

/* "127.0.0.1:4711", "[::1]:4711" */
static void name_address(const struct sockaddr *address, size_t size, char *ret_text)
{
    char host[INET6_ADDRSTRLEN] = "unknown";
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        (void) uv_ip6_name((const struct sockaddr_in6 *) (const void *) address, host,
                           sizeof host); /* fits */
        memcpy(&in6, address, sizeof in6);
        (void) snprintf(ret_text, size, "[%s]:%u", host, (unsigned) ntohs(in6.sin6_port));
    } else {
        struct sockaddr_in in;
        (void) uv_ip4_name((const struct sockaddr_in *) (const void *) address, host, sizeof host); /* fits */
        memcpy(&in, address, sizeof in);
        (void) snprintf(ret_text, size, "%s:%u", host, (unsigned) ntohs(in.sin_port));
    }
}

int wire_stream_accept(struct wire_stream *stream, struct wire_stream_listener *listener)
{
    struct sockaddr_storage address = {0};
    int size = sizeof address;
    assert(!stream->is_open && !is_silent(stream));
    int rc = uv_accept((uv_stream_t *) &listener->tcp, (uv_stream_t *) &stream->tcp);
    if (rc == 0)
        rc = uv_tcp_getpeername(&stream->tcp, (struct sockaddr *) &address, &size);
    if (rc == 0)
        rc = set_options(stream);
    if (rc != 0)
        return broken(stream, rc); /* the peer may be gone already */
    name_address((struct sockaddr *) &address, sizeof stream->peer, stream->peer);
    stream->is_open = true;
    return 0;
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void) suggested;
    struct wire_stream *stream = handle->data;
    struct wire_loop *loop = stream->loop;
    if (loop->read_buffer == NULL)
        loop->read_buffer = malloc(READ_SIZE);
    *ret_buf = uv_buf_init(loop->read_buffer, loop->read_buffer != NULL ? READ_SIZE : 0);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    struct wire_stream *stream = handle->data;
    if (is_silent(stream))
        return;
    if (size > 0)
        stream->handlers->on_bytes(stream, (const uint8_t *) buf->base, (size_t) size);
    else if (size == UV_EOF)
        stream->handlers->on_end(stream);
    else if (size < 0)
        fail(stream, (int) size);
}

int wire_stream_read_start(struct wire_stream *stream)
{
    assert(stream->is_open && !is_silent(stream));
    return broken(stream, uv_read_start((uv_stream_t *) &stream->tcp, on_alloc, on_read));
}

void wire_stream_read_stop(struct wire_stream *stream)
{
    (void) uv_read_stop((uv_stream_t *) &stream->tcp); /* always 0 */
}

/* ---- writing ---- */

static void on_written(uv_write_t *request, int status)
{
    struct wire_stream *stream = request->data;
    stream->is_writing = false;
    buf_clear(&stream->writing);
    if (stream->writing.capacity > WIRE_STREAM_BUFFER_KEEP)
        buf_finish(&stream->writing);
    if (status != 0)
        fail(stream, status);
    else if (!is_silent(stream))
        stream->handlers->on_written(stream);
}

/* What the socket did not take waits in `writing`, which libuv borrows. */
static int write_rest(struct wire_stream *stream, struct buf *bytes)
{
    assert(stream->writing.size == 0);
    struct buf empty = stream->writing;
    stream->writing = *bytes;
    *bytes = empty;
    uv_buf_t buf = uv_buf_init((char *) stream->writing.data, (unsigned) stream->writing.size);
    int rc = uv_write(&stream->write, (uv_stream_t *) &stream->tcp, &buf, 1, on_written);
    stream->is_writing = rc == 0;
    return broken(stream, rc);
}

int wire_stream_write(struct wire_stream *stream, struct buf *bytes)
{
    assert(stream->is_open && !stream->is_shut && !stream->is_writing && !is_silent(stream));
    uv_buf_t buf = uv_buf_init((char *) bytes->data, (unsigned) bytes->size);
    int written = uv_try_write((uv_stream_t *) &stream->tcp, &buf, 1);
    if (written < 0 && written != UV_EAGAIN)
        return broken(stream, written);
    if (written > 0)
        buf_consume(bytes, (size_t) written);
    return bytes->size > 0 ? write_rest(stream, bytes) : 0;
}

bool wire_stream_is_writing(const struct wire_stream *stream)
{
    return stream->is_writing;
}

size_t wire_stream_queued(const struct wire_stream *stream)
{
    return stream->is_writing ? stream->tcp.write_queue_size : 0;
}

size_t wire_stream_unread(const struct wire_stream *stream)
{
    uv_os_fd_t fd;
    int in_kernel = 0;
    if (uv_fileno((const uv_handle_t *) &stream->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0; /* not connected yet, or no longer */
    return wire_stream_queued(stream) + (size_t) in_kernel;
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    if (status != 0)
        fail(request->data, status);
}

int wire_stream_shutdown(struct wire_stream *stream)
{
    assert(stream->is_open && !is_silent(stream));
    if (stream->is_shut)
        return 0;
    stream->is_shut = true; /* libuv does it when what is being written has left */
    return broken(stream, uv_shutdown(&stream->shutdown, (uv_stream_t *) &stream->tcp, on_shutdown));
}
