#include "orchestrator/policy/learned/settings.h"

#include <inttypes.h>

#include "core/base/err.h"

/* Words in the order of the enumerators, NULL behind the last. */
static const char *const learned_noise_words[] = {"gaussian", "ornstein-uhlenbeck", NULL};
static const char *const learned_activation_words[] = {"relu", "tanh", NULL};

#define SCENARIO_KEYS "orchestrator/policy/learned/settings.def"
#define SCENARIO_STRUCT learned_settings
#include "core/model/scenario_part.def"
#undef SCENARIO_STRUCT
#undef SCENARIO_KEYS

static int check(const void *settings, struct scenario_values whole, struct diag *diag)
{
    const struct learned_settings *own = settings;
    (void) whole; /* it knows no other part */
    if (own->ddpg.batch > own->ddpg.buffer)
        return diag_fail(diag, ERR_RANGE,
                         "ddpg.batch: %" PRIu64 " is above ddpg.buffer, %" PRIu64 " transitions",
                         own->ddpg.batch, own->ddpg.buffer);
    return 0;
}

const struct scenario_part learned_settings_part = {
    .section = sections,
    .sections = sizeof sections / sizeof *sections,
    .check = check,
};
