#include "orchestrator/setup/model_file.h"

#define GATED_MATRICES 3u /* SwiGLU: gate, up, down */

struct llm model_file_llm(const struct weights_geometry *geometry)
{
    return (struct llm){
        .layers = geometry->layers,
        .hidden = geometry->hidden,
        .query = geometry->heads * geometry->head_size,
        .kv = geometry->kv_heads * geometry->head_size,
        .ff = geometry->ff,
        .ff_mats = GATED_MATRICES,
        .vocab = geometry->vocab,
        .source = "a model file",
    };
}

int model_file_read(const char *path, struct llm *ret_llm, struct diag *diag)
{
    struct weights *weights = NULL;
    int rc = weights_open(path, &weights, diag);
    if (rc != 0)
        return rc;
    *ret_llm = model_file_llm(weights_geometry(weights));
    weights_close(weights);
    return 0;
}
