/* What the off-policy learners are made of: each is a struct that begins with a struct offpolicy and supplies
 * the functions of its kind. */
#ifndef HANDOFF_CORE_RL_OFFPOLICY_INTERNAL_H
#define HANDOFF_CORE_RL_OFFPOLICY_INTERNAL_H

#include "core/rl/checkpoint.h"
#include "core/rl/offpolicy.h"

/* Whose initial weights a draw is for: the entity of RNG_WEIGHTS. */
enum offpolicy_weights {
    OFFPOLICY_ACTOR = 0,
    OFFPOLICY_CRITIC = 1,
    OFFPOLICY_SECOND_CRITIC = 2,
};

/* What the algorithms do each in their own way. */
struct offpolicy_kind {
    /* Frees what the learner owns beyond its struct offpolicy; half-built is allowed. */
    void (*finish)(struct offpolicy *learner);
    void (*act)(struct offpolicy *learner, const float *state, float *ret_action);
    /* Or NULL. */
    void (*sample)(struct offpolicy *learner, const float *state, const float *normal, float *ret_action);
    /* The mini-batch of update number learner->updates is filled. */
    void (*update)(struct offpolicy *learner, struct offpolicy_losses *ret_losses);
    /* Adds sizes and parts to a begun description. */
    void (*describe)(struct offpolicy *learner, struct checkpoint *checkpoint);
    char magic[5]; /* of its checkpoints */
};

struct offpolicy {
    const struct offpolicy_kind *kind;
    struct offpolicy_config config;
    struct replay replay;
    uint64_t updates; /* done; Adam's step number is one more */

    /* Working memory. */
    struct matrix now, next;  /* [batch][state | action]: the critic's input at s and at s' */
    float *reward, *terminal; /* [batch]; `terminal` is 1 or 0 */
    float *block;             /* owned: the four above */
};

/* A learner of `size` bytes, zero but for its struct offpolicy. ERR_RANGE as offpolicy_config_check, or
 * -ENOMEM. The buffer's memory is reserved at once but taken from the machine only as transitions come. */
int offpolicy_create(struct offpolicy **ret_learner, size_t size, const struct offpolicy_kind *kind,
                     const struct offpolicy_config *config);

/* Rows of a matrix start on cache lines: `columns` rounded up. And a block that does, of whole lines; free()
 * it. */
size_t offpolicy_stride(size_t columns);
float *offpolicy_block(size_t floats);

/* reward += discount * value[i], but not behind a terminal transition: now it is what a critic should say. */
void offpolicy_bootstrap(struct offpolicy *learner, const struct matrix *value);

/* Independent standard normals for update number learner->updates, ret_normal[batch][action]: draws at
 * (seed, RNG_UPDATE, entity `which`; update number). */
void offpolicy_normals(const struct offpolicy *learner, uint32_t which, float *ret_normal);

/* The usual sizes of a description: state, action, both hidden layers. */
void offpolicy_describe_sizes(const struct offpolicy *learner, struct checkpoint *checkpoint);
/* The usual parts: an actor's weights, how many updates were done, the actor's target and moments. */
void offpolicy_describe_actor(struct offpolicy *learner, struct network *actor,
                              struct checkpoint *checkpoint);

#endif
