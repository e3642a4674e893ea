#include "core/rl/offpolicy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/rl/config_check.h"
#include "core/rl/offpolicy_internal.h"

#define LINE_BYTES 64u
#define LINE_FLOATS (LINE_BYTES / sizeof(float))

size_t offpolicy_stride(size_t columns)
{
    return (columns + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

float *offpolicy_block(size_t floats)
{
    return aligned_alloc(LINE_BYTES, offpolicy_stride(floats) * sizeof(float));
}

int offpolicy_config_check(const struct offpolicy_config *config, struct diag *diag)
{
    const struct config_check_size sizes[] = {
        {"state", config->state_size, 1, MLP_SIZE_MAX - 1},
        {"action", config->action_size, 1, MLP_SIZE_MAX - config->state_size},
        {"first hidden layer", config->hidden_1, 1, MLP_SIZE_MAX},
        {"second hidden layer", config->hidden_2, 1, MLP_SIZE_MAX},
        {"mini-batch", config->batch, 1, MLP_SIZE_MAX},
        {"buffer", config->buffer, config->batch, UINT32_MAX},
        {"warm-up", config->warmup, 0, config->buffer},
    };
    const struct config_check_number numbers[] = {
        {"discount", config->discount, CONFIG_SHARE},
        {"soft update", config->soft_update, CONFIG_SHARE},
        {"actor's rate", config->actor_rate, CONFIG_AMOUNT},
        {"critic's rate", config->critic_rate, CONFIG_AMOUNT},
        {"final init", config->final_init, CONFIG_AMOUNT},
    };
    int code = config_check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]), diag);
    return code != 0 ? code : config_check_numbers(numbers, sizeof(numbers) / sizeof(numbers[0]), diag);
}

static int batch_init(struct offpolicy *learner)
{
    size_t batch = learner->config.batch;
    size_t stride = offpolicy_stride(learner->config.state_size + learner->config.action_size);
    size_t vector = offpolicy_stride(batch);
    float *block = offpolicy_block(2 * (batch * stride + vector));
    if (block == NULL)
        return -ENOMEM;
    learner->block = block;
    learner->now = (struct matrix){block, stride};
    learner->next = (struct matrix){block + batch * stride, stride};
    learner->reward = block + 2 * batch * stride;
    learner->terminal = learner->reward + vector;
    return 0;
}

int offpolicy_create(struct offpolicy **ret_learner, size_t size, const struct offpolicy_kind *kind,
                     const struct offpolicy_config *config)
{
    assert(size >= sizeof(struct offpolicy));
    assert(kind->finish != NULL && kind->act != NULL && kind->update != NULL && kind->describe != NULL);
    int code = offpolicy_config_check(config, NULL);
    if (code < 0)
        return code;
    struct offpolicy *learner = calloc(1, size);
    if (learner == NULL)
        return -ENOMEM;
    learner->kind = kind;
    learner->config = *config;
    code = batch_init(learner);
    if (code == 0)
        code = replay_init(&learner->replay, config->buffer, config->state_size, config->action_size);
    if (code < 0) {
        offpolicy_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}

void offpolicy_destroy(struct offpolicy *learner)
{
    if (learner == NULL)
        return;
    learner->kind->finish(learner);
    replay_finish(&learner->replay);
    free(learner->block);
    free(learner);
}

void offpolicy_act(struct offpolicy *learner, const float *state, float *ret_action)
{
    learner->kind->act(learner, state, ret_action);
}

bool offpolicy_explores(const struct offpolicy *learner)
{
    return learner->kind->sample != NULL;
}

void offpolicy_sample(struct offpolicy *learner, const float *state, const float *normal, float *ret_action)
{
    assert(offpolicy_explores(learner));
    learner->kind->sample(learner, state, normal, ret_action);
}

void offpolicy_push(struct offpolicy *learner, const struct transition *transition)
{
    replay_push(&learner->replay, transition);
}

bool offpolicy_is_warm(const struct offpolicy *learner)
{
    return learner->replay.count >= learner->config.batch && learner->replay.count >= learner->config.warmup;
}

bool offpolicy_update(struct offpolicy *learner, struct offpolicy_losses *ret_losses)
{
    if (!offpolicy_is_warm(learner))
        return false;
    struct replay_batch batch = {
        .size = learner->config.batch,
        .stride = learner->now.stride,
        .state_action = learner->now.at,
        .next_state = learner->next.at,
        .reward = learner->reward,
        .terminal = learner->terminal,
    };
    replay_sample(&learner->replay, learner->config.seed, learner->updates, &batch);
    struct offpolicy_losses losses = {0.0f, 0.0f};
    learner->kind->update(learner, &losses);
    learner->updates++;
    if (ret_losses != NULL)
        *ret_losses = losses;
    return true;
}

uint64_t offpolicy_updates(const struct offpolicy *learner)
{
    return learner->updates;
}

struct replay *offpolicy_replay(struct offpolicy *learner)
{
    return &learner->replay;
}

static void describe(struct offpolicy *learner, struct checkpoint *ret_checkpoint)
{
    checkpoint_begin(ret_checkpoint, learner->kind->magic, &learner->replay);
    learner->kind->describe(learner, ret_checkpoint);
}

int offpolicy_save(const struct offpolicy *learner, uint32_t sections, struct buf *bytes)
{
    struct checkpoint checkpoint;
    describe((struct offpolicy *) learner, &checkpoint); /* saving only reads what it borrows */
    return checkpoint_save(&checkpoint, sections, bytes);
}

int offpolicy_load(struct offpolicy *learner, const void *bytes, size_t size, struct diag *diag)
{
    struct checkpoint checkpoint;
    describe(learner, &checkpoint);
    return checkpoint_load(&checkpoint, bytes, size, diag);
}

/* ---- for the algorithms ---- */

void offpolicy_bootstrap(struct offpolicy *learner, const struct matrix *value)
{
    for (size_t i = 0; i < learner->config.batch; i++)
        if (learner->terminal[i] < 0.5f)
            learner->reward[i] += learner->config.discount * value->at[i * value->stride];
}

void offpolicy_normals(const struct offpolicy *learner, uint32_t which, float *ret_normal)
{
    size_t size = learner->config.batch * learner->config.action_size;
    struct rng_at at = {
        .seed = learner->config.seed,
        .phase = RNG_TRAIN,
        .stream = RNG_UPDATE,
        .entity = which,
        .episode = (uint32_t) (learner->updates >> 32),
        .slot = (uint32_t) learner->updates,
    };
    for (size_t i = 0; i < size; i += 4) {
        struct rng_block block = rng_block(&at, (uint32_t) (i / 4));
        double normal[4];
        rng_normal_pair(block.v[0], block.v[1], normal);
        rng_normal_pair(block.v[2], block.v[3], normal + 2);
        for (size_t j = 0; j < 4 && i + j < size; j++)
            ret_normal[i + j] = (float) normal[j];
    }
}

void offpolicy_describe_sizes(const struct offpolicy *learner, struct checkpoint *checkpoint)
{
    checkpoint_size(checkpoint, "state", learner->config.state_size);
    checkpoint_size(checkpoint, "action", learner->config.action_size);
    checkpoint_size(checkpoint, "hidden 1", learner->config.hidden_1);
    checkpoint_size(checkpoint, "hidden 2", learner->config.hidden_2);
}

void offpolicy_describe_actor(struct offpolicy *learner, struct network *actor, struct checkpoint *checkpoint)
{
    checkpoint_weights(checkpoint, CHECKPOINT_ACTOR, actor);
    checkpoint_count(checkpoint, CHECKPOINT_LEARNER, &learner->updates);
    checkpoint_target(checkpoint, CHECKPOINT_LEARNER, actor);
    checkpoint_moments(checkpoint, CHECKPOINT_LEARNER, actor);
}
