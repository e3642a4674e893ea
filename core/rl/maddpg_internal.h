/* What MADDPG learns: its tests look at it. */
#ifndef HANDOFF_CORE_RL_MADDPG_INTERNAL_H
#define HANDOFF_CORE_RL_MADDPG_INTERNAL_H

#include <stddef.h>

#include "core/rl/critic.h"
#include "core/rl/maddpg.h"

struct maddpg {
    struct offpolicy base; /* first: a struct offpolicy * is one to this */
    size_t agents;
    size_t observation, choice; /* sizes of one agent's state and action */
    struct network actor;       /* observation -> choice */
    /* [batch * agents], agents of a transition one after the other; or [agents]: a decision's. */
    struct mlp_pass pass;
    struct critic critic;

    /* Working memory. Owned: `observations` is the start of one block. */
    struct matrix observations; /* [batch * agents][observation]: what `pass` sees */
    struct matrix slope;        /* [batch][action]: the loss's gradient at all actions */
};

_Static_assert(offsetof(struct maddpg, base) == 0, "a learner is cast to its own kind");

#endif
