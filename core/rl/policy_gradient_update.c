/* Updates of policy_gradient.h: values and advantages of a full rollout, then epochs of mini-batches. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/rl/gaussian.h"
#include "core/base/elementary.h"
#include "core/rl/norm.h"
#include "core/rl/policy_gradient_internal.h"

#define STANDARD_EPSILON 1e-8f /* keeps equal advantages at 0 */

/* Ratios further from 1 are taken as this far: exp of it is finite, and so stays the gradient, whose length
 * `norm` bounds. */
#define LOG_RATIO_MAX 20.0f

/* The value's network says (1 - discount) V, what V would be as a single reward: a network starts near 0, and
 * V itself may be hundreds of steps of Adam away. */
static float value_unit(const struct policy_gradient *learner)
{
    assert(learner->config.discount < 1.0f);
    return 1.0f - learner->config.discount;
}

/* V at each of these states, one for each transition, a mini-batch at a time. */
static void fill_values(struct policy_gradient *learner, struct view states, float *ret_value)
{
    struct mlp_pass *pass = &learner->critic_pass;
    size_t batch = learner->config.batch, count = rollout_count(&learner->rollout);
    for (size_t first = 0; first < count; first += batch) {
        size_t left = count - first;
        pass->rows = left < batch ? left : batch;
        pass->x = (struct view){states.at + first * states.stride, states.stride};
        mlp_forward(&learner->critic.mlp, learner->critic.params, pass);
        struct matrix value = pass->y[MLP_LAYERS - 1];
        for (size_t i = 0; i < pass->rows; i++)
            ret_value[first + i] = value.at[i * value.stride] / value_unit(learner);
    }
}

/* Fisher and Yates' shuffle. */
static void shuffle(struct policy_gradient *learner)
{
    struct rng_at at = {
        .seed = learner->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_SAMPLING,
        .episode = (uint32_t) (learner->epochs >> 32),
        .slot = (uint32_t) learner->epochs,
    };
    uint32_t count = (uint32_t) rollout_count(&learner->rollout), *order = learner->order;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = rng_below(&at, i, i), kept = order[j];
        order[j] = order[i - 1];
        order[i - 1] = kept;
    }
}

/* The transitions of one step, in the epoch's order. */
struct batch {
    const uint32_t *row; /* [size]: numbers in the rollout */
    size_t size;
};

static void standardise(size_t size, float *values)
{
    float sum = 0.0f, squares = 0.0f;
    for (size_t i = 0; i < size; i++)
        sum += values[i];
    float mean = sum / (float) size;
    for (size_t i = 0; i < size; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    float scale = 1.0f / (sqrtf(squares / (float) size) + STANDARD_EPSILON);
    for (size_t i = 0; i < size; i++)
        values[i] = (values[i] - mean) * scale;
}

static void take_batch(struct policy_gradient *learner, const struct batch *batch)
{
    const struct rollout *rollout = &learner->rollout;
    assert(batch->size >= 1 && batch->size <= learner->config.batch);
    struct matrix state = learner->state;
    struct view from = rollout_states(rollout);
    for (size_t i = 0; i < batch->size; i++) {
        memcpy(state.at + i * state.stride, from.at + batch->row[i] * from.stride,
               rollout->sizes.state * sizeof(float));
        learner->advantage[i] = rollout->advantage[batch->row[i]];
    }
    if (learner->config.standardise && batch->size > 1)
        standardise(batch->size, learner->advantage);
    learner->actor_pass.x = dense_view(state);
    learner->critic_pass.x = dense_view(state);
    learner->actor_pass.rows = batch->size;
    learner->critic_pass.rows = batch->size;
}

/* One transition's part of the objective's negative, and its derivative by the action's log-probability. */
struct share {
    float loss, by_log_probability;
};

static struct share plain_share(float log_probability, float advantage)
{
    return (struct share){-advantage * log_probability, -advantage};
}

/* -min(ratio A, clip(ratio) A): flat where the clipped side is the smaller one. */
static struct share clipped_share(float log_probability, float before, float advantage, float clip)
{
    float difference = log_probability - before;
    difference = fminf(fmaxf(difference, -LOG_RATIO_MAX), LOG_RATIO_MAX);
    float ratio = elementary_expf(difference), bounded = fminf(fmaxf(ratio, 1.0f - clip), 1.0f + clip);
    if (bounded * advantage < ratio * advantage)
        return (struct share){-bounded * advantage, 0.0f};
    return (struct share){-ratio * advantage, -ratio * advantage};
}

static struct share share_of(const struct policy_gradient *learner, float log_probability, size_t row,
                             float advantage)
{
    if (learner->config.objective == OBJECTIVE_PLAIN)
        return plain_share(log_probability, advantage);
    return clipped_share(log_probability, rollout_log_probability(&learner->rollout, row), advantage,
                         learner->config.clip);
}

/* One transition of categorical heads: puts the loss's gradient at its logits. */
static void judge_classes(struct policy_gradient *learner, const struct batch *batch, size_t i,
                          struct policy_gradient_losses *losses)
{
    const struct categorical *heads = &learner->heads;
    size_t row = batch->row[i];
    struct matrix y = learner->actor_pass.y[MLP_LAYERS - 1], d = learner->actor_pass.dy[MLP_LAYERS - 1];
    float *logits = y.at + i * y.stride, *probability = d.at + i * d.stride;
    const float *action = rollout_action(&learner->rollout, row);
    rollout_allowed(&learner->rollout, row, learner->allowed);
    float log_probability =
        categorical_evaluate(heads, logits, learner->allowed, action, probability, learner->entropy);
    struct share share = share_of(learner, log_probability, row, learner->advantage[i]);
    for (size_t h = 0; h < heads->heads; h++)
        losses->entropy += learner->entropy[h];
    losses->policy += share.loss;
    float scale = 1.0f / (float) batch->size;
    categorical_gradient(heads, logits, learner->entropy, action, share.by_log_probability * scale,
                         -learner->config.entropy * scale, probability);
}

/* The same of reals: their deviations' gradient is added up behind the network's. */
static void judge_reals(struct policy_gradient *learner, const struct batch *batch, size_t i,
                        struct policy_gradient_losses *losses)
{
    size_t row = batch->row[i], size = learner->action_size;
    struct matrix y = learner->actor_pass.y[MLP_LAYERS - 1], d = learner->actor_pass.dy[MLP_LAYERS - 1];
    const float *mean = y.at + i * y.stride, *log_sigma = policy_gradient_log_sigma(learner);
    const float *action = rollout_action(&learner->rollout, row);
    float log_probability = gaussian_log_probability(size, mean, log_sigma, action);
    struct share share = share_of(learner, log_probability, row, learner->advantage[i]);
    losses->policy += share.loss;
    losses->entropy += gaussian_entropy(size, log_sigma);
    float scale = 1.0f / (float) batch->size;
    gaussian_gradient(size, mean, log_sigma, action, share.by_log_probability * scale,
                      -learner->config.entropy * scale, d.at + i * d.stride,
                      learner->actor.grads + learner->actor.mlp.params);
}

static void step(struct policy_gradient *learner, struct network *network)
{
    struct network_pace pace = {.step = learner->steps + 1, .rate = learner->config.rate};
    norm_bound(network->size, network->grads, learner->config.norm);
    network_step(network, &pace);
}

static void improve_actor(struct policy_gradient *learner, const struct batch *batch,
                          struct policy_gradient_losses *losses)
{
    struct network *actor = &learner->actor;
    mlp_forward(&actor->mlp, actor->params, &learner->actor_pass);
    memset(actor->grads + actor->mlp.params, 0, (actor->size - actor->mlp.params) * sizeof(float));
    for (size_t i = 0; i < batch->size; i++) {
        if (learner->config.heads > 0)
            judge_classes(learner, batch, i, losses);
        else
            judge_reals(learner, batch, i, losses);
    }
    struct mlp_wanted wanted = {.grads = actor->grads};
    mlp_backward(&actor->mlp, actor->params, &learner->actor_pass, &wanted);
    step(learner, actor);
}

/* Down the mean squared error to the advantage's returns. */
static void improve_critic(struct policy_gradient *learner, const struct batch *batch,
                           struct policy_gradient_losses *losses)
{
    struct network *critic = &learner->critic;
    struct mlp_pass *pass = &learner->critic_pass;
    mlp_forward(&critic->mlp, critic->params, pass);
    struct matrix value = pass->y[MLP_LAYERS - 1], d = pass->dy[MLP_LAYERS - 1];
    float scale = 2.0f / (float) batch->size;
    for (size_t i = 0; i < batch->size; i++) {
        float error =
            value.at[i * value.stride] - value_unit(learner) * learner->rollout.wanted[batch->row[i]];
        losses->value += error * error;
        d.at[i * d.stride] = scale * error;
    }
    struct mlp_wanted wanted = {.grads = critic->grads};
    mlp_backward(&critic->mlp, critic->params, pass, &wanted);
    step(learner, critic);
}

/* Every transition once; returns the sums of what they lost. */
static struct policy_gradient_losses run_epoch(struct policy_gradient *learner)
{
    struct policy_gradient_losses losses = {0};
    size_t count = rollout_count(&learner->rollout);
    shuffle(learner);
    for (size_t first = 0; first < count; first += learner->config.batch) {
        size_t left = count - first;
        struct batch batch = {learner->order + first,
                              left < learner->config.batch ? left : learner->config.batch};
        take_batch(learner, &batch);
        improve_actor(learner, &batch, &losses);
        improve_critic(learner, &batch, &losses);
        learner->steps++;
    }
    learner->epochs++;
    return losses;
}

bool policy_gradient_update(struct policy_gradient *learner, struct policy_gradient_losses *ret_losses)
{
    struct rollout *rollout = &learner->rollout;
    if (!policy_gradient_is_full(learner))
        return false;
    fill_values(learner, rollout_states(rollout), rollout->value);
    fill_values(learner, rollout_next_states(rollout), rollout->next_value);
    rollout_judge(rollout, learner->config.discount, learner->config.trace);
    struct policy_gradient_losses losses = {0};
    for (size_t epoch = 0; epoch < learner->config.epochs; epoch++)
        losses = run_epoch(learner);
    if (ret_losses != NULL) {
        float count = (float) rollout_count(rollout);
        *ret_losses = (struct policy_gradient_losses){losses.policy / count, losses.value / count,
                                                      losses.entropy / count};
    }
    rollout_clear(rollout);
    learner->updates++;
    return true;
}
