/* Both ends of connections in one loop, and a bare socket that misbehaves. Nothing here waits by the clock. */
#ifndef HANDOFF_TESTS_LIB_PEER_H
#define HANDOFF_TESTS_LIB_PEER_H

#include <stdbool.h>

#include "proto/wire/conn.h"
#include "proto/wire/listen.h"
#include "proto/wire/loop.h"

/* One end: what it was told. */
struct peer {
    struct wire_conn *conn; /* NULL before it lives and after on_close */
    unsigned messages, batches, closes;
    struct proto_message last; /* numbers only: what it borrows is dead */
    size_t last_payload;       /* bytes of the last TASK, all of value PEER_FILL; SIZE_MAX: damaged */
    int status;
    char text[256];
    enum proto_refusal refusal;
    struct wire_counters counters;
    void (*on_message)(struct peer *peer, const struct proto_message *message); /* may be NULL */
};

#define PEER_FILL 0x5a
#define PEERS_MAX 8

/* A loop with a listener on a free port; accepted connections become `accepted` in turn. */
struct pair {
    struct wire_loop loop;
    struct wire_listener *listener;
    struct peer client;
    struct peer accepted[PEERS_MAX];
    unsigned accepted_count;
    void (*on_message)(struct peer *peer,
                       const struct proto_message *message); /* of accepted peers; may be NULL */
};

void pair_init(struct pair *pair, unsigned connections_max);
void pair_finish(struct pair *pair);
/* Connects `client`; fails the test when that cannot be started. */
void pair_connect(struct pair *pair, struct peer *client);
/* Turns the loop until *count >= wanted; the test runner's time-out ends a wait in vain. */
void pair_wait(struct pair *pair, const unsigned *count, unsigned wanted);

extern const struct wire_handlers peer_handlers;

/* A blocking socket connected to the pair's listener. */
int raw_connect(const struct pair *pair);
void raw_send(int fd, const void *bytes, size_t size);
/* Turns the loop until the other side has closed; returns what it sent (at most `size` bytes kept). */
size_t raw_read_all(struct pair *pair, int fd, uint8_t *bytes, size_t size);

#endif
