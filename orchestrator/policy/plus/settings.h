/* How dapo-plus and its actor are set. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLUS_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLUS_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

#define SCENARIO_KEYS "orchestrator/policy/plus/settings.def"
struct plus_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part plus_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct plus_settings *plus_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &plus_settings_part);
    return policy->settings;
}

#endif
