/* A2C with a choice of split and of server for each device (gradient_learner.h). */
#include "orchestrator/policy/learned/gradient_learner.h"

static int create(struct policy *policy, struct diag *diag)
{
    const struct learned_settings *settings = learned_settings_of(policy);
    const struct policy_gradient_config how = {
        .objective = OBJECTIVE_PLAIN,
        .rollout = settings->a2c.steps,
        .epochs = 1,
        .batch = settings->a2c.steps,
        .discount = (float) settings->a2c.discount,
        .trace = (float) settings->a2c.trace,
        .rate = (float) settings->a2c.rate,
        .entropy = (float) settings->a2c.entropy,
        .norm = (float) settings->a2c.norm,
    };
    return gradient_learner_create(policy, GRADIENT_LEARNER_CLASSES, &how, diag);
}

static struct policy_first_update first_update(const void *settings, uint32_t devices)
{
    const struct learned_settings *own = settings;
    (void) devices;
    return (struct policy_first_update){own->a2c.steps, "a2c.steps"};
}

const struct policy_kind policy_a2c = {
    .name = "a2c",
    .reserves = true,
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "A2C with a split and a server to choose for each device",
    .source = "Mnih et al., arXiv 1602.01783; DAPO's named competitor",
    .settings = &learned_settings_part,
    .create = create,
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
