#include "mobile-node/uplink.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/model/transfer.h"
#include "proto/node/paced_payload.h"

struct uplink {
    struct node_control *control;
    uint32_t device, server;
    const struct uplink_hooks *hooks;
    void *user;
    struct wire_conn *conn; /* NULL: closed; opened by the next task */
    struct paced_payload paced;
    uint64_t piece_round, piece_bytes; /* of a RESULT: its round, and the bytes of it that have come */
};

static void on_sent(void *user)
{
    struct uplink *uplink = user;
    assert(uplink->conn != NULL && !paced_payload_is_sending(&uplink->paced));
    uplink->hooks->on_sent(uplink->user);
}

static const struct paced_payload_hooks paced_hooks = {.on_sent = on_sent};

static void on_piece(struct uplink *uplink, const struct msg_piece *piece)
{
    if (uplink->piece_round != piece->round)
        uplink->piece_bytes = 0;
    uplink->piece_round = piece->round;
    uplink->piece_bytes += piece->bytes.size;
}

/* A RESULT comes after all of its bytes. */
static int on_result(struct uplink *uplink, const struct proto_message *message, struct diag *diag)
{
    double bytes = floor(transfer_down_bits(&uplink->control->join.world.scenario) / 8.0);
    uint64_t came = uplink->piece_round == message->result.round ? uplink->piece_bytes : 0;
    if ((double) came < bytes)
        return diag_fail(diag, ERR_RANGE, "RESULT of device %u: %llu of %.0f bytes came before it",
                         uplink->device, (unsigned long long) came, bytes);
    paced_payload_tell_windows(&uplink->paced); /* before the REPORT that may end the run */
    return uplink->hooks->on_result(uplink->user, message, diag);
}

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct uplink *uplink = wire_conn_user(conn);
    struct diag diag = {0};
    int rc = 0;
    if (uplink == NULL)
        return; /* closed by us */
    if (message->id == PROTO_RESULT && message->result.device == uplink->device)
        rc = on_result(uplink, message, &diag);
    else if (message->id == PROTO_PIECE && message->piece.device == uplink->device)
        on_piece(uplink, &message->piece);
    else
        rc = diag_fail(&diag, ERR_STATE, "only RESULTs of device %u are taken here", uplink->device);
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
    assert(uplink->conn == conn); /* one that we have closed has no user */
    bool was_sending = paced_payload_is_sending(&uplink->paced);
    uplink->conn = NULL;
    paced_payload_stop(&uplink->paced);
    if (was_sending && uplink->hooks->on_cut != NULL)
        uplink->hooks->on_cut(uplink->user);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static void hang_up(struct uplink *uplink)
{
    paced_payload_stop(&uplink->paced);
    if (uplink->conn == NULL)
        return;
    wire_conn_set_user(uplink->conn, NULL);
    wire_conn_close(uplink->conn);
    uplink->conn = NULL;
}

static int connect_server(struct uplink *uplink, struct diag *diag)
{
    assert(uplink->conn == NULL);
    const struct join *join = &uplink->control->join;
    const struct node_address *address = &join->address[uplink->server];
    int rc = wire_connect(&uplink->control->loop, address->host, address->port, &handlers, uplink,
                          &uplink->conn, diag);
    if (rc != 0)
        return rc;
    struct proto_message attach = {
        .id = PROTO_ATTACH,
        .attach = {.run_token = join->run_token, .first = uplink->device, .count = 1},
    };
    return wire_conn_send(uplink->conn, &attach);
}

int uplink_create(struct uplink **ret_uplink, struct node_control *control, uint32_t device, uint32_t server,
                  const struct uplink_hooks *hooks, void *user)
{
    assert(hooks->on_sent != NULL && hooks->on_result != NULL && server < control->join.world.servers);
    struct uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL)
        return -ENOMEM;
    *uplink =
        (struct uplink){.control = control, .device = device, .server = server, .hooks = hooks, .user = user};
    paced_payload_init(&uplink->paced, control, device, server, &paced_hooks, uplink);
    *ret_uplink = uplink;
    return 0;
}

void uplink_destroy(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    hang_up(uplink);
    paced_payload_finish(&uplink->paced);
    free(uplink);
}

int uplink_send(struct uplink *uplink, const struct proto_message *task, const struct uplink_load *load,
                const struct link_params *params, struct diag *diag)
{
    assert(task->id == PROTO_TASK && task->task.device == uplink->device);
    uplink_abandon(uplink);
    if (uplink->conn == NULL && connect_server(uplink, diag) != 0)
        return 0; /* see uplink.h */
    paced_payload_fill(&uplink->paced, &load->content);
    int rc = paced_payload_send(&uplink->paced, uplink->conn, task, task->task.round, load->bytes, params);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

int uplink_send_on(struct uplink *uplink, const struct proto_message *task, const struct uplink_load *load,
                   struct diag *diag)
{
    assert(task->id == PROTO_TASK && task->task.chunk > 0);
    if (uplink->conn == NULL)
        return 0;
    paced_payload_fill(&uplink->paced, &load->content);
    int rc = paced_payload_add(&uplink->paced, task, load->bytes);
    return rc != 0 ? diag_fail(diag, rc, "%s", err_text(rc)) : 0;
}

void uplink_set_rate(struct uplink *uplink, double rate_bps)
{
    paced_payload_set_rate(&uplink->paced, rate_bps);
}

void uplink_stop(struct uplink *uplink)
{
    paced_payload_stop(&uplink->paced);
}

void uplink_abandon(struct uplink *uplink)
{
    if (paced_payload_is_sending(&uplink->paced))
        hang_up(uplink);
}

void uplink_refuse(struct uplink *uplink, const char *text)
{
    if (uplink->conn != NULL)
        wire_conn_refuse(uplink->conn, PROTO_REFUSE_OUT_OF_RANGE, text);
}

void uplink_tell_windows(struct uplink *uplink)
{
    paced_payload_tell_windows(&uplink->paced);
}

bool uplink_is_sending(const struct uplink *uplink)
{
    return paced_payload_is_sending(&uplink->paced);
}
