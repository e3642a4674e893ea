#include "orchestrator/policy/planned/settings.h"

#include <inttypes.h>

#include "core/base/err.h"

/* Words in the order of the enumerators, NULL behind the last. */
static const char *const planned_plan_words[] = {"enumerate", "cross-entropy", NULL};
static const char *const planned_preference_words[] = {"analytic", "learned", NULL};
static const char *const planned_inputs_words[] = {"state", "margins", NULL};
static const char *const planned_price_words[] = {"off", "learned", NULL};
static const char *const planned_estimate_words[] = {"neighbours", "gaussian", NULL};

#define SCENARIO_KEYS "orchestrator/policy/planned/settings.def"
#define SCENARIO_STRUCT planned_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

static int check(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct planned_settings *own = settings;
    (void) whole; /* it knows no other part */
    if (own->active.elites > own->active.candidates)
        return diag_fail(diag, ERR_RANGE, "active.elites: %" PRIu64 " is above active.candidates, %" PRIu64,
                         own->active.elites, own->active.candidates);
    return 0;
}

const struct scenario_part planned_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
    .check = check,
};
