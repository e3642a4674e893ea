/* Contextual bandit: dapo with a discount of 0. In mode round actions move neither devices nor channels, so
 * looking ahead gains nothing and only adds variance: what dapo does worse than this, the discount costs it. */
#include "core/rl/ddpg.h"
#include "orchestrator/policy/learned/continuous_learner.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct policy *policy, struct diag *diag)
{
    (void) policy; /* `config` has all there is, */
    (void) diag;   /* and was checked */
    struct offpolicy_config blind = *config;
    blind.discount = 0.0f;
    return ddpg_create(ret_learner, &blind);
}

static const struct continuous_learner_kind kind = {.magic = "BAND", .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_learner_create(policy, &kind, diag);
}

const struct policy_kind policy_bandit = {
    .name = "bandit",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "contextual bandit: DDPG with discount 0, blind to later slots",
    .source = "house: DAPO's ablation; Lillicrap et al., arXiv 1509.02971",
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
