/* What DDPG learns: its tests look at it. */
#ifndef HANDOFF_CORE_RL_DDPG_INTERNAL_H
#define HANDOFF_CORE_RL_DDPG_INTERNAL_H

#include <stddef.h>

#include "core/rl/actor.h"
#include "core/rl/critic.h"
#include "core/rl/offpolicy_internal.h"

struct ddpg {
    struct offpolicy base; /* first: a struct offpolicy * is one to this */
    struct actor actor;
    struct critic critic;
};

_Static_assert(offsetof(struct ddpg, base) == 0, "a learner is cast to its own kind");

#endif
