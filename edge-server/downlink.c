#include "edge-server/downlink.h"

static void on_sent(void *user)
{
    struct downlink *downlink = user;
    paced_tell_windows(&downlink->paced);
}

static const struct paced_hooks hooks = {.on_sent = on_sent};

void downlink_init(struct downlink *downlink, struct node_link *link, uint32_t device, uint32_t server)
{
    paced_init(&downlink->paced, link, device, server, &hooks, downlink);
}

void downlink_finish(struct downlink *downlink)
{
    paced_finish(&downlink->paced);
}

int downlink_send(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                  const struct proto_message *result)
{
    const struct world *world = &downlink->paced.link->join.world;
    const struct scenario *scenario = &world->scenario;
    struct link_params link = transfer_link(world, id, downlink->paced.device, downlink->paced.server,
                                            TRANSFER_DOWN, transfer_down_bps(scenario));
    struct link_params wall = transfer_scaled(&link, scenario->run.time_scale);
    return paced_send(&downlink->paced, conn, result, result->result.round,
                      (uint64_t) (transfer_down_bits(scenario) / 8.0), &wall);
}

void downlink_forget(struct downlink *downlink, const struct wire_conn *conn)
{
    if (paced_is_sending(&downlink->paced) && downlink->paced.conn == conn)
        paced_stop(&downlink->paced);
}
