#include "edge-server/downlink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/model/env.h"
#include "core/model/transfer.h"

/* A RESULT, with all that it borrows. */
struct downlink_waiting {
    struct downlink_waiting *next;
    struct wire_conn *conn;
    struct slot_id id;
    struct proto_message result;
    uint32_t token[COMPUTE_ANSWER_MAX];
    uint8_t row[];
};

static struct downlink_waiting *keep(struct wire_conn *conn, struct slot_id id,
                                     const struct proto_message *result)
{
    const struct msg_result *from = &result->result;
    struct downlink_waiting *kept = malloc(sizeof *kept + from->activation.size);
    if (kept == NULL)
        return NULL;
    *kept = (struct downlink_waiting){.conn = conn, .id = id, .result = *result};
    assert(from->tokens.count <= COMPUTE_ANSWER_MAX);
    for (size_t i = 0; i < from->tokens.count; i++)
        kept->token[i] = from->tokens.data[i];
    for (size_t i = 0; i < from->activation.size; i++)
        kept->row[i] = from->activation.data[i];
    kept->result.result.tokens.data = kept->token;
    kept->result.result.activation.data = kept->row;
    return kept;
}

/* Takes `next` over. */
static int start(struct downlink *downlink, struct downlink_waiting *next)
{
    const struct world *world = &downlink->paced.control->join.world;
    const struct scenario *scenario = &world->scenario;
    paced_payload_stop(&downlink->paced);
    free(downlink->present);
    downlink->present = next;
    struct link_params link = transfer_link(world, next->id, downlink->paced.device, downlink->paced.server,
                                            &channel_down, transfer_down_bps(world, downlink->paced.server));
    struct link_params real = transfer_scaled(&link, scenario->run.time_scale);
    return paced_payload_send(&downlink->paced, next->conn, &next->result, next->result.result.round,
                              (uint64_t) (transfer_down_bits(scenario) / 8.0), &real);
}

static void start_next(struct downlink *downlink)
{
    assert(!paced_payload_is_sending(&downlink->paced));
    struct downlink_waiting *next = downlink->waiting;
    if (next == NULL)
        return;
    downlink->waiting = next->next;
    (void) start(downlink, next); /* out of memory: the RESULT is lost */
}

static void on_sent(void *user)
{
    struct downlink *downlink = user;
    paced_payload_tell_windows(&downlink->paced);
    start_next(downlink);
}

static const struct paced_payload_hooks hooks = {.on_sent = on_sent};

static void enqueue(struct downlink *downlink, struct downlink_waiting *waiting)
{
    struct downlink_waiting **end = &downlink->waiting;
    while (*end != NULL)
        end = &(*end)->next;
    *end = waiting;
}

/* Drops what waits for `conn`; NULL: everything. */
static void drop_waiting(struct downlink *downlink, const struct wire_conn *conn)
{
    struct downlink_waiting **place = &downlink->waiting;
    while (*place != NULL) {
        struct downlink_waiting *waiting = *place;
        if (conn != NULL && waiting->conn != conn) {
            place = &waiting->next;
            continue;
        }
        *place = waiting->next;
        free(waiting);
    }
}

void downlink_init(struct downlink *downlink, struct node_control *control, uint32_t device, uint32_t server)
{
    downlink->waiting = downlink->present = NULL;
    paced_payload_init(&downlink->paced, control, device, server, &hooks, downlink);
}

void downlink_finish(struct downlink *downlink)
{
    drop_waiting(downlink, NULL);
    paced_payload_finish(&downlink->paced);
    free(downlink->present);
    downlink->present = NULL;
}

int downlink_send(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                  const struct proto_message *result)
{
    assert(result->id == PROTO_RESULT && result->result.device == downlink->paced.device);
    struct downlink_waiting *kept = keep(conn, id, result);
    if (kept == NULL)
        return -ENOMEM;
    if (!env_is_queue(&downlink->paced.control->join.world) || !paced_payload_is_sending(&downlink->paced))
        return start(downlink, kept);
    enqueue(downlink, kept);
    return 0;
}

void downlink_forget(struct downlink *downlink, const struct wire_conn *conn)
{
    drop_waiting(downlink, conn);
    if (!paced_payload_is_sending(&downlink->paced) || downlink->paced.conn != conn)
        return;
    paced_payload_stop(&downlink->paced);
    start_next(downlink); /* of the device's next connection */
}
