#include "orchestrator/policy/adaptive/settings.h"

/* Words in the order of the enumerators, NULL behind the last. */
static const char *const adaptive_price_words[] = {"off", "learned", NULL};

#define SCENARIO_KEYS "orchestrator/policy/adaptive/settings.def"
#define SCENARIO_STRUCT adaptive_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

const struct scenario_part adaptive_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
};
