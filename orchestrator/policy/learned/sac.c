/* SAC on the state vector of env_state: draws its actions while training, plays their mean otherwise. */
#include "core/rl/sac.h"

#include "orchestrator/policy/learned/continuous_learner.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct scenario *scenario, struct diag *diag)
{
    struct sac_config own = {
        .common = *config,
        .temperature = (float) scenario->sac.temperature,
        .temperature_rate = (float) scenario->sac.temperature_rate,
        .target_entropy = (float) scenario->sac.target_entropy,
    };
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
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "soft actor-critic: squashed Gaussian, learned temperature",
    .source = "Haarnoja et al., arXiv 1812.05905",
    .create = create,
    .destroy = continuous_learner_destroy,
    .decide = continuous_learner_decide,
    .learn = continuous_learner_learn,
    .update = continuous_learner_update,
    .save = continuous_learner_save,
    .load = continuous_learner_load,
    .gather = continuous_learner_gather,
    .recall = continuous_learner_recall,
    .resume = continuous_learner_resume,
};
