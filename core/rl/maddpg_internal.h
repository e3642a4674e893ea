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
    struct mlp_pass row;        /* one row: decisions */
    struct mlp_pass pass;       /* [batch * agents], agents of a transition one after the other */
    struct critic critic;

    /* Working memory. Owned: `own` is the start of one block. */
    float *own;                 /* [observation]: a decision's, always at the same alignment */
    struct matrix observations; /* [batch * agents][observation]: what `pass` sees */
    struct matrix slope;        /* [batch][action]: the loss's gradient at all actions */
};

_Static_assert(offsetof(struct maddpg, base) == 0, "a learner is cast to its own kind");

#endif
