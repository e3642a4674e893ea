/* Best response on J: starting all-local, the devices in turn move to the (split, server) that lowers the
 * joint cost J most, loads as they truly are, until a whole round changes nothing. Coordinate descent on J,
 * so it ends; a local optimum that is close to the exact one in practice. Every device lowers the cost of all
 * here; `nash` is the same game in which each lowers its own. */
#include <errno.h>
#include <stdlib.h>

#include "orchestrator/policy/policy.h"
#include "orchestrator/policy/search/joint_trial.h"

static int create(struct policy *policy, struct diag *diag)
{
    struct joint_trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL || joint_trial_init(trial, policy->world) != 0) {
        free(trial);
        return diag_fail(diag, -ENOMEM, "out of memory");
    }
    policy->state = trial;
    return 0;
}

static void destroy(struct policy *policy)
{
    if (policy->state == NULL)
        return;
    joint_trial_finish(policy->state);
    free(policy->state);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    joint_trial_descend(policy->state, view, NULL, ret_decision);
}

const struct policy_kind policy_best_response = {
    .name = "best-response",
    .sees = POLICY_SEES_MODEL,
    .modes = POLICY_MODE_ROUND,
    .summary = "devices in turn lower the joint cost J of all, true loads, until nobody moves",
    .source = "best-response dynamics as coordinate descent on J",
    .create = create,
    .destroy = destroy,
    .decide = decide,
};
