#include "core/rl/sac.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/rl/adam.h"
#include "core/rl/sac_internal.h"

/* The entities of RNG_UPDATE. */
#define NORMALS_OF_NEXT 0u
#define NORMALS_OF_NOW 1u

#define LOG_2 0.693147181f
#define HALF_LOG_2_PI 0.918938533f

int sac_config_check(const struct sac_config *config, struct diag *diag)
{
    if (!(config->temperature > 0.0f && isfinite(config->temperature)))
        return diag_fail(diag, ERR_RANGE, "learner's temperature is %g, allowed is above 0",
                         (double) config->temperature);
    if (!(config->temperature_rate >= 0.0f && isfinite(config->temperature_rate)))
        return diag_fail(diag, ERR_RANGE, "learner's temperature rate is %g, allowed is 0 or more",
                         (double) config->temperature_rate);
    if (!isfinite(config->target_entropy))
        return diag_fail(diag, ERR_RANGE, "learner's target entropy is %g, allowed is any finite number",
                         (double) config->target_entropy);
    return offpolicy_config_check(&config->common, diag);
}

static void finish(struct offpolicy *learner)
{
    struct sac *sac = (struct sac *) learner;
    free(sac->normal);
    critic_finish(&sac->critic[1]);
    critic_finish(&sac->critic[0]);
    mlp_pass_finish(&sac->pass);
    network_finish(&sac->actor);
}

/* The actor's two heads at a state: mean [action] and, behind it, log deviation [action]. */
static const float *decide(struct sac *sac, const float *state)
{
    sac->pass.rows = 1;
    sac->pass.x = (struct view){state, sac->base.config.state_size};
    mlp_forward(&sac->actor.mlp, sac->actor.params, &sac->pass);
    return sac->pass.y[MLP_LAYERS - 1].at;
}

static float cut_log_deviation(float value)
{
    return fminf(fmaxf(value, SAC_LOG_DEVIATION_MIN), SAC_LOG_DEVIATION_MAX);
}

static void act(struct offpolicy *learner, const float *state, float *ret_action)
{
    size_t actions = learner->config.action_size;
    memcpy(ret_action, decide((struct sac *) learner, state), actions * sizeof(float));
    dense_tanh(1, actions, (struct matrix){ret_action, actions});
}

static void sample(struct offpolicy *learner, const float *state, const float *normal, float *ret_action)
{
    size_t actions = learner->config.action_size;
    const float *mean = decide((struct sac *) learner, state), *log_deviation = mean + actions;
    for (size_t j = 0; j < actions; j++)
        ret_action[j] = mean[j] + elementary_expf(cut_log_deviation(log_deviation[j])) * normal[j];
    dense_tanh(1, actions, (struct matrix){ret_action, actions});
}

/* log(1 - tanh(u)^2), as it stays exact where tanh rounds to 1. */
static float log_squash(float u)
{
    float size = fabsf(u);
    return 2.0f * (LOG_2 - size - elementary_log1pf(elementary_expf(-2.0f * size)));
}

/* One row's u = mean + deviation * normal into `action`; returns log pi of tanh(u) (the paper's appendix
 * C). */
static float draw_row(size_t actions, const float *output, const float *normal, float *spread, float *action)
{
    float log_density = 0.0f;
    for (size_t j = 0; j < actions; j++) {
        float log_deviation = cut_log_deviation(output[actions + j]);
        spread[j] = elementary_expf(log_deviation) * normal[j];
        action[j] = output[j] + spread[j];
        log_density += -0.5f * normal[j] * normal[j] - log_deviation - HALF_LOG_2_PI - log_squash(action[j]);
    }
    return log_density;
}

/* a ~ pi(. | s) at each row's state, written into the same row, with what its gradient needs. */
static void draw_actions(struct sac *sac, uint32_t normals, struct matrix rows)
{
    const struct offpolicy_config *config = &sac->base.config;
    size_t actions = config->action_size;
    struct matrix output = sac->pass.y[MLP_LAYERS - 1];
    struct matrix action = {rows.at + config->state_size, rows.stride};
    assert(rows.stride >= config->state_size + actions);
    sac->pass.rows = config->batch;
    sac->pass.x = dense_view(rows);
    mlp_forward(&sac->actor.mlp, sac->actor.params, &sac->pass);
    offpolicy_normals(&sac->base, normals, sac->normal);
    for (size_t i = 0; i < config->batch; i++)
        sac->log_density[i] = draw_row(actions, output.at + i * output.stride, sac->normal + i * actions,
                                       sac->spread + i * actions, action.at + i * action.stride);
    dense_tanh(config->batch, actions, action);
}

static float temperature(const struct sac *sac)
{
    return elementary_expf(sac->temperature.log);
}

/* r + discount * (min_k Q_k'(s', a') - alpha log pi(a' | s')), a' drawn from the actor as it is. */
static void add_bootstrap(struct sac *sac)
{
    struct offpolicy *base = &sac->base;
    float alpha = temperature(sac);
    draw_actions(sac, NORMALS_OF_NEXT, base->next);
    struct matrix value = critic_values(&sac->critic[0], sac->critic[0].network.target, base->next);
    struct matrix other = critic_values(&sac->critic[1], sac->critic[1].network.target, base->next);
    for (size_t i = 0; i < base->config.batch; i++) {
        float one = value.at[i * value.stride], two = other.at[i * other.stride];
        value.at[i * value.stride] = (one < two ? one : two) - alpha * sac->log_density[i];
    }
    offpolicy_bootstrap(base, &value);
}

/* The gradient at the actions of minus the mean of min_k Q_k(s, a), into `slope`; returns that mean. Only the
 * smaller of a row's two values counts. */
static float fill_slopes(struct sac *sac)
{
    const struct offpolicy_config *config = &sac->base.config;
    struct matrix value[2];
    float sum = 0.0f;
    for (size_t k = 0; k < 2; k++)
        value[k] = critic_values(&sac->critic[k], sac->critic[k].network.params, sac->base.now);
    for (size_t i = 0; i < config->batch; i++) {
        float first = value[0].at[i * value[0].stride], second = value[1].at[i * value[1].stride];
        struct matrix d0 = sac->critic[0].pass.dy[MLP_LAYERS - 1];
        struct matrix d1 = sac->critic[1].pass.dy[MLP_LAYERS - 1];
        sum += first <= second ? first : second;
        d0.at[i * d0.stride] = first <= second ? -1.0f / (float) config->batch : 0.0f;
        d1.at[i * d1.stride] = first <= second ? 0.0f : -1.0f / (float) config->batch;
    }
    for (size_t k = 0; k < 2; k++) {
        struct mlp_wanted action = {
            .first = config->state_size, .count = config->action_size, .dx = sac->slope[k]};
        critic_input_gradient(&sac->critic[k], &action);
    }
    return sum / (float) config->batch;
}

/* From slopes at the actions to the gradient at the actor's output. With u = mean + spread and a = tanh(u),
 * d log pi / du = 2 a, and log pi falls by the log deviation itself. */
static void fill_output_gradient(struct sac *sac)
{
    const struct offpolicy_config *config = &sac->base.config;
    size_t actions = config->action_size;
    struct matrix output = sac->pass.y[MLP_LAYERS - 1], d = sac->pass.dy[MLP_LAYERS - 1];
    float share = temperature(sac) / (float) config->batch;
    for (size_t i = 0; i < config->batch; i++) {
        const float *action = sac->base.now.at + i * sac->base.now.stride + config->state_size;
        const float *log_deviation = output.at + i * output.stride + actions;
        const float *slope = sac->slope[0].at + i * sac->slope[0].stride;
        const float *other = sac->slope[1].at + i * sac->slope[1].stride;
        float *to = d.at + i * d.stride;
        for (size_t j = 0; j < actions; j++) {
            float at_u = (slope[j] + other[j]) * (1.0f - action[j] * action[j]) + share * 2.0f * action[j];
            bool is_cut = cut_log_deviation(log_deviation[j]) != log_deviation[j];
            to[j] = at_u;
            to[actions + j] = is_cut ? 0.0f : at_u * sac->spread[i * actions + j] - share;
        }
    }
}

static float mean_log_density(const struct sac *sac)
{
    float sum = 0.0f;
    for (size_t i = 0; i < sac->base.config.batch; i++)
        sum += sac->log_density[i];
    return sum / (float) sac->base.config.batch;
}

/* One step down the mean of alpha log pi(a | s) - min_k Q_k(s, a); returns that mean, as it was before. */
static float improve_actor(struct sac *sac)
{
    const struct offpolicy_config *config = &sac->base.config;
    struct network_pace pace = {sac->base.updates + 1, config->actor_rate, 0.0f};
    draw_actions(sac, NORMALS_OF_NOW, sac->base.now);
    float value = fill_slopes(sac);
    fill_output_gradient(sac);
    struct mlp_wanted wanted = {.grads = sac->actor.grads};
    mlp_backward(&sac->actor.mlp, sac->actor.params, &sac->pass, &wanted);
    network_step(&sac->actor, &pace);
    return temperature(sac) * mean_log_density(sac) - value;
}

/* One step of log alpha down the mean of -alpha (log pi + target entropy) (equation 18 of the paper). */
static void improve_temperature(struct sac *sac)
{
    struct temperature *own = &sac->temperature;
    float target = sac->target_entropy * (float) sac->base.config.action_size, copy = own->log;
    own->grad = -temperature(sac) * (mean_log_density(sac) + target);
    struct adam_blocks blocks = {&own->log, &copy, &own->first, &own->second, &own->grad, 1};
    adam_step(&blocks, sac->base.updates + 1, sac->temperature_rate, 0.0f);
}

static void update(struct offpolicy *learner, struct offpolicy_losses *ret_losses)
{
    struct sac *sac = (struct sac *) learner;
    const struct offpolicy_config *config = &learner->config;
    struct network_pace pace = {learner->updates + 1, config->critic_rate, config->soft_update};
    if (config->discount > 0.0f)
        add_bootstrap(sac);
    for (size_t k = 0; k < 2; k++)
        ret_losses->critic += critic_improve(&sac->critic[k], learner->now, learner->reward, &pace);
    ret_losses->actor = improve_actor(sac);
    improve_temperature(sac);
}

static void describe(struct offpolicy *learner, struct checkpoint *checkpoint)
{
    struct sac *sac = (struct sac *) learner;
    offpolicy_describe_sizes(learner, checkpoint);
    checkpoint_weights(checkpoint, CHECKPOINT_ACTOR, &sac->actor);
    checkpoint_count(checkpoint, CHECKPOINT_LEARNER, &learner->updates);
    checkpoint_moments(checkpoint, CHECKPOINT_LEARNER, &sac->actor);
    for (size_t k = 0; k < 2; k++)
        critic_describe(&sac->critic[k], checkpoint);
    checkpoint_floats(checkpoint, CHECKPOINT_LEARNER, &sac->temperature.log, 1);
    checkpoint_floats(checkpoint, CHECKPOINT_LEARNER, &sac->temperature.first, 1);
    checkpoint_squares(checkpoint, CHECKPOINT_LEARNER, &sac->temperature.second, 1);
}

static const struct offpolicy_kind kind = {
    .finish = finish,
    .act = act,
    .sample = sample,
    .update = update,
    .describe = describe,
    .magic = "HSAC",
};

static int actor_init(struct sac *sac, const struct offpolicy_config *config)
{
    const size_t sizes[] = {config->state_size, config->hidden_1, config->hidden_2, 2 * config->action_size};
    int code = network_init(&sac->actor, sizes, MLP_LINEAR);
    if (code == 0)
        code = mlp_pass_init(&sac->pass, &sac->actor.mlp, config->batch);
    if (code == 0)
        network_draw(&sac->actor, config->seed, OFFPOLICY_ACTOR, config->final_init);
    return code;
}

static int draws_init(struct sac *sac, const struct offpolicy_config *config)
{
    size_t stride = offpolicy_stride(config->action_size), matrix = config->batch * stride;
    float *block = offpolicy_block(4 * matrix + config->batch);
    if (block == NULL)
        return -ENOMEM;
    sac->normal = block;
    sac->spread = block + matrix;
    for (size_t k = 0; k < 2; k++)
        sac->slope[k] = (struct matrix){block + (2 + k) * matrix, stride};
    sac->log_density = block + 4 * matrix;
    return 0;
}

static int parts_init(struct sac *sac, const struct offpolicy_config *config)
{
    int code = actor_init(sac, config);
    if (code == 0)
        code = critic_init(&sac->critic[0], config, OFFPOLICY_CRITIC);
    if (code == 0)
        code = critic_init(&sac->critic[1], config, OFFPOLICY_SECOND_CRITIC);
    return code == 0 ? draws_init(sac, config) : code;
}

int sac_create(struct offpolicy **ret_learner, const struct sac_config *config)
{
    struct offpolicy *learner = NULL;
    int code = sac_config_check(config, NULL);
    if (code == 0)
        code = offpolicy_create(&learner, sizeof(struct sac), &kind, &config->common);
    if (code < 0)
        return code;
    struct sac *sac = (struct sac *) learner;
    sac->temperature.log = elementary_logf(config->temperature);
    sac->temperature_rate = config->temperature_rate;
    sac->target_entropy = config->target_entropy;
    code = parts_init(sac, &config->common);
    if (code < 0) {
        offpolicy_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}
