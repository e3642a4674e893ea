/* What a model of whole tasks that reserve is told, and what it says (He et al., TMC 23(12), 2024). A step is one task: it
 * finds so much left of each server, names one and asks for parts of it, and the next task finds what is left then.
 *
 *   state    of each server its gain from the device (core/model/task_features.h), and what is left of its compute, band and
 *            memory, 0 to 1; where classes are listed, the task's class, one of K, and its deadline, ln of it, 0 for none
 *   action   the server, one of M; of compute, band and memory a part, 0 to 1 of reserve.most full shares
 *   margins  if they are told: the named server's gain, and what it would have left of each kind, in full shares and at most
 *            one; below 0 it has less than is asked for. They say nothing that state and action do not, but what is near a
 *            server's end is told apart
 *   outcome  the change of what is left; ln seconds; the chance that the answer is right; 1 if the task was accepted, 0 if it
 *            was refused; with objective.reward: utility its price; with a learned preference minus the cost
 *
 * All is what a deployment knows: what was observed, what the orchestrator has granted, its reports, and the chance of a right
 * answer that a tier declares. With utility answers are right or wrong, as they were heard; of tasks without an answer the
 * declared chance stands. No formula of a channel or of a computation. Pure. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_RESERVE_MODEL_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_RESERVE_MODEL_H

#include "core/model/env.h"
#include "orchestrator/policy/policy.h"

struct reserve_action {
    uint32_t server;
    float part[RESERVED_KINDS]; /* of reserve.most full shares */
};

/* What is left of all servers, as floats: rest[M][RESERVED_KINDS]. */
size_t reserve_model_rests(const struct world *world);
/* ret_rest[rests] of what the view's tasks hold. */
void reserve_model_rest(const struct env_view *view, float *ret_rest);
/* The part of a server that an action asks for. */
double reserve_model_share(const struct world *world, const struct reserve_action *action,
                           enum reserved_kind kind);
/* What is left once the task holds what it asked for, or as much of it as there is. */
void reserve_model_take(const struct world *world, const struct reserve_action *action, float *rest);

size_t reserve_model_inputs(const struct world *world, bool with_margins);
size_t reserve_model_outputs(const struct world *world, bool with_preference);

/* ret_x[inputs]: of a device that has a task. */
void reserve_model_describe(const struct env_view *view, uint32_t device, const float *rest,
                            const struct reserve_action *action, bool with_margins, float *ret_x);

/* change[rests]: from what a task finds to what the next one finds, which is what `after` is of. */
void reserve_model_change(const struct world *world, const float *rest, const float *after,
                          float *ret_change);
/* ret_y[outputs] from a report of a task that went to `server`, and the change. */
void reserve_model_outcome(const struct world *world, const struct policy_outcome *outcome, uint32_t server,
                           const float *change, bool with_preference, float *ret_y);

/* Where ln seconds stand among outputs, and the chance to be accepted that is foreseen. */
size_t reserve_model_seconds(const struct world *world);
double reserve_model_accepted(const struct world *world, const float *y);

/* rest[rests] becomes what the next task finds, by what is foreseen; held in [0, 1]. */
void reserve_model_follow(const struct world *world, const float *y, float *rest);

/* C6 of a foreseen outcome: what is accepted and in time is worth 1 / T + P; with utility it is worth P, and the price is
 * paid whenever it is accepted. How certainly it is in time falls smoothly about the deadline, so that what is nearly in time
 * is better than what is not. deadline_s 0: none. */
double reserve_model_preference(const struct world *world, double deadline_s, const float *y);
/* That which is foreseen itself, with a learned preference. */
double reserve_model_learned_preference(const struct world *world, const float *y);

#endif
