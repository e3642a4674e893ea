/* What a model file says as a workload, and of a text. */
#ifndef HANDOFF_ORCHESTRATOR_SETUP_MODEL_FILE_H
#define HANDOFF_ORCHESTRATOR_SETUP_MODEL_FILE_H

#include "core/base/diag.h"
#include "core/compute/compute_keys.h"
#include "core/model/llm.h"
#include "core/model/world.h"
#include "core/weights/tokenizer.h"

/* The geometry of the file or folder. Errors are those of weights_open. */
int model_file_read(const char *path, struct llm *ret_llm, struct diag *diag);

/* Its hash, as model.hash has it. */
int model_file_hash(const char *path, char ret_hash[COMPUTE_HASH_DIGITS + 1], struct diag *diag);

/* A text in tokens, appended to ret_ids. The sentence of an error names the key that named the file. */
int model_file_text(const struct tokenizer *tokenizer, const char *path, const char *key,
                    struct tokenizer_ids *ret_ids, struct diag *diag);

/* Reads compute.text, where one is named and nodes compute, with the model file's tokenizer into the world. The sentence
 * of an error names compute.text: no such file, more than WORLD_PROMPT_MAX tokens or none, no tokenizer, a tokenizer of
 * another model. */
int model_file_prompt(struct world *world, struct diag *diag);

#endif
