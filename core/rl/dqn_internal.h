/* What a deep Q-learner is made of. */
#ifndef HANDOFF_CORE_RL_DQN_INTERNAL_H
#define HANDOFF_CORE_RL_DQN_INTERNAL_H

#include "core/rl/dqn.h"
#include "core/rl/network.h"

/* A transition's action columns in the buffer. */
enum dqn_column {
    DQN_ACTION,   /* its number */
    DQN_DISCOUNT, /* of what follows */
    DQN_ALLOWED,  /* in the next state, packed (core/rl/mask.h) */
};

struct dqn {
    struct dqn_config config;
    struct network network; /* outputs: Q of each action; dueling: V, then the advantages */
    struct replay replay;
    uint64_t acts;    /* of dqn_explore */
    uint64_t updates; /* done; Adam's step number is one more */
    uint64_t pushed;  /* transitions ever */
    uint64_t fresh;   /* of them since the last update */

    /* Working memory. */
    struct mlp_pass pass;     /* of a mini-batch, or of one choice */
    struct matrix now, next;  /* [batch][state | action columns] */
    float *reward, *terminal; /* [batch] */
    float *choice;            /* [action columns] of the transition being pushed */
    uint32_t *best;           /* [batch]: the best allowed action in the next state; `actions` when none is */
    uint8_t *allowed;         /* [actions] of one row */
    float *block;             /* owned: now, next, reward, terminal, choice */
};

#endif
