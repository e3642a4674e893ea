/* Virtual time: activations cross a data connection whole, as PIECEs, and the TASK that they belong to follows. Nothing
 * paces them. What waits, waits here and not in the connection, whose queue has a limit. */
#ifndef HANDOFF_PROTO_NODE_WHOLE_PAYLOAD_H
#define HANDOFF_PROTO_NODE_WHOLE_PAYLOAD_H

#include <stdbool.h>

#include "proto/node/shared_bytes.h"
#include "proto/wire/conn.h"

#define WHOLE_PAYLOAD_QUEUE ((size_t) 2 << 20) /* bytes that may wait in the connection */

struct whole_payload_waiting;

/* All zeros: nothing waits. */
struct whole_payload {
    struct whole_payload_waiting *first, *last;
};

/* Puts the TASK and its activations behind what waits; takes a share of the bytes. -ENOMEM. */
int whole_payload_add(struct whole_payload *payload, const struct proto_message *task,
                      const struct shared_slice *activation);
/* Sends what the connection takes now. True: something is left; call again when it has sent some. */
bool whole_payload_pump(struct whole_payload *payload, struct wire_conn *conn);
/* Drops what waits. */
void whole_payload_drop(struct whole_payload *payload);

#endif
