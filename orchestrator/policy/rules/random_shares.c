/* Random: a uniform server, and of everything a uniform share up to reserve.most. */
#include "core/base/rng.h"
#include "orchestrator/policy/search/whole_tasks.h"

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    struct whole_tasks tasks;
    const struct world *world = policy->world;
    double part[RESERVED_KINDS];
    struct rng_at at = {
        .seed = world->seed,
        .phase = view->id.phase,
        .stream = RNG_POLICY,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    whole_tasks_begin(&tasks, view, ret_decision);
    double most = world->scenario.reserve.most * world->scenario.reserve.full_share;
    for (uint32_t n = 0; n < world->devices; n++) {
        at.entity = n;
        const struct rng_block draw = rng_block(&at, 0);
        for (unsigned kind = 0; kind < RESERVED_KINDS; kind++)
            part[kind] = rng_u01(draw.v[kind]) * most;
        whole_tasks_send(&tasks, n, (uint32_t) ((uint64_t) draw.v[3] * world->servers >> 32), part);
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_random_shares = {
    .name = "random-shares",
    .sees = POLICY_SEES_OBSERVATIONS,
    .modes = POLICY_MODE_RESERVED,
    .summary = "whole tasks: a uniform server, uniform shares up to reserve.most",
    .source = "house",
    .decide = decide,
};
