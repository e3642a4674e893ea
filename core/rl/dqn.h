/* Deep Q-learning (Mnih et al., "Human-level control through deep reinforcement learning", Nature 518, 2015):
 * a network says what each of a fixed number of actions is worth in a state; a copy of it follows slowly.
 * Options: double (van Hasselt et al., arXiv 1509.06461: the network chooses the action whose worth its copy
 * tells), dueling (Wang et al., arXiv 1511.06581, equation 9: the network's outputs are the state's worth
 * and the actions' advantages, less their mean), returns of several steps (Sutton, Machine Learning 3, 1988) and
 * prioritised replay (Schaul et al., arXiv 1511.05952). All four together are Rainbow (Hessel et al., arXiv 1710.02298)
 * but for its noisy layers and its distribution of returns, which are not here. States may forbid actions. Numerics
 * only: nothing here knows phones. Single precision, Adam.
 *
 * Determinism: every random choice is a draw of core/base/rng at (config.seed, stream; act or update number).
 *
 * Threads: one caller at a time. dqn_update may run on another thread than the rest if they never overlap. */
#ifndef HANDOFF_CORE_RL_DQN_H
#define HANDOFF_CORE_RL_DQN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/replay.h"

struct dqn_config {
    size_t state_size, actions;
    size_t hidden_1, hidden_2;
    size_t buffer, batch; /* transitions */
    size_t warmup;        /* no update before this many are stored (never before `batch` are) */
    float rate;           /* Adam */
    float soft_update;    /* tau */
    bool is_double, is_dueling;
    size_t steps;        /* of a return, 1 to DQN_STEPS_MAX: rewards that are added up before Q' is asked */
    bool is_prioritised; /* replay: proportional priorities; the following two count only then */
    float priority;      /* alpha, 0 to 1 */
    float importance;    /* beta at first, 0 to 1; it rises to 1 in a line */
    uint64_t importance_updates;       /* over so many */
    float epsilon_first, epsilon_last; /* share of random actions, falling in a line */
    uint64_t epsilon_acts;             /* over so many */
    float final_init;                  /* the last layer starts uniform in +-this; others +-1/sqrt(fan-in) */
    uint64_t seed;
};

#define DQN_STEPS_MAX 64u

struct dqn_transition {
    const float *state; /* [state_size] */
    uint32_t action;
    float reward;
    float discount;              /* gamma, of what follows; 0: nothing does */
    const float *next_state;     /* [state_size] */
    const uint8_t *next_allowed; /* [actions], 1 or 0; with none allowed the next state is worth 0 */
};

struct dqn;

/* 0, or ERR_RANGE with the first number that is not possible and what is. */
int dqn_config_check(const struct dqn_config *config, struct diag *diag);

/* ERR_RANGE as dqn_config_check, or -ENOMEM. */
int dqn_create(struct dqn **ret_dqn, const struct dqn_config *config);
void dqn_destroy(struct dqn *dqn);

/* The action worth most, the lowest of equals, among those with allowed[actions] = 1; at least one is. */
uint32_t dqn_act(struct dqn *dqn, const float *state, const uint8_t *allowed);

/* The same; with the present epsilon's probability any of the allowed ones instead. */
uint32_t dqn_explore(struct dqn *dqn, const float *state, const uint8_t *allowed);

/* Stores a transition (copied), the oldest falls out when full. With config.steps n above 1 it waits until n - 1 others
 * have come, which go on where it ended; stored is then one transition over all of them:
 *
 *   reward_1 + discount_1 reward_2 + ... , discount_1 discount_2 ... , the last one's next state
 *
 * After a discount of 0 nothing is waited for. */
void dqn_push(struct dqn *dqn, const struct dqn_transition *transition);

/* What comes next does not go on where the last one ended: those that wait are stored over fewer steps. */
void dqn_cut(struct dqn *dqn);

/* One step on one mini-batch, drawn at (seed, RNG_SAMPLING, update number), down the squared error, whose slope is
 * bounded to 1 (Mnih et al.), of what the action taken is worth against
 *
 *   reward + discount Q'(next state, best allowed action there)
 *
 * The draws are uniform with replacement. Prioritised: one from each of `batch` equal parts of all priorities; each
 * row's slope is times (P(i) / least P of the batch)^-beta, and its error becomes its priority.
 *
 * Does nothing (and returns false) when nothing was stored since the one before, or before it is warm.
 * `ret_loss` (may be NULL): mean of the batch. */
bool dqn_update(struct dqn *dqn, float *ret_loss);

uint64_t dqn_updates(const struct dqn *dqn);

/* The learner's own buffer, for core/rl/experience.h. */
struct replay *dqn_replay(struct dqn *dqn);

/* Transitions ever stored, as a checkpoint says: what the buffer has to have been given. */
uint64_t dqn_pushed(const struct dqn *dqn);

/* Appends a checkpoint (core/rl/checkpoint.h) with these sections: CHECKPOINT_ACTOR is what a deployment
 * needs; with CHECKPOINT_LEARNER and the buffer, here as CHECKPOINT_REPLAY or as experience, it is everything
 * to go on from. */
int dqn_save(const struct dqn *dqn, uint32_t sections, struct buf *bytes);
/* Reads whatever sections there are, of this learner's sizes; as checkpoint_load. */
int dqn_load(struct dqn *dqn, const void *bytes, size_t size, struct diag *diag);

/* Are all actions, flags and priorities in the buffer possible? To be asked when it was read from outside. */
bool dqn_buffer_is_sound(struct dqn *dqn);

#endif
