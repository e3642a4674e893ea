/* What TD3 learns: its tests look at it. */
#ifndef HANDOFF_CORE_RL_TD3_INTERNAL_H
#define HANDOFF_CORE_RL_TD3_INTERNAL_H

#include <stddef.h>

#include "core/rl/actor.h"
#include "core/rl/td3.h"

struct td3 {
    struct offpolicy base; /* first: a struct offpolicy * is one to this */
    uint64_t delay;
    float target_noise, noise_clip;
    struct actor actor;
    struct critic critic[2]; /* the actor goes up the first */
    float *normal;           /* [batch][action]: of the target action's noise; owned */
};

_Static_assert(offsetof(struct td3, base) == 0, "a learner is cast to its own kind");

#endif
