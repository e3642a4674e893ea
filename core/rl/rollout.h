/* A rollout: transitions in the order in which they happened, as an on-policy learner gathers them, and what
 * they were worth. It is a replay buffer that is filled, used and emptied; its action columns hold
 *
 *   action [action] | log-probability | begins (1 or 0) | allowed, packed (core/rl/mask.h)
 *
 * Owns its memory. */
#ifndef HANDOFF_CORE_RL_ROLLOUT_H
#define HANDOFF_CORE_RL_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rl/dense.h"
#include "core/rl/replay.h"

struct rollout_sizes {
    size_t state, action, allowed; /* entries of one transition */
    size_t capacity;               /* transitions */
};

struct rollout_transition {
    const float *state;     /* [state] */
    const float *action;    /* [action] */
    const uint8_t *allowed; /* [allowed], 1 or 0; NULL when there are none */
    float log_probability;  /* of the action, by the policy that chose it */
    float reward;
    const float *next_state; /* [state]; of a truncated episode the one before any reset */
    bool terminal;           /* the process ended: nothing follows */
    bool begins;             /* does not go on where the transition before it ended */
};

struct rollout {
    struct rollout_sizes sizes;
    struct replay replay;
    float *value, *next_value; /* [capacity] V(state), V(next state): set before rollout_judge */
    float *advantage, *wanted; /* [capacity] set by rollout_judge */
    float *choice;             /* [action columns] of the transition being pushed */
    float *block;              /* owned: the five above */
};

/* -ENOMEM, or ERR_RANGE when it does not fit into the address space. */
int rollout_init(struct rollout *ret_rollout, const struct rollout_sizes *sizes);
void rollout_finish(struct rollout *rollout);

static inline size_t rollout_count(const struct rollout *rollout)
{
    return rollout->replay.count;
}

static inline bool rollout_is_full(const struct rollout *rollout)
{
    return rollout->replay.count == rollout->replay.capacity;
}

/* Appends; the rollout must not be full. */
void rollout_push(struct rollout *rollout, const struct rollout_transition *transition);

void rollout_clear(struct rollout *rollout);

/* Columns of all transitions, as rows of a network's input; and parts of transition i. */
struct view rollout_states(const struct rollout *rollout);
struct view rollout_next_states(const struct rollout *rollout);
const float *rollout_action(const struct rollout *rollout, size_t i);
float rollout_log_probability(const struct rollout *rollout, size_t i);
void rollout_allowed(const struct rollout *rollout, size_t i, uint8_t *ret_allowed);

/* Are all flags possible? What an action may be is the learner's to know. */
bool rollout_is_sound(const struct rollout *rollout);

/* Generalised advantage estimation (Schulman et al., arXiv 1506.02438, equation 16), from the last transition
 * to the first:
 *
 *   delta(t)     = reward + discount V(next state) - V(state)   behind a terminal state: without the second term
 *   advantage(t) = delta(t) + discount trace advantage(t + 1)   the second term only where t + 1 goes on from t
 *   wanted(t)    = advantage(t) + V(state)                      what the value should be
 *
 * A time limit cuts the sum but not the bootstrap. trace = 1: n-step returns. */
void rollout_judge(struct rollout *rollout, float discount, float trace);

#endif
