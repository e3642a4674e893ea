#include "echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/process.h"

#define READ_SIZE 65536u

struct side;

struct end {
    struct side *side;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool is_writing;
    size_t received;  /* bytes of messages not yet complete, or not yet counted */
    size_t owed;      /* bytes to be written */
    unsigned answers; /* asking side: of the burst on its way */
};

/* One process. */
struct side {
    uv_loop_t loop;
    uv_tcp_t listener; /* answering side */
    const struct echo_params *params;
    bool is_asking;
    size_t bytes_in, bytes_out; /* of one message, seen from here */
    char *zeros;                /* what every message consists of: one burst long */
    size_t zeros_size;
    char read_buffer[READ_SIZE];
    struct end *ends;
    unsigned end_count, connected, finished; /* finished: bursts answered in this round */
    uint64_t messages, start_ns, stop_ns;
};

static void write_owed(struct end *end);

static void on_written(uv_write_t *request, int status)
{
    struct end *end = request->data;
    end->is_writing = false;
    if (status == 0)
        write_owed(end);
}

static void write_owed(struct end *end)
{
    struct side *side = end->side;
    while (end->owed > 0 && !end->is_writing) {
        size_t size = end->owed < side->zeros_size ? end->owed : side->zeros_size;
        uv_buf_t buf = uv_buf_init(side->zeros, (unsigned) size);
        int written = uv_try_write((uv_stream_t *) &end->tcp, &buf, 1);
        if (written > 0) {
            end->owed -= (size_t) written;
            continue;
        }
        if (written != UV_EAGAIN)
            return; /* the other side is done */
        end->owed -= size;
        end->is_writing = uv_write(&end->write, (uv_stream_t *) &end->tcp, &buf, 1, on_written) == 0;
    }
}

static void ask(struct end *end)
{
    end->answers = 0;
    end->owed += (size_t) end->side->params->burst * end->side->bytes_out;
    write_owed(end);
}

static void close_all(struct side *side)
{
    for (unsigned i = 0; i < side->end_count; i++)
        if (!uv_is_closing((uv_handle_t *) &side->ends[i].tcp))
            uv_close((uv_handle_t *) &side->ends[i].tcp, NULL);
}

static bool is_over(struct side *side)
{
    uint64_t now = uv_hrtime();
    if (side->start_ns == 0) {
        uint64_t length = (uint64_t) (side->params->seconds * 1e9);
        if (side->stop_ns == 0)
            side->stop_ns = now + length / 10; /* warm-up */
        if (now < side->stop_ns)
            return false;
        side->start_ns = now;
        side->stop_ns = now + length;
        side->messages = 0;
    }
    if (now < side->stop_ns)
        return false;
    side->stop_ns = now;
    return true;
}

static void take_answers(struct end *end, unsigned count)
{
    struct side *side = end->side;
    end->answers += count;
    if (end->answers < side->params->burst)
        return;
    side->messages += 2u * (uint64_t) side->params->burst;
    if (is_over(side)) {
        close_all(side);
        return;
    }
    if (!side->params->lockstep) {
        ask(end);
        return;
    }
    if (++side->finished < side->end_count)
        return;
    side->finished = 0;
    for (unsigned i = 0; i < side->end_count; i++)
        ask(&side->ends[i]);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void) suggested;
    struct end *end = handle->data;
    *ret_buf = uv_buf_init(end->side->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void) buf;
    struct end *end = stream->data;
    if (size < 0 && !uv_is_closing((uv_handle_t *) stream))
        uv_close((uv_handle_t *) stream, NULL);
    if (size <= 0)
        return;
    end->received += (size_t) size;
    size_t count = end->received / end->side->bytes_in;
    end->received %= end->side->bytes_in;
    if (count > 0 && end->side->is_asking) {
        take_answers(end, (unsigned) count);
    } else if (count > 0) {
        end->owed += count * end->side->bytes_out;
        write_owed(end);
    }
}

static int start_end(struct end *end)
{
    int rc = uv_tcp_nodelay(&end->tcp, 1);
    return rc != 0 ? rc : uv_read_start((uv_stream_t *) &end->tcp, on_alloc, on_read);
}

static int side_init(struct side *side, const struct echo_params *params, bool is_asking)
{
    *side = (struct side){
        .params = params,
        .is_asking = is_asking,
        .bytes_in = is_asking ? params->bytes_back : params->bytes_out,
        .bytes_out = is_asking ? params->bytes_out : params->bytes_back,
        .end_count = params->connections,
    };
    side->zeros_size = side->bytes_out * params->burst;
    side->zeros = calloc(1, side->zeros_size);
    side->ends = calloc(params->connections, sizeof *side->ends);
    if (side->zeros == NULL || side->ends == NULL)
        return -ENOMEM;
    int rc = uv_loop_init(&side->loop);
    for (unsigned i = 0; rc == 0 && i < side->end_count; i++) {
        struct end *end = &side->ends[i];
        end->side = side;
        end->tcp.data = end->connect.data = end->write.data = end;
        rc = uv_tcp_init(&side->loop, &end->tcp);
    }
    return rc;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct side *side = listener->data;
    struct end *end = &side->ends[side->connected++];
    if (status != 0 || uv_accept(listener, (uv_stream_t *) &end->tcp) != 0 || start_end(end) != 0)
        exit(1); /* the asking process sees its connections end */
    if (side->connected == side->end_count)
        uv_close((uv_handle_t *) listener, NULL);
}

/* The child's whole life: ends when the other side closes. */
static int answer(const struct echo_params *params, int listener)
{
    static struct side side;
    if (process_die_with_parent() != 0 || side_init(&side, params, false) != 0)
        return 1;
    side.listener.data = &side;
    if (uv_tcp_init(&side.loop, &side.listener) != 0 || uv_tcp_open(&side.listener, listener) != 0 ||
        uv_listen((uv_stream_t *) &side.listener, (int) params->connections, on_connection) != 0)
        return 1;
    return uv_run(&side.loop, UV_RUN_DEFAULT);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct end *end = request->data;
    struct side *side = end->side;
    if (status != 0 || start_end(end) != 0) {
        close_all(side);
        return;
    }
    if (++side->connected < side->end_count)
        return;
    for (unsigned i = 0; i < side->end_count; i++)
        ask(&side->ends[i]);
}

static int run_asking(struct side *side, const struct sockaddr_in *address)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < side->end_count; i++)
        rc = uv_tcp_connect(&side->ends[i].connect, &side->ends[i].tcp, (const struct sockaddr *) address,
                            on_connected);
    if (rc != 0)
        close_all(side);
    (void) uv_run(&side->loop, UV_RUN_DEFAULT); /* until every connection is closed */
    int closed = uv_loop_close(&side->loop);
    return rc != 0 ? rc : closed != 0 ? closed : side->start_ns == 0 ? -ECONNRESET : 0;
}

static int open_listener(struct sockaddr_in *ret_address)
{
    socklen_t size = sizeof *ret_address;
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) ret_address, sizeof *ret_address) != 0 ||
        listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *) ret_address, &size) != 0)
        return -errno;
    return fd;
}

int echo_run(const struct echo_params *params, struct echo_result *ret_result)
{
    struct sockaddr_in address;
    int listener = open_listener(&address);
    if (listener < 0)
        return listener;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0)
        _exit(answer(params, listener) != 0);
    (void) close(listener); /* the child's now */
    struct side *side = malloc(sizeof *side);
    int rc = side == NULL ? -ENOMEM : side_init(side, params, true);
    if (rc == 0)
        rc = run_asking(side, &address);
    if (rc != 0)
        (void) kill(child, SIGTERM); /* it may wait for connections that will not come */
    (void) waitpid(child, NULL, 0);  /* its status is of no interest */
    if (rc == 0)
        *ret_result = (struct echo_result){side->messages, (double) (side->stop_ns - side->start_ns) * 1e-9};
    if (side != NULL) {
        free(side->zeros);
        free(side->ends);
    }
    free(side);
    return rc;
}
