/* PPO with a choice of split and of server for each device (gradient_learner.h). */
#include "orchestrator/policy/learned/ppo.h"

#include "orchestrator/policy/learned/gradient_learner.h"

int ppo_create(struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    const struct policy_gradient_config how = {
        .objective = OBJECTIVE_CLIPPED,
        .rollout = settings->ppo.rollout,
        .epochs = settings->ppo.epochs,
        .batch = settings->ppo.batch,
        .discount = (float) settings->ppo.discount,
        .trace = (float) settings->ppo.trace,
        .rate = (float) settings->ppo.rate,
        .clip = (float) settings->ppo.clip,
        .entropy = (float) settings->ppo.entropy,
        .norm = (float) settings->ppo.norm,
        .standardise = true,
    };
    return gradient_learner_create(policy, GRADIENT_LEARNER_CLASSES, &how, diag);
}

static struct policy_first_update first_update(const void *settings, uint32_t devices)
{
    const struct learned_settings *own = settings;
    (void) devices;
    return (struct policy_first_update){own->ppo.rollout, "ppo.rollout"};
}

const struct policy_kind policy_ppo = {
    .name = "ppo",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "PPO with a split and a server to choose for each device",
    .source = "Schulman et al., arXiv 1707.06347; DAPO's named competitor",
    .settings = &learned_settings_part,
    .create = ppo_create,
    .destroy = gradient_learner_destroy,
    .decide = gradient_learner_decide,
    .learn = gradient_learner_learn,
    .update = gradient_learner_update,
    .updates = gradient_learner_updates,
    .first_update = first_update,
    .save = gradient_learner_save,
    .load = gradient_learner_load,
    .resume = gradient_learner_resume,
};
