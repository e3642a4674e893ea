/* What dqn and rainbow share: the learner of core/rl/dqn, device by device (q_learner.c says how). A policy fills in
 * which parts of it are on. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_Q_LEARNER_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_Q_LEARNER_H

#include "core/rl/dqn.h"
#include "orchestrator/policy/learned/settings.h"

/* What scenario section dqn says, without the sizes of states and actions; its parts as the keys have them. */
struct dqn_config q_learner_config(const struct policy *policy);

/* Sets policy->state. `how` as q_learner_config gives it, or changed. */
int q_learner_create(struct policy *policy, const struct dqn_config *how, struct diag *diag);

/* Functions of struct policy_kind. */
void q_learner_destroy(struct policy *policy);
void q_learner_decide(struct policy *policy, const struct env_view *view, struct env_decision *ret_decision);
void q_learner_learn(struct policy *policy, const struct policy_feedback *feedback);
void q_learner_update(struct policy *policy);
uint64_t q_learner_updates(const struct policy *policy);
struct policy_first_update q_learner_first_update(const void *settings, uint32_t devices);
int q_learner_save(const struct policy *policy, bool full, struct buf *bytes);
int q_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int q_learner_gather(struct policy *policy, struct policy_experience *ret_experience, struct buf *bytes);
int q_learner_recall(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int q_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag);

#endif
