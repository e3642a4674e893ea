/* DAPO, reconstructed: DDPG on the state vector of env_state. */
#include "core/rl/ddpg.h"
#include "orchestrator/policy/learned/continuous_learner.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct policy *policy, struct diag *diag)
{
    (void) policy; /* `config` has all there is, */
    (void) diag;   /* and was checked */
    return ddpg_create(ret_learner, config);
}

static const struct continuous_learner_kind kind = {.magic = "DAPO", .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_learner_create(policy, &kind, diag);
}

const struct policy_kind policy_dapo = {
    .name = "dapo",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "DDPG with continuous actions mapped to splits and servers",
    .source = "DAPO, reconstructed (Feng et al., Electronics 2025, 14, 3929)",
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
