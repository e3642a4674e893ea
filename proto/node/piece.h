/* Activations on a data connection: PIECEs of a task or result, one behind the other. */
#ifndef HANDOFF_PROTO_NODE_PIECE_H
#define HANDOFF_PROTO_NODE_PIECE_H

#include "proto/wire/conn.h"

#define PIECE_BYTES_MAX 65536u /* as PIECE takes */

static inline void piece_send(struct wire_conn *conn, uint64_t device, uint64_t round,
                              struct proto_bytes bytes)
{
    const struct proto_message piece = {
        .id = PROTO_PIECE,
        .piece = {.device = device, .round = round, .bytes = bytes},
    };
    (void) wire_conn_send(conn, &piece); /* a lost peer shows in the connection's on_close */
}

#endif
