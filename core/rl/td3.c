#include "core/rl/td3.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/rl/td3_internal.h"

/* The entity of RNG_UPDATE. */
#define NORMALS_OF_TARGET 0u

int td3_config_check(const struct td3_config *config, struct diag *diag)
{
    if (config->delay < 1)
        return diag_fail(diag, ERR_RANGE, "learner's policy delay is 0, allowed is 1 or more");
    if (!(config->target_noise >= 0.0f && isfinite(config->target_noise)))
        return diag_fail(diag, ERR_RANGE, "learner's target noise is %g, allowed is 0 or more",
                         (double) config->target_noise);
    if (!(config->noise_clip >= 0.0f && isfinite(config->noise_clip)))
        return diag_fail(diag, ERR_RANGE, "learner's noise clip is %g, allowed is 0 or more",
                         (double) config->noise_clip);
    return offpolicy_config_check(&config->common, diag);
}

static void finish(struct offpolicy *learner)
{
    struct td3 *td3 = (struct td3 *) learner;
    free(td3->normal);
    critic_finish(&td3->critic[1]);
    critic_finish(&td3->critic[0]);
    actor_finish(&td3->actor);
}

static void act(struct offpolicy *learner, const float *state, float *ret_action)
{
    actor_act(&((struct td3 *) learner)->actor, state, ret_action);
}

static float clip(float value, float bound)
{
    return value < -bound ? -bound : value > bound ? bound : value;
}

/* mu'(s') + clip(N(0, sigma~), -c, c), clipped to what is an action, into each row of the next states. */
static void fill_target_actions(struct td3 *td3)
{
    struct offpolicy *base = &td3->base;
    size_t actions = base->config.action_size;
    actor_fill(&td3->actor, td3->actor.network.target, base->next);
    offpolicy_normals(base, NORMALS_OF_TARGET, td3->normal);
    for (size_t i = 0; i < base->config.batch; i++) {
        float *action = base->next.at + i * base->next.stride + base->config.state_size;
        const float *normal = td3->normal + i * actions;
        for (size_t j = 0; j < actions; j++)
            action[j] = clip(action[j] + clip(td3->target_noise * normal[j], td3->noise_clip), 1.0f);
    }
}

/* r + discount * min_k Q_k'(s', that action). */
static void add_bootstrap(struct td3 *td3)
{
    struct offpolicy *base = &td3->base;
    fill_target_actions(td3);
    struct matrix value = critic_values(&td3->critic[0], td3->critic[0].network.target, base->next);
    struct matrix other = critic_values(&td3->critic[1], td3->critic[1].network.target, base->next);
    for (size_t i = 0; i < base->config.batch; i++) {
        float one = value.at[i * value.stride], two = other.at[i * other.stride];
        value.at[i * value.stride] = one < two ? one : two;
    }
    offpolicy_bootstrap(base, &value);
}

static void update(struct offpolicy *learner, struct offpolicy_losses *ret_losses)
{
    struct td3 *td3 = (struct td3 *) learner;
    const struct offpolicy_config *config = &learner->config;
    assert(td3->delay >= 1);
    uint64_t step = learner->updates + 1;
    bool is_actors_turn = step % td3->delay == 0;
    struct network_pace pace = {step, config->critic_rate, is_actors_turn ? config->soft_update : 0.0f};
    if (config->discount > 0.0f)
        add_bootstrap(td3);
    for (size_t k = 0; k < 2; k++)
        ret_losses->critic += critic_improve(&td3->critic[k], learner->now, learner->reward, &pace);
    if (!is_actors_turn)
        return;
    struct network_pace actor_pace = {step / td3->delay, config->actor_rate, config->soft_update};
    ret_losses->actor = actor_improve(&td3->actor, &td3->critic[0], learner->now, &actor_pace);
}

static void describe(struct offpolicy *learner, struct checkpoint *checkpoint)
{
    struct td3 *td3 = (struct td3 *) learner;
    offpolicy_describe_sizes(learner, checkpoint);
    offpolicy_describe_actor(learner, &td3->actor.network, checkpoint);
    for (size_t k = 0; k < 2; k++)
        critic_describe(&td3->critic[k], checkpoint);
}

static const struct offpolicy_kind kind = {
    .finish = finish, .act = act, .update = update, .describe = describe, .magic = "HTD3"};

static int networks_init(struct td3 *td3, const struct offpolicy_config *config)
{
    int code = actor_init(&td3->actor, config);
    if (code == 0)
        code = critic_init(&td3->critic[0], config, OFFPOLICY_CRITIC);
    if (code == 0)
        code = critic_init(&td3->critic[1], config, OFFPOLICY_SECOND_CRITIC);
    td3->normal = offpolicy_block(config->batch * config->action_size);
    return code == 0 && td3->normal == NULL ? -ENOMEM : code;
}

int td3_create(struct offpolicy **ret_learner, const struct td3_config *config)
{
    struct offpolicy *learner = NULL;
    int code = td3_config_check(config, NULL);
    if (code == 0)
        code = offpolicy_create(&learner, sizeof(struct td3), &kind, &config->common);
    if (code < 0)
        return code;
    struct td3 *td3 = (struct td3 *) learner;
    td3->delay = config->delay;
    td3->target_noise = config->target_noise;
    td3->noise_clip = config->noise_clip;
    code = networks_init(td3, &config->common);
    if (code < 0) {
        offpolicy_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}
