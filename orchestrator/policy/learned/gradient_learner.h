/* What ppo, ppo-gaussian and a2c share: the learner of core/rl/policy_gradient on the state vector of
 * env_state. A policy fills in how it learns; what the learner sees and chooses is the same for all.
 *
 * Classes: for each device a head over splits s_min..L, or moves of the split (env_splits_choices), and a head over
 * servers; where there are codings to choose, one over them, too. Forbidden are splits that its memory does not hold and
 * servers that do not cover it; a device without a task or without a server decides nothing. Whole tasks that reserve: a
 * head over servers, and one over dqn.levels levels each of compute, band and memory (turn_actions.h). Reals:
 * env_map_action makes decisions of them (A14). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LEARNED_GRADIENT_LEARNER_H
#define HANDOFF_ORCHESTRATOR_POLICY_LEARNED_GRADIENT_LEARNER_H

#include "core/rl/policy_gradient.h"
#include "orchestrator/policy/learned/settings.h"

enum gradient_learner_actions { GRADIENT_LEARNER_CLASSES, GRADIENT_LEARNER_REALS };

/* `how` without sizes of states and actions and the seed, and without layers and final_init, which come from the
 * scenario's section ddpg: the same for all learners. */
int gradient_learner_create(struct policy *policy, enum gradient_learner_actions actions,
                            const struct policy_gradient_config *how, struct diag *diag);

/* From now on decisions are samples, as in training. */
void gradient_learner_sample(struct policy *policy);

/* Functions of struct policy_kind. */
void gradient_learner_destroy(struct policy *policy);
void gradient_learner_decide(struct policy *policy, const struct env_view *view,
                             struct env_decision *ret_decision);
void gradient_learner_learn(struct policy *policy, const struct policy_feedback *feedback);
void gradient_learner_update(struct policy *policy);
uint64_t gradient_learner_updates(const struct policy *policy);
int gradient_learner_save(const struct policy *policy, bool full, struct buf *bytes);
int gradient_learner_load(struct policy *policy, const void *bytes, size_t size, struct diag *diag);
int gradient_learner_resume(struct policy *policy, const void *bytes, size_t size, struct diag *diag);

#endif
