/* How policies are set that plan with a learned model of the world. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_SETTINGS_H

#include <assert.h>

#include "core/model/scenario.h"
#include "orchestrator/policy/policy.h"

enum planned_plan { PLAN_ENUMERATE, PLAN_CROSS_ENTROPY };
enum planned_preference { PREFERENCE_ANALYTIC, PREFERENCE_LEARNED };
enum planned_inputs { INPUTS_STATE, INPUTS_MARGINS };
enum planned_price { PRICE_OFF, PRICE_LEARNED };
/* Of the mixture's entropy. */
enum planned_estimate { ESTIMATE_NEIGHBOURS, ESTIMATE_GAUSSIAN };

#define SCENARIO_KEYS "orchestrator/policy/planned/settings.def"
struct planned_settings {
#include "core/model/scenario_fields.def"
};
#undef SCENARIO_KEYS

extern const struct scenario_part planned_settings_part;

/* Of a policy whose kind names that part. */
static inline const struct planned_settings *planned_settings_of(const struct policy *policy)
{
    assert(policy->kind->settings == &planned_settings_part);
    return policy->settings;
}

#endif
