/* DQN as section dqn says (q_learner.h). */
#include "orchestrator/policy/learned/q_learner.h"

static int create(struct policy *policy, struct diag *diag)
{
    const struct dqn_config how = q_learner_config(policy);
    return q_learner_create(policy, &how, diag);
}

const struct policy_kind policy_dqn = {
    .name = "dqn",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "Q-learning, one device after the other, loads told on",
    .source = "Mnih et al., Nature 518, 2015; double: arXiv 1509.06461; dueling: arXiv 1511.06581",
    .settings = &learned_settings_part,
    .create = create,
    .destroy = q_learner_destroy,
    .decide = q_learner_decide,
    .learn = q_learner_learn,
    .update = q_learner_update,
    .updates = q_learner_updates,
    .first_update = q_learner_first_update,
    .save = q_learner_save,
    .load = q_learner_load,
    .gather = q_learner_gather,
    .recall = q_learner_recall,
    .resume = q_learner_resume,
};
