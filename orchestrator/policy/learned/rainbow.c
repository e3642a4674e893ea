/* Rainbow: dqn with four parts on, whatever their keys say: double, dueling, returns of rainbow.steps, prioritised
 * replay. Left out are its noisy layers (epsilon explores instead) and its distribution of returns. */
#include "orchestrator/policy/learned/q_learner.h"

static int create(struct policy *policy, struct diag *diag)
{
    struct dqn_config how = q_learner_config(policy);
    how.is_double = how.is_dueling = how.is_prioritised = true;
    how.steps = learned_settings_of(policy)->rainbow.steps;
    return q_learner_create(policy, &how, diag);
}

const struct policy_kind policy_rainbow = {
    .name = "rainbow",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "dqn, double, dueling, several steps, prioritised; not noisy, no distribution",
    .source = "Hessel et al., arXiv 1710.02298, without noisy layers and distributions",
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
