/* A critic Q(s, a) over mini-batches: its network takes the state and the action side by side, so a row of
 * its input is what the replay buffer gives. */
#ifndef HANDOFF_CORE_RL_CRITIC_H
#define HANDOFF_CORE_RL_CRITIC_H

#include "core/rl/offpolicy_internal.h"

struct critic {
    struct network network;
    struct mlp_pass pass; /* of the mini-batch */
};

/* Sizes: state and action together, hidden 1, hidden 2, 1; weights drawn. ERR_RANGE or -ENOMEM; to be
 * finished either way. */
int critic_init(struct critic *critic, const struct offpolicy_config *config, enum offpolicy_weights which);
void critic_finish(struct critic *critic);

/* Q at each row [batch][state | action], by `params`: the network's own or its target. Returns where it
 * stands, [batch] with its stride, until the next call. */
struct matrix critic_values(struct critic *critic, const float *params, struct matrix rows);

/* One step down the mean of (Q(row) - wanted)^2; returns that mean, as it was before. */
float critic_improve(struct critic *critic, struct matrix rows, const float *wanted,
                     const struct network_pace *pace);

/* The gradient at the inputs of the last critic_values with the network's own parameters, from the loss's
 * gradient at each value, which the caller has put into pass.dy[MLP_LAYERS - 1]. The weights rest. */
void critic_input_gradient(struct critic *critic, const struct mlp_wanted *input);

/* The gradient of minus the mean of Q at the rows' inputs; returns minus that mean. */
float critic_slopes(struct critic *critic, struct matrix rows, const struct mlp_wanted *input);

/* Everything of it, into the section of what training needs. */
void critic_describe(struct critic *critic, struct checkpoint *checkpoint);

#endif
