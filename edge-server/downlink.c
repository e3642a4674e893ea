#include "edge-server/downlink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/model/env.h"
#include "core/model/transfer.h"

/* A RESULT behind another. */
struct downlink_waiting {
    struct downlink_waiting *next;
    struct wire_conn *conn;
    struct slot_id id;
    struct proto_message result;
};

static int start(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                 const struct proto_message *result)
{
    const struct world *world = &downlink->paced.control->join.world;
    const struct scenario *scenario = &world->scenario;
    struct link_params link = transfer_link(world, id, downlink->paced.device, downlink->paced.server,
                                            TRANSFER_DOWN, transfer_down_bps(scenario));
    struct link_params real = transfer_scaled(&link, scenario->run.time_scale);
    return paced_payload_send(&downlink->paced, conn, result, result->result.round,
                              (uint64_t) (transfer_down_bits(scenario) / 8.0), &real);
}

static void start_next(struct downlink *downlink)
{
    assert(!paced_payload_is_sending(&downlink->paced));
    struct downlink_waiting *next = downlink->waiting;
    if (next == NULL)
        return;
    downlink->waiting = next->next;
    (void) start(downlink, next->conn, next->id, &next->result); /* out of memory: the RESULT is lost */
    free(next);
}

static void on_sent(void *user)
{
    struct downlink *downlink = user;
    paced_payload_tell_windows(&downlink->paced);
    start_next(downlink);
}

static const struct paced_payload_hooks hooks = {.on_sent = on_sent};

static int enqueue(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                   const struct proto_message *result)
{
    struct downlink_waiting *waiting = malloc(sizeof *waiting), **end = &downlink->waiting;
    if (waiting == NULL)
        return -ENOMEM;
    *waiting = (struct downlink_waiting){.conn = conn, .id = id, .result = *result};
    while (*end != NULL)
        end = &(*end)->next;
    *end = waiting;
    return 0;
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
    downlink->waiting = NULL;
    paced_payload_init(&downlink->paced, control, device, server, &hooks, downlink);
}

void downlink_finish(struct downlink *downlink)
{
    drop_waiting(downlink, NULL);
    paced_payload_finish(&downlink->paced);
}

int downlink_send(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                  const struct proto_message *result)
{
    assert(result->id == PROTO_RESULT && result->result.device == downlink->paced.device);
    if (env_is_queue(&downlink->paced.control->join.world) && paced_payload_is_sending(&downlink->paced))
        return enqueue(downlink, conn, id, result);
    return start(downlink, conn, id, result);
}

void downlink_forget(struct downlink *downlink, const struct wire_conn *conn)
{
    drop_waiting(downlink, conn);
    if (!paced_payload_is_sending(&downlink->paced) || downlink->paced.conn != conn)
        return;
    paced_payload_stop(&downlink->paced);
    start_next(downlink); /* of the device's next connection */
}
