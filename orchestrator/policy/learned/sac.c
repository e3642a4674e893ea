/* SAC on the state vector of env_state: draws its actions while training, plays their mean otherwise. */
#include "core/rl/sac.h"

#include "orchestrator/policy/learned/continuous_learner.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    struct sac_config own = {
        .common = *config,
        .temperature = (float) settings->sac.temperature,
        .temperature_rate = (float) settings->sac.temperature_rate,
        .target_entropy = (float) settings->sac.target_entropy,
    };
    own.common.discount = (float) settings->sac.discount;
    int rc = sac_config_check(&own, diag);
    return rc != 0 ? rc : sac_create(ret_learner, &own);
}

static const struct continuous_learner_kind kind = {.magic = "SAC ", .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_learner_create(policy, &kind, diag);
}

const struct policy_kind policy_sac = {
    .name = "sac",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "soft actor-critic: squashed Gaussian, learned temperature",
    .source = "Haarnoja et al., arXiv 1812.05905",
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
