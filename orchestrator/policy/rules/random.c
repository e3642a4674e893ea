/* Random: coding uniform, split uniform on {s_min..L}, or its move where splits move (env_splits_choices), server
 * uniform on the covered ones, fresh in each slot. */
#include "core/base/rng.h"
#include "core/model/env_splits.h"
#include "orchestrator/policy/policy.h"

static uint32_t nth_covered(const bool *covered, uint32_t servers, uint32_t nth)
{
    for (uint32_t m = 0; m < servers; m++)
        if (covered[m] && nth-- == 0)
            return m;
    return ENV_LOCAL;
}

static void decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision)
{
    const struct world *world = policy->world;
    uint32_t layers = world->llm->layers;
    uint32_t splits = env_splits_choices(world);
    struct rng_at at = {
        .seed = world->seed,
        .phase = view->id.phase,
        .stream = RNG_POLICY,
        .episode = view->id.episode,
        .slot = view->id.slot,
    };
    for (uint32_t n = 0; n < world->devices; n++) {
        const bool *covered = view->covered + (size_t) n * world->servers;
        uint32_t choices = 0;
        for (uint32_t m = 0; m < world->servers; m++)
            choices += covered[m] ? 1 : 0;
        at.entity = n;
        struct rng_block draw = rng_block(&at, 0);
        uint32_t split = env_splits_choice(view, n, (uint32_t) ((uint64_t) draw.v[0] * splits >> 32));
        bool local = !view->present[n] || choices == 0 || split == layers;
        ret_decision->split[n] = local ? layers : split;
        ret_decision->server[n] =
            local ? ENV_LOCAL
                  : nth_covered(covered, world->servers, (uint32_t) ((uint64_t) draw.v[1] * choices >> 32));
        ret_decision->coding[n] = local ? 0 : (uint32_t) ((uint64_t) draw.v[2] * world->codings.count >> 32);
    }
    env_repair(view, ret_decision);
}

const struct policy_kind policy_random = {
    .name = "random",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "uniform split, uniform covered server, fresh in each slot",
    .source = "static baseline of DAPO",
    .decide = decide,
};
