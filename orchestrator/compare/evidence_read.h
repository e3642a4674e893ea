/* Evidence out of an experiment's file. */
#ifndef HANDOFF_ORCHESTRATOR_COMPARE_EVIDENCE_READ_H
#define HANDOFF_ORCHESTRATOR_COMPARE_EVIDENCE_READ_H

#include "core/base/diag.h"
#include "db/store.h"
#include "orchestrator/compare/evidence.h"

/* Which results count; NULL: all. A named sweep leaves out evaluations on their own. */
struct evidence_filter {
    const char *sweep, *experiment;
};

/* Sorted. ERR_NOT_FOUND: there are no such results, and which there are. */
int evidence_read(struct evidence *ret_evidence, struct store *store, const struct evidence_filter *filter,
                  struct diag *diag);

#endif
