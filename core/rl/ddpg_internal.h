/* What a learner is made of: shared by its updates (ddpg.c) and its checkpoints (checkpoint.c). */
#ifndef HANDOFF_CORE_RL_DDPG_INTERNAL_H
#define HANDOFF_CORE_RL_DDPG_INTERNAL_H

#include "core/rl/adam.h"
#include "core/rl/ddpg.h"
#include "core/rl/mlp.h"
#include "core/rl/replay.h"

/* A network with everything that is learned of it. Owns `params`, the start of one block; the others point
 * into it. */
struct network {
    struct mlp mlp;
    float *params; /* [mlp.params], as are the others */
    float *target, *first, *second, *grads;
};

struct ddpg {
    struct ddpg_config config;
    struct network actor, critic;
    struct replay replay;
    uint64_t updates; /* done; Adam's step number is one more */

    /* Working memory. */
    struct mlp_pass row;                     /* the actor's, one row: decisions */
    struct mlp_pass actor_pass, critic_pass; /* of a mini-batch */
    struct matrix now, next;                 /* [batch][state | action]: the critic's input at s and at s' */
    float *reward, *terminal;                /* [batch] */
    float *state;                            /* [state]: a decision's */
    float *batch_block;                      /* owned: now, next, reward, terminal, state */
};

#endif
