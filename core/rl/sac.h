/* Soft actor-critic (Haarnoja et al., "Soft actor-critic algorithms and applications", arXiv 1812.05905,
 * algorithm 1): a Gaussian squashed by tanh as the actor, two critics of which the smaller value counts, and
 * a temperature alpha that is learned so that the actor's entropy nears a target. Explores by itself; the
 * action without exploring is tanh of the mean. */
#ifndef HANDOFF_CORE_RL_SAC_H
#define HANDOFF_CORE_RL_SAC_H

#include "core/rl/offpolicy.h"

struct sac_config {
    struct offpolicy_config common;
    float temperature;      /* alpha to begin with, above 0 */
    float temperature_rate; /* Adam's for log alpha; 0: alpha stays */
    float target_entropy;   /* nats for each entry of an action; the paper: -1 */
};

/* As offpolicy_config_check, and this struct's own numbers. */
int sac_config_check(const struct sac_config *config, struct diag *diag);

/* As ddpg_create; checkpoints begin with "HSAC". */
int sac_create(struct offpolicy **ret_learner, const struct sac_config *config);

#endif
