/* The settings of the policy external. The host of a session with an agent reads them, too. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_CATALOG_EXTERNAL_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_CATALOG_EXTERNAL_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

#define SCENARIO_KEYS "orchestrator/policy/catalog/external_settings.def"
struct external_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part external_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct external_settings *external_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &external_settings_part);
    return policy->settings;
}

#endif
