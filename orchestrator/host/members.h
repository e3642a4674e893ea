/* Who takes part in a TCP run: one member a process, found by connection, by device and by server. Hands out
 * identities in order of arrival, which changes nothing that is recorded but addresses. */
#ifndef HANDOFF_ORCHESTRATOR_HOST_MEMBERS_H
#define HANDOFF_ORCHESTRATOR_HOST_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/diag.h"
#include "core/model/world.h"
#include "proto/message.h"
#include "proto/wire/conn.h"

enum { MEMBER_MOBILE = 1, MEMBER_SERVER = 2 };
#define MEMBER_HELLO_GUEST 3u /* HELLO.role of a guest: it becomes a MEMBER_MOBILE */

struct member {
    void *owner; /* the host */
    struct wire_conn *conn;
    struct member *next; /* members.all */
    int role;            /* 0: has not said HELLO */
    uint32_t first, count;
    uint32_t mute_ticks; /* passed without a HELLO */
    uint32_t silent_ms;  /* passed without any message, real clock */
    bool ready;
    bool is_guest;        /* plays one of the places that devices.guests keeps free; nobody waits for it */
    bool asked, answered; /* by the last PING; it */
    bool computes;        /* as it said last */
    char host[256];
    uint16_t data_port;
    char address[320]; /* for the `node` rows */
};

/* Where a server takes tasks; kept while nobody plays it. */
struct members_address {
    char host[256];
    uint16_t port;
};

struct members {
    uint64_t run_token;
    struct member *all;     /* all connections */
    struct member **device; /* [N] who plays it; NULL: nobody */
    struct member **server; /* [M] */
    bool *device_returns;   /* [N] killed by the scenario: its process will come back for this place */
    bool *server_returns;   /* [M] */
    struct members_address *address; /* [M] */
    bool started;                    /* the run has: a HELLO takes the place of a node that left */
    uint32_t devices, servers;
    uint32_t guests; /* the last of `devices` are places for guests */
    /* Guests are not counted: */
    uint32_t devices_joined, servers_joined; /* have said HELLO */
    uint32_t devices_ready, servers_ready;
    uint64_t messages;            /* in and out, of members that have left */
    struct buf scenario;          /* canonical text for WELCOME */
    const struct scenario *tiers; /* whose tiers the servers are of; borrowed */
};

/* Devices that the run waits for. */
static inline uint32_t members_residents(const struct members *members)
{
    return members->devices - members->guests;
}

/* Nodes that have said HELLO. */
static inline uint64_t members_joined(const struct members *members)
{
    return (uint64_t) members->devices_joined + members->servers_joined;
}

int members_init(struct members *members, const struct world *world);
void members_finish(struct members *members);

/* A new connection; NULL: out of memory. */
struct member *members_add(struct members *members, struct wire_conn *conn, void *owner);
/* Frees its places at once: it was refused, and a connection that is being closed plays nobody. It stays in
 * the list, as one that has not said HELLO. */
void members_vacate(struct members *members, struct member *member);
/* The scenario kills it: frees its places, which nobody else takes while there are others. */
void members_reserve(struct members *members, struct member *member);
/* Its connection is gone: frees its places and itself. */
void members_remove(struct members *members, struct member *member);

/* Who holds the place that a HELLO claims by its token and number; NULL: nobody, or it claims none. */
struct member *members_holder(const struct members *members, const struct msg_hello *hello);

/* HELLO: finds a place (the one it had before, if it shows the run's token; a guest one of theirs), answers WELCOME,
 * DEVICE, REQUESTS, TRACE and PROMPTS. READY: counts. Anything else, no free place, or another version: a code, the reason for
 * REFUSE and a sentence. */
int members_take(struct members *members, const struct world *world, struct member *member,
                 const struct proto_message *message, enum proto_refusal *ret_reason, struct diag *diag);

bool members_is_full(const struct members *members);
bool members_is_ready(const struct members *members);

/* SERVER for server m, which has joined once. Texts are borrowed from the members. */
struct proto_message members_server_message(const struct members *members, const struct world *world,
                                            uint32_t m);

#endif
