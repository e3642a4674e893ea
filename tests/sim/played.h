/* A session in queueing mode, played in one process, and what it left behind: for the tests of queues. */
#ifndef HANDOFF_TESTS_SIM_PLAYED_H
#define HANDOFF_TESTS_SIM_PLAYED_H

#include "tests/sim/sim.h"

#define SIM_BUSY                                                                                             \
    "run.mode=queue", "run.slot_s=0.6", "devices.count=8", "servers.count=2", "task.probability=0.6",        \
        "radio.bandwidth_mhz=8", "objective.deadline_s=2.4"

struct sim_played {
    struct world world;
    struct settings settings; /* of policies */
    struct sim_record record;
    struct session_result result;
};

/* A session of the world, with every task recorded into played->record. */
struct session sim_session_of(struct sim_played *played, struct policy *policy, uint32_t episodes,
                              uint32_t slots);

/* Two episodes of a policy in a world of `keys`, in host_memory. sim_finish frees what they leave. */
void sim_play(struct sim_played *played, const char *const *keys, const char *name, uint32_t slots);
void sim_finish(struct sim_played *played);

/* Whether a row's task was finished, and when its slot began, in seconds of its episode. */
bool sim_is_done(const struct db_task *row);
double sim_start_s(const struct sim_played *played, const struct db_task *row);

#endif
