/* A mini-batch as an update draws it, by the documented draws, in double precision: what the tests of whole
 * updates compute the published algorithms on. */
#ifndef HANDOFF_TESTS_UNIT_RL_ORACLE_H
#define HANDOFF_TESTS_UNIT_RL_ORACLE_H

#include "learner.h"

#define ORACLE_BATCH 10u

struct oracle_batch {
    size_t state_size, action_size;
    double state[ORACLE_BATCH][LEARNER_SIZE_MAX], action[ORACLE_BATCH][LEARNER_SIZE_MAX];
    double next[ORACLE_BATCH][LEARNER_SIZE_MAX], reward[ORACLE_BATCH];
    bool terminal[ORACLE_BATCH];
    double wanted[ORACLE_BATCH]; /* what a critic should say: the test's to fill */
};

/* The batch of the learner's next update. */
void oracle_batch(struct oracle_batch *ret_batch, struct offpolicy *learner);

/* The standard normals of the learner's next update, [ORACLE_BATCH][action_size] of entity `which`. */
void oracle_normals(struct offpolicy *learner, uint32_t which,
                    double ret_normal[ORACLE_BATCH][LEARNER_SIZE_MAX]);

/* Q(s, a) of a critic's network. */
double oracle_value(const struct oracle_batch *batch, const struct mlp *critic, const double *params,
                    const double *state, const double *action);

/* Asserts that the critic's gradients are those of the mean of (Q(s, a) - wanted)^2 at the parameters
 * `before`; returns that mean. */
double oracle_check_critic(const struct network *critic, const struct oracle_batch *batch,
                           const float *before);

/* A copy in single precision; free it. */
float *oracle_copy(const float *values, size_t size);

#endif
