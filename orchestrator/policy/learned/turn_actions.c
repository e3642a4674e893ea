#include "orchestrator/policy/learned/turn_actions.h"

#include <assert.h>

#include "core/model/env_splits.h"

struct turn_actions turn_actions_of(const struct world *world, uint32_t levels)
{
    struct turn_actions actions = {.levels = levels};
    bool whole = env_reserves(world);
    assert(levels >= 1);
    actions.locals = whole || env_splits_are_bound(world) ? 0 : 1;
    actions.splits = whole ? levels * levels * levels : env_splits_choices(world) - actions.locals;
    actions.codings = whole ? 1 : world->codings.count;
    actions.count = actions.locals + world->servers * actions.splits * actions.codings;
    return actions;
}

bool turn_actions_allow(const struct turn_actions *actions, const struct env_view *view, uint32_t device,
                        uint8_t *ret_allowed)
{
    const struct world *world = view->world;
    const bool *covered = view->covered + (size_t) device * world->servers;
    bool any = false, whole = env_reserves(world);
    if (actions->locals > 0)
        *ret_allowed++ = 1;
    for (uint32_t m = 0; m < world->servers; m++) {
        any = any || covered[m];
        for (uint32_t i = 0; i < actions->splits * actions->codings; i++)
            *ret_allowed++ =
                covered[m] && (whole || env_splits_allow(world, device, i / actions->codings)) ? 1 : 0;
    }
    return any && env_has_task(view, device);
}

void turn_actions_stay(const struct env_view *view, struct env_decision *decision, uint32_t device)
{
    decision->split[device] = view->world->llm->layers;
    decision->server[device] = ENV_LOCAL;
    decision->coding[device] = 0;
    if (env_reserves(view->world))
        decision->refused[device] = env_has_task(view, device);
}

double turn_actions_share(const struct world *world, uint32_t levels, uint32_t level)
{
    assert(level < levels);
    const double most = world->scenario.reserve.most * world->scenario.reserve.full_share;
    return ((double) level + 0.5) / (double) levels * most;
}

static void enter_parts(const struct turn_actions *actions, const struct env_view *view,
                        struct env_decision *decision, uint32_t device, uint32_t parts)
{
    const uint32_t n = actions->levels;
    decision->split[device] = 0;
    decision->refused[device] = false;
    decision->compute_share[device] = turn_actions_share(view->world, n, parts / n / n);
    decision->bandwidth_share[device] = turn_actions_share(view->world, n, parts / n % n);
    decision->memory_share[device] = turn_actions_share(view->world, n, parts % n);
}

uint32_t turn_actions_enter(const struct turn_actions *actions, const struct env_view *view,
                            struct env_decision *decision, uint32_t device, uint32_t action)
{
    assert(action < actions->count);
    if (action < actions->locals)
        return ENV_LOCAL;
    uint32_t choice = action - actions->locals, pair = choice / actions->codings,
             server = pair / actions->splits;
    decision->server[device] = server;
    decision->coding[device] = choice % actions->codings;
    if (env_reserves(view->world))
        enter_parts(actions, view, decision, device, pair % actions->splits);
    else
        decision->split[device] = env_splits_choice(view, device, pair % actions->splits);
    return server;
}
