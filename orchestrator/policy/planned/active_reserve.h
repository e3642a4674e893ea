/* active-inference of whole tasks that reserve (servers.discipline reserved), as published: an ensemble foresees what a
 * server and parts of it lead to (reserve_model.h), over active.horizon tasks. Several tasks of a slot are decided by number of
 * device; each finds what those before it have left.
 *
 * With active.price: learned compute, band and memory of each server have prices, so that little is asked for of what others
 * will want. After each block of slots of training, and after each episode, they follow what those missed who met a full
 * server: what a full share of it would have been worth to them, beyond what they had instead, in equal parts for each kind of
 * which less than a full share was left. Where nobody met it so that is nothing. A task that is worth less than its shares is
 * refused. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_ACTIVE_RESERVE_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_ACTIVE_RESERVE_H

#include "core/rl/checkpoint.h"
#include "orchestrator/policy/planned/agent.h"

struct active_reserve;

struct planned_shape active_reserve_shape(const struct policy *policy);

/* ERR_UNSUPPORTED: an objective that it is not made for. */
int active_reserve_check(const struct policy *policy, struct diag *diag);
/* The agent is borrowed, and of that shape; the policy's world and settings are, too. -ENOMEM. */
int active_reserve_create(struct active_reserve **ret_reserve, const struct policy *policy,
                          struct planned_agent *agent);
void active_reserve_destroy(struct active_reserve *reserve);

/* Decides a slot, at random where it `draws`. */
void active_reserve_decide(struct active_reserve *reserve, const struct env_view *view, bool draws,
                           struct env_decision *ret_decision);
/* Gives the ensemble what the reports of the slot teach that was decided last. */
void active_reserve_learn(struct active_reserve *reserve, const struct policy_feedback *feedback);

/* Adds its prices to the actor's section of a description; without active.price nothing. */
void active_reserve_describe_actor(struct active_reserve *reserve, struct checkpoint *checkpoint);

#endif
