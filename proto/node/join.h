/* How a node process joins a run. It sends HELLO. In come WELCOME, all SERVER rows and, for a mobile node, its
 * DEVICE rows, their REQUESTS, the TRACEs that they play and the PROMPTS. Then it sends READY. Pure: the shells hand messages
 * in and send what comes out. Both node programs use it. */
#ifndef HANDOFF_PROTO_NODE_JOIN_H
#define HANDOFF_PROTO_NODE_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/world.h"
#include "proto/message.h"

enum node_role { NODE_MOBILE = 1, NODE_SERVER = 2 };

struct node_address {
    char host[256];
    uint16_t port;
};

struct join {
    enum node_role role;
    uint32_t count;       /* devices wanted; 1 for a server */
    bool is_guest;        /* a mobile node that wants one of the places for guests */
    const char *tier;     /* a server that wants to serve in this tier; NULL: in any. Borrowed */
    uint64_t known_token; /* of the run that this process belonged to before; 0: none */
    uint32_t known_first; /* who it was there */
    bool welcome;         /* WELCOME has come; what follows is set */
    uint64_t run_token;
    uint32_t first;               /* lowest device number of this process, or the server's number */
    struct world world;           /* owned; complete once join_is_ready */
    struct node_address *address; /* [M], owned */
    uint32_t devices_missing, servers_missing;
    bool *device_known, *server_known; /* [count], [M]; owned */
    uint32_t *rows_known;              /* [count] requests received; owned */
    uint32_t *points_known[2];         /* [world's rate_tracks, place_tracks] points received; owned */
    uint32_t *prompt;                  /* [prompt_tokens] of the text, until all have come; owned */
    uint8_t *prompt_bytes;             /* [prompt_tokens] likewise */
    bool has_prompt_bytes;             /* of every piece so far */
    uint32_t prompt_tokens, prompt_known;
};

void join_init(struct join *join, enum node_role role, uint32_t count);
void join_finish(struct join *join);
/* The connection is gone: forgets everything but who this process was, for the next HELLO. */
void join_again(struct join *join);

/* The first frame. `host` and `data_port` only for a server; `host` is borrowed by the message. */
struct proto_message join_hello(const struct join *join, const char *host, uint16_t data_port);

/* Takes WELCOME, DEVICE, REQUESTS, TRACE, PROMPTS or SERVER. Refuses what is out of order, out of range or told twice,
 * another major version, and a scenario it cannot read. */
int join_take(struct join *join, const struct proto_message *message, struct diag *diag);

/* SERVER during the run: where a server that came back is reached now. */
int join_move_server(struct join *join, const struct msg_server *server, struct diag *diag);

/* Everything announced has come: send READY. */
bool join_is_ready(const struct join *join);

#endif
