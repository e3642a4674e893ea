/* MADDPG with shared parameters: one actor decides for each device by env_device_state alone; while training,
 * one critic sees what all devices see and do. */
#include "core/rl/maddpg.h"

#include "orchestrator/policy/learned/continuous_learner.h"

static size_t state_size(const struct world *world)
{
    return world->devices * env_device_state_size(world);
}

static void observe(const struct env_view *view, float *ret_state)
{
    size_t size = env_device_state_size(view->world);
    for (uint32_t n = 0; n < view->world->devices; n++)
        env_device_state(view, n, ret_state + n * size);
}

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    struct maddpg_config own = {
        .common = *config,
        .agents = policy->world->devices,
        .actor_hidden_1 = settings->maddpg.hidden_1,
        .actor_hidden_2 = settings->maddpg.hidden_2,
    };
    own.common.discount = (float) settings->maddpg.discount;
    int rc = maddpg_config_check(&own, diag);
    return rc != 0 ? rc : maddpg_create(ret_learner, &own);
}

static const struct continuous_learner_kind kind = {
    .magic = "MADD", .state_size = state_size, .observe = observe, .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_learner_create(policy, &kind, diag);
}

const struct policy_kind policy_maddpg = {
    .name = "maddpg",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "multi-agent DDPG: one shared actor on each device's own view",
    .source = "Lowe et al., arXiv 1706.02275, with shared parameters",
    .settings = &learned_settings_part,
    .create = create,
    .destroy = continuous_learner_destroy,
    .decide = continuous_learner_decide,
    .learn = continuous_learner_learn,
    .update = continuous_learner_update,
    .updates = continuous_learner_updates,
    .first_update = continuous_learner_first_update,
    .save = continuous_learner_save,
    .load = continuous_learner_load,
    .gather = continuous_learner_gather,
    .recall = continuous_learner_recall,
    .resume = continuous_learner_resume,
};
