/* One split for all devices and all time (fixed.split), at the server with the best channel. */
#include <inttypes.h>

#include "core/base/err.h"
#include "orchestrator/policy/rules/settings.h"
#include "orchestrator/policy/search/server_choice.h"

static int create(struct policy *policy, struct diag *diag)
{
    uint64_t split = rules_settings_of(policy)->fixed.split;
    const struct llm *llm = policy->world->llm;
    if (split <= llm->layers)
        return 0;
    return diag_fail(diag, ERR_UNSUPPORTED, "fixed.split %" PRIu64 " is above the %u layers of %s", split,
                     llm->layers, llm->name);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    server_choice_for_all(view, (uint32_t) rules_settings_of(policy)->fixed.split, server_choice_best_channel,
                          ret_decision);
}

const struct policy_kind policy_static = {
    .name = "static",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "one fixed split for all (fixed.split), best channel",
    .source = "static baseline of DAPO",
    .settings = &rules_settings_part,
    .create = create,
    .decide = decide,
};
