#include "orchestrator/setup/linalg_setup.h"

#include "core/linalg/openblas.h"

int linalg_setup(const struct scenario *scenario, struct diag *diag)
{
    int rc = openblas_use(scenario->run.linalg == LINALG_OPENBLAS, diag);
    if (rc != 0)
        diag_prefix(diag, "run.linalg");
    return rc;
}
