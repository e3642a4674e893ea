/* Where a result comes from: this program and this machine, as every run row names them. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_PROVENANCE_H
#define HANDOFF_ORCHESTRATOR_SETUP_PROVENANCE_H

#include "core/base/buf.h"

/* "0.2.0 (3f2a1bc)" */
const char *provenance_version(void);

/* Appends the processor's model: "AMD EPYC 7B13". -ENOMEM. */
int provenance_cpu(struct buf *text);

#endif
