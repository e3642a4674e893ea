#include "mobile-node/uplink.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/units.h"

#define PIECE_MIN 1400u                    /* bytes: with its head, one packet */
#define PIECE_MAX 16384u                   /* bytes */
#define PIECE_S 1e-3                       /* a piece lasts about that long, within those bounds */
#define WINDOW_LEAST_NS UINT64_C(20000000) /* the rest of a transfer is not sampled when it is shorter */

struct uplink {
    struct wire_loop *loop;
    struct wire_alarms *alarms;
    const struct join *join;
    uint32_t device, server;
    const struct uplink_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* NULL: closed; opened by the next task */
    struct wire_alarm due;  /* when the piece being sent has left */
    bool is_sending;
    double rate_bps;
    double credit_bits; /* what the rate has allowed since the last piece */
    uint64_t credit_ns; /* up to here it is counted */
    uint64_t left;      /* bytes */
    struct proto_message task;
    /* The audit's window. */
    uint64_t window_ns;     /* its start */
    double window_set_bits; /* what the rate has allowed since */
    uint64_t window_left;   /* bytes that had not left at its start */
};

static const uint8_t zeros[PIECE_MAX];

static uint64_t piece_bytes(const struct uplink *uplink)
{
    double bytes = uplink->rate_bps * PIECE_S / 8.0;
    uint64_t piece = PIECE_MAX;
    if (bytes < PIECE_MAX)
        piece = bytes > PIECE_MIN ? (uint64_t) bytes : PIECE_MIN;
    return piece < uplink->left ? piece : uplink->left;
}

static void count_credit(struct uplink *uplink, uint64_t now_ns)
{
    double bits = uplink->rate_bps * (double) (now_ns - uplink->credit_ns) / (double) UNITS_NS_PER_S;
    uplink->credit_bits += bits;
    uplink->window_set_bits += bits;
    uplink->credit_ns = now_ns;
}

/* Bytes that wait for their turn, or for a peer or a kernel that does not take them. */
static uint64_t not_left(const struct uplink *uplink)
{
    return uplink->left + wire_conn_queued(uplink->conn);
}

static void open_window(struct uplink *uplink, uint64_t now_ns)
{
    uplink->window_ns = now_ns;
    uplink->window_set_bits = 0.0;
    uplink->window_left = not_left(uplink);
}

static void close_window(struct uplink *uplink, uint64_t least_ns)
{
    uint64_t length_ns = uplink->credit_ns - uplink->window_ns;
    if (length_ns < least_ns)
        return;
    double duration_s = (double) length_ns / (double) UNITS_NS_PER_S;
    uint64_t left = not_left(uplink);
    double bytes = uplink->window_left > left ? (double) (uplink->window_left - left) : 0.0;
    double set_bits =
        fmin(uplink->window_set_bits, 8.0 * (double) uplink->window_left); /* no more was asked */
    struct audit_link window = {
        .device = uplink->device,
        .server = uplink->server,
        .start_s = (double) uplink->window_ns / (double) UNITS_NS_PER_S,
        .duration_s = duration_s,
        .set_bps = set_bits / duration_s,
        .achieved_bps = 8.0 * bytes / duration_s,
    };
    uplink->hooks->on_window(uplink->user, &window);
    open_window(uplink, uplink->credit_ns);
}

/* Rings when the rate has allowed the next piece. Out of memory, the task never arrives: as if the server had
 * died. */
static void await_piece(struct uplink *uplink)
{
    double missing_bits = 8.0 * (double) piece_bytes(uplink) - uplink->credit_bits;
    if (uplink->rate_bps <= 0.0) {
        wire_alarm_cancel(uplink->alarms, &uplink->due);
        return;
    }
    double wait_ns =
        missing_bits > 0.0 ? ceil(missing_bits / uplink->rate_bps * (double) UNITS_NS_PER_S) : 0.0;
    (void) wire_alarm_set(uplink->alarms, &uplink->due, uplink->credit_ns + (uint64_t) fmin(wait_ns, 1e18));
}

static void send_piece(struct uplink *uplink, uint64_t bytes)
{
    struct proto_message piece = {
        .id = PROTO_PIECE,
        .piece = {.device = uplink->device,
                  .round = uplink->task.task.round,
                  .bytes = {zeros, (size_t) bytes}},
    };
    (void) wire_conn_send(uplink->conn, &piece); /* a lost server shows in on_close */
    uplink->credit_bits -= 8.0 * (double) bytes;
    uplink->left -= bytes;
}

static void send_task(struct uplink *uplink)
{
    wire_conn_flush(uplink->conn);
    close_window(uplink, WINDOW_LEAST_NS);
    (void) wire_conn_send(uplink->conn, &uplink->task); /* a lost server shows in on_close */
    wire_conn_flush(uplink->conn);
    uplink->is_sending = false;
    uplink->hooks->on_sent(uplink->user);
}

static void on_due(struct wire_alarm *alarm)
{
    struct uplink *uplink = alarm->user;
    count_credit(uplink, clock_monotonic_ns());
    uint64_t bytes = piece_bytes(uplink);
    while (uplink->left > 0 && uplink->credit_bits >= 8.0 * (double) bytes - 0.5) {
        send_piece(uplink, bytes);
        bytes = piece_bytes(uplink);
    }
    if (uplink->left == 0) {
        send_task(uplink);
        return;
    }
    wire_conn_flush(uplink->conn);
    close_window(uplink, UPLINK_WINDOW_NS);
    await_piece(uplink);
}

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
    uplink->is_sending = false;
    wire_alarm_cancel(uplink->alarms, &uplink->due);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void hang_up(struct uplink *uplink)
{
    wire_alarm_cancel(uplink->alarms, &uplink->due);
    uplink->is_sending = false;
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
    *uplink = (struct uplink){.loop = loop,
                              .alarms = alarms,
                              .join = join,
                              .device = device,
                              .server = server,
                              .hooks = hooks,
                              .user = user,
                              .due = {.on_due = on_due, .user = uplink}};
    *ret_uplink = uplink;
    return 0;
}

void uplink_destroy(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    hang_up(uplink);
    free(uplink);
}

int uplink_send(struct uplink *uplink, const struct proto_message *task, uint64_t bytes, double rate_bps,
                struct diag *diag)
{
    uplink_abandon(uplink);
    if (uplink->conn == NULL && connect_server(uplink, diag) != 0)
        return 0; /* see uplink.h */
    uplink->task = *task;
    uplink->left = bytes;
    uplink->rate_bps = rate_bps;
    uplink->credit_bits = 0.0;
    uplink->credit_ns = clock_monotonic_ns();
    uplink->is_sending = true;
    open_window(uplink, uplink->credit_ns);
    await_piece(uplink);
    return 0;
}

void uplink_set_rate(struct uplink *uplink, double rate_bps)
{
    if (!uplink->is_sending)
        return;
    count_credit(uplink, clock_monotonic_ns());
    uplink->rate_bps = rate_bps;
    await_piece(uplink);
}

void uplink_abandon(struct uplink *uplink)
{
    if (uplink->is_sending)
        hang_up(uplink);
}

bool uplink_is_sending(const struct uplink *uplink)
{
    return uplink->is_sending;
}
