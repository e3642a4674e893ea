/* A random server: uniform, with full shares, whatever is left. */
#include "orchestrator/policy/search/whole_tasks.h"

static void parts(const struct world *world, uint32_t server, const struct rng_block *draw,
                  double ret_part[static RESERVED_KINDS])
{
    (void) draw;
    whole_tasks_shares(world, server, 1.0, ret_part);
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_draw(view, ret_decision, parts);
}

const struct policy_kind policy_random_server = {
    .name = "random-server",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: a uniform server, full shares",
    .source = "house",
    .decide = decide,
};
