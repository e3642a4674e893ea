#include "orchestrator/policy/rules/settings.h"

#include <inttypes.h>

#include "core/base/err.h"
#include "core/model/llm_keys.h"

#define SCENARIO_KEYS "orchestrator/policy/rules/settings.def"
#define SCENARIO_STRUCT rules_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

static int check(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct rules_settings *own = settings;
    const struct scenario *scenario = scenario_values_part(whole, &scenario_world_part);
    struct llm llm;
    bool known =
        scenario != NULL && llm_keys_read(scenario, &llm, NULL) == 0; /* else the world's part says why not */
    if (known && own->fixed.split > llm.layers)
        return diag_fail(diag, ERR_RANGE, "fixed.split: %" PRIu64 " is above the %u layers of %s",
                         own->fixed.split, llm.layers, llm.name);
    return 0;
}

const struct scenario_part rules_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
    .check = check,
};
