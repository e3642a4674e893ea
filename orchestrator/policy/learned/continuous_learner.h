/* What the policies have in common whose learner gives continuous actions (core/rl/offpolicy.h): observe,
 * act, explore, map the action to splits and servers (env_map_action, A14), learn, be saved and resumed. A
 * policy's own file says which learner it has and what that sees.
 *
 * The replay buffer keeps the raw continuous action. Exploration: uniform actions for the first ddpg.warmup
 * slots; then the learner's own draws, when it explores by itself, or its action with decaying noise. Knows
 * what the observation shows, nothing of the model. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_CONTINUOUS_LEARNER_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_CONTINUOUS_LEARNER_H

#include "core/rl/offpolicy.h"
#include "orchestrator/policy/learned/settings.h"

/* A policy's own part. */
struct continuous_learner_kind {
    char magic[5]; /* begins what resume reads */
    /* Length of what the learner sees, and that. NULL, both: env_state. */
    size_t (*state_size)(const struct world *world);
    void (*observe)(const struct env_view *view, float *ret_state);
    /* `config` is of the scenario's section ddpg and the sizes. Says why not, or leaves `diag` alone. */
    int (*create)(struct offpolicy **ret_learner, const struct offpolicy_config *config,
                  const struct policy *policy, struct diag *diag);
};

/* A policy's create: policy->state for this kind, which is static. */
int continuous_learner_create(struct policy *policy, const struct continuous_learner_kind *kind,
                              struct diag *diag);

/* The rest of a policy_kind. */
void continuous_learner_destroy(struct policy *policy);
void continuous_learner_decide(struct policy *policy, const struct env_view *view,
                               struct env_decision *ret_decision);
void continuous_learner_learn(struct policy *policy, const struct policy_feedback *feedback);
void continuous_learner_update(struct policy *policy);
uint64_t continuous_learner_updates(const struct policy *policy);
struct policy_first_update continuous_learner_first_update(const void *settings, uint32_t devices);
int continuous_learner_save(const struct policy *policy, bool full, struct buf *bytes);
int continuous_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int continuous_learner_gather(struct policy *policy, struct policy_experience *ret_experience,
                              struct buf *bytes);
int continuous_learner_recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int continuous_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag);

#endif
