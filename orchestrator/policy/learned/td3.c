/* TD3 on the state vector of env_state. */
#include "core/rl/td3.h"

#include "orchestrator/policy/learned/continuous_learner.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    struct td3_config own = {
        .common = *config,
        .delay = settings->td3.delay,
        .target_noise = (float) settings->td3.target_noise,
        .noise_clip = (float) settings->td3.noise_clip,
    };
    own.common.discount = (float) settings->td3.discount;
    int rc = td3_config_check(&own, diag);
    return rc != 0 ? rc : td3_create(ret_learner, &own);
}

static const struct continuous_learner_kind kind = {.magic = "TD3 ", .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_learner_create(policy, &kind, diag);
}

const struct policy_kind policy_td3 = {
    .name = "td3",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "TD3: DDPG with twin critics, delayed actor and target noise",
    .source = "Fujimoto et al., arXiv 1802.09477",
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
