/* What a model file says as a workload. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_MODEL_FILE_H
#define HANDOFF_ORCHESTRATOR_SETUP_MODEL_FILE_H

#include "core/base/diag.h"
#include "core/model/llm.h"

/* The geometry of the file or folder. Errors are those of weights_open. */
int model_file_read(const char *path, struct llm *ret_llm, struct diag *diag);

#endif
