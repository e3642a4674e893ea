#include "orchestrator/run/budget.h"

#include <inttypes.h>

#include "core/base/err.h"

bool budget_suffices(const struct policy_kind *kind, const struct full_scenario *full, struct diag *ret_why)
{
    const struct scenario *scenario = &full->scenario;
    uint64_t slots = scenario->run.episodes * scenario->run.slots; /* both are bounded far below its root */
    if (!policy_learns(kind) || slots == 0)
        return true;
    struct policy_first_update first =
        policy_first_update(kind, settings_values(&full->settings), (uint32_t) scenario->devices.count);
    if (slots > first.slots)
        return true;
    (void) diag_fail(ret_why, ERR_RANGE,
                     "%s will not learn: this training has %" PRIu64
                     " slots, and its first update takes more than "
                     "%" PRIu64 " (%s)",
                     kind->name, slots, first.slots, first.key);
    return false;
}
