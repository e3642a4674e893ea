#include "oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/rl/offpolicy_internal.h"
#include "twin.h"

static void widen(double *to, const float *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (double) from[i];
}

void oracle_batch(struct oracle_batch *ret_batch, struct offpolicy *learner)
{
    const struct replay *replay = &learner->replay;
    size_t state = replay->state_size, action = replay->action_size;
    struct rng_at at = {
        .seed = learner->config.seed, .stream = RNG_SAMPLING, .slot = (uint32_t) learner->updates};
    assert_int_equal(learner->config.batch, ORACLE_BATCH);
    *ret_batch = (struct oracle_batch){.state_size = state, .action_size = action};
    for (uint32_t i = 0; i < ORACLE_BATCH; i++) {
        uint64_t word = rng_block(&at, i / 4).v[i % 4];
        const float *row = replay->rows + (word * replay->count >> 32) * replay->stride;
        widen(ret_batch->state[i], row, state);
        widen(ret_batch->action[i], row + state, action);
        widen(ret_batch->next[i], row + state + action, state);
        ret_batch->reward[i] = (double) row[2 * state + action];
        ret_batch->terminal[i] = row[2 * state + action + 1] != 0.0f;
    }
}

void oracle_normals(struct offpolicy *learner, uint32_t which,
                    double ret_normal[ORACLE_BATCH][LEARNER_SIZE_MAX])
{
    size_t actions = learner->config.action_size;
    struct rng_at at = {.seed = learner->config.seed,
                        .stream = RNG_UPDATE,
                        .entity = which,
                        .slot = (uint32_t) learner->updates};
    for (size_t i = 0; i < ORACLE_BATCH * actions; i++) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        size_t pair = i % 4 / 2 * 2;
        double normal[2];
        rng_normal_pair(block.v[pair], block.v[pair + 1], normal);
        ret_normal[i / actions][i % actions] = normal[i % 2];
    }
}

double oracle_value(const struct oracle_batch *batch, const struct mlp *critic, const double *params,
                    const double *state, const double *action)
{
    double x[2 * LEARNER_SIZE_MAX], y[1];
    memcpy(x, state, batch->state_size * sizeof(double));
    memcpy(x + batch->state_size, action, batch->action_size * sizeof(double));
    twin_forward(critic, params, x, y);
    return y[0];
}

struct critic_loss {
    const struct oracle_batch *batch;
    const struct mlp *mlp;
};

static double squared_error(const void *critic, const double *params)
{
    const struct critic_loss *own = critic;
    double sum = 0.0;
    for (size_t i = 0; i < ORACLE_BATCH; i++) {
        double value =
            oracle_value(own->batch, own->mlp, params, own->batch->state[i], own->batch->action[i]);
        sum += (value - own->batch->wanted[i]) * (value - own->batch->wanted[i]);
    }
    return sum / ORACLE_BATCH;
}

double oracle_check_critic(const struct network *critic, const struct oracle_batch *batch,
                           const float *before)
{
    struct critic_loss context = {batch, &critic->mlp};
    struct twin_function error = {squared_error, &context, critic->mlp.params};
    assert_true(twin_gradient_error(&error, before, critic->grads) < 1e-4);
    double *wide = twin_widen(before, critic->mlp.params);
    double loss = squared_error(&context, wide);
    free(wide);
    return loss;
}

float *oracle_copy(const float *values, size_t size)
{
    float *copy = malloc(size * sizeof(float));
    assert_non_null(copy);
    memcpy(copy, values, size * sizeof(float));
    return copy;
}
