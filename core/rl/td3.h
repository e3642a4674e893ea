/* Twin delayed DDPG (Fujimoto, van Hoof and Meger, "Addressing function approximation error in actor-critic
 * methods", arXiv 1802.09477, algorithm 1): DDPG with two critics of which the smaller value counts, noise on
 * the target action, and an actor and target networks that move only with every `delay`-th update. */
#ifndef HANDOFF_CORE_RL_TD3_H
#define HANDOFF_CORE_RL_TD3_H

#include "core/rl/offpolicy.h"

struct td3_config {
    struct offpolicy_config common;
    uint64_t delay;     /* d: updates of the critics for one of the actor, 1 or more */
    float target_noise; /* sigma~: deviation of the noise on the target action */
    float noise_clip;   /* c: that noise is clipped to [-c, c] */
};

/* As offpolicy_config_check, and this struct's own numbers. */
int td3_config_check(const struct td3_config *config, struct diag *diag);

/* As ddpg_create; checkpoints begin with "HTD3". */
int td3_create(struct offpolicy **ret_learner, const struct td3_config *config);

#endif
