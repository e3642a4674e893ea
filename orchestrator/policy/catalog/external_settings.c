#include "orchestrator/policy/catalog/external_settings.h"

#define SCENARIO_KEYS "orchestrator/policy/catalog/external_settings.def"
#define SCENARIO_STRUCT external_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

const struct scenario_part external_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
};
