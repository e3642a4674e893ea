/* What tests of a phone in real time share: one loop with the node, the servers that it connects to, and the orchestrator's
 * end of its control connection. */
#ifndef HANDOFF_TESTS_UNIT_MOBILE_REAL_BENCH_H
#define HANDOFF_TESTS_UNIT_MOBILE_REAL_BENCH_H

#include "proto/node/control.h"
#include "tests/lib/peer.h"
#include "tests/unit/model/check.h"

#define REAL_BENCH_TOKEN 4711u
#define REAL_BENCH_BY_NODE "closed by the peer"
#define REAL_BENCH_LAYERS 32u
#define REAL_BENCH_SCALE 20.0                     /* run.time_scale */
#define REAL_BENCH_TASK_BYTES (2u * 128u * 4096u) /* of one hidden state: 16 bits for each number */
#define REAL_BENCH_RESULT_BYTES 1000u
#define REAL_BENCH_HEARD_MAX 64u

/* The other end of one connection: what it was told. */
struct real_peer {
    struct peer peer; /* first: it is the connection's user */
    /* A letter for each message: A ATTACH, P PIECE, T TASK, O OBSERVATION, R REPORT, L LINK_AUDIT, ? any other. PIECEs of one
     * round in a row are one P. */
    char heard[REAL_BENCH_HEARD_MAX];
    uint64_t round, bytes; /* of the last P */
    uint64_t sum;          /* of its bytes, each times its place from 1 */
    size_t zeros;          /* that came in the last TASK itself; SIZE_MAX: others were among them */
    struct msg_attach attach;
};

struct real_bench {
    struct node_control control; /* its world has two servers that lie behind the same listener */
    struct wire_listener *listener;
    struct peer own; /* the node's end of the control connection */
    struct real_peer orchestrator;
    struct real_peer server[PEERS_MAX]; /* connections that the node has opened, in the order they came */
    unsigned connections;
    bool has_ended; /* node_control_fail; then its status counts */
};

/* A world with these keys ("section.key=value"; NULL ends). */
void real_bench_open(struct real_bench *bench, const char *const *keys);
void real_bench_close(struct real_bench *bench);
/* Turns the loop until all of these letters are heard; fails when they are others. */
void real_bench_hear(struct real_bench *bench, const struct real_peer *peer, const char *letters);
/* Turns it until the connection's other end is told that it has closed, and compares how. */
void real_bench_see_closed(struct real_bench *bench, const struct real_peer *peer, const char *text);
/* The world of the two tests of devices: links that carry a task in some ms, and results of 1 kB. Behind them stand `more`
 * keys; NULL ends. */
void real_bench_open_device(struct real_bench *bench, const char *const *more);
/* Turns the loop until the node has opened that many connections and one more: the n-th of them, from 0. */
struct real_peer *real_bench_connection(struct real_bench *bench, unsigned n);
/* Turns it until a REPORT has come, which is of that round. */
const struct msg_report *real_bench_hear_report(struct real_bench *bench, uint64_t round);
/* Sends so many bytes and then the RESULT. */
void real_bench_answer(struct real_peer *peer, const struct msg_result *as, uint64_t bytes);

#endif
