/* All that a scenario file says: the world's sections, and how policies are set. What a run records as its scenario,
 * `--set`, `show keys`, the manual and the shipped scenarios is this table's. Nodes know the world's sections alone. */
#ifndef HANDOFF_ORCHESTRATOR_POLICY_CATALOG_FULL_SCENARIO_H
#define HANDOFF_ORCHESTRATOR_POLICY_CATALOG_FULL_SCENARIO_H

#include "orchestrator/policy/catalog/settings.h"

struct full_scenario {
    struct scenario scenario;
    struct settings settings;
};

extern const struct scenario_table full_scenario_table;

/* What core/model/scenario_table.h does, for that table. */
void full_scenario_defaults(struct full_scenario *full);
int full_scenario_read(struct full_scenario *full, const struct scenario_text *text, struct diag *diag);
int full_scenario_set(struct full_scenario *full, const char *assignment, struct diag *diag);
int full_scenario_check(const struct full_scenario *full, struct diag *diag);
int full_scenario_print(const struct full_scenario *full, struct buf *text);

/* A number for what held-out test streams come from: the scenario without who decides, how policies are set, how long
 * is trained and validated, and what is recorded. Policies met the same streams where it is the same. */
int full_scenario_streams_number(const struct full_scenario *full, uint64_t *ret_number);

#endif
