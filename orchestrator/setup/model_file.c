#include "orchestrator/setup/model_file.h"

#include "core/compute/compute_keys.h"

int model_file_read(const char *path, struct llm *ret_llm, struct diag *diag)
{
    struct weights *weights = NULL;
    int rc = weights_open(path, &weights, diag);
    if (rc != 0)
        return rc;
    *ret_llm = compute_keys_llm(weights_geometry(weights));
    weights_close(weights);
    return 0;
}
