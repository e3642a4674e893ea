/* Policy gradients with a learned value as their baseline, on rollouts of the policy itself:
 *
 *   PPO  proximal policy optimisation with the clipped objective (Schulman et al., arXiv 1707.06347, equation
 *        7): several epochs of mini-batches over each rollout
 *   A2C  advantage actor-critic (Mnih et al., arXiv 1602.01783, algorithm S3 with one actor, synchronous): one
 *        step down the plain policy gradient on each short rollout
 *
 * Two networks that share nothing, the policy's and the value's, which says (1 - discount) V. An action is a
 * class of each of several categorical heads (categorical.h) or a vector of reals (gaussian.h); states and
 * actions are vectors, nothing here knows phones. Single precision, Adam for both.
 *
 * Determinism: every random choice is a draw of core/base/rng at (config.seed, stream; act or update number);
 * sums run in the order of the rollout.
 *
 * Threads: one caller at a time. policy_gradient_update may run on another thread than the rest if they never
 * overlap. */
#ifndef HANDOFF_CORE_RL_POLICY_GRADIENT_H
#define HANDOFF_CORE_RL_POLICY_GRADIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"
#include "core/rl/rollout.h"

enum policy_gradient_objective { OBJECTIVE_CLIPPED, OBJECTIVE_PLAIN };

struct policy_gradient_config {
    size_t state_size;
    size_t heads;          /* categorical heads; 0: the action is a vector of reals */
    const size_t *classes; /* [heads], each 1 or more; copied */
    size_t action_size;    /* reals, when there are no heads */
    size_t hidden_1, hidden_2;
    bool smooth; /* hidden layers end in tanh, not ReLU */
    enum policy_gradient_objective objective;
    size_t rollout, epochs, batch; /* transitions; batch <= rollout */
    float discount, trace;         /* gamma, below 1; lambda of rollout_judge */
    float rate;                    /* Adam, both networks */
    float clip;                    /* epsilon: the ratio counts within 1 +- this; objective clipped only */
    float entropy;                 /* weight of the entropy, summed over the heads or reals */
    float norm;                    /* bound on each network's gradient; 0: none */
    bool standardise;              /* advantages to mean 0, deviation 1 in each mini-batch */
    float sigma;                   /* of the reals at the start */
    float final_init;              /* last layers start uniform in +-this; others +-1/sqrt(fan-in) */
    uint64_t seed;
};

struct policy_gradient;

/* 0, or ERR_RANGE with the first number that is not possible and what is. */
int policy_gradient_config_check(const struct policy_gradient_config *config, struct diag *diag);

/* ERR_RANGE as policy_gradient_config_check, or -ENOMEM. */
int policy_gradient_create(struct policy_gradient **ret_learner, const struct policy_gradient_config *config);
void policy_gradient_destroy(struct policy_gradient *learner);

/* An action drawn from the policy, a class number for each head or the reals; returns its log-probability.
 * allowed[sum of classes] (1 or 0); not looked at without heads. Reals are not clipped. */
float policy_gradient_sample(struct policy_gradient *learner, const float *state, const uint8_t *allowed,
                             float *ret_action);

/* The policy's mode: the likeliest class of each head, or the mean. */
void policy_gradient_mode(struct policy_gradient *learner, const float *state, const uint8_t *allowed,
                          float *ret_action);

/* Adds to the rollout, which must not be full: after a push that filled it an update comes first. */
void policy_gradient_push(struct policy_gradient *learner, const struct rollout_transition *transition);

bool policy_gradient_is_full(const struct policy_gradient *learner);

/* Means over the last epoch. */
struct policy_gradient_losses {
    float policy;  /* the objective's negative, without entropy */
    float value;   /* squared error of the network */
    float entropy; /* summed over heads or reals */
};

/* Does nothing (and returns false) before the rollout is full; then all epochs on it, and it is empty again.
 * Mini-batches are runs of the transitions in an order shuffled by draws at (seed, RNG_SAMPLING, epoch number
 * since the beginning); the last one may be smaller. `ret_losses` may be NULL. */
bool policy_gradient_update(struct policy_gradient *learner, struct policy_gradient_losses *ret_losses);

uint64_t policy_gradient_updates(const struct policy_gradient *learner);

/* Appends a checkpoint (core/rl/checkpoint.h) with these sections: CHECKPOINT_ACTOR is what a deployment
 * needs; with CHECKPOINT_LEARNER and CHECKPOINT_REPLAY, the rollout in progress, it is everything to go on
 * from. */
int policy_gradient_save(const struct policy_gradient *learner, uint32_t sections, struct buf *bytes);
/* Reads whatever sections there are, of this learner's sizes; as checkpoint_load. A rollout with actions that
 * no such policy has is ERR_CORRUPT too, and leaves the rest of the checkpoint loaded, the rollout empty. */
int policy_gradient_load(struct policy_gradient *learner, const void *bytes, size_t size, struct diag *diag);

#endif
