/* Multi-agent DDPG (Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments",
 * arXiv 1706.02275) with one reward and shared parameters: each agent's action comes from its own observation
 * alone, by one actor network that all share; while training, one critic sees all observations and all
 * actions.
 *
 * A state is the agents' observations one after the other, an action their actions. The actor goes up
 * Q(o, mu(o_1), ..., mu(o_N)), all actions from the actor as it is: with one reward for all, the sum of the
 * agents' own gradients. (So do Peng et al., arXiv 2003.06709; Lowe et al. take the others' from the buffer.) */
#ifndef HANDOFF_CORE_RL_MADDPG_H
#define HANDOFF_CORE_RL_MADDPG_H

#include "core/rl/offpolicy.h"

struct maddpg_config {
    struct offpolicy_config common; /* sizes of all agents together; hidden layers of the critic */
    size_t agents;                  /* N: divides both sizes */
    size_t actor_hidden_1, actor_hidden_2;
};

/* As offpolicy_config_check, and this struct's own numbers. */
int maddpg_config_check(const struct maddpg_config *config, struct diag *diag);

/* As ddpg_create; checkpoints begin with "HMAD". */
int maddpg_create(struct offpolicy **ret_learner, const struct maddpg_config *config);

#endif
