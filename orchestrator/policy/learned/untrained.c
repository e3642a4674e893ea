/* Untrained: PPO's networks as they are before training, and decisions that are samples, as in training. What a trained
 * policy does better than this, it has learned (Chen et al., figure 6). */
#include "orchestrator/policy/learned/gradient_learner.h"
#include "orchestrator/policy/learned/ppo.h"

static int create(struct policy *policy, struct diag *diag)
{
    int rc = ppo_create(policy, diag);
    if (rc == 0)
        gradient_learner_sample(policy);
    return rc;
}

const struct policy_kind policy_untrained = {
    .name = "untrained",
    .sees = POLICY_SEES_OBSERVATIONS,
    .only_named = true, /* of use where splits move by steps */
    .summary = "PPO's networks before any training, decisions drawn",
    .source = "Chen et al., arXiv 2406.02616, figure 6",
    .settings = &learned_settings_part,
    .create = create,
    .destroy = gradient_learner_destroy,
    .decide = gradient_learner_decide,
};
