/* How all policies are set: the settings of each room (settings.def). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_CATALOG_SETTINGS_H
#define HANDOFF_ORCHESTRATOR_POLICY_CATALOG_SETTINGS_H

#include "orchestrator/policy/adaptive/settings.h"
#include "orchestrator/policy/catalog/external_settings.h"
#include "orchestrator/policy/learned/settings.h"
#include "orchestrator/policy/model/settings.h"
#include "orchestrator/policy/planned/settings.h"
#include "orchestrator/policy/plus/settings.h"
#include "orchestrator/policy/rules/settings.h"

struct settings {
#define SETTINGS(name) struct name##_settings name;
#include "orchestrator/policy/catalog/settings.def"
#undef SETTINGS
};

/* Those of every policy at their defaults. */
void settings_defaults(struct settings *settings);

/* As policy_create takes them; borrowed. */
struct scenario_values settings_values(const struct settings *settings);
/* Those that a policy was created with. */
const struct settings *settings_of(const struct policy *policy);

#endif
