#include "orchestrator/policy/plus/settings.h"

#define SCENARIO_KEYS "orchestrator/policy/plus/settings.def"
#define SCENARIO_STRUCT plus_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

const struct scenario_part plus_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
};
