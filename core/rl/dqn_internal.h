/* What a deep Q-learner is made of. */
#ifndef HANDOFF_CORE_RL_DQN_INTERNAL_H
#define HANDOFF_CORE_RL_DQN_INTERNAL_H

#include "core/rl/dqn.h"
#include "core/rl/network.h"
#include "core/rl/priorities.h"

#define DQN_LEAST_PRIORITY                                                                                   \
    1e-3 /* is added to the size of an error: what is known well is drawn at times, too */

/* A transition's action columns in the buffer. */
enum dqn_column {
    DQN_ACTION,   /* its number */
    DQN_DISCOUNT, /* of what follows */
    DQN_ALLOWED,  /* in the next state, packed (core/rl/mask.h) */
};

/* Transitions that wait for those that follow, as rows; behind them the last one's next state and what is allowed
 * there, packed. With one step nothing ever waits. */
enum dqn_waiting { DQN_WAITING_ACTION, DQN_WAITING_DISCOUNT, DQN_WAITING_REWARD, DQN_WAITING_COLUMNS };
struct dqn_waiting_list {
    uint64_t count;
    size_t row;    /* floats: state [state_size] | enum dqn_waiting */
    size_t size;   /* floats in all */
    float *rows;   /* [steps][row], the oldest first; owned */
    float *next;   /* within it: [state_size] */
    float *packed; /* within it: [mask_size] */
};

struct dqn {
    struct dqn_config config;
    struct network network; /* outputs: Q of each action; dueling: V, then the advantages */
    struct replay replay;
    struct dqn_waiting_list waiting;
    struct priorities priorities; /* prioritised only */
    uint64_t acts;                /* of dqn_explore */
    uint64_t updates;             /* done; Adam's step number is one more */
    uint64_t pushed;              /* transitions ever stored */
    uint64_t fresh;               /* of them since the last update */

    /* Working memory. */
    struct mlp_pass pass;     /* of a mini-batch, or of one choice */
    struct matrix now, next;  /* [batch][state | action columns] */
    float *reward, *terminal; /* [batch] */
    float *importance;        /* [batch]: weights of the rows' slopes */
    size_t *slots;            /* [batch]: prioritised: where in the buffer the rows are */
    float *choice;            /* [action columns] of the transition being pushed */
    uint32_t *best;           /* [batch]: the best allowed action in the next state; `actions` when none is */
    uint8_t *allowed;         /* [actions] of one row */
    float *block;             /* owned: now, next, reward, terminal, importance, choice */
};

/* Columns of a transition's action. */
size_t dqn_choice_size(const struct dqn_config *config);
/* Nobody waits; -ENOMEM. Its rows are freed by dqn_destroy. */
int dqn_waiting_init(struct dqn_waiting_list *ret_waiting, const struct dqn_config *config);

#endif
