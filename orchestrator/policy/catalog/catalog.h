/* The table of all policies (policies.def). */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_CATALOG_CATALOG_H
#define HANDOFF_ORCHESTRATOR_POLICY_CATALOG_CATALOG_H

#include <stddef.h>

#include "core/base/diag.h"
#include "orchestrator/policy/policy.h"

#define POLICY(name) extern const struct policy_kind policy_##name;
#include "orchestrator/policy/catalog/policies.def"
#undef POLICY

size_t catalog_count(void);
/* index < catalog_count(). */
const struct policy_kind *catalog_at(size_t index);

/* Finds a row; ERR_UNKNOWN and the list of known names otherwise. */
int catalog_find(const char *name, const struct policy_kind **ret_kind, struct diag *diag);

#endif
