/* How the rules are set. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_RULES_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_RULES_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

#define SCENARIO_KEYS "orchestrator/policy/rules/settings.def"
struct rules_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part rules_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct rules_settings *rules_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &rules_settings_part);
    return policy->settings;
}

#endif
