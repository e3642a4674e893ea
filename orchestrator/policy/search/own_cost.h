/* What one device's own task costs by the model (its term of A15, without repairs), for policies in which
 * each device lowers its own cost. Speeds are the declared ones, except in own_cost_truly. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_SEARCH_OWN_COST_H
#define HANDOFF_ORCHESTRATOR_POLICY_SEARCH_OWN_COST_H

#include "core/model/cost.h"
#include "core/model/env.h"

/* Of a present device; plan->server is ignored when the split is L. */
double own_cost_of(const struct env_view *view, uint32_t device, const struct task_plan *plan);
/* With the speeds that nodes really have in the slot (cost_outcome_in). */
double own_cost_truly(const struct env_view *view, uint32_t device, const struct task_plan *plan);
/* HUGE_VAL where the device may not stay local (env_splits_allow_local). */
double own_cost_local(const struct env_view *view, uint32_t device);

/* Enters into the plan the best split for its server and shares (the lowest of equals) and returns its cost;
 * HUGE_VAL when there is none in env_splits_range. */
double own_cost_best_split(const struct env_view *view, uint32_t device, struct task_plan *plan);
/* The same of splits and codings; of equals the lowest coding, then the lowest split. */
double own_cost_best_coded(const struct env_view *view, uint32_t device, struct task_plan *plan);

#endif
