#include "core/model/env_splits.h"

#include <assert.h>

#include "core/base/rng.h"

static uint32_t step_of(const struct world *world)
{
    return (uint32_t) world->scenario.model.split_step;
}

static uint32_t least_of(const struct world *world)
{
    return (uint32_t) world->scenario.model.min_split;
}

/* s_max. */
static uint32_t most_of(const struct world *world)
{
    uint32_t most = (uint32_t) world->scenario.model.max_split, layers = world->llm->layers;
    return most > 0 && most < layers ? most : layers - 1;
}

static uint32_t clamp(uint32_t split, uint32_t first, uint32_t last)
{
    assert(first <= last);
    if (split < first)
        return first;
    return split < last ? split : last;
}

bool env_splits_allow_local(const struct env_view *view, uint32_t device)
{
    const struct world *world = view->world;
    const bool *covered = view->covered + (size_t) device * world->servers;
    bool any = false;
    for (uint32_t m = 0; m < world->servers && env_splits_are_bound(world); m++)
        any = any || covered[m];
    return !any;
}

void env_splits_bounds(const struct world *world, uint32_t device, uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t most = most_of(world), fits = world->device[device].max_split;
    *ret_first = least_of(world);
    *ret_last = fits < most ? fits : most;
}

void env_splits_range(const struct env_view *view, uint32_t device, uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t step = step_of(view->world), first = 0, last = 0;
    env_splits_bounds(view->world, device, &first, &last);
    *ret_first = first;
    *ret_last = last;
    if (step == 0 || first > last)
        return;
    uint32_t before = clamp(view->split_before[device], first, last);
    *ret_first = before > first + step ? before - step : first;
    *ret_last = before + step < last ? before + step : last;
}

uint32_t env_splits_drawn(const struct world *world, uint32_t device, struct slot_id id)
{
    const struct rng_at at = {
        .seed = world->seed,
        .phase = id.phase,
        .stream = RNG_SPLIT,
        .entity = device,
        .episode = id.episode,
    };
    uint32_t first = 0, last = 0;
    env_splits_bounds(world, device, &first, &last);
    if (first > last)
        return last;
    uint32_t low = (uint32_t) world->scenario.model.first_split_min,
             high = (uint32_t) world->scenario.model.first_split_max;
    low = clamp(low, first, last);
    high = clamp(high, low, last);
    return low + rng_below(&at, 0, high - low + 1);
}

uint32_t env_splits_choices(const struct world *world)
{
    uint32_t least = least_of(world), most = most_of(world);
    if (step_of(world) > 0)
        return 2 * step_of(world) + 1;
    assert(least <= world->llm->layers); /* scenario_check has seen to it */
    return most + 1 - least + (env_splits_are_bound(world) ? 0 : 1);
}

uint32_t env_splits_choice(const struct env_view *view, uint32_t device, uint32_t choice)
{
    const struct world *world = view->world;
    uint32_t step = step_of(world), first = 0, last = 0;
    assert(choice < env_splits_choices(world));
    if (step == 0)
        return least_of(world) + choice;
    env_splits_bounds(world, device, &first, &last);
    uint32_t before = clamp(view->split_before[device], first, last);
    return clamp(before + choice > step ? before + choice - step : 0, first, last);
}

bool env_splits_allow(const struct world *world, uint32_t device, uint32_t choice)
{
    if (step_of(world) > 0)
        return true;
    uint32_t split = least_of(world) + choice;
    return split <= world->device[device].max_split || split == world->llm->layers;
}
