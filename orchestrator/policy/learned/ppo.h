/* What ppo shares with untrained: its learner. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_PPO_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_PPO_H

#include "orchestrator/policy/policy.h"

/* Sets policy->state, a gradient learner (gradient_learner.h) as section ppo says. */
int ppo_create(struct policy *policy, struct diag *diag);

#endif
