/* Is there enough training for a learner to learn anything at all? */
#ifndef HANDOFF_ORCHESTRATOR_RUN_BUDGET_H
#define HANDOFF_ORCHESTRATOR_RUN_BUDGET_H

#include <stdbool.h>

#include "orchestrator/policy/catalog/full_scenario.h"

/* False when all the slots of a training do not give a learner one update; `ret_why` says what it would take. True for
 * a policy that does not learn. */
bool budget_suffices(const struct policy_kind *kind, const struct full_scenario *full, struct diag *ret_why);

#endif
