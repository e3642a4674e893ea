#include "mobile-node/uplink.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/units.h"

#define PIECE_MAX 65536u                   /* bytes */
#define WINDOW_LEAST_NS UINT64_C(20000000) /* the rest of a transfer is not sampled when it is shorter */

struct uplink {
    struct wire_loop *loop;
    const struct join *join;
    uint32_t device, server;
    const struct uplink_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* NULL: closed; opened by the next task */
    struct wire_pacer pacer;
    uint64_t bytes;   /* of the present task that have to cross */
    uint64_t crossed; /* of them, handed to the connection */
    struct proto_message task;
    /* The audit's window. */
    uint64_t window_ns;    /* its start */
    double window_allowed; /* bits the rate had allowed by then */
    double window_left;    /* bytes that had left by then */
};

static const uint8_t zeros[PIECE_MAX];

/* Bytes handed over, but for those that wait for a peer or a kernel that does not take them. */
static double has_left(const struct uplink *uplink)
{
    double waiting = (double) wire_conn_queued(uplink->conn);
    return (double) uplink->crossed > waiting ? (double) uplink->crossed - waiting : 0.0;
}

static void open_window(struct uplink *uplink, uint64_t now_ns)
{
    uplink->window_ns = now_ns;
    uplink->window_allowed = wire_pacer_allowed_bits(&uplink->pacer);
    uplink->window_left = has_left(uplink);
}

static void close_window(struct uplink *uplink, uint64_t least_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - uplink->window_ns < least_ns)
        return;
    double duration_s = units_ns_to_s(now_ns - uplink->window_ns);
    double asked_bits = 8.0 * ((double) uplink->bytes - uplink->window_left);
    double set_bits = wire_pacer_allowed_bits(&uplink->pacer) - uplink->window_allowed;
    struct audit_link window = {
        .device = uplink->device,
        .server = uplink->server,
        .start_s = units_ns_to_s(uplink->window_ns),
        .duration_s = duration_s,
        .set_bps = fmin(set_bits, asked_bits) / duration_s, /* no more was asked of it */
        .achieved_bps = 8.0 * (has_left(uplink) - uplink->window_left) / duration_s,
    };
    uplink->hooks->on_window(uplink->user, &window);
    open_window(uplink, now_ns);
}

static void on_bytes(void *user, uint64_t bytes)
{
    struct uplink *uplink = user;
    uplink->crossed += bytes;
    while (bytes > 0) {
        size_t size = bytes < PIECE_MAX ? (size_t) bytes : PIECE_MAX;
        struct proto_message piece = {
            .id = PROTO_PIECE,
            .piece = {.device = uplink->device, .round = uplink->task.task.round, .bytes = {zeros, size}},
        };
        (void) wire_conn_send(uplink->conn, &piece); /* a lost server shows in on_close */
        bytes -= size;
    }
    wire_conn_flush(uplink->conn);
    close_window(uplink, UPLINK_WINDOW_NS);
}

static void on_done(void *user)
{
    struct uplink *uplink = user;
    close_window(uplink, WINDOW_LEAST_NS);
    (void) wire_conn_send(uplink->conn, &uplink->task); /* a lost server shows in on_close */
    wire_conn_flush(uplink->conn);
    uplink->hooks->on_sent(uplink->user);
}

static const struct wire_pacer_hooks pacer_hooks = {.on_bytes = on_bytes, .on_done = on_done};

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct uplink *uplink = wire_conn_user(conn);
    struct diag diag = {0};
    if (uplink == NULL)
        return; /* let go of */
    int rc = message->id == PROTO_RESULT && message->result.device == uplink->device
                 ? uplink->hooks->on_result(uplink->user, message, &diag)
                 : diag_fail(&diag, ERR_STATE, "only RESULTs of device %u are taken here", uplink->device);
    if (rc != 0)
        wire_conn_refuse(conn, PROTO_REFUSE_OUT_OF_STATE, diag_text(&diag, rc));
}

static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct uplink *uplink = wire_conn_user(conn);
    if (uplink == NULL)
        return;
    if (status != 0)
        log_info("data", "device %u to server %u: %s", uplink->device, uplink->server, text);
    uplink->conn = NULL;
    wire_pacer_stop(&uplink->pacer);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void hang_up(struct uplink *uplink)
{
    wire_pacer_stop(&uplink->pacer);
    if (uplink->conn == NULL)
        return;
    wire_conn_set_user(uplink->conn, NULL);
    wire_conn_close(uplink->conn);
    uplink->conn = NULL;
}

static int connect_server(struct uplink *uplink, struct diag *diag)
{
    const struct node_address *address = &uplink->join->address[uplink->server];
    int rc = wire_connect(uplink->loop, address->host, address->port, &handlers, uplink, &uplink->conn, diag);
    if (rc != 0)
        return rc;
    struct proto_message attach = {
        .id = PROTO_ATTACH,
        .attach = {.run_token = uplink->join->run_token, .first = uplink->device, .count = 1},
    };
    return wire_conn_send(uplink->conn, &attach);
}

int uplink_create(struct uplink **ret_uplink, struct wire_loop *loop, struct wire_alarms *alarms,
                  const struct join *join, uint32_t device, uint32_t server, const struct uplink_hooks *hooks,
                  void *user)
{
    struct uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL)
        return -ENOMEM;
    *uplink = (struct uplink){
        .loop = loop,
        .join = join,
        .device = device,
        .server = server,
        .hooks = hooks,
        .user = user,
    };
    struct link_params params = {.rate_bps = 0.0};
    wire_pacer_init(&uplink->pacer, alarms, &params, &pacer_hooks, uplink);
    *ret_uplink = uplink;
    return 0;
}

void uplink_destroy(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    hang_up(uplink);
    wire_pacer_finish(&uplink->pacer);
    free(uplink);
}

int uplink_send(struct uplink *uplink, const struct proto_message *task, uint64_t bytes, double rate_bps,
                struct diag *diag)
{
    uplink_abandon(uplink);
    if (uplink->conn == NULL && connect_server(uplink, diag) != 0)
        return 0; /* see uplink.h */
    uplink->task = *task;
    uplink->bytes = bytes;
    uplink->crossed = 0;
    wire_pacer_set_rate(&uplink->pacer, rate_bps);
    open_window(uplink, clock_monotonic_ns());
    int rc = wire_pacer_send(&uplink->pacer, bytes);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

void uplink_set_rate(struct uplink *uplink, double rate_bps)
{
    wire_pacer_set_rate(&uplink->pacer, rate_bps);
}

void uplink_stop(struct uplink *uplink)
{
    wire_pacer_stop(&uplink->pacer);
}

void uplink_abandon(struct uplink *uplink)
{
    if (wire_pacer_is_active(&uplink->pacer))
        hang_up(uplink);
}

bool uplink_is_sending(const struct uplink *uplink)
{
    return wire_pacer_is_active(&uplink->pacer);
}
