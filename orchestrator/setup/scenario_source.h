/* Where a scenario comes from: a name or a file, what is set over it, and where its data files lie. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_SCENARIO_SOURCE_H
#define HANDOFF_ORCHESTRATOR_SETUP_SCENARIO_SOURCE_H

#include <stddef.h>

#include "core/base/diag.h"
#include "core/model/llm.h"
#include "orchestrator/policy/catalog/full_scenario.h"

/* All texts are borrowed. */
struct scenario_source {
    const char *name; /* a shipped scenario's, or a file's path; NULL: `recorded`, if there is one, or dapo */
    const struct full_scenario *recorded;
    const char *const *set; /* [set_count] "section.key=value", in this order */
    size_t set_count;
    const char *policy; /* becomes run.policy, after all that is set; NULL: as the scenario says */
    const char *data;   /* the directory of data files that are named by a relative path; NULL: this one */
};

/* The scenario in effect, checked. It holds the geometry of the model file that it names. Where compute.kind is `model`,
 * it also holds the file's hash and the bits of compute.format; a hash that was given is left to the nodes to compare. */
int scenario_source_load(const struct scenario_source *source, struct full_scenario *ret_full,
                         struct diag *diag);

/* Writes the geometry of model.file into the scenario's keys, where it is not there yet: nodes, records and replays take
 * it from the keys and need no file. `read` opens the file. */
int scenario_source_model(struct scenario *scenario,
                          int (*read)(const char *path, struct llm *ret_llm, struct diag *diag),
                          struct diag *diag);

#endif
