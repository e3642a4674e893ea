/* What a policy gradient learner is made of: shared by its choices and checkpoints (policy_gradient.c) and
 * its updates (policy_gradient_update.c). */
#ifndef HANDOFF_CORE_RL_POLICY_GRADIENT_INTERNAL_H
#define HANDOFF_CORE_RL_POLICY_GRADIENT_INTERNAL_H

#include "core/rl/categorical.h"
#include "core/rl/network.h"
#include "core/rl/policy_gradient.h"

struct policy_gradient {
    struct policy_gradient_config config; /* without `classes` */
    struct categorical heads;
    size_t action_size;
    struct network actor, critic; /* the actor's log_sigma are its parameters of no layer */
    struct rollout rollout;
    uint64_t acts;    /* actions drawn */
    uint64_t updates; /* rollouts used */
    uint64_t epochs;  /* done, over all rollouts */
    uint64_t steps;   /* of Adam done: one a mini-batch */

    /* Working memory. */
    struct mlp_pass actor_pass, critic_pass; /* of a mini-batch; the actor's also of one choice */
    struct matrix state;                     /* [batch][state]: a mini-batch's */
    float *entropy;                          /* [heads] of one row */
    float *advantage;                        /* [batch]: a mini-batch's */
    uint8_t *allowed;                        /* [logits] of one row */
    uint32_t *order;                         /* [rollout]: the epoch's */
    float *work;                             /* owned: state, entropy, advantage */
};

static inline float *policy_gradient_log_sigma(const struct policy_gradient *learner)
{
    return learner->actor.params + learner->actor.mlp.params;
}

#endif
