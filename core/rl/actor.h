/* A deterministic actor mu(s) with a tanh head, for one state at a time and for mini-batches, and its step up
 * a critic: what DDPG and TD3 share. */
#ifndef HANDOFF_CORE_RL_ACTOR_H
#define HANDOFF_CORE_RL_ACTOR_H

#include "core/rl/critic.h"
#include "core/rl/offpolicy_internal.h"

struct actor {
    struct network network;
    struct mlp_pass pass; /* of a mini-batch, or of one decision */
};

/* Sizes: state, hidden 1, hidden 2, action; weights drawn. ERR_RANGE or -ENOMEM; to be finished either way. */
int actor_init(struct actor *actor, const struct offpolicy_config *config);
void actor_finish(struct actor *actor);

/* mu(s). */
void actor_act(struct actor *actor, const float *state, float *ret_action);

/* The action by `params` at each row's state, written into the same row [batch][state | action]. */
void actor_fill(struct actor *actor, const float *params, struct matrix rows);

/* One step up the mean of Q(s, mu(s)); returns minus that mean, as it was before. The critic's weights rest.
 * Overwrites the actions in `rows`. */
float actor_improve(struct actor *actor, struct critic *critic, struct matrix rows,
                    const struct network_pace *pace);

#endif
