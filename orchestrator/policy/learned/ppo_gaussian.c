/* PPO with DAPO's continuous action, Gaussian, and its mapping to decisions (gradient.h). */
#include "orchestrator/policy/learned/gradient_learner.h"

static int create(struct policy *policy, struct diag *diag)
{
    const struct scenario *scenario = &policy->world->scenario;
    const struct policy_gradient_config how = {
        .objective = OBJECTIVE_CLIPPED,
        .rollout = scenario->ppo.rollout,
        .epochs = scenario->ppo.epochs,
        .batch = scenario->ppo.batch,
        .trace = (float) scenario->ppo.trace,
        .rate = (float) scenario->ppo.rate,
        .clip = (float) scenario->ppo.clip,
        .entropy = (float) scenario->ppo.entropy,
        .norm = (float) scenario->ppo.norm,
        .standardise = true,
        .sigma = (float) scenario->ppo.sigma,
    };
    return gradient_learner_create(policy, GRADIENT_LEARNER_REALS, &how, diag);
}

const struct policy_kind policy_ppo_gaussian = {
    .name = "ppo-gaussian",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "PPO with DAPO's continuous actions and mapping",
    .source = "Schulman et al., arXiv 1707.06347; A14 of DAPO, reconstructed",
    .create = create,
    .destroy = gradient_learner_destroy,
    .decide = gradient_learner_decide,
    .learn = gradient_learner_learn,
    .update = gradient_learner_update,
    .save = gradient_learner_save,
    .load = gradient_learner_load,
    .resume = gradient_learner_resume,
};
