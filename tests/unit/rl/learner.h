/* A small learner and transitions to feed it with, the same in every test. */
#ifndef HANDOFF_TESTS_UNIT_RL_LEARNER_H
#define HANDOFF_TESTS_UNIT_RL_LEARNER_H

#include <stddef.h>

#include "core/rl/checkpoint.h"
#include "core/rl/ddpg.h"

#define LEARNER_STATE 5u
#define LEARNER_ACTION 3u
#define LEARNER_ALL ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER | CHECKPOINT_REPLAY))

extern const struct offpolicy_config learner_config;

/* Aborts the test when it cannot be made. */
struct offpolicy *learner_create(const struct offpolicy_config *config);

/* Stores transitions number first .. first + count - 1 of a fixed sequence; every seventh is terminal. */
void learner_feed(struct offpolicy *ddpg, size_t first, size_t count);

/* Stores a transition and updates once, `count` times. */
void learner_run(struct offpolicy *ddpg, size_t first, size_t count);

#endif
