#include "core/rl/maddpg.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/rl/maddpg_internal.h"

#define ROWS_MAX (1u << 24) /* of the actor's batch: far inside an int */

int maddpg_config_check(const struct maddpg_config *config, struct diag *diag)
{
    const struct offpolicy_config *common = &config->common;
    int code = offpolicy_config_check(common, diag);
    if (code < 0)
        return code;
    size_t agents = config->agents;
    if (agents < 1 || common->state_size % agents != 0 || common->action_size % agents != 0)
        return diag_fail(diag, ERR_RANGE,
                         "learner's agents are %zu, allowed is what divides state %zu and action %zu", agents,
                         common->state_size, common->action_size);
    if (common->batch > ROWS_MAX / agents)
        return diag_fail(diag, ERR_RANGE, "learner's mini-batch is %zu, allowed is 1 to %zu for %zu agents",
                         common->batch, (size_t) ROWS_MAX / agents, agents);
    const size_t hidden[] = {config->actor_hidden_1, config->actor_hidden_2};
    for (size_t i = 0; i < 2; i++)
        if (hidden[i] < 1 || hidden[i] > MLP_SIZE_MAX)
            return diag_fail(diag, ERR_RANGE, "learner's actor's hidden layer is %zu, allowed is 1 to %u",
                             hidden[i], MLP_SIZE_MAX);
    return 0;
}

static void finish(struct offpolicy *learner)
{
    struct maddpg *maddpg = (struct maddpg *) learner;
    free(maddpg->observations.at);
    critic_finish(&maddpg->critic);
    mlp_pass_finish(&maddpg->pass);
    network_finish(&maddpg->actor);
}

/* All agents at once. Each gets what it would decide alone on its device: a row's result does not depend on the
 * rows beside it. */
static void act(struct offpolicy *learner, const float *state, float *ret_action)
{
    struct maddpg *maddpg = (struct maddpg *) learner;
    struct matrix from = maddpg->pass.y[MLP_LAYERS - 1];
    maddpg->pass.rows = maddpg->agents;
    maddpg->pass.x = (struct view){state, maddpg->observation};
    mlp_forward(&maddpg->actor.mlp, maddpg->actor.params, &maddpg->pass);
    for (size_t n = 0; n < maddpg->agents; n++)
        memcpy(ret_action + n * maddpg->choice, from.at + n * from.stride, maddpg->choice * sizeof(float));
}

/* All agents' actions by `params` at each row's observations, written into the same row. */
static void fill_actions(struct maddpg *maddpg, const float *params, struct matrix rows)
{
    size_t agents = maddpg->agents, observation = maddpg->observation, choice = maddpg->choice;
    struct matrix from = maddpg->pass.y[MLP_LAYERS - 1], to = maddpg->observations;
    assert(rows.stride >= agents * (observation + choice));
    for (size_t i = 0; i < maddpg->base.config.batch; i++)
        for (size_t n = 0; n < agents; n++)
            memcpy(to.at + (i * agents + n) * to.stride, rows.at + i * rows.stride + n * observation,
                   observation * sizeof(float));
    maddpg->pass.rows = maddpg->pass.rows_max;
    maddpg->pass.x = dense_view(to);
    mlp_forward(&maddpg->actor.mlp, params, &maddpg->pass);
    for (size_t i = 0; i < maddpg->base.config.batch; i++)
        for (size_t n = 0; n < agents; n++)
            memcpy(rows.at + i * rows.stride + agents * observation + n * choice,
                   from.at + (i * agents + n) * from.stride, choice * sizeof(float));
}

/* r + discount * Q'(o', mu'(o'_1), ..., mu'(o'_N)). */
static void add_bootstrap(struct maddpg *maddpg)
{
    struct offpolicy *base = &maddpg->base;
    fill_actions(maddpg, maddpg->actor.target, base->next);
    struct matrix value = critic_values(&maddpg->critic, maddpg->critic.network.target, base->next);
    offpolicy_bootstrap(base, &value);
}

/* The slopes at all actions of a transition, to its agents' rows of the actor's output. */
static void spread_slopes(struct maddpg *maddpg)
{
    size_t agents = maddpg->agents, choice = maddpg->choice;
    struct matrix d = maddpg->pass.dy[MLP_LAYERS - 1], slope = maddpg->slope;
    for (size_t i = 0; i < maddpg->base.config.batch; i++)
        for (size_t n = 0; n < agents; n++)
            memcpy(d.at + (i * agents + n) * d.stride, slope.at + i * slope.stride + n * choice,
                   choice * sizeof(float));
}

/* One step up the mean of Q(o, mu(o_1), ..., mu(o_N)); returns minus that mean, as it was before. */
static float improve_actor(struct maddpg *maddpg)
{
    struct offpolicy *base = &maddpg->base;
    const struct offpolicy_config *config = &base->config;
    struct network_pace pace = {base->updates + 1, config->actor_rate, config->soft_update};
    fill_actions(maddpg, maddpg->actor.params, base->now);
    struct mlp_wanted actions = {
        .first = config->state_size, .count = config->action_size, .dx = maddpg->slope};
    float loss = critic_slopes(&maddpg->critic, base->now, &actions);
    spread_slopes(maddpg);
    struct mlp_wanted wanted = {.grads = maddpg->actor.grads};
    mlp_backward(&maddpg->actor.mlp, maddpg->actor.params, &maddpg->pass, &wanted);
    network_step(&maddpg->actor, &pace);
    return loss;
}

static void update(struct offpolicy *learner, struct offpolicy_losses *ret_losses)
{
    struct maddpg *maddpg = (struct maddpg *) learner;
    const struct offpolicy_config *config = &learner->config;
    struct network_pace pace = {learner->updates + 1, config->critic_rate, config->soft_update};
    if (config->discount > 0.0f)
        add_bootstrap(maddpg);
    ret_losses->critic = critic_improve(&maddpg->critic, learner->now, learner->reward, &pace);
    ret_losses->actor = improve_actor(maddpg);
}

static void describe(struct offpolicy *learner, struct checkpoint *checkpoint)
{
    struct maddpg *maddpg = (struct maddpg *) learner;
    offpolicy_describe_sizes(learner, checkpoint);
    checkpoint_size(checkpoint, "agents", maddpg->agents);
    checkpoint_size(checkpoint, "actor's hidden 1", maddpg->actor.mlp.layers[0].out);
    checkpoint_size(checkpoint, "actor's hidden 2", maddpg->actor.mlp.layers[1].out);
    offpolicy_describe_actor(learner, &maddpg->actor, checkpoint);
    critic_describe(&maddpg->critic, checkpoint);
}

static const struct offpolicy_kind kind = {
    .finish = finish, .act = act, .update = update, .describe = describe, .magic = "HMAD"};

static int actor_init(struct maddpg *maddpg, const struct maddpg_config *config)
{
    const struct offpolicy_config *common = &config->common;
    const size_t sizes[] = {maddpg->observation, config->actor_hidden_1, config->actor_hidden_2,
                            maddpg->choice};
    int code = network_init(&maddpg->actor, sizes, MLP_TANH);
    if (code == 0)
        code = mlp_pass_init(&maddpg->pass, &maddpg->actor.mlp, common->batch * config->agents);
    if (code == 0)
        network_draw(&maddpg->actor, common->seed, OFFPOLICY_ACTOR, common->final_init);
    return code;
}

static int batch_init(struct maddpg *maddpg, const struct offpolicy_config *config)
{
    size_t rows = config->batch * maddpg->agents;
    size_t own = offpolicy_stride(maddpg->observation), slopes = offpolicy_stride(config->action_size);
    float *block = offpolicy_block(rows * own + config->batch * slopes);
    if (block == NULL)
        return -ENOMEM;
    maddpg->observations = (struct matrix){block, own};
    maddpg->slope = (struct matrix){block + rows * own, slopes};
    return 0;
}

int maddpg_create(struct offpolicy **ret_learner, const struct maddpg_config *config)
{
    struct offpolicy *learner = NULL;
    int code = maddpg_config_check(config, NULL);
    if (code == 0)
        code = offpolicy_create(&learner, sizeof(struct maddpg), &kind, &config->common);
    if (code < 0)
        return code;
    struct maddpg *maddpg = (struct maddpg *) learner;
    maddpg->agents = config->agents;
    maddpg->observation = config->common.state_size / config->agents;
    maddpg->choice = config->common.action_size / config->agents;
    code = actor_init(maddpg, config);
    if (code == 0)
        code = critic_init(&maddpg->critic, &config->common, OFFPOLICY_CRITIC);
    if (code == 0)
        code = batch_init(maddpg, &config->common);
    if (code < 0) {
        offpolicy_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}
