/* How the learners are set. A section may serve several of them: td3, sac, maddpg and dqn have what they share with
 * dapo from its section, ddpg, so that budgets are equal. Each has a discount of its own, since dapo keeps the published
 * one. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

/* Exploration noise. */
enum learned_noise { NOISE_GAUSSIAN, NOISE_OU };
/* Of hidden layers. */
enum learned_activation { ACTIVATION_RELU, ACTIVATION_TANH };

#define SCENARIO_KEYS "orchestrator/policy/learned/settings.def"
struct learned_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part learned_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct learned_settings *learned_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &learned_settings_part);
    return policy->settings;
}

#endif
