/* Random: a uniform server, and of everything a uniform share up to reserve.most. */
#include "orchestrator/policy/search/whole_tasks.h"

static void parts(const struct world *world, uint32_t server, const struct rng_block *draw,
                  double ret_part[static RESERVED_KINDS])
{
    double most = world->scenario.reserve.most * world->server[server].full_share;
    for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
        ret_part[kind] = rng_u01(draw->v[kind]) * most;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    (void) policy;
    whole_tasks_draw(view, ret_decision, parts);
}

const struct policy_kind policy_random_shares = {
    .name = "random-shares",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: a uniform server, uniform shares up to reserve.most",
    .source = "house",
    .decide = decide,
};
