#include "core/rl/policy_gradient.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/elementary.h"
#include "core/base/err.h"
#include "core/rl/checkpoint.h"
#include "core/rl/config_check.h"
#include "core/rl/gaussian.h"
#include "core/rl/policy_gradient_internal.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))

/* Whose initial weights a draw is for: the entity of RNG_WEIGHTS. */
enum weights_of { WEIGHTS_OF_ACTOR = 0, WEIGHTS_OF_CRITIC = 1 };

static size_t whole_lines(size_t floats)
{
    return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

int policy_gradient_config_check(const struct policy_gradient_config *config, struct diag *diag)
{
    const struct config_check_size sizes[] = {
        {"state", config->state_size, 1, MLP_SIZE_MAX},
        {"number of heads", config->heads, 0, MLP_SIZE_MAX},
        {"action", config->heads > 0 ? 1 : config->action_size, 1, MLP_SIZE_MAX},
        {"first hidden layer", config->hidden_1, 1, MLP_SIZE_MAX},
        {"second hidden layer", config->hidden_2, 1, MLP_SIZE_MAX},
        {"rollout", config->rollout, 1, UINT32_MAX},
        {"mini-batch", config->batch, 1, config->rollout < MLP_SIZE_MAX ? config->rollout : MLP_SIZE_MAX},
        {"number of epochs", config->epochs, 1, UINT32_MAX},
    };
    const struct config_check_number numbers[] = {
        {"discount", config->discount, CONFIG_DISCOUNT}, /* the value's network says (1 - discount) V */
        {"trace", config->trace, CONFIG_SHARE},
        {"rate", config->rate, CONFIG_AMOUNT},
        {"clip", config->clip, CONFIG_SHARE},
        {"entropy's weight", config->entropy, CONFIG_AMOUNT},
        {"gradient's bound", config->norm, CONFIG_AMOUNT},
        {"first deviation", config->heads > 0 ? 1.0f : config->sigma, CONFIG_POSITIVE},
        {"final init", config->final_init, CONFIG_AMOUNT},
    };
    int code = config_check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]), diag);
    return code != 0 ? code : config_check_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]), diag);
}

static int networks_init(struct policy_gradient *learner)
{
    const struct policy_gradient_config *config = &learner->config;
    bool reals = config->heads == 0;
    size_t outputs = reals ? config->action_size : learner->heads.logits;
    const size_t actor[] = {config->state_size, config->hidden_1, config->hidden_2, outputs};
    const size_t critic[] = {config->state_size, config->hidden_1, config->hidden_2, 1};
    int code = network_init_alone(&learner->actor, actor, MLP_LINEAR, reals ? outputs : 0);
    if (code == 0)
        code = network_init_alone(&learner->critic, critic, MLP_LINEAR, 0);
    if (code < 0)
        return code;
    learner->actor.mlp.hidden = learner->critic.mlp.hidden = config->smooth ? MLP_SMOOTH : MLP_RELU;
    network_draw(&learner->actor, config->seed, WEIGHTS_OF_ACTOR, config->final_init);
    network_draw(&learner->critic, config->seed, WEIGHTS_OF_CRITIC, config->final_init);
    for (size_t i = 0; reals && i < outputs; i++)
        policy_gradient_log_sigma(learner)[i] = elementary_logf(config->sigma);
    return 0;
}

static int work_init(struct policy_gradient *learner)
{
    size_t batch = learner->config.batch, stride = whole_lines(learner->config.state_size);
    size_t heads = whole_lines(learner->heads.heads), rows = whole_lines(batch);
    learner->work = aligned_alloc(LINE_BYTES, (batch * stride + heads + rows) * sizeof(float));
    learner->order = malloc(learner->config.rollout * sizeof(*learner->order));
    learner->allowed = malloc(learner->heads.logits + 1);
    if (learner->work == NULL || learner->order == NULL || learner->allowed == NULL)
        return -ENOMEM;
    learner->state = (struct matrix){learner->work, stride};
    learner->entropy = learner->work + batch * stride;
    learner->advantage = learner->entropy + heads;
    return 0;
}

static int passes_init(struct policy_gradient *learner)
{
    int code = mlp_pass_init(&learner->actor_pass, &learner->actor.mlp, learner->config.batch);
    if (code == 0)
        code = mlp_pass_init(&learner->critic_pass, &learner->critic.mlp, learner->config.batch);
    return code;
}

static int parts_init(struct policy_gradient *learner, const size_t *classes)
{
    const struct policy_gradient_config *config = &learner->config;
    int code = categorical_init(&learner->heads, classes, config->heads);
    if (code < 0)
        return code;
    learner->action_size = config->heads > 0 ? config->heads : config->action_size;
    struct rollout_sizes sizes = {
        .state = config->state_size,
        .action = learner->action_size,
        .allowed = learner->heads.logits,
        .capacity = config->rollout,
    };
    code = networks_init(learner);
    if (code == 0)
        code = work_init(learner);
    if (code == 0)
        code = passes_init(learner);
    return code == 0 ? rollout_init(&learner->rollout, &sizes) : code;
}

int policy_gradient_create(struct policy_gradient **ret_learner, const struct policy_gradient_config *config)
{
    assert(config->heads == 0 || config->classes != NULL);
    int code = policy_gradient_config_check(config, NULL);
    if (code < 0)
        return code;
    struct policy_gradient *learner = calloc(1, sizeof(*learner));
    if (learner == NULL)
        return -ENOMEM;
    learner->config = *config;
    learner->config.classes = NULL;
    code = parts_init(learner, config->classes);
    if (code < 0) {
        policy_gradient_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}

void policy_gradient_destroy(struct policy_gradient *learner)
{
    if (learner == NULL)
        return;
    rollout_finish(&learner->rollout);
    mlp_pass_finish(&learner->critic_pass);
    mlp_pass_finish(&learner->actor_pass);
    free(learner->allowed);
    free(learner->order);
    free(learner->work);
    network_finish(&learner->critic);
    network_finish(&learner->actor);
    categorical_finish(&learner->heads);
    free(learner);
}

/* The actor's output at one state: logits or means. */
static float *outputs_at(struct policy_gradient *learner, const float *state)
{
    struct mlp_pass *pass = &learner->actor_pass;
    pass->rows = 1;
    pass->x = (struct view){state, learner->config.state_size};
    mlp_forward(&learner->actor.mlp, learner->actor.params, pass);
    return pass->y[MLP_LAYERS - 1].at;
}

float policy_gradient_sample(struct policy_gradient *learner, const float *state, const uint8_t *allowed,
                             float *ret_action)
{
    struct rng_at at = {
        .seed = learner->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_EXPLORATION,
        .episode = (uint32_t) (learner->acts >> 32),
        .slot = (uint32_t) learner->acts,
    };
    assert(learner->config.heads == 0 || allowed != NULL);
    float *outputs = outputs_at(learner, state);
    learner->acts++;
    if (learner->config.heads == 0) {
        const float *log_sigma = policy_gradient_log_sigma(learner);
        gaussian_sample(learner->action_size, outputs, log_sigma, &at, ret_action);
        return gaussian_log_probability(learner->action_size, outputs, log_sigma, ret_action);
    }
    float *probability = learner->actor_pass.dy[MLP_LAYERS - 1].at;
    categorical_sample(&learner->heads, outputs, allowed, &at, ret_action);
    return categorical_evaluate(&learner->heads, outputs, allowed, ret_action, probability, learner->entropy);
}

void policy_gradient_mode(struct policy_gradient *learner, const float *state, const uint8_t *allowed,
                          float *ret_action)
{
    const float *outputs = outputs_at(learner, state);
    if (learner->config.heads == 0)
        memcpy(ret_action, outputs, learner->action_size * sizeof(float));
    else
        categorical_mode(&learner->heads, outputs, allowed, ret_action);
}

void policy_gradient_push(struct policy_gradient *learner, const struct rollout_transition *transition)
{
    rollout_push(&learner->rollout, transition);
}

bool policy_gradient_is_full(const struct policy_gradient *learner)
{
    return rollout_is_full(&learner->rollout);
}

uint64_t policy_gradient_updates(const struct policy_gradient *learner)
{
    return learner->updates;
}

/* --- checkpoints --- */

static void describe(struct policy_gradient *learner, struct checkpoint *ret_checkpoint)
{
    const struct policy_gradient_config *config = &learner->config;
    checkpoint_begin(ret_checkpoint, "HDPG", &learner->rollout.replay);
    checkpoint_size(ret_checkpoint, "state", config->state_size);
    checkpoint_size(ret_checkpoint, "heads", config->heads);
    checkpoint_size(ret_checkpoint, "output", learner->actor.mlp.layers[MLP_LAYERS - 1].out);
    checkpoint_size(ret_checkpoint, "hidden 1", config->hidden_1);
    checkpoint_size(ret_checkpoint, "hidden 2", config->hidden_2);
    checkpoint_weights(ret_checkpoint, CHECKPOINT_ACTOR, &learner->actor);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &learner->acts);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &learner->updates);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &learner->epochs);
    checkpoint_count(ret_checkpoint, CHECKPOINT_LEARNER, &learner->steps);
    checkpoint_moments(ret_checkpoint, CHECKPOINT_LEARNER, &learner->actor);
    checkpoint_weights(ret_checkpoint, CHECKPOINT_LEARNER, &learner->critic);
    checkpoint_moments(ret_checkpoint, CHECKPOINT_LEARNER, &learner->critic);
}

int policy_gradient_save(const struct policy_gradient *learner, uint32_t sections, struct buf *bytes)
{
    struct checkpoint checkpoint;
    describe((struct policy_gradient *) learner, &checkpoint); /* saving only reads */
    return checkpoint_save(&checkpoint, sections, bytes);
}

/* Is each class of transition i one that its head has, and allowed where any is? */
static bool classes_are_possible(struct policy_gradient *learner, size_t i)
{
    const struct categorical *heads = &learner->heads;
    const float *action = rollout_action(&learner->rollout, i);
    rollout_allowed(&learner->rollout, i, learner->allowed);
    for (size_t h = 0, first = 0; h < heads->heads; first += heads->classes[h], h++) {
        if (!(action[h] >= 0.0f && action[h] < (float) heads->classes[h] && floorf(action[h]) == action[h]))
            return false;
        bool any = false;
        for (size_t k = 0; k < heads->classes[h]; k++)
            any = any || learner->allowed[first + k] != 0;
        if (any ? learner->allowed[first + (size_t) action[h]] == 0 : action[h] > 0.0f)
            return false;
    }
    return true;
}

static bool rollout_is_possible(struct policy_gradient *learner)
{
    bool possible = rollout_is_sound(&learner->rollout);
    for (size_t i = 0; i < rollout_count(&learner->rollout) && possible; i++)
        possible = classes_are_possible(learner, i);
    return possible;
}

int policy_gradient_load(struct policy_gradient *learner, const void *bytes, size_t size, struct diag *diag)
{
    struct checkpoint checkpoint;
    describe(learner, &checkpoint);
    int code = checkpoint_load(&checkpoint, bytes, size, diag);
    if (code < 0 || rollout_is_possible(learner))
        return code;
    rollout_clear(&learner->rollout);
    return diag_fail(diag, ERR_CORRUPT, "checkpoint's rollout has actions that are not possible");
}
