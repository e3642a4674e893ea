/* Small learners of every kind and transitions to feed them with, the same in every test. */
#ifndef HANDOFF_TESTS_UNIT_RL_LEARNER_H
#define HANDOFF_TESTS_UNIT_RL_LEARNER_H

#include <stddef.h>

#include "core/rl/checkpoint.h"
#include "core/rl/maddpg.h"
#include "core/rl/noise.h"
#include "core/rl/offpolicy.h"
#include "core/rl/sac.h"
#include "core/rl/td3.h"

#define LEARNER_STATE 5u
#define LEARNER_ACTION 3u
#define LEARNER_SIZE_MAX 16u /* of a state or an action of learner_config */
#define LEARNER_ALL ((uint32_t) (CHECKPOINT_ACTOR | CHECKPOINT_LEARNER | CHECKPOINT_REPLAY))

/* What they have in common; MADDPG's two agents have 3 observations and 2 actions each. */
extern const struct offpolicy_config learner_config;

struct learner_kind {
    const char *name, *magic;
    size_t sizes; /* in the head of its checkpoints */
    size_t agents;
    /* The algorithm's own numbers as its paper has them. */
    int (*create)(struct offpolicy **ret_learner, const struct offpolicy_config *config, size_t agents);
};

#define LEARNER_KINDS 4u
extern const struct learner_kind learner_kinds[LEARNER_KINDS]; /* DDPG first */

/* DDPG of this configuration, and any kind of learner_config with another seed. Abort the test when it cannot
 * be made. */
struct offpolicy *learner_create(const struct offpolicy_config *config);
struct offpolicy *learner_of_kind(const struct learner_kind *kind, uint64_t seed);

/* learner_config with the sizes that the kind has. */
struct offpolicy_config learner_config_of(const struct learner_kind *kind);

/* A learner of a problem that each agent has for itself: the configuration's sizes are those of one. */
struct offpolicy *learner_for(const struct learner_kind *kind, const struct offpolicy_config *of_one);

/* What it plays while it learns: its own choice or, when it has none, its action with noise. */
void learner_explore(struct offpolicy *learner, struct noise *noise, const float *state, float *ret_action);

/* Stores transitions number first .. first + count - 1 of a fixed sequence; every seventh is terminal. */
void learner_feed(struct offpolicy *learner, size_t first, size_t count);

/* Stores a transition and updates once, `count` times. */
void learner_run(struct offpolicy *learner, size_t first, size_t count);

#endif
