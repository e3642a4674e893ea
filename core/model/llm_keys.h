/* The language model that a scenario's section `model` means. Geometry comes from one of three places:
 *
 *   model.llm    a row of the table (llm.h); a key that is not 0 changes it
 *   model.file   a model file. This room opens none: whoever does gives the geometry to llm_keys_write, which writes it
 *                into the keys. Nodes and replays take it from there and need no file.
 *   keys alone   when model.llm is empty: model.layers, model.hidden, model.kv, model.ff and model.vocab */
#ifndef HANDOFF_CORE_MODEL_LLM_KEYS_H
#define HANDOFF_CORE_MODEL_LLM_KEYS_H

#include <stdbool.h>

#include "core/base/diag.h"
#include "core/model/llm.h"
#include "core/model/scenario.h"

/* Whether model.file is named and its geometry does not stand in the keys yet. */
bool llm_keys_need_file(const struct scenario *scenario);

/* The model. ERR_UNKNOWN: no such name. ERR_RANGE: keys that are missing, or contradict each other. ERR_STATE:
 * model.file has not been read. Its name is that of model.llm, or "NAME, changed", "own", or the file's. */
int llm_keys_read(const struct scenario *scenario, struct llm *ret_llm, struct diag *diag);

/* Writes the geometry of model.file into the keys. One that was given must say the same (ERR_MISMATCH). The scenario is
 * changed on success only. */
int llm_keys_write(struct scenario *scenario, const struct llm *llm, struct diag *diag);

#endif
