/* Several policies by name, as flags give them: "greedy,optimum". */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_CATALOG_POLICY_NAMES_H
#define HANDOFF_ORCHESTRATOR_POLICY_CATALOG_POLICY_NAMES_H

#include "orchestrator/policy/policy.h"

#define POLICY_NAMES_MAX 64u

struct policy_names {
    const struct policy_kind *kind[POLICY_NAMES_MAX];
    size_t count;
};

/* `names` NULL: `first` (may be NULL) and every policy that does not learn and suits `mode`. A name given
 * twice counts once. */
int policy_names_parse(struct policy_names *ret_list, const char *names, const char *first,
                       enum policy_modes mode, struct diag *diag);

#endif
