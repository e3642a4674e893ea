/* DAPO, reconstructed: DDPG on the state vector of env_state. */
#include "core/rl/ddpg.h"
#include "orchestrator/policy/continuous.h"

static int create_learner(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                          const struct scenario *scenario, struct diag *diag)
{
    (void) scenario; /* `config` has all there is, */
    (void) diag;     /* and was checked */
    return ddpg_create(ret_learner, config);
}

static const struct continuous_kind kind = {.magic = "DAPO", .create = create_learner};

static int create(struct policy *policy, struct diag *diag)
{
    return continuous_create(policy, &kind, diag);
}

const struct policy_kind policy_dapo = {
    .name = "dapo",
    .sees = POLICY_SEES_OBSERVATIONS,
    .summary = "DDPG with continuous actions mapped to splits and servers",
    .source = "DAPO, reconstructed (Feng et al., Electronics 2025, 14, 3929)",
    .create = create,
    .destroy = continuous_destroy,
    .decide = continuous_decide,
    .learn = continuous_learn,
    .update = continuous_update,
    .save = continuous_save,
    .load = continuous_load,
    .gather = continuous_gather,
    .recall = continuous_recall,
    .resume = continuous_resume,
};
