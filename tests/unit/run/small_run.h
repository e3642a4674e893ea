/* Small runs as `run` records them, played in memory, and ended as a test wants. */
#ifndef HANDOFF_TESTS_UNIT_RUN_SMALL_RUN_H
#define HANDOFF_TESTS_UNIT_RUN_SMALL_RUN_H

#include "db/rows.h"
#include "tests/unit/policy/full_world.h"

struct small_run {
    const char *policy;
    uint32_t episodes, slots;  /* as the run row has them */
    uint32_t played;           /* episodes */
    uint32_t checkpoint_every; /* episodes */
    enum db_run_status status; /* at the end */
};

/* Two devices, two servers, short held-out streams, and a DDPG that learns from its third slot on. */
struct world small_run_world(struct settings *ret_settings);

/* Records one; its number. */
int64_t small_run_record(const char *path, const struct world *world, const struct settings *settings,
                         const struct small_run *run);

#endif
