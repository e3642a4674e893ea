/* Deep deterministic policy gradient (Lillicrap et al., "Continuous control with deep reinforcement
 * learning", arXiv 1509.02971): actor mu(s), critic Q(s, a), target copies, replay buffer, Adam. Numerics
 * only: states and actions are vectors; nothing here knows phones. Single precision, OpenBLAS at one thread.
 *
 * Determinism: every random choice is a draw of core/base/rng at (config.seed, stream; update or act number),
 * so the same calls give the same bits. Decisions always go through the one-row path (SGEMV), whatever the
 * batch.
 *
 * Threads: one caller at a time. ddpg_update may run on another thread than ddpg_act and ddpg_push if they
 * never overlap. */
#ifndef HANDOFF_CORE_RL_DDPG_H
#define HANDOFF_CORE_RL_DDPG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/diag.h"

struct ddpg_config {
    size_t state_size, action_size;
    size_t hidden_1, hidden_2;     /* ReLU; the actor's head is tanh, the critic takes (s, a) at its input */
    size_t buffer, batch;          /* transitions */
    float discount;                /* gamma */
    float actor_rate, critic_rate; /* Adam */
    float soft_update;             /* tau */
    size_t warmup;    /* no update before this many transitions are stored (never before `batch` are) */
    float final_init; /* last layers start uniform in +-this; others +-1/sqrt(fan-in) */
    uint64_t seed;
};

/* (s, a, r, s'). The raw continuous action (noise added, clipped), not what it was mapped to. `terminal`: the
 * process ended, no bootstrap. A time limit is truncation: not terminal, next_state observed before any
 * reset, bootstrap. */
struct ddpg_transition {
    const float *state;  /* [state_size] */
    const float *action; /* [action_size] */
    float reward;
    const float *next_state; /* [state_size] */
    bool terminal;
};

struct ddpg;

/* 0, or ERR_RANGE with the first number that is not possible and what is: a buffer smaller than a mini-batch
 * or than the warm-up, for instance. */
int ddpg_config_check(const struct ddpg_config *config, struct diag *diag);

/* ERR_RANGE as ddpg_config_check, or -ENOMEM. Sets OpenBLAS to one thread, process-wide. The buffer's memory
 * is reserved at once but taken from the machine only as transitions come. */
int ddpg_create(struct ddpg **ret_ddpg, const struct ddpg_config *config);
void ddpg_destroy(struct ddpg *ddpg);

/* mu(s), each entry in [-1, 1]. */
void ddpg_act(struct ddpg *ddpg, const float *state, float *ret_action);

/* Stores a transition (copied), the oldest falls out when full. */
void ddpg_push(struct ddpg *ddpg, const struct ddpg_transition *transition);

/* Enough transitions for an update. */
bool ddpg_is_warm(const struct ddpg *ddpg);

struct ddpg_losses {
    float critic;     /* mean squared error of the batch */
    float mean_value; /* mean Q(s, mu(s)) of the batch */
};

/* One update of critic, actor and targets on one mini-batch, sampled uniformly with replacement by draws at
 * (seed, RNG_SAMPLING, update number). Does nothing (and returns false) unless warm. `ret_losses` may be
 * NULL. */
bool ddpg_update(struct ddpg *ddpg, struct ddpg_losses *ret_losses);

uint64_t ddpg_updates(const struct ddpg *ddpg);

/* Actor weights only: what a deployment needs. Appends; loading checks sizes against the config. Format:
 * magic "HDDP", version, section mask, the five sizes, payload, CRC-32; little-endian. Never trusts a length
 * it has not checked. */
int ddpg_save_actor(const struct ddpg *ddpg, struct buf *bytes);
/* Everything to go on from: networks, targets, Adam moments and steps, counters; the buffer's transitions
 * when asked. */
int ddpg_save_learner(const struct ddpg *ddpg, bool with_buffer, struct buf *bytes);
/* Reads either kind; what is missing in it stays as it was. All of it is checked before any of it is taken: a
 * refused checkpoint (ERR_TYPE, ERR_VERSION, ERR_MISMATCH, ERR_TRUNCATED, ERR_CORRUPT) changes nothing. The
 * buffer's capacity has to agree only when transitions are in it. */
int ddpg_load(struct ddpg *ddpg, const void *bytes, size_t size, struct diag *diag);

#endif
