/* Deep deterministic policy gradient (Lillicrap et al., "Continuous control with deep reinforcement
 * learning", arXiv 1509.02971): actor mu(s) with a tanh head, critic Q(s, a), target copies, replay buffer,
 * Adam. With a discount of 0 it is a contextual bandit's learner, and the target networks are left alone. */
#ifndef HANDOFF_CORE_RL_DDPG_H
#define HANDOFF_CORE_RL_DDPG_H

#include "core/rl/offpolicy.h"

/* ERR_RANGE as offpolicy_config_check, or -ENOMEM. The buffer's memory is reserved at once but taken from
 * the machine only as transitions come. Checkpoints begin with "HDDP". */
int ddpg_create(struct offpolicy **ret_learner, const struct offpolicy_config *config);

#endif
