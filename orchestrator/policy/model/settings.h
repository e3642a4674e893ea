/* How the policies are set that know the model. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_MODEL_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_MODEL_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

#define SCENARIO_KEYS "orchestrator/policy/model/settings.def"
struct model_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part model_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct model_settings *model_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &model_settings_part);
    return policy->settings;
}

#endif
