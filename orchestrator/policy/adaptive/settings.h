/* How rules for whole tasks that adapt are set. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_ADAPTIVE_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

enum adaptive_price { ADAPTIVE_PRICE_OFF, ADAPTIVE_PRICE_LEARNED };

#define SCENARIO_KEYS "orchestrator/policy/adaptive/settings.def"
struct adaptive_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part adaptive_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct adaptive_settings *adaptive_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &adaptive_settings_part);
    return policy->settings;
}

#endif
