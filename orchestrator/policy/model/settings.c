#include "orchestrator/policy/model/settings.h"

#include <inttypes.h>

#include "core/base/err.h"

#define SCENARIO_KEYS "orchestrator/policy/model/settings.def"
#define SCENARIO_STRUCT model_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

static int check(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct model_settings *own = settings;
    (void) whole; /* it knows no other part */
    if (own->genetic.elites > own->genetic.population)
        return diag_fail(diag, ERR_RANGE,
                         "genetic.elites: %" PRIu64 " is above genetic.population, %" PRIu64 " individuals",
                         own->genetic.elites, own->genetic.population);
    return 0;
}

const struct scenario_part model_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
    .check = check,
};
