#include "proto/wire/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

#include "proto/wire/conn_internal.h"
#include "proto/wire/listen_internal.h"
#include "proto/wire/ring_internal.h"

static void on_signal(uv_signal_t *handle, int number)
{
    struct wire_loop *loop = handle->data;
    assert(loop->on_stop != NULL); /* watch_signal */
    loop->on_stop(loop->user, number);
}

static void on_before_poll(uv_prepare_t *handle)
{
    conn_flush_all(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
    conn_flush_all(handle->data);
}

/* Without `on_stop` the signals keep their default: they end the process. */
static int watch_signal(struct wire_loop *loop, uv_signal_t *handle, int number)
{
    int rc = uv_signal_init(&loop->uv, handle);
    if (rc != 0)
        return rc;
    handle->data = loop;
    uv_unref((uv_handle_t *) handle);
    return loop->on_stop != NULL ? uv_signal_start(handle, on_signal, number) : 0;
}

static void start_flushing(struct wire_loop *loop)
{
    /* None of these can fail: they only link the handle into the loop. */
    (void) uv_prepare_init(&loop->uv, &loop->before_poll);
    (void) uv_check_init(&loop->uv, &loop->after_poll);
    loop->before_poll.data = loop->after_poll.data = loop;
    (void) uv_prepare_start(&loop->before_poll, on_before_poll);
    (void) uv_check_start(&loop->after_poll, on_after_poll);
    uv_unref((uv_handle_t *) &loop->before_poll);
    uv_unref((uv_handle_t *) &loop->after_poll);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->loop != NULL && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Runs until the last handle has called back, then closes. */
static void close_loop(struct wire_loop *loop)
{
    close_handle((uv_handle_t *) &loop->interrupt);
    close_handle((uv_handle_t *) &loop->terminate);
    close_handle((uv_handle_t *) &loop->before_poll);
    close_handle((uv_handle_t *) &loop->after_poll);
    (void) uv_run(&loop->uv, UV_RUN_DEFAULT); /* what is left shows in the close */
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void) rc;
}

int wire_loop_init(struct wire_loop *loop, void (*on_stop)(void *user, int signal), void *user)
{
    *loop = (struct wire_loop){.on_stop = on_stop, .user = user};
    ring_init(&loop->conns);
    ring_init(&loop->unsent);
    ring_init(&loop->listeners);
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0)
        return rc;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void) sigaction(SIGPIPE, &ignore, NULL); /* fails for unknown signals only */
    rc = watch_signal(loop, &loop->interrupt, SIGINT);
    if (rc == 0)
        rc = watch_signal(loop, &loop->terminate, SIGTERM);
    if (rc != 0) {
        close_loop(loop);
        return rc;
    }
    start_flushing(loop);
    return 0;
}

void wire_loop_finish(struct wire_loop *loop)
{
    assert(!loop->is_finishing);
    loop->is_finishing = true;
    listen_close_all(loop);
    for (struct wire_ring *at = loop->conns.next; at != &loop->conns; at = at->next) {
        struct wire_conn *conn = RING_OWNER(at, struct wire_conn, in_loop);
        if (conn->state == CONN_CONNECTING || conn->state == CONN_OPEN)
            conn_break(conn, UV_ECANCELED, "the program ends");
    }
    close_loop(loop);
    assert(ring_is_alone(&loop->conns) && ring_is_alone(&loop->unsent) && ring_is_alone(&loop->listeners));
    proto_scratch_finish(&loop->scratch);
    free(loop->read_buffer);
    loop->read_buffer = NULL;
}
