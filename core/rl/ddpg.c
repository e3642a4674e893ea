#include "core/rl/ddpg.h"

#include "core/rl/ddpg_internal.h"

static void finish(struct offpolicy *learner)
{
    struct ddpg *ddpg = (struct ddpg *) learner;
    critic_finish(&ddpg->critic);
    actor_finish(&ddpg->actor);
}

static void act(struct offpolicy *learner, const float *state, float *ret_action)
{
    actor_act(&((struct ddpg *) learner)->actor, state, ret_action);
}

/* r + discount * Q'(s', mu'(s')). */
static void add_bootstrap(struct ddpg *ddpg)
{
    struct offpolicy *base = &ddpg->base;
    actor_fill(&ddpg->actor, ddpg->actor.network.target, base->next);
    struct matrix value = critic_values(&ddpg->critic, ddpg->critic.network.target, base->next);
    offpolicy_bootstrap(base, &value);
}

static void update(struct offpolicy *learner, struct offpolicy_losses *ret_losses)
{
    struct ddpg *ddpg = (struct ddpg *) learner;
    const struct offpolicy_config *config = &learner->config;
    struct network_pace critic_pace = {learner->updates + 1, config->critic_rate, config->soft_update};
    struct network_pace actor_pace = {learner->updates + 1, config->actor_rate, config->soft_update};
    if (config->discount > 0.0f)
        add_bootstrap(ddpg);
    ret_losses->critic = critic_improve(&ddpg->critic, learner->now, learner->reward, &critic_pace);
    ret_losses->actor = actor_improve(&ddpg->actor, &ddpg->critic, learner->now, &actor_pace);
}

static void describe(struct offpolicy *learner, struct checkpoint *checkpoint)
{
    struct ddpg *ddpg = (struct ddpg *) learner;
    offpolicy_describe_sizes(learner, checkpoint);
    offpolicy_describe_actor(learner, &ddpg->actor.network, checkpoint);
    critic_describe(&ddpg->critic, checkpoint);
}

static const struct offpolicy_kind kind = {
    .finish = finish, .act = act, .update = update, .describe = describe, .magic = "HDDP"};

int ddpg_create(struct offpolicy **ret_learner, const struct offpolicy_config *config)
{
    struct offpolicy *learner = NULL;
    int code = offpolicy_create(&learner, sizeof(struct ddpg), &kind, config);
    if (code < 0)
        return code;
    struct ddpg *ddpg = (struct ddpg *) learner;
    code = actor_init(&ddpg->actor, config);
    if (code == 0)
        code = critic_init(&ddpg->critic, config, OFFPOLICY_CRITIC);
    if (code < 0) {
        offpolicy_destroy(learner);
        return code;
    }
    *ret_learner = learner;
    return 0;
}
