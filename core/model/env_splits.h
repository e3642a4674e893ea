/* Which splits a device may be given. One rule for the environment and for every policy that enumerates splits.
 *
 * With model.split_step a device's split moves by at most so many layers from the one that it was given last; before an
 * episode's first slot that is drawn. With it, or with model.max_split, splits are bound: a device that a server covers
 * may not stay local. */
#ifndef HANDOFF_CORE_MODEL_ENV_SPLITS_H
#define HANDOFF_CORE_MODEL_ENV_SPLITS_H

#include "core/model/env.h"

static inline bool env_splits_are_bound(const struct world *world)
{
    return world->scenario.model.split_step > 0 || world->scenario.model.max_split > 0;
}

/* May the device compute all layers itself? Where splits are bound only if no server covers it. */
bool env_splits_allow_local(const struct env_view *view, uint32_t device);

/* The splits that the device may be given at a server, *ret_first .. *ret_last; none: first > last. They are
 *
 *   max(s_min, before - step) .. min(s_max, S_n, before + step)
 *
 * where s_max is model.max_split, or L - 1, and `before` is the split of view->split_before; without model.split_step
 * s_min .. min(s_max, S_n). */
void env_splits_range(const struct env_view *view, uint32_t device, uint32_t *ret_first, uint32_t *ret_last);
/* The same without the bound on the move. */
void env_splits_bounds(const struct world *world, uint32_t device, uint32_t *ret_first, uint32_t *ret_last);

/* The split before an episode's first slot, uniform on model.first_split_min .. first_split_max (stream RNG_SPLIT), within
 * env_splits_bounds. Pure: whatever the slot, the same within an episode. */
uint32_t env_splits_drawn(const struct world *world, uint32_t device, struct slot_id id);

/* A split as one of a fixed number of choices, which are the same for all devices. With model.split_step k they are the
 * 2k + 1 moves -k .. k; at an end of env_splits_range a move stays there. Else they are the splits s_min .. s_max, and
 * behind them L, local, where splits are not bound. */
uint32_t env_splits_choices(const struct world *world);
uint32_t env_splits_choice(const struct env_view *view, uint32_t device, uint32_t choice);
/* Is the choice one for the device's memory? Moves always are. */
bool env_splits_allow(const struct world *world, uint32_t device, uint32_t choice);

#endif
