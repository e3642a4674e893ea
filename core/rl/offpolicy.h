/* A learner of continuous actions that learns from a replay buffer: what its callers see of it, whichever
 * algorithm it is (ddpg.h and its neighbours make them). Numerics only: states and actions are vectors;
 * nothing here knows phones. Single precision.
 *
 * Determinism: every random choice is a draw of core/base/rng at (config.seed, stream; update or act number),
 * so the same calls give the same bits, on every processor. A decision is a batch of one: it does not depend on
 * what else is computed.
 *
 * Threads: one caller at a time. offpolicy_update may run on another thread than offpolicy_act and
 * offpolicy_push if they never overlap. */
#ifndef HANDOFF_CORE_RL_OFFPOLICY_H
#define HANDOFF_CORE_RL_OFFPOLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/replay.h"

/* What all of them are made with. */
struct offpolicy_config {
    size_t state_size, action_size;
    size_t hidden_1, hidden_2;     /* ReLU */
    size_t buffer, batch;          /* transitions */
    float discount;                /* gamma */
    float actor_rate, critic_rate; /* Adam */
    float soft_update;             /* tau */
    size_t warmup;    /* no update before this many transitions are stored (never before `batch` are) */
    float final_init; /* last layers start uniform in +-this; others +-1/sqrt(fan-in) */
    uint64_t seed;
};

struct offpolicy;

/* 0, or ERR_RANGE with the first number that is not possible and what is: a buffer smaller than a mini-batch
 * or than the warm-up, for instance. */
int offpolicy_config_check(const struct offpolicy_config *config, struct diag *diag);

void offpolicy_destroy(struct offpolicy *learner);

/* The action at a state, each entry in [-1, 1]: what the learner would play if it did not explore. */
void offpolicy_act(struct offpolicy *learner, const float *state, float *ret_action);

/* Does the learner explore by itself? Then offpolicy_sample draws from its own distribution, with the
 * standard normals normal[action_size]. Otherwise the caller adds noise to what offpolicy_act gives. */
bool offpolicy_explores(const struct offpolicy *learner);
void offpolicy_sample(struct offpolicy *learner, const float *state, const float *normal, float *ret_action);

/* Stores a transition (copied), the oldest falls out when full. */
void offpolicy_push(struct offpolicy *learner, const struct transition *transition);

/* Enough transitions for an update. */
bool offpolicy_is_warm(const struct offpolicy *learner);

struct offpolicy_losses {
    float critic; /* mean squared error of the batch; with two critics, their sum */
    float actor;  /* what the actor's step went down, as a mean of the batch; 0 when the actor rested */
};

/* One update of everything that is learned, on one mini-batch, sampled uniformly with replacement by draws at
 * (seed, RNG_SAMPLING, update number). Does nothing (and returns false) unless warm. `ret_losses` may be
 * NULL. */
bool offpolicy_update(struct offpolicy *learner, struct offpolicy_losses *ret_losses);

uint64_t offpolicy_updates(const struct offpolicy *learner);

/* The learner's own buffer, for core/rl/experience.h. */
struct replay *offpolicy_replay(struct offpolicy *learner);

/* Appends a checkpoint (core/rl/checkpoint.h) with these sections: CHECKPOINT_ACTOR is what a deployment
 * needs; with CHECKPOINT_LEARNER and CHECKPOINT_REPLAY it is everything to go on from. */
int offpolicy_save(const struct offpolicy *learner, uint32_t sections, struct buf *bytes);
/* Reads whatever sections there are, of this learner's algorithm and sizes; as checkpoint_load. */
int offpolicy_load(struct offpolicy *learner, const void *bytes, size_t size, struct diag *diag);

#endif
