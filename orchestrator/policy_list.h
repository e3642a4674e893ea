/* Several policies by name, as flags give them: "greedy,optimum". */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_LIST_H
#define HANDOFF_ORCHESTRATOR_POLICY_LIST_H

#include "orchestrator/policy/policy.h"

#define POLICY_LIST_MAX 64u

struct policy_list {
    const struct policy_kind *kind[POLICY_LIST_MAX];
    size_t count;
};

/* `names` NULL: `first` (may be NULL) and every policy that does not learn and suits `mode`. A name given
 * twice counts once. */
int policy_list_parse(struct policy_list *ret_list, const char *names, const char *first,
                      enum scenario_mode mode, struct diag *diag);

#endif
