#include "orchestrator/policy/rules/settings.h"

#define SCENARIO_KEYS "orchestrator/policy/rules/settings.def"
#define SCENARIO_STRUCT rules_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

const struct scenario_part rules_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
};
