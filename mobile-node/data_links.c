#include "mobile-node/data_links.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/process.h"
#include "proto/node/whole_payload.h"

#define IDLE_CHECK_MS 10000u
#define REFILL_MS 1u /* until a connection has sent some of what is queued in it */

struct data_link {
    struct data_links *links;
    uint32_t server;
    struct wire_conn *conn; /* NULL: closed; opened by the next task */
    uint32_t outstanding;   /* tasks without a result */
    bool used;              /* since the last idle check */
    struct whole_payload payload;
};

static uint32_t servers_of(const struct data_links *links)
{
    return links->link != NULL ? links->control->join.world.servers : 0;
}

/* ---- one connection ---- */

static void on_message(struct wire_conn *conn, const struct proto_message *message)
{
    struct data_link *link = wire_conn_user(conn);
    if (link == NULL)
        return; /* closed by us */
    const struct data_links *links = link->links;
    const struct join *join = &links->control->join;
    struct diag diag = {0};
    bool ours = message->id == PROTO_RESULT && message->result.device >= join->first &&
                message->result.device - join->first < join->count;
    if (!ours) {
        wire_conn_refuse(conn, PROTO_REFUSE_OUT_OF_STATE, "only RESULT of this node's devices is taken here");
        return;
    }
    link->outstanding -= link->outstanding > 0 ? 1 : 0;
    int rc = links->hooks->on_result(links->user, message, &diag);
    if (rc != 0)
        wire_conn_refuse(conn, PROTO_REFUSE_OUT_OF_STATE, diag_text(&diag, rc));
}

/* The tasks of a server that is gone are lost. The orchestrator notices by itself, and the next SLOT abandons
 * them. */
static void on_close(struct wire_conn *conn, int status, const char *text)
{
    struct data_link *link = wire_conn_user(conn);
    if (link == NULL)
        return; /* closed by us */
    if (status != 0)
        log_info("data", "server %u: %s", link->server, text);
    assert(link->conn == conn); /* one that we have closed has no user */
    link->conn = NULL;
    link->outstanding = 0;
    whole_payload_drop(&link->payload);
}

static const struct wire_handlers handlers = {.on_message = on_message, .on_close = on_close};

static int connect_link(struct data_link *link, struct diag *diag)
{
    assert(link->conn == NULL);
    struct node_control *control = link->links->control;
    const struct join *join = &control->join;
    const struct node_address *address = &join->address[link->server];
    int rc = wire_connect(&control->loop, address->host, address->port, &handlers, link, &link->conn, diag);
    if (rc != 0)
        return rc;
    struct proto_message attach = {
        .id = PROTO_ATTACH,
        .attach = {.run_token = join->run_token, .first = join->first, .count = join->count},
    };
    return wire_conn_send(link->conn, &attach);
}

static void hang_up(struct data_link *link)
{
    whole_payload_drop(&link->payload);
    if (link->conn == NULL)
        return;
    wire_conn_set_user(link->conn, NULL);
    wire_conn_close(link->conn);
    link->conn = NULL;
    link->outstanding = 0;
}

/* ---- sending ---- */

static void on_refill(uv_timer_t *timer);

/* Sends what waits for the connections. */
static void refill(struct data_links *links)
{
    bool left = false;
    for (uint32_t m = 0; m < servers_of(links); m++) {
        struct data_link *link = &links->link[m];
        left = (link->conn != NULL && whole_payload_pump(&link->payload, link->conn)) || left;
    }
    if (left && !uv_is_active((uv_handle_t *) &links->refill))
        (void) uv_timer_start(&links->refill, on_refill, REFILL_MS, 0); /* it is initialised: cannot fail */
}

static void on_refill(uv_timer_t *timer)
{
    refill(timer->data);
}

static void send_zeros(const struct data_links *links, struct wire_conn *conn,
                       const struct proto_message *task)
{
    struct proto_message message = *task;
    double declared_bytes = message.task.declared_bits / 8.0;
    size_t size = declared_bytes < (double) links->cap ? (size_t) declared_bytes : links->cap;
    message.task.payload = (struct proto_bytes){links->zeros, size};
    (void) wire_conn_send(conn, &message); /* a lost server shows in on_close */
}

void data_links_send(struct data_links *links, uint32_t server, const struct proto_message *task,
                     const struct shared_slice *activation)
{
    assert(server < servers_of(links) && task->id == PROTO_TASK);
    struct data_link *link = &links->link[server];
    struct diag diag = {0};
    if (link->conn == NULL && connect_link(link, &diag) != 0)
        return;
    link->outstanding +=
        task->task.chunk + 1 < task->task.chunks ? 0 : 1; /* of a task's chunks the last counts */
    link->used = true;
    if (activation == NULL) {
        send_zeros(links, link->conn, task);
        return;
    }
    if (whole_payload_add(&link->payload, task, activation) != 0)
        node_control_fail(links->control, PROCESS_FAILED, "a task's activations: out of memory");
    refill(links);
}

void data_links_hang_up(struct data_links *links, uint32_t server)
{
    assert(server < servers_of(links));
    hang_up(&links->link[server]);
}

void data_links_refuse(struct data_links *links, uint32_t server, const char *text)
{
    assert(server < servers_of(links));
    if (links->link[server].conn != NULL)
        wire_conn_refuse(links->link[server].conn, PROTO_REFUSE_OUT_OF_RANGE, text);
}

/* ---- life ---- */

/* Closes the connections that have not been used since the last check. */
static void on_idle_check(uv_timer_t *timer)
{
    struct data_links *links = timer->data;
    for (uint32_t m = 0; m < servers_of(links); m++) {
        struct data_link *link = &links->link[m];
        if (!link->used && link->outstanding == 0)
            hang_up(link);
        link->used = false;
    }
}

/* None of these calls can fail. */
static void open_timers(struct data_links *links)
{
    (void) uv_timer_init(&links->control->loop.uv, &links->idle);
    (void) uv_timer_init(&links->control->loop.uv, &links->refill);
    links->idle.data = links->refill.data = links;
    links->timers_open = true;
    (void) uv_timer_start(&links->idle, on_idle_check, IDLE_CHECK_MS, IDLE_CHECK_MS);
}

int data_links_open(struct data_links *links, struct node_control *control,
                    const struct data_links_hooks *hooks, void *user)
{
    const struct world *world = &control->join.world;
    assert(links->link == NULL && links->zeros == NULL); /* data_links_forget */
    links->control = control;
    links->hooks = hooks;
    links->user = user;
    links->cap = world->scenario.run.payload_cap_bytes;
    links->link = calloc(world->servers, sizeof *links->link);
    links->zeros = calloc(links->cap + 1, 1);
    if (links->link == NULL || links->zeros == NULL)
        return -ENOMEM;
    for (uint32_t m = 0; m < world->servers; m++)
        links->link[m] = (struct data_link){.links = links, .server = m};
    if (!links->timers_open)
        open_timers(links); /* else the node has joined again */
    return 0;
}

void data_links_hang_up_all(struct data_links *links)
{
    for (uint32_t m = 0; m < servers_of(links); m++)
        hang_up(&links->link[m]);
}

void data_links_forget(struct data_links *links)
{
    free(links->link);
    free(links->zeros);
    links->link = NULL;
    links->zeros = NULL;
}

void data_links_end(struct data_links *links)
{
    if (!links->timers_open)
        return;
    uv_close((uv_handle_t *) &links->idle, NULL);
    uv_close((uv_handle_t *) &links->refill, NULL);
}
