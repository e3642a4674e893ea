/* What SAC learns: its tests look at it. */
#ifndef HANDOFF_CORE_RL_SAC_INTERNAL_H
#define HANDOFF_CORE_RL_SAC_INTERNAL_H

#include <stddef.h>

#include "core/rl/critic.h"
#include "core/rl/sac.h"

/* The logarithm of a deviation is cut to these (Haarnoja et al., their published code). */
#define SAC_LOG_DEVIATION_MIN (-20.0f)
#define SAC_LOG_DEVIATION_MAX 2.0f

/* log alpha and Adam's moments of it. */
struct temperature {
    float log, first, second, grad;
};

struct sac {
    struct offpolicy base; /* first: a struct offpolicy * is one to this */
    float temperature_rate, target_entropy;
    struct temperature temperature;

    /* state -> mean [action] | log deviation [action]; its target copy is not used. */
    struct network actor;
    struct mlp_pass pass; /* of a mini-batch, or of one decision */
    struct critic critic[2];

    /* Of the actions last drawn for a mini-batch. Owned: `normal` is the start of one block. */
    float *normal;          /* [batch][action] */
    float *spread;          /* [batch][action] deviation times normal */
    float *log_density;     /* [batch] log pi(a | s) */
    struct matrix slope[2]; /* [batch][action] the loss's gradient at the actions, through each critic */
};

_Static_assert(offsetof(struct sac, base) == 0, "a learner is cast to its own kind");

#endif
