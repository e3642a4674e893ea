/* The yardstick for our TCP host: two processes that exchange messages of given sizes over bare libuv,
 * without framing, codec or meaning, each writing as little often as it can. */
#ifndef HANDOFF_TESTS_BENCH_WIRE_ECHO_H
#define HANDOFF_TESTS_BENCH_WIRE_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct echo_params {
    size_t bytes_out, bytes_back; /* of each message, there and back */
    unsigned connections;
    unsigned
        burst; /* messages that leave together on a connection; the next burst waits for all their answers */
    bool lockstep;  /* and for the answers on all connections, as a slot does */
    double seconds; /* after a warm-up of a tenth of it */
};

struct echo_result {
    uint64_t messages; /* both ways */
    double seconds;
};

/* Forks the answering process; call it before any thread or loop is started. 0 or a negative code. */
int echo_run(const struct echo_params *params, struct echo_result *ret_result);

#endif
