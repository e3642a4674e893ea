/* Least loaded: the server with the largest part of its compute left, with full shares. */
#include "orchestrator/policy/search/whole_tasks.h"

static double worth(void *user, const struct whole_tasks *tasks, uint32_t device, struct whole_choice choice)
{
    (void) user;
    (void) device;
    return (double) tasks->rest[choice.server][RESERVED_COMPUTE];
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    const struct whole_rule rule = {.worth = worth};
    whole_tasks_best(view, ret_decision, &rule);
}

const struct policy_kind policy_least_loaded = {
    .name = "least-loaded",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: full shares of the server with the most compute left",
    .source = "house",
    .decide = decide,
};
