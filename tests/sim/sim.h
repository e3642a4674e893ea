/* Whole sessions in one process, for tests: worlds, what a session leaves behind, and a second host beside
 * host_memory.
 *
 * This host keeps every message in flight in one list and delivers them one by one: in the order they were
 * sent, or in an order drawn from Philox that keeps only what a TCP connection keeps, the order between one
 * sender and one receiver. So a TASK may overtake its ALLOT, reports come in any order, and a learner's
 * update is done at any time while the slot is on the wire. */
#ifndef HANDOFF_TESTS_SIM_SIM_H
#define HANDOFF_TESTS_SIM_SIM_H

#include "orchestrator/session/session.h"
#include "tests/unit/policy/full_world.h"

/* What a session left behind. */
struct sim_record {
    struct db_task *row;
    size_t rows;
    struct db_episode *episode;
    size_t episodes;
    struct db_event *event; /* their details are gone */
    size_t events;
    struct buf weights; /* of every checkpoint, one behind the other */
};

struct session_sink sim_sink(struct sim_record *record);
void sim_record_finish(struct sim_record *record);
/* Every column but wall times, bit for bit; says what differs first. */
void sim_assert_same(const struct sim_record *a, const struct sim_record *b);
bool sim_same_rows(const struct sim_record *a, const struct sim_record *b);

/* A policy of the world by its name, and as it is set; NULL: by default. */
struct policy sim_policy(const struct world *world, const struct settings *settings, const char *name,
                         bool training);

/* Runs a session in host_memory; fails the test when it fails. */
struct session_result sim_run(const struct world *world, struct policy *policy, uint32_t episodes,
                              uint32_t slots, const struct session_fault *fault, size_t faults,
                              struct sim_record *record);

struct sim_host_options {
    bool shuffle;
    uint64_t seed;      /* of the shuffling */
    bool late;          /* faults strike at any moment of their phase, not at its beginning */
    struct buf *trace;  /* NULL: none */
    uint32_t *overtook; /* counts TASKs delivered before their ALLOT; may be NULL */
};

/* Runs the session in this host. Faults are injected where host_memory injects them. */
void sim_host_run(const struct session *session, const struct sim_host_options *options,
                  struct session_result *ret_result);

#endif
