/* Real time: RESULTs to one device, each behind its bytes, at the pace of the scenario's link. In mode round, a
 * RESULT that is still on its way when the next one starts is forgotten, because its device has given it up. In
 * queueing mode they follow one another. */
#ifndef HANDOFF_EDGE_SERVER_DOWNLINK_H
#define HANDOFF_EDGE_SERVER_DOWNLINK_H

#include "proto/node/paced_payload.h"

struct downlink_waiting;

struct downlink {
    struct paced_payload paced;
    struct downlink_waiting *present; /* whose RESULT is on its way, or was the last; owned */
    struct downlink_waiting *waiting; /* queueing mode: in order; owned */
};

/* Borrows `control`; stays where it is. */
void downlink_init(struct downlink *downlink, struct node_control *control, uint32_t device, uint32_t server);
void downlink_finish(struct downlink *downlink);

/* Sends the RESULT of a task of slot `id` on `conn`, which is borrowed until it has arrived or
 * downlink_forget. What the RESULT borrows is copied. -ENOMEM. */
int downlink_send(struct downlink *downlink, struct wire_conn *conn, struct slot_id id,
                  const struct proto_message *result);
/* The connection is closing: drops what is on its way there. */
void downlink_forget(struct downlink *downlink, const struct wire_conn *conn);

#endif
