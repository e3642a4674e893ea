/* Which matrix product learners use, as a scenario says (`run.linalg`). */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_LINALG_SETUP_H
#define HANDOFF_ORCHESTRATOR_SETUP_LINALG_SETUP_H

#include "core/base/diag.h"
#include "core/model/scenario.h"

/* Before a policy is made. Process-wide. ERR_NOT_FOUND: OpenBLAS is asked for, and there is none here; or as
 * openblas_open. */
int linalg_setup(const struct scenario *scenario, struct diag *diag);

#endif
