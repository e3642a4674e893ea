/* active-inference of splits (run.mode round), device by device: an ensemble learns from the reports of all devices what a
 * task takes at a place (device_model.h), and a device goes where it prefers to be, or where its report would teach most.
 * What is preferred is a low cost by the operator's objective. A slot is one step: horizon 1.
 *
 * Devices decide one after the other, by number, each against the loads that the others have chosen so far in this slot. So
 * the first of them see servers that are emptier than they will be: in further rounds those decide again whose servers'
 * loads have changed, until nobody does, or for active.sweeps rounds. What the ensemble learns is the outcome under the
 * slot's final loads. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_PLANNED_ACTIVE_PLACES_H
#define HANDOFF_ORCHESTRATOR_POLICY_PLANNED_ACTIVE_PLACES_H

#include "orchestrator/policy/planned/agent.h"

struct active_places;

struct planned_shape active_places_shape(const struct policy *policy);

/* ERR_UNSUPPORTED: an objective or a horizon that it is not made for. */
int active_places_check(const struct policy *policy, struct diag *diag);
/* The agent is borrowed, and of that shape; the policy's world and settings are, too. -ENOMEM. */
int active_places_create(struct active_places **ret_places, const struct policy *policy,
                         struct planned_agent *agent);
void active_places_destroy(struct active_places *places);

/* Decides a slot, at random where it `draws`. */
void active_places_decide(struct active_places *places, const struct env_view *view, bool draws,
                          struct env_decision *ret_decision);
/* Gives the ensemble what the reports of the slot teach that was decided last. */
void active_places_learn(struct active_places *places, const struct policy_feedback *feedback);

#endif
